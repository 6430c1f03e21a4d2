"""The constants of differential equations fitted to the trajectories themselves, by multiple shooting.

The trajectories are cut into pieces; constants and the starts of all pieces are fitted together by Levenberg-Marquardt,
and the end of a piece has to meet the start of the next one ever more closely (Bock 1983). So chaotic and long
trajectories are fitted as surely as short ones, and what comes out is one solution through all samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kansym.budget import Budget, Part
from kansym.physics.discovery.integration import flow, states_along
from kansym.physics.discovery.rates import Rates
from kansym.physics.discovery.smoothing import SmoothPath
from kansym.physics.discovery.trajectories import Trajectories

Array = np.ndarray
LENGTH, MOST_PIECES = 6, 120  # samples of a piece, at least, and pieces of all trajectories
GAPS = (1.0, 0.1, 0.01)  # what a piece may miss the next one by, in standard deviations of the noise
STEPS = 30
MOST_PARTS = 4
CLEAN = 1e-10  # of a state's size: below this, errors are those of the arithmetic
ACCURATE = 0.05  # of the noise, that the integration may be wrong by
MOST_FOLLOWED = 200  # samples of a trajectory


@dataclass(frozen=True, eq=False)
class Pieces:
    """Trajectories cut up, padded to one length: a padded sample repeats its time and counts for nothing.

    Attributes:
        times: (S, L + 1).
        samples: (S, L + 1, D), nan where there is none or where it belongs to the next piece.
        starts: (S, D) first guesses.
        follows: (S,) whether the next piece goes on where this one ends.
        parts: steps of the integration from one time to the next.
        noise: (D,) what samples are weighted by.
    """

    times: Array
    samples: Array
    starts: Array
    follows: Array
    parts: int
    noise: Array


@dataclass(frozen=True, eq=False)
class Shot:
    """What came out.

    Attributes:
        theta: (P,) constants.
        errors: (P,) standard errors, nan where the samples do not tell.
        starts: (S, D) states where pieces begin.
        misfit: (D,) root mean square of sample less solution, in the states' units.
        chi2: mean square of the same in units of the noise, over all samples.
        gap: the largest distance between the end of a piece and the start of the next, in units of the noise.
    """

    theta: Array
    errors: Array
    starts: Array
    misfit: Array
    chi2: float
    gap: float


def noise_of(data: Trajectories, paths: Sequence[SmoothPath]) -> Array:
    """(D,) the estimated noise of every state, at least what arithmetic leaves."""
    counts = np.array([part.seen.sum(axis=0) for part in data.parts])
    square = np.array([path.noise**2 for path in paths])
    return np.maximum(np.sqrt(np.sum(square * counts, axis=0) / counts.sum(axis=0)), CLEAN * data.size)


def cut(data: Trajectories, paths: Sequence[SmoothPath], noise: Array) -> Pieces:
    """Return the pieces of all trajectories, with starts from their smooth paths."""
    length = max(LENGTH, sum(len(part.times) for part in data.parts) // MOST_PIECES)
    times, samples, starts, follows = [], [], [], []
    for part, path in zip(data.parts, paths, strict=True):
        last = len(part.times) - 1
        firsts = list(range(0, last, length))
        for first in firsts:
            stop = min(first + length, last)
            places = np.minimum(np.arange(first, first + length + 1), stop)
            own = part.states[places].copy()
            own[stop - first + 1 :] = np.nan
            if stop < last:
                own[stop - first] = np.nan
            times.append(part.times[places])
            samples.append(own)
            follows.append(stop < last)
        starts.append(path.value(part.times[firsts]))
    return Pieces(np.array(times), np.array(samples), np.concatenate(starts), np.array(follows), 1, noise)


def refined(pieces: Pieces, rates: Rates) -> Pieces:
    """Return the pieces with as many steps of integration as these rates need."""
    coarse = states_along(rates, rates.start, pieces.starts, pieces.times, pieces.parts)
    parts = pieces.parts
    while parts < MOST_PARTS:
        fine = states_along(rates, rates.start, pieces.starts, pieces.times, 2 * parts)
        with np.errstate(all="ignore"):
            wrong = np.nanmax(np.abs(fine - coarse) / pieces.noise) if np.isfinite(fine).any() else np.inf
        if (np.isfinite(coarse).all() and wrong < ACCURATE) or not np.isfinite(fine).all():
            break
        parts, coarse = 2 * parts, fine
    return Pieces(pieces.times, pieces.samples, pieces.starts, pieces.follows, parts, pieces.noise)


def followed_share(rates: Rates, data: Trajectories) -> float:
    """Return how much of the samples one solution from each trajectory's first state misses, from 0 to 1.

    It is the mean squared error over the mean square of the state, where nothing counts for more than 1: so a solution
    that runs away late is better than one that does so early. Of long trajectories the first `MOST_FOLLOWED` samples
    are taken, and one step of the integration from each to the next.
    """
    length = min(MOST_FOLLOWED, max(len(part.times) for part in data.parts))
    places = [np.minimum(np.arange(length), len(part.times) - 1) for part in data.parts]
    times = np.array([part.times[rows] for part, rows in zip(data.parts, places, strict=True)])
    samples = np.array([part.states[rows] for part, rows in zip(data.parts, places, strict=True)])  # (S, L, D)
    firsts = np.take_along_axis(samples, np.isfinite(samples).argmax(axis=1, keepdims=True), axis=1)[:, 0]
    solution = states_along(rates, rates.start, firsts, times, 1)
    with np.errstate(all="ignore"):
        squares = ((solution - samples) / data.size) ** 2
    own = np.diff(times, prepend=-np.inf)[..., None] > 0  # a padded sample repeats its time
    return float(np.mean(np.nan_to_num(squares, nan=1.0, posinf=1.0).clip(max=1.0)[own & np.isfinite(samples)]))


def shoot(
    rates: Rates, pieces: Pieces, budget: Budget | Part, gaps: Sequence[float] = GAPS, steps: int = STEPS,
    spread: float = np.inf,
) -> Shot:  # fmt: skip
    """Fit the constants and the starts of all pieces.

    Args:
        rates: the right-hand side with first guesses of its constants.
        pieces: of the trajectories.
        budget: the best so far comes back when it has expired.
        gaps: what pieces may miss each other by, one fit after the other.
        steps: of Levenberg-Marquardt for each.
        spread: the standard deviation about 0 that constants have before anything is measured; infinite where nothing
            is known. With it what comes out is the most probable, and constants that no sample touches stay small.
    """
    theta, starts = rates.start, pieces.starts
    normal = _Normal(rates, pieces, gaps[0], spread)
    for gap in gaps:
        normal = _Normal(rates, pieces, gap, spread)
        theta, starts = _minimised(normal, theta, starts, steps, budget)
    return _described(normal, theta, starts)


class _Normal:
    """Normal equations of one fit; unknowns are the constants, then the starts piece after piece."""

    def __init__(self, rates: Rates, pieces: Pieces, gap: float, spread: float) -> None:
        self.rates, self.pieces, self.gap, self.ridge = rates, pieces, gap, 1.0 / spread**2
        self.weights = 1.0 / pieces.noise
        self.seen = np.isfinite(pieces.samples)
        self.joined = np.flatnonzero(pieces.follows)

    def residuals(self, states: Array, starts: Array) -> tuple[Array, Array]:
        """(S, L + 1, D) of the samples, 0 where there is none, and (J, D) of the joints; both in units of the noise."""
        samples = np.where(self.seen, states - np.nan_to_num(self.pieces.samples), 0.0) * self.weights
        joints = (states[self.joined, -1] - starts[self.joined + 1]) * self.weights / self.gap
        return samples, joints

    def value(self, theta: Array, starts: Array) -> float:
        states = states_along(self.rates, theta, starts, self.pieces.times, self.pieces.parts)
        with np.errstate(all="ignore"):
            samples, joints = self.residuals(states, starts)
            total = self._total(samples, joints, theta)
        return total if np.isfinite(total) else np.inf

    def _total(self, samples: Array, joints: Array, theta: Array) -> float:
        return float(np.sum(samples**2) + np.sum(joints**2) + self.ridge * np.sum(theta**2))

    def equations(self, theta: Array, starts: Array) -> tuple[float, Array, Array]:
        """Sum of squares, matrix (Q, Q) and side (Q,), Q = P + S * D."""
        found = flow(self.rates, theta, starts, self.pieces.times, self.pieces.parts)
        samples, joints = self.residuals(found.states, starts)
        p, (count, d) = len(theta), starts.shape
        matrix, side = np.zeros((p + count * d, p + count * d)), np.zeros(p + count * d)
        slopes = np.concatenate([found.by_constant, found.by_start], axis=-1)  # (S, L + 1, D, P + D)
        rows = np.where(self.seen[..., None], slopes * self.weights[:, None], 0.0).reshape(count, -1, p + d)
        grams = rows.transpose(0, 2, 1) @ rows  # (S, P + D, P + D)
        sides = np.einsum("srq,sr->sq", rows, samples.reshape(count, -1))
        for piece in range(count):
            places = np.r_[0:p, p + piece * d : p + (piece + 1) * d]
            matrix[np.ix_(places, places)] += grams[piece]
            side[places] += sides[piece]
        scale = self.weights / self.gap
        for joint, piece in zip(joints, self.joined, strict=True):
            places = np.r_[0:p, p + piece * d : p + (piece + 2) * d]
            row = np.concatenate([slopes[piece, -1], -np.eye(d)], axis=1) * scale[:, None]  # (D, P + 2 D)
            matrix[np.ix_(places, places)] += row.T @ row
            side[places] += row.T @ joint
        matrix[np.arange(p), np.arange(p)] += self.ridge
        side[:p] += self.ridge * theta
        return self._total(samples, joints, theta), matrix, side


def _minimised(normal: _Normal, theta: Array, starts: Array, steps: int, budget: Budget | Part) -> tuple[Array, Array]:
    """Levenberg-Marquardt with Marquardt's scaling."""
    damping, p = 1e-4, len(theta)
    with np.errstate(all="ignore"):
        loss, matrix, side = normal.equations(theta, starts)
    for _ in range(steps):
        if not np.isfinite(loss) or budget.expired:
            break
        step = _step(matrix, side, damping)
        trial = theta - step[:p], starts - step[p:].reshape(starts.shape)
        new = normal.value(*trial)
        if new < loss:
            gain, damping = loss - new, max(damping * 0.1, 1e-14)
            theta, starts = trial
            if gain <= 1e-7 * loss:
                break
            loss, matrix, side = normal.equations(theta, starts)
        else:
            damping *= 10.0
            if damping > 1e6:
                break
    return theta, starts


def _step(matrix: Array, side: Array, damping: float) -> Array:
    diagonal = np.diag(matrix)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = matrix / scale / scale[:, None]
    scaled[np.diag_indices_from(scaled)] = 1.0 + damping
    try:
        return np.linalg.solve(scaled, side / scale) / scale
    except np.linalg.LinAlgError:
        return np.linalg.lstsq(scaled, side / scale, rcond=1e-14)[0] / scale


def _described(normal: _Normal, theta: Array, starts: Array) -> Shot:
    states = states_along(normal.rates, theta, starts, normal.pieces.times, normal.pieces.parts)
    with np.errstate(all="ignore"):
        samples, joints = normal.residuals(states, starts)
        count = normal.seen.sum(axis=(0, 1))
        misfit = np.sqrt(np.sum(samples**2, axis=(0, 1)) / count) * normal.pieces.noise
        chi2 = float(np.sum(samples**2) / count.sum())
    if not np.isfinite(chi2):
        return Shot(theta, np.full(len(theta), np.nan), starts, misfit, np.inf, np.inf)
    gap = float(np.max(np.abs(joints), initial=0.0) * normal.gap)
    return Shot(theta, _standard_errors(normal, theta, starts, chi2), starts, misfit, chi2, gap)


def _standard_errors(normal: _Normal, theta: Array, starts: Array, chi2: float) -> Array:
    """Square roots of the diagonal of the inverse normal matrix, times the misfit; nan where it is singular."""
    _, matrix, _ = normal.equations(theta, starts)
    scale = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    values, vectors = np.linalg.eigh(matrix / scale / scale[:, None])
    if not values[0] > 1e-14 * values[-1]:
        return np.full(len(theta), np.nan)
    variance = np.sum(vectors[: len(theta)] ** 2 / values, axis=1) * chi2
    return np.sqrt(variance) / scale[: len(theta)]
