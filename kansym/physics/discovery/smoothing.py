"""A smooth path through the samples of a trajectory, with its derivative, and the noise that it leaves.

A regression spline of degree 5: the number of its knots is chosen by generalised cross-validation (Craven and Wahba
1979),
so that noisy samples are averaged; samples without noise, where closer and closer fits go on leaving less, are
interpolated. Uneven times and missing samples need no care.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.interpolate import BSpline, make_interp_spline, make_lsq_spline

from kansym.physics.discovery.trajectories import Trajectories, Trajectory

Array = np.ndarray
DEGREE = 5
CLOSEST = 0.6  # of the samples, that the coefficients may be: below that the noise is still seen
COUNTS = 18
FALLING = 0.75  # the error left by the closest fit, over that of the one before: so it falls where there is no noise


@dataclass(frozen=True, eq=False)
class SmoothPath:
    """The states of one trajectory as functions of time.

    Attributes:
        value: times (G,) -> states (G, D).
        slope: times (G,) -> rates of change (G, D).
        noise: (D,) standard deviation of what the samples are beside the path.
        spacing: (D,) the time over which the path can bend.
    """

    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]
    noise: Array
    spacing: Array


def smooth_path(part: Trajectory) -> SmoothPath:
    """Return the path of a trajectory by regression splines."""
    splines, noise, spacing = zip(*(_chosen(part.times, column) for column in part.states.T), strict=True)
    slopes = [spline.derivative() for spline in splines]
    return SmoothPath(
        lambda times: np.column_stack([spline(times) for spline in splines]),
        lambda times: np.column_stack([slope(times) for slope in slopes]),
        np.array(noise),
        np.array(spacing),
    )


def smooth_paths(data: Trajectories) -> tuple[SmoothPath, ...]:
    """Return the path of every trajectory."""
    return tuple(smooth_path(part) for part in data.parts)


def _chosen(times: Array, column: Array) -> tuple[BSpline, float, float]:
    """The spline whose number of intervals leaves the smallest cross-validated error, its noise, and its spacing."""
    seen = np.isfinite(column)
    t, y = times[seen], column[seen]
    most = max(1, int(CLOSEST * len(t)) - DEGREE)
    counts = np.unique(np.geomspace(1, most, COUNTS).round().astype(int))
    fits = [_fitted(t, y, int(count)) for count in counts]
    usable = [fit for fit in fits if fit is not None]
    best = min(usable, key=lambda fit: fit[0])
    if best is usable[-1] and len(usable) > 1 and best[2] < FALLING * usable[-2][2]:
        return _interpolated(t, y, best[2])
    return best[1], best[2], best[3]


def _interpolated(t: Array, y: Array, noise: float) -> tuple[BSpline, float, float]:
    """The spline through all samples, for such as still show no noise; its error is that of the last fit, carried
    on."""
    spline = make_interp_spline(t, y, DEGREE)
    return spline, noise * CLOSEST ** (DEGREE + 1), float((t[-1] - t[0]) / len(t))


def _fitted(t: Array, y: Array, intervals: int) -> tuple[float, BSpline, float, float] | None:
    """(cross-validated error, spline, noise, spacing) with knots at even shares of the samples; None if impossible."""
    inner = np.quantile(t, np.linspace(0, 1, intervals + 1)[1:-1])
    knots = np.r_[[t[0]] * (DEGREE + 1), inner, [t[-1]] * (DEGREE + 1)]
    try:
        spline = make_lsq_spline(t, y, knots, DEGREE)
    except (ValueError, linalg.LinAlgError):
        return None
    free = len(t) - (intervals + DEGREE)
    rest = float(np.sum((y - spline(t)) ** 2))
    return rest / free**2, spline, float(np.sqrt(rest / free)), float((t[-1] - t[0]) / intervals)
