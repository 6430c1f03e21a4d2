"""The rows that structure is looked for in, and the scale, plain or logarithmic, on which each column lies evenly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Rows:
    """Inputs (N, D) and target (N,) of the rows to fit, and of the rows to judge by.

    weights, held_weights: (N,), as one over the variance of the target's errors; None for even ones.
    """

    inputs: Array
    target: Array
    held_inputs: Array
    held_target: Array
    weights: Array | None = None
    held_weights: Array | None = None

    @classmethod
    def of(cls, inputs: Array, target: Array) -> Rows:
        """Rows of which every fifth judges."""
        judging = np.arange(len(target)) % 5 == 4
        return cls(inputs[~judging], target[~judging], inputs[judging], target[judging])

    def transformed(self, inputs: Callable[[Array], Array], target: Callable[[Array, Array], Array]) -> Rows:
        """The same rows in other variables: inputs(X) and target(X, y)."""
        return Rows(
            inputs(self.inputs),
            target(self.inputs, self.target),
            inputs(self.held_inputs),
            target(self.held_inputs, self.held_target),
            self.weights,
            self.held_weights,
        )

    def weighed(self, size: Callable[[Array], Array]) -> Rows:
        """The same rows for a target that will be divided by size(X): its errors are divided as well."""
        weights, held_weights = (
            size(x) ** 2 * (1.0 if known is None else known)
            for x, known in ((self.inputs, self.weights), (self.held_inputs, self.held_weights))
        )
        return replace(self, weights=weights, held_weights=held_weights)


def scales_of(rows: Rows) -> list[Array]:
    """The ways to look at the columns (D,): positive ones by logarithms, and only those that lie evenly there."""
    positive, evenly = columns_of_one_sign(rows), evenly_on_logarithms(rows)
    plain = np.zeros_like(positive) if np.array_equal(positive, evenly) else evenly
    return [positive, plain] if np.any(positive) else [positive]


def evenly_on_logarithms(rows: Rows) -> Array:
    """Which columns (D,) are positive and lie less askew on a logarithmic scale than as they are."""
    positive = columns_of_one_sign(rows)
    return positive & (_skewness(on_logarithms(rows.inputs, positive)) < _skewness(rows.inputs))


def _skewness(inputs: Array) -> Array:
    """How far columns (N, D) are from lying alike on both sides of their means, (D,)."""
    centred = inputs - inputs.mean(axis=0)
    spread = np.maximum(centred.std(axis=0), 1e-300)
    return np.abs(np.mean((centred / spread) ** 3, axis=0))


def columns_of_one_sign(rows: Rows) -> Array:
    """Which columns (D,) are positive on all rows."""
    return _one_signed(rows.inputs) & _one_signed(rows.held_inputs)


def _one_signed(inputs: Array) -> Array:
    return np.all(inputs > 0, axis=0)


def on_logarithms(inputs: Array, logs: Array) -> Array:
    """Inputs (N, D) with the logarithms of some columns (D,) in their places."""
    return np.where(logs, np.log(np.where(logs, inputs, 1.0)), inputs)


def error_over_spread(predicted: Array, measured: Array) -> float:
    """The root mean square error of predictions (N,) over the standard deviation of what was measured (N,)."""
    return float(np.sqrt(np.mean((predicted - measured) ** 2)) / max(measured.std(), 1e-300))
