"""What a fit returns: everything that is shown, exported, plotted or saved afterwards comes from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from kansym.config import Config
from kansym.graph import Graph
from kansym.symbolic.formula import Formula, ParetoFront

if TYPE_CHECKING:
    from kansym.nn.raw import RawNetwork


@dataclass(frozen=True)
class Table:
    """What a run remembers of its data: never the rows themselves, only these facts.

    options: what was said about the file when it was read, by the command line's option names ("sigma", "missing",
        "units", ...), so that the fit can be repeated; empty for data that came from no file.
    """

    source: str
    digest: str
    rows: int
    input_names: tuple[str, ...]
    target_name: str
    input_units: tuple[str | None, ...]
    target_unit: str | None
    notes: tuple[str, ...] = ()
    ranges: tuple[tuple[float, float], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Points:
    """Up to 2,000 rows for pictures: inputs (n, D), measured and predicted target (n,), and each row's part."""

    inputs: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray
    part: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """The outcome of `kansym.fit`.

    graph_before, graph: the network before and after pruning, with edge curves and matched primitives.
    network: plain description and weights of the pruned network: (JSON-able dict, name -> array).
    history: rows of training and stages, JSON-able; times stay out of `result.json` so that runs are byte-identical.
    stop_reason: "finished", "time limit" or "interrupted".
    """

    config: Config
    table: Table
    front: ParetoFront
    graph_before: Graph | None
    graph: Graph | None
    network: tuple[dict[str, Any], dict[str, np.ndarray]] | None
    network_errors: Mapping[str, Any]
    history: tuple[dict[str, Any], ...]
    points: Points
    environment: Mapping[str, str]
    stop_reason: str
    noise: float | None = None
    timings: Mapping[str, float] = field(default_factory=dict)

    @property
    def formula(self) -> Formula:
        """The chosen formula."""
        return self.front.best

    @property
    def model(self) -> RawNetwork | None:
        """The pruned network as a torch module from rows (N, D) in raw units to values (N,); None without one.

        Raises ConfigError for a network that cannot be rebuilt: edges fixed by hand, runs of an earlier kansym.
        """
        from kansym.nn.raw import RawNetwork

        return None if self.network is None else RawNetwork.of(*self.network)

    @property
    def law_found(self) -> bool:
        """Whether the formula says more than the mean of a target that varies."""
        errors = next(iter(self.formula.errors.values()), None)
        return bool(self.formula.expression.variables) or (errors is not None and errors.rmse == 0.0)

    def __str__(self) -> str:
        return f"{self.formula}\n\n{self.front}"

    def _repr_html_(self) -> str:
        """The law and its front for notebooks, which set the LaTeX between dollar signs."""
        from kansym.symbolic.latex import latex_name

        law = escape(f"{latex_name(self.table.target_name)} = {self.formula.latex()}")
        found = "" if self.front.exact else "<p>No closed form was found; the best approximation:</p>"
        found = found if self.law_found else "<p>No law was found: nothing is better than a constant.</p>"
        return f"{found}<p>$\\displaystyle {law}$</p>{self.front._repr_html_()}"

    def predict(self, inputs: Any) -> Any:
        """The chosen formula at inputs in raw units.

        inputs: (N, D) numbers, columns in the table's order, or a data frame, whose columns are found by their names.
        Returns (N,) numbers; for a frame a column of its kind (a pandas or polars series, a pyarrow array) with the
        target's name. Raises DataError where a column is missing or lacks a number.
        """
        from kansym.data.columnar import is_frame, series_like
        from kansym.data.readers import features_of

        if not is_frame(inputs):
            return self.formula(inputs)
        return series_like(inputs, self.formula(features_of(inputs, self.table.input_names)), self.table.target_name)
