"""The workbench: a table, a network and what was done to it; every step returns a new one, and can be undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from kansym.config import Config
from kansym.data import as_dataset
from kansym.errors import ConfigError, DataError
from kansym.graph import EdgeId, Graph
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.pruning import PruneConfig, prune
from kansym.result import Result
from kansym.symbolic.formula import Errors, Formula, ParetoFront, errors_of
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import library
from kansym.training import TrainConfig, train
from kansym.training.penalties import Penalty
from kansym.workbench import editing, laws, shapes
from kansym.workbench.compiling import network_of
from kansym.workbench.fitting import fit, held_out_loss
from kansym.workbench.fixed import FixedEdge, Suggestion, fitted, suggestions
from kansym.workbench.mixed import Mixed
from kansym.workbench.prepared import HELD_OUT, Prepared
from kansym.workbench.record import result_of

Array = np.ndarray
EdgeName = EdgeId | Sequence[int]
INTERVALS = 8  # of a spline, when nothing is said about it
TRIED = 4  # suggestions of every edge that are tried inside the whole formula


@dataclass(frozen=True, eq=False)
class Workbench:
    """A network over a table, built into a formula by hand: `Workbench.of(table).train().prune().auto_symbolic()`.

    Nothing here changes: every method that does something returns a new workbench, and `undo` gives back the one
    before. Edges are named (layer, source, target), with the slot as a fourth number in products.

    Attributes:
        data: the table made ready, the same in all steps.
        mixed: the network: splines, and primitives in the place of some.
        step: what the last step was, in words.
        before: the workbench before it; None for the first.
        trained: whether the network has been trained, or computes a given formula.
        losses: (train, held out) mean squared errors over the target's variance, one pair a training step so far.
    """

    data: Prepared
    mixed: Mixed
    step: str
    before: Workbench | None = None
    trained: bool = False
    losses: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(
        cls,
        table: Any,
        width: Sequence[int | tuple[int, int]] = (4,),
        *,
        target: str | None = None,
        layer: LayerOptions | None = None,
        primitives: Sequence[str] | None = None,
        seed: int = 0,
    ) -> Workbench:
        """Begin with an untrained network.

        Args:
            table: a `Dataset`, a data frame or the path of a file; one target, at least 6 rows.
            width: nodes of every hidden layer: 4, or (3, 2) for three sums and two products.
            target: the target column of a frame or file; without it, the last one.
            layer: how splines are made; without it, cubic ones on 8 intervals.
            primitives: names of functions to choose from; the whole library without it.
            seed: of the split of the rows and of the first weights.

        Raises:
            DataError: when the table cannot be used. ConfigError: for an unknown primitive or a bad width.
        """
        data = Prepared.of(as_dataset(table, target), library(primitives), seed)
        try:
            widths = [data.dataset.columns, *width, 1]
            network = KAN(widths, 1, seed, KANOptions(layer or LayerOptions(intervals=INTERVALS)))
        except (TypeError, ValueError) as error:
            raise ConfigError(f"width {tuple(width)!r} makes no network: {error}") from error
        return cls(data, Mixed(network), f"network {list(widths)}")

    @classmethod
    def from_formula(
        cls,
        table: Any,
        formula: str,
        *,
        target: str | None = None,
        layer: LayerOptions | None = None,
        primitives: Sequence[str] | None = None,
        seed: int = 0,
    ) -> Workbench:
        """Begin with the network that computes a known formula, all its edges fixed; `unfix` lets the data correct it.

        Args:
            formula: of the table's column names, such as "sin(pi*x) + y**2"; a name that is no word in backquotes.

        The others are those of `of`. Raises FormulaError when the text is no formula of the columns.
        """
        data = Prepared.of(as_dataset(table, target), library(primitives), seed)
        law = parse(formula, data.dataset.input_names)
        mixed = network_of(law, data.inputs, data.target, layer or LayerOptions(intervals=INTERVALS)).regridded(
            data.rows.x
        )
        return cls(data, mixed, f"network of {formula}", trained=True)

    def train(self, steps: int = 120, l1: float = 1e-5, restarts: int = 8) -> Workbench:
        """Train all splines, and the four constants of every fixed edge.

        Args:
            steps: most steps of Levenberg-Marquardt, >= 1.
            l1: strength of the weight-L1 penalty, in units of the target's variance.
            restarts: how many networks begin from other weights when nothing was trained yet; the best is kept.
        """
        if self.mixed.fixed or self.mixed.ties:
            penalty = Penalty(l1=l1, ridge=1e-12, base=self.mixed.splines.stack[0].has_base)
            mixed, losses = fit(self.mixed, *self.data.halves, penalty, steps)
            return self._next("train", mixed=mixed, losses=(*self.losses, *losses), trained=True)
        start = self.mixed.splines
        if not self.trained and restarts > 1:
            start = KAN(start.widths, restarts, self.data.seed, start.options).with_masks(
                [layer.mask for layer in start.stack]
            )
        rows = self.data.rows
        settings = TrainConfig(steps=steps, l1=l1, seed=self.data.seed, validation=HELD_OUT, noise_floor=1e-12)
        outcome = train(start, rows.x, rows.y, rows.weights, settings)
        steps_taken = (
            (record.train[outcome.best], record.validation[outcome.best]) for record in outcome.history.records
        )
        model = outcome.model.member(outcome.best)
        return self._next("train", mixed=Mixed(model), losses=(*self.losses, *steps_taken), trained=True)

    def prune(self, threshold: float | None = None, good_enough: float = 1e-5) -> Workbench:
        """Remove edges; hidden nodes that are left without any go too, and the others move up.

        Args:
            threshold: remove all edges that cause less than this share of the output's spread, and train nothing;
                without it, edges go one after the other as long as the retrained network stays as good.
            good_enough: held-out mean squared error over the target's variance up to which any smaller network will do.

        Raises:
            ConfigError: without a threshold when edges are fixed or share a function.
        """
        self._ask_for_training("prune")
        x = self.data.rows.x
        if threshold is not None:
            weak = editing.weak_edges(self.mixed, x, threshold)
            smaller = shapes.compacted(editing.without_edges(self.mixed, weak, x))
            return self._next(f"prune below {threshold:g}", mixed=smaller)
        if self.mixed.fixed or self.mixed.ties:
            raise ConfigError("edges are fixed or locked: give prune a threshold, or remove edges by name")
        settings = PruneConfig(factor=1.3, noise_floor=good_enough, seed=self.data.seed, validation=HELD_OUT)
        report = prune(self.mixed.splines, x, self.data.rows.y, settings)
        return self._next("prune", mixed=shapes.compacted(Mixed(report.model)))

    def remove(self, *edges: EdgeName) -> Workbench:
        """Remove edges, and what then leads nowhere."""
        named = [editing.edge_id(self.mixed, edge) for edge in edges]
        words = ", ".join(map(editing.edge_name, named))
        return self._next(f"remove {words}", mixed=editing.without_edges(self.mixed, named, self.data.rows.x))

    def suggest(self, edge: EdgeName, keep: int = 5) -> list[Suggestion]:
        """The primitives that draw an edge's curve, ranked by error and complexity; at most `keep` of them."""
        return self._suggestions(editing.edge_id(self.mixed, edge))[:keep]

    def fix(self, edge: EdgeName, primitive: str) -> Workbench:
        """Put the primitive c f(a x + b) + d in the place of an edge's spline, fitted to its curve.

        Raises:
            ConfigError: for an unknown edge or primitive, or one that cannot be computed where the edge is used.
        """
        named = editing.edge_id(self.mixed, edge)
        x, y = self._curve(named)
        found = fitted(x, y, library()[primitive])
        if not np.isfinite(found.error):
            raise ConfigError(f"{primitive} cannot be fitted to edge {editing.edge_name(named)}: see suggest")
        return self._with_fixed(f"fix {editing.edge_name(named)} as {primitive}", {named: found.edge})

    def unfix(self, *edges: EdgeName) -> Workbench:
        """Give edges their splines back, fitted to what their primitives were; all fixed edges when none is named."""
        named = [editing.edge_id(self.mixed, edge) for edge in edges] or sorted(self.mixed.fixed)
        words = ", ".join(map(editing.edge_name, named))
        mixed = editing.with_splines_again(self.mixed, set(named) & set(self.mixed.fixed), self.data.rows.x)
        return self._next(f"unfix {words}", mixed=mixed)

    def auto_symbolic(self) -> Workbench:
        """Fix every edge that is still a spline, the choices judged together inside the whole formula."""
        self._ask_for_training("auto_symbolic")
        free = [edge for edge in self.mixed.edges if edge not in self.mixed.fixed]
        options = {edge: self._suggestions(edge)[:TRIED] for edge in free}
        return self._with_fixed("auto_symbolic", laws.chosen_together(self.mixed, self.data, options))

    def lock(self, *edges: EdgeName) -> Workbench:
        """Make splines of one layer one and the same function, now their mean, trained as one from here on."""
        named = [editing.edge_id(self.mixed, edge) for edge in edges]
        words = ", ".join(map(editing.edge_name, named))
        return self._next(f"lock {words}", mixed=editing.tied(self.mixed, named, self.data.rows.x))

    def unlock(self, *edges: EdgeName) -> Workbench:
        """Let edges that were locked be functions of their own again."""
        named = [editing.edge_id(self.mixed, edge) for edge in edges]
        words = ", ".join(map(editing.edge_name, named))
        return self._next(f"unlock {words}", mixed=editing.untied(self.mixed, named))

    def refine(self, intervals: int) -> Workbench:
        """Put all splines on grids of so many intervals, no fewer than now; the functions stay as they are."""
        finer = self.mixed.with_splines(self.mixed.splines.refine(intervals))
        return self._next(f"refine to {intervals} intervals", mixed=finer)

    def widen(self, layer: int, sums: int = 1, products: int = 0) -> Workbench:
        """Add nodes to hidden layer 1, 2, ...; nothing flows from them until the network is trained.

        Raises:
            ConfigError: when there is no such hidden layer.
        """
        hidden = len(self.mixed.splines.widths) - 2
        if not 1 <= layer <= hidden or min(sums, products) < 0 or sums + products == 0:
            raise ConfigError(f"cannot add {sums} + {products} nodes to layer {layer}: hidden layers are 1 to {hidden}")
        mixed = shapes.widened(self.mixed, layer, sums, products, self.data.seed)
        return self._next(f"widen layer {layer}", mixed=mixed)

    def deepen(self) -> Workbench:
        """Add a layer behind the network that passes its output on; the function stays as it is."""
        return self._next("deepen", mixed=shapes.deepened(self.mixed, self.data.rows.x))

    def undo(self) -> Workbench:
        """The workbench before the last step; the first one is its own."""
        return self.before or self

    @property
    def history(self) -> tuple[str, ...]:
        """What was done, first to last."""
        earlier = self.before.history if self.before is not None else ()
        return (*earlier, self.step)

    @property
    def edges(self) -> tuple[EdgeId, ...]:
        """The edges that are there."""
        return self.mixed.edges

    @property
    def fixed(self) -> dict[EdgeId, FixedEdge]:
        """The edges that are primitives, with their four constants."""
        return dict(self.mixed.fixed)

    @cached_property
    def graph(self) -> Graph:
        """The network as a graph: curves of all edges, primitives of the fixed ones."""
        return laws.graph(self.mixed, self.data)

    @cached_property
    def front(self) -> ParetoFront:
        """The formulas of this network in raw units: fixed edges as they are, the others matched together."""
        self._ask_for_training("formula")
        return laws.front(self.mixed, self.data)

    @property
    def formula(self) -> Formula:
        """The network as one formula in the table's names and units, its constants refitted, with held-out errors."""
        return self.front.best

    @property
    def errors(self) -> dict[str, Errors]:
        """The network's own errors in the target's unit, by part of the data."""
        parts = {"train": self.data.parts.train, "validation": self.data.parts.validation, "test": self.data.parts.test}
        rows = {name: self.data.parts.rows.take(part) for name, part in parts.items() if len(part)}
        return {name: errors_of(self.predict(part.inputs), part.target) for name, part in rows.items()}

    @cached_property
    def loss(self) -> float:
        """The network's mean squared error over the target's variance, on the rows that choose the best step."""
        return held_out_loss(self.mixed, self.data.halves[1])

    def predict(self, inputs: Array) -> Array:
        """The network, not its formula, at raw inputs (N, D): (N,)."""
        values = self.mixed.network(self.data.scaled(np.asarray(inputs, dtype=float))).detach().numpy()[0]
        return self.data.target.invert(values)[:, 0]

    @cached_property
    def result(self) -> Result:
        """All of this as a `Result`, to be exported, plotted, reported or saved."""
        return result_of(self, Config(seed=self.data.seed))

    def plot(self, kind: str = "graph") -> Any:
        """A picture of `result` as a matplotlib figure: "graph", "edges", "pareto", "fit" or "history"."""
        from kansym.report.figures import KINDS

        return KINDS.get(kind)(self.result)

    def _repr_svg_(self) -> str:
        from kansym.report.scene import Units
        from kansym.report.svg import graph_svg

        return graph_svg(self.graph, Units(self.data.dataset.input_units, self.data.dataset.target_units))

    def __repr__(self) -> str:
        edges = f"{len(self.edges)} edges, {len(self.mixed.fixed)} of them fixed"
        return f"Workbench({' > '.join(self.history)}; {edges}, held-out mean square {self.loss:.2g} of the variance)"

    def _next(self, step: str, **changes: Any) -> Workbench:
        return replace(self, step=step, before=self, **changes)

    def _with_fixed(self, step: str, changes: dict[EdgeId, FixedEdge]) -> Workbench:
        return self._next(step, mixed=editing.with_fixed(self.mixed, changes))

    def _curve(self, edge: EdgeId) -> tuple[Array, Array]:
        seen, given = editing.samples_of(self.mixed, edge, self.data.rows.x)
        return seen.numpy(), given.numpy()

    def _suggestions(self, edge: EdgeId) -> list[Suggestion]:
        return suggestions(*self._curve(edge), self.data.library)

    def _ask_for_training(self, step: str) -> None:
        if not self.trained:
            raise DataError(f"{step} needs a trained network: call train() first")
