"""The classifier: the logit of every class as one closed-form formula of the columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from kansym.classification import ClassLaws, fit_classes
from kansym.config import Config
from kansym.data import Dataset
from kansym.data.dataset import default_names
from kansym.sklearn.rows import FEWEST_ROWS, merged
from kansym.symbolic.likelihood import Classes

if TYPE_CHECKING:
    from kansym.result import Result
    from kansym.symbolic.formula import Formula, ParetoFront

Array = np.ndarray


class KANClassifier(ClassifierMixin, BaseEstimator):
    """Symbolic classification: the logit of each class as one closed-form formula of the columns.

    How it works: a Gaussian process behind a logistic function turns the labels into smooth logits; the search runs on
    these, as on any measured target; each formula that it proposes gets the constants that make the labels themselves
    most likely, loses terms that the labels do not ask for, and is judged by its description length: minus its
    log-likelihood plus the cost of its nodes and constants. The standard errors of constants are those of maximum
    likelihood. For more than two classes the most frequent one is the reference: its logit is 0, those of the others
    are searched one by one, and their constants are fitted together.

    Rows that are equal in all columns count as one place with the sums of their weights by class, so that a weight of
    2 is the same as a row given twice. A label says little: laws of two columns want some hundred rows.

    Args:
        preset: how hard to search, "fast", "default" or "thorough": at most 15, 60 or 600 seconds.
        max_time: seconds at most, instead of the preset's.
        random_state: seed, a whole number; None means 0: the same data give the same law.
        primitives, drop: names of functions to search with, or to leave out; None means all, and none.
        max_complexity: greatest number of nodes of a formula.
        guess, known_constants: what is known of the logits, as in `kansym.Config`.
        without: stages of the search to leave out.
        device: "auto", "cpu" or "cuda".

    Attributes:
        classes_: the labels, sorted.
        formula_: of two classes, the logit of the second, log(p/(1 - p)), a `Formula`; of more, a list with a formula
            for every class, log(p/p of the reference), and None for the reference.
        front_: the Pareto front it was chosen from, likewise.
        result_: everything about the search, likewise.
        reference_: the label whose logit is 0.
        interrupted_: whether the time or the user ended a search.
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
        guess: tuple[str, ...] = (),
        known_constants: tuple[str, ...] = (),
        without: tuple[str, ...] = (),
        device: str = "auto",
    ) -> None:
        self.preset = preset
        self.max_time = max_time
        self.random_state = random_state
        self.primitives = primitives
        self.drop = drop
        self.max_complexity = max_complexity
        self.guess = guess
        self.known_constants = known_constants
        self.without = without
        self.device = device

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KANClassifier:
        """Find the logit of each class.

        X: (N, D) numbers or a data frame. y: (N,) labels of two classes or more. sample_weight: (N,), not negative.
        Raises ValueError for fewer than 3 rows, one class only, missing or infinite values; ConfigError for a setting
        that is wrong.
        """
        inputs, labels = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=FEWEST_ROWS)
        check_classification_targets(labels)
        weights = _check_sample_weight(sample_weight, inputs, dtype=np.float64, ensure_non_negative=True)
        self.classes_, place = np.unique(labels, return_inverse=True)
        classes = counted(np.asarray(inputs), place.ravel(), weights, len(self.classes_))
        present = np.count_nonzero(classes.counts.sum(axis=0))
        if present < 2 or present < len(self.classes_):
            raise ValueError(
                f"y has {present} class(es) with any weight: a classifier needs at least 2, and all of them"
            )
        if len(classes) < FEWEST_ROWS:
            raise ValueError(f"Found {len(classes)} different rows (n_samples = {len(inputs)}): at least 3 are needed")
        self._laws: ClassLaws = fit_classes(
            self._table(classes), classes, list(map(str, self.classes_)), self._config()
        )
        self._share = classes.counts.sum(axis=0) / classes.counts.sum()
        self.reference_ = self.classes_[self._laws.reference]
        self.interrupted_ = any(result.stop_reason != "finished" for result in self._laws.results)
        return self

    def _table(self, classes: Classes) -> Dataset:
        names = tuple(map(str, getattr(self, "feature_names_in_", default_names(self.n_features_in_))))
        target = "logit" if "logit" not in names else "logit_target"
        return Dataset(classes.inputs, np.zeros(len(classes)), names, (target,))

    def _config(self) -> Config:
        return Config(
            seed=0 if self.random_state is None else int(self.random_state),
            preset=self.preset,
            time_limit=None if self.max_time is None else float(self.max_time),
            device=self.device,
            primitives=None if self.primitives is None else tuple(self.primitives),
            drop=tuple(self.drop),
            max_complexity=self.max_complexity,
            without=tuple(self.without),
            guess=tuple(self.guess),
            known_constants=tuple(self.known_constants),
        )

    def decision_function(self, X: Any) -> Array:
        """Logits: of the second class (N,) for two; for more (N, K), 0 for the reference.

        Where a formula is not real, the classes have the logits of their shares in the training rows.
        """
        check_is_fitted(self, "classes_")
        inputs = np.asarray(validate_data(self, X, dtype=np.float64, reset=False))
        logits = self._laws.logits(inputs)
        usual = np.log(self._share / self._share[self._laws.reference])
        logits = np.where(np.all(np.isfinite(logits), axis=1, keepdims=True), logits, usual)
        return logits[:, 1] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Array:
        """The probability (N, K) of every class, in the order of `classes_`."""
        logits = self.decision_function(X)
        return special.softmax(logits if logits.ndim == 2 else np.column_stack([np.zeros(len(logits)), logits]), axis=1)

    def predict(self, X: Any) -> Array:
        """The most likely label (N,)."""
        logits = self.decision_function(X)
        place = np.argmax(logits, axis=1) if logits.ndim == 2 else (logits > 0).astype(int)
        return self.classes_[place]

    @property
    def result_(self) -> Result | list[Result | None]:
        check_is_fitted(self, "classes_")
        results: list[Result | None] = list(self._laws.results)
        if len(results) == 1:
            return self._laws.results[0]
        results.insert(self._laws.reference, None)
        return results

    @property
    def formula_(self) -> Formula | list[Formula | None]:
        found = self.result_
        if isinstance(found, list):
            return [None if result is None else result.formula for result in found]
        return found.formula

    @property
    def front_(self) -> ParetoFront | list[ParetoFront | None]:
        found = self.result_
        if isinstance(found, list):
            return [None if result is None else result.front for result in found]
        return found.front


def counted(inputs: Array, labels: Array, weights: Array, count: int) -> Classes:
    """The different rows, with the sums of the weights of every class there; labels are 0 .. count - 1."""
    different, sums = merged(np.column_stack([inputs, labels]), weights)
    places, row = np.unique(different[:, :-1], axis=0, return_inverse=True)
    counts = np.zeros((len(places), count))
    np.add.at(counts, (row.ravel(), different[:, -1].astype(int)), sums)
    return Classes(places, counts)
