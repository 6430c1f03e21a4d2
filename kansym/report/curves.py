"""Curves of edges, brought to a number of points that a small picture can show."""

from __future__ import annotations

import numpy as np

MOST_POINTS = 90


def drawn(x: np.ndarray, y: np.ndarray, limit: int = MOST_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """A curve known at samples, as points to draw: many samples thinned, few joined smoothly.

    Args:
        x: samples (n,), any order; y: values (n,). Those that are not finite are left out.
        limit: most points.

    Returns:
        x (k,) strictly ascending and y (k,), k <= limit, both ends of the data among them. Between few samples the
        curve is the monotone cubic interpolant (Fritsch and Carlson 1980), which adds no bump of its own.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    across, first = np.unique(x[finite], return_index=True)
    up = y[finite][first]
    if len(across) > limit:
        wanted = np.linspace(across[0], across[-1], limit)
        kept = np.unique(np.searchsorted(across, wanted).clip(0, len(across) - 1))
        return across[kept], up[kept]
    if len(across) < 3:
        return across, up
    return _joined(across, up, limit)


def _joined(x: np.ndarray, y: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.interpolate import PchipInterpolator

    # On scales of one, so that values near the limits of numbers cannot overflow in the slopes.
    start, width, height = x[0], x[-1] - x[0], float(np.max(np.abs(y))) or 1.0
    places = (x - start) / width
    if np.min(np.diff(places)) < 1e-9:
        return x, y
    dense = np.linspace(0.0, 1.0, limit)
    return start + width * dense, height * PchipInterpolator(places, y / height)(dense)


def unit_curves(x: np.ndarray, y: np.ndarray, fitted: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Curve and fit as points (k, 2) in the unit square, y upwards, both on the scales of the curve.

    Args:
        x, y: samples (n,) of the learned curve. fitted: the matched primitive at the same x, or None.

    Returns:
        The curve's points, and those of the fit (cut to the frame) or None.
    """
    across, up = drawn(x, y)
    if len(across) == 0:
        return np.empty((0, 2)), None
    curve = np.column_stack([_unit(across, across), _unit(up, up)])
    if fitted is None:
        return curve, None
    matched_x, matched_y = drawn(x, fitted)
    match = np.column_stack([_unit(matched_x, across), np.clip(_unit(matched_y, up), -0.08, 1.08)])
    return curve, match


def _unit(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    low, high = float(reference.min()), float(reference.max())
    # A range within the rounding of the values themselves is a flat line, not a shape.
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        return np.full(len(values), 0.5)
    return (values - low) / (high - low)
