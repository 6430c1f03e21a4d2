"""Smooth models of a table on the scale, plain or logarithmic, on which each column and the target lie best."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kansym.structure.rows import Rows, error_over_spread, on_logarithms, scales_of
from kansym.structure.surrogate import Surrogate, fit_surrogate

Array = np.ndarray
GOOD = 1e-3  # held-out error of the surrogate below which other coordinates are not tried


@dataclass(frozen=True)
class Smooth:
    """A surrogate in raw or logarithmic coordinates, and its RMS error over the spread of the target.

    logs: the columns (D,) that enter as logarithms. log_target: whether log y was fitted.
    held_out: the error on held-out rows, their noise included; error: an estimate without the noise.
    """

    surrogate: Surrogate
    logs: Array
    log_target: bool
    spread: float
    held_out: float
    error: float

    def predict(self, inputs: Array) -> Array:
        """Values (M,) at inputs (M, D)."""
        value = self.surrogate.predict(self.coordinates(inputs))
        return np.exp(value) if self.log_target else value

    def coordinates(self, inputs: Array) -> Array:
        """The inputs as the surrogate takes them."""
        return on_logarithms(inputs, self.logs)

    def fitted(self, inputs: Array) -> tuple[Array, Array]:
        """What was fitted, the target or its logarithm (M,), and its derivatives (M, D) by the raw inputs."""
        coordinates = self.coordinates(inputs)
        slopes = self.surrogate.gradient(coordinates) / np.where(self.logs, inputs, 1.0)
        return self.surrogate.predict(coordinates), slopes

    def missed(self, rows: Rows) -> Array:
        """By how much the held-out rows were missed (M,), on the scale of what was fitted."""
        target = np.log(rows.held_target) if self.log_target else rows.held_target
        return self.surrogate.predict(self.coordinates(rows.held_inputs)) - target

    def examine(self, inputs: Array) -> tuple[Array, Array, Array]:
        """Values (M,), derivatives (M, D) by the raw inputs, and how far (M,) the inputs lie from the fitted rows.

        The distance is to the nearest row, in the surrogate's length scales.
        """
        model, coordinates = self.surrogate, self.coordinates(inputs)
        points = (coordinates - model.centre) / (model.scales * model.spread)
        square = (points**2).sum(axis=1)[:, None] + (model.nodes**2).sum(axis=1) - 2.0 * points @ model.nodes.T
        distance = np.sqrt(np.maximum(square.min(axis=1), 0.0))
        weighted = np.exp(-0.5 * np.maximum(square, 0.0)) * model.weights
        total = weighted.sum(axis=1)
        value = model.shift + model.size * total
        slopes = model.size * (weighted @ model.nodes - points * total[:, None]) / (model.scales * model.spread)
        slopes = slopes / np.where(self.logs, inputs, 1.0)
        return (
            (np.exp(value), slopes * np.exp(value)[:, None], distance) if self.log_target else (value, slopes, distance)
        )

    def usual_distance(self, inputs: Array) -> float:
        """How far most of these rows (M, D) lie from the fitted rows."""
        return float(np.quantile(self.examine(inputs)[2], 0.9))


def fit_smooth(rows: Rows, seed: int = 0) -> Smooth | None:
    """The best surrogate of the table over raw and logarithmic coordinates; None for a constant
    target."""
    if not rows.held_target.std() > 1e-12 * np.max(np.abs(rows.held_target)):
        return None
    positive_target = bool(np.all(rows.target > 0) and np.all(rows.held_target > 0))
    best: Smooth | None = None
    for logs in reversed(scales_of(rows)):
        for log_target in (False, True) if positive_target else (False,):
            found = fit_in(rows, logs, log_target, seed)
            if found is not None and (best is None or found.held_out < best.held_out):
                best = found
            if best is not None and best.held_out < GOOD:
                return best
    return best


def fit_in(rows: Rows, logs: Array, log_target: bool, seed: int = 0, weighed: bool = False) -> Smooth | None:
    """The surrogate of the table, or of the logarithm of its target, with the logarithms of some columns (D,).

    weighed: whether the weights of the rows are those of what is fitted. None for a constant target or column.
    """
    change = np.log if log_target else (lambda y: y)
    weights = (rows.weights, rows.held_weights) if weighed else (None, None)
    inputs, held_inputs = on_logarithms(rows.inputs, logs), on_logarithms(rows.held_inputs, logs)
    model = fit_surrogate(inputs, change(rows.target), held_inputs, change(rows.held_target), seed, *weights)
    if model is None:
        return None
    spread = max(float(rows.held_target.std()), 1e-300)
    smooth = Smooth(model, logs, log_target, spread, 0.0, 0.0)
    held = error_over_spread(smooth.predict(rows.held_inputs), rows.held_target)
    share = float(np.sqrt(max(1.0 - (model.noise / max(model.held_out, 1e-300)) ** 2, 0.1)))
    return replace(smooth, held_out=held, error=held * share)


def modelled_error(rows: Rows, factor: Array | float = 1.0) -> float:
    """Held-out error over the spread of a smooth model of the columns as they are, both times a factor (M,)."""
    model = fit_surrogate(rows.inputs, rows.target, rows.held_inputs, rows.held_target)
    return (
        1.0 if model is None else error_over_spread(model.predict(rows.held_inputs) * factor, rows.held_target * factor)
    )
