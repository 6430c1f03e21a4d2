"""How noisy a target is, before any law is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from kansym.structure.evidence import (
    MOST_ROWS,
    ROWS,
    Process,
    View,
    best_process,
    gaps_of,
    left_out,
    logarithmic_view,
    plain_view,
    seen,
)
from kansym.structure.surrogate import fit_surrogate

Array = np.ndarray
HELD = 5  # every fifth row judges
ENOUGH = 40
FEWEST = 8
SIGMAS = 1.4826  # standard deviations of normal errors in one median absolute error
LEAST_SHARE = 0.4  # of the errors' variance that is believed to be noise: the model may call all of it its own
UNIT = 2.0  # noises beyond which a target of both signs is seen on a logarithmic scale
SMALLEST_UNIT = 1e-6
FEWEST_FOR_PATTERNS = 6
FAR, ALONE = 12.0, 5.0  # typical errors, and times the second largest, beyond which one row is no noise
ALIKE, ALIKE_OF_FEW = 4.0, 2.6  # standard deviations of the lag-1 correlation
UNLIKELY = 1e-3
DEGREE = 3
PATTERN_NATS = 4.0
NOTHING = 0.95  # left-out error over the spread above which a model explains nothing


def estimate_noise(inputs: Array, target: Array, seed: int = 0) -> float:
    """The noise's standard deviation over the target's, from the best smooth model; 0 to 1.

    Several Gaussian processes, of plain or logarithmic columns (N, D) and target (N,), predict every row by the
    others. Each overstates the noise by what it cannot follow, mostly on few rows where the law is steep: so the
    noise is the smallest median error. It is 1 when no model explains anything; a table of a few rows counts as clean.
    """
    if len(target) < FEWEST or np.ptp(target) == 0 or not np.all(np.ptp(inputs, axis=0) > 0):
        return 0.0
    rows = np.random.Generator(np.random.PCG64(seed)).permutation(len(target))[:MOST_ROWS]
    inputs, target = inputs[rows], target[rows]
    if np.ptp(target) == 0:
        return 0.0
    models = _models(inputs, target)
    nothing = min(model.error for model in models) > NOTHING
    return 1.0 if nothing else min(1.0, min(model.noise for model in models) / float(np.std(target)))


def smooth_values(inputs: Array, target: Array, seed: int = 0) -> Array:
    """What the best smooth model says of every row by the others (N,), without the errors of the row itself.

    Args:
        inputs: (N, D) columns, none of them constant.
        target: (N,) values, not all the same.
        seed: of the rows that the model is chosen by, and of the blocks in which it predicts them.
    """
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(target))
    few = order[:MOST_ROWS]
    model = min(_models(inputs[few], target[few]), key=lambda model: model.noise)
    points, view, values = seen(inputs, model.decade), model.view(target), np.empty(len(target))
    for block in np.array_split(order, -(-len(order) // MOST_ROWS)):
        values[block] = left_out(points[block], view.values[block], model.process)[0]
    return view.back(values)


@dataclass(frozen=True)
class _Model:
    """A process of columns and target seen in one way; its left-out error over the spread of that, and the noise.

    decade: the factor from which a column is seen on a logarithmic scale. view: how a target is seen.
    """

    process: Process
    decade: float
    view: Callable[[Array], View]
    error: float
    noise: float


def _models(inputs: Array, target: Array) -> list[_Model]:
    """Processes of plain and of logarithmic columns, and of a logarithmic target too."""
    scales = [np.inf] if np.array_equal(seen(inputs, np.inf), seen(inputs, 1.0)) else [np.inf, 1.0]
    found = [_judged(inputs, target, decade, plain_view) for decade in scales]
    unit = max(UNIT * min(model.noise for model in found), SMALLEST_UNIT * float(np.std(target)))
    return [*found, _judged(inputs, target, 1.0, lambda target: logarithmic_view(target, unit))]


def _judged(inputs: Array, target: Array, decade: float, view_of: Callable[[Array], View]) -> _Model:
    points, view = seen(inputs, decade), view_of(target)
    process = best_process(gaps_of(points[:ROWS]), view.values[:ROWS])
    predicted, share = left_out(points, view.values, process)
    error = float(np.sqrt(np.mean((predicted - view.values) ** 2)))
    typical = float(np.median(np.abs(view.back(predicted) - target)))
    noise = SIGMAS * typical * float(np.sqrt(np.clip(share, LEAST_SHARE, 1.0)))
    return _Model(process, decade, view_of, error, noise)


@dataclass(frozen=True)
class ErrorGrowth:
    """How the errors of a positive target grow with it.

    Attributes:
        power: 0 for even errors, 1 for proportional ones.
        relative: the typical error over the target, in the best smooth model of its logarithm.
    """

    power: float
    relative: float


def error_growth(inputs: Array, target: Array, seed: int = 0) -> ErrorGrowth:
    """How the errors of a positive target (N,) grow with it.

    A Gaussian process of the logarithms predicts every row by the others; the power is that of a line through the
    logarithms of its errors.
    """
    rows = np.random.Generator(np.random.PCG64(seed)).permutation(len(target))[:MOST_ROWS]
    points, logs = seen(inputs[rows], 1.0), np.log(target[rows])
    process = best_process(gaps_of(points[:ROWS]), logs[:ROWS] - logs[:ROWS].mean())
    predicted, _ = left_out(points, logs - logs.mean(), process)
    errors = np.abs(logs - logs.mean() - predicted)
    relative, shown = SIGMAS * float(np.median(errors)), errors > 0
    if np.ptp(predicted[shown]) == 0:
        return ErrorGrowth(1.0, relative)
    return ErrorGrowth(1.0 + float(np.polyfit(predicted[shown], np.log(errors[shown]), 1)[0]), relative)


def unexplained(inputs: Array, residual: Array, seed: int = 0) -> float:
    """The share of the variance of residuals (N,) that is not noise: what a smooth model predicts on unseen rows.

    For a small table of one column, the squared correlation of neighbouring residuals instead; 0 when nothing is found.
    """
    if np.std(residual) == 0 or len(residual) < 8:
        return 0.0
    if len(residual) < ENOUGH:
        ordered = residual[np.argsort(inputs[:, 0], kind="stable")] if inputs.shape[1] == 1 else residual
        correlation = float(np.corrcoef(ordered[:-1], ordered[1:])[0, 1]) if np.std(ordered[1:]) > 0 else 0.0
        return max(0.0, correlation) ** 2
    held = np.arange(len(residual)) % HELD == 0
    model = fit_surrogate(inputs[~held], residual[~held], inputs[held], residual[held], seed)
    return 0.0 if model is None else max(0.0, 1.0 - model.held_out**2)


def patterned(inputs: Array, residual: Array, predicted: Array) -> bool:
    """Whether residuals (N,) are more than noise: they go with a column of (N, D), or with the prediction (N,).

    Looked for are polynomials of one column (F-test), neighbours that are alike (lag 1), rows far beyond all others,
    and, in larger tables, anything smooth in all columns together (evidence of a Gaussian process).
    """
    if len(residual) < FEWEST_FOR_PATTERNS or np.ptp(residual) == 0:
        return False
    if _stands_out(residual):
        return True
    lines = [column for column in (*inputs.T, predicted) if np.ptp(column) > 0]
    values = normal_scores(residual) if len(residual) >= ENOUGH else residual - residual.mean()
    limit = ALIKE if len(residual) >= ENOUGH else ALIKE_OF_FEW
    if any(_alike(line, values) > limit for line in lines):
        return True
    if any(_polynomial_chance(line, values) < UNLIKELY / len(lines) for line in lines):
        return True
    return len(residual) >= ENOUGH and _smooth_part(inputs, values) > PATTERN_NATS + inputs.shape[1]


def _stands_out(residual: Array) -> bool:
    """Whether one row lies far beyond all the others, also for noise of heavy tails."""
    largest, second = np.sort(np.abs(residual))[:-3:-1]
    typical = SIGMAS * float(np.median(np.abs(residual)))
    return bool(largest > FAR * typical and largest > ALONE * second)


def normal_scores(values: Array) -> Array:
    """The values (N,) replaced by normal deviates of the same order; equal values share one."""
    order, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - 0.5 * counts
    scores = special.ndtri(middle / len(values))[inverse]
    return scores - scores.mean() if len(order) > 1 else np.zeros(len(values))


def _alike(line: Array, values: Array) -> float:
    """How much neighbours along a line (N,) are alike, in standard deviations of the lag-1 correlation of noise."""
    order = np.argsort(line, kind="stable")
    ordered, places = values[order], line[order]
    if np.any(np.diff(places) == 0):  # rows of the same place are told apart by nothing: their mean stands for them
        starts = np.flatnonzero(np.append(True, np.diff(places) > 0))
        sizes = np.diff(np.append(starts, len(places)))
        ordered = np.add.reduceat(ordered, starts) / np.sqrt(sizes)
    if len(ordered) < FEWEST_FOR_PATTERNS:
        return 0.0
    return float(ordered[:-1] @ ordered[1:] / (ordered @ ordered) * np.sqrt(len(ordered)))


def _polynomial_chance(line: Array, values: Array) -> float:
    """The chance that noise follows a polynomial of degree 3 in a line (N,) as well as values (N,) do."""
    points = seen(line[:, None])[:, 0]
    degree = min(DEGREE, len(np.unique(points)) - 1, len(values) // 3)
    base = np.linalg.qr(points[:, None] ** np.arange(degree + 1))[0]
    explained, free = float(np.sum((base.T @ values) ** 2)), len(values) - degree - 1
    left = max(float(values @ values) - explained, 1e-300)
    return float(special.fdtrc(degree, free, explained / degree / (left / free)))


def _smooth_part(inputs: Array, values: Array) -> float:
    """The nats by which a Gaussian process of the columns describes values (N,) of mean 0 better than noise does."""
    rows = np.random.Generator(np.random.PCG64(0)).permutation(len(values))[:ROWS]
    points, shown = seen(inputs[rows]), values[rows] - values[rows].mean()
    spread = float(np.std(shown))
    if spread == 0 or points.shape[1] == 0:
        return 0.0
    return best_process(gaps_of(points), shown / spread, 25).evidence
