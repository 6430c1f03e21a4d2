"""The regressor: `KANRegressor().fit(X, y)` finds the law, `predict` evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kansym.config import Config
from kansym.data import Dataset
from kansym.data.dataset import default_names
from kansym.sklearn.rows import FEWEST_ROWS, merged
from kansym.vector import fit_all

if TYPE_CHECKING:
    from kansym.result import Result
    from kansym.symbolic.formula import Formula, ParetoFront

Array = np.ndarray


class KANRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):
    """Symbolic regression: the target as one closed-form formula of the columns.

    Rows that are equal in all columns and targets count as one row with the sum of their weights, and the order of the
    rows does not matter, so that a weight of 2 is the same as a row given twice.

    Args:
        preset: how hard to search, "fast", "default" or "thorough": at most 15, 60 or 600 seconds.
        max_time: seconds at most, instead of the preset's.
        random_state: seed, a whole number; None means 0: the same data give the same law.
        primitives, drop: names of functions to search with, or to leave out; None means all, and none.
        max_complexity: greatest number of nodes of a formula.
        noise: standard deviation of the target's noise over the target's RMS; None estimates it.
        units: unit by column name, targets included, such as {"v": "m/s"}; target columns of arrays are called y.
        guess, assume, known_constants, template: what is known of the law, as in `kansym.Config`.
        without: stages of the search to leave out.
        device: "auto", "cpu" or "cuda".
        warm_start: begin from the laws of the fit before.

    Attributes:
        formula_: the law, a `Formula`; a list of them for several targets.
        front_: the Pareto front it was chosen from, likewise.
        result_: everything about the fit, likewise.
        interrupted_: whether the time or the user ended the search.
        n_features_in_, feature_names_in_: the columns, as in scikit-learn.
    """

    n_features_in_: int

    def __init__(
        self,
        *,
        preset: str = "default",
        max_time: float | None = None,
        random_state: int | None = None,
        primitives: tuple[str, ...] | None = None,
        drop: tuple[str, ...] = (),
        max_complexity: int = 60,
        noise: float | None = None,
        units: Mapping[str, str] | None = None,
        guess: tuple[str, ...] = (),
        assume: tuple[str, ...] = (),
        known_constants: tuple[str, ...] = (),
        template: str | None = None,
        without: tuple[str, ...] = (),
        device: str = "auto",
        warm_start: bool = False,
    ) -> None:
        self.preset = preset
        self.max_time = max_time
        self.random_state = random_state
        self.primitives = primitives
        self.drop = drop
        self.max_complexity = max_complexity
        self.noise = noise
        self.units = units
        self.guess = guess
        self.assume = assume
        self.known_constants = known_constants
        self.template = template
        self.without = without
        self.device = device
        self.warm_start = warm_start

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KANRegressor:
        """Find the law of each target.

        X: (N, D) numbers or a data frame. y: (N,) or (N, T). sample_weight: (N,), not negative; 0 leaves a row out.
        Raises ValueError for fewer than 3 rows, missing or infinite values; ConfigError for a setting that is wrong.
        """
        inputs, targets = validate_data(
            self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, ensure_min_samples=FEWEST_ROWS
        )
        targets = np.asarray(targets, dtype=np.float64)
        weights = _check_sample_weight(sample_weight, inputs, dtype=np.float64, ensure_non_negative=True)
        self._single = targets.ndim == 1
        rows = np.column_stack([inputs, targets])
        rows, weights = merged(rows, weights)
        if len(rows) < FEWEST_ROWS:
            raise ValueError(f"Found {len(rows)} different rows (n_samples = {len(inputs)}): at least 3 are needed")
        hints = self._earlier()
        table = self._table(rows, weights)
        config = self._config(hints)
        self.results_ = list(fit_all(table, config).values())
        self.interrupted_ = any(result.stop_reason != "finished" for result in self.results_)
        return self

    def _table(self, rows: Array, weights: Array) -> Dataset:
        width = self.n_features_in_
        names = tuple(map(str, getattr(self, "feature_names_in_", default_names(width))))
        count = rows.shape[1] - width
        targets = ("y",) if count == 1 else tuple(f"y{place}" for place in range(count))
        targets = tuple(f"{name}_target" if name in names else name for name in targets)
        units = dict(self.units or {})
        even = bool(np.ptp(weights) == 0)
        return Dataset(
            rows[:, :width],
            rows[:, width:],
            names,
            targets,
            input_units=tuple(units.get(name) for name in names),
            target_units=tuple(units.get(name) for name in targets),
            weights=None if even else weights / weights.mean(),
        )

    def _config(self, hints: tuple[str, ...]) -> Config:
        return Config(
            seed=0 if self.random_state is None else int(self.random_state),
            preset=self.preset,
            time_limit=None if self.max_time is None else float(self.max_time),
            device=self.device,
            primitives=None if self.primitives is None else tuple(self.primitives),
            drop=tuple(self.drop),
            max_complexity=self.max_complexity,
            noise=self.noise,
            without=tuple(self.without),
            guess=(*self.guess, *hints),
            template=self.template,
            assume=tuple(self.assume),
            known_constants=tuple(self.known_constants),
        )

    def _earlier(self) -> tuple[str, ...]:
        """The laws of the fit before, where that was of the same columns and is to be gone on from."""
        before: list[Result] = getattr(self, "results_", []) if self.warm_start else []
        names = tuple(map(str, getattr(self, "feature_names_in_", default_names(self.n_features_in_))))
        return tuple(result.formula.text() for result in before if result.formula.input_names == names)

    def predict(self, X: Any) -> Array:
        """The law's values (N,), or (N, T) for several targets; nan where a formula is not real."""
        check_is_fitted(self, "results_")
        inputs = np.asarray(validate_data(self, X, dtype=np.float64, reset=False))
        values = [np.broadcast_to(result.formula(inputs), len(inputs)) for result in self.results_]
        return np.array(values[0]) if self._single else np.column_stack(values)

    @property
    def result_(self) -> Result | list[Result]:
        check_is_fitted(self, "results_")
        return self.results_[0] if self._single else self.results_

    @property
    def formula_(self) -> Formula | list[Formula]:
        check_is_fitted(self, "results_")
        return self.results_[0].formula if self._single else [result.formula for result in self.results_]

    @property
    def front_(self) -> ParetoFront | list[ParetoFront]:
        check_is_fitted(self, "results_")
        return self.results_[0].front if self._single else [result.front for result in self.results_]
