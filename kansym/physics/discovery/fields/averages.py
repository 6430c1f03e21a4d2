"""Averages of fields by bumps, slopes by local polynomials, and the noise of a field.

Every term is a derivative of a product of fields, so that all derivatives can be moved onto the bump: no difference of
noisy samples is ever taken (Messenger and Bortz, J. Comput. Phys. 443, 110525, 2021). The derivative form instead takes
the slopes of a smoothing by local polynomials, and knows products of fields and derivatives too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from scipy.signal import savgol_filter

from kansym.physics.discovery.fields.grid import FEWEST, Field

Array = np.ndarray
NARROWEST = 18  # points on both sides: sums over fewer are no longer integrals to a thousandth


@dataclass(frozen=True)
class Bump:
    """Averages over boxes of so many points on both sides of a centre, moved on by `strides`."""

    halves: tuple[int, ...]
    strides: tuple[int, ...]
    power: int

    def averaged(self, values: Array, orders: tuple[int, ...], steps: tuple[float, ...]) -> Array:
        """Averages (M,) of a derivative of these orders of values on the grid, by parts."""
        for axis, (half, stride, order, step) in enumerate(zip(self.halves, self.strides, orders, steps, strict=True)):
            weights = (-1) ** order * _bump_derivative(half, self.power, order) / step**order
            values = _strided(values, weights, axis, stride)
        return values.ravel()


def _bump_derivative(half: int, power: int, order: int) -> Array:
    """(2 half + 1,) derivative by the point's number of (1 - s^2)^power, s = number / half, over the sum of the
    bump."""
    polynomial = np.polynomial.Polynomial([1, 0, -1]) ** power
    s = np.arange(-half, half + 1) / half
    return (polynomial.deriv(order)(s) if order else polynomial(s)) / half**order / polynomial(s).sum()


def _strided(values: Array, weights: Array, axis: int, stride: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(values, len(weights), axis=axis)
    taken = windows[(*[slice(None)] * axis, slice(None, None, stride))]
    return taken @ weights


def bump_for(field: Field, orders: tuple[int, ...]) -> Bump:
    """A bump wide enough to average noise and narrow enough to see the field bend.

    Half a width is where the spectrum of the field falls into its noise (simplified from the paper above): wide against
    the finest wave that stands out, at most a fifth of the axis.
    """
    halves = tuple(_half(field, axis) for axis in range(len(field.axes)))
    strides = tuple(max(1, (len(axis) - 2 * half) // most) for axis, half, most in _budgets(field, halves))
    return Bump(halves, strides, max(orders) + 4)


def _budgets(field: Field, halves: tuple[int, ...]) -> list[tuple[Array, int, int]]:
    most = 40 if len(halves) == 2 else 12
    return [(axis, half, most) for axis, half in zip(field.axes.values(), halves, strict=True)]


WIDTHS = 2.2  # half a width, in wave lengths over 2 pi of the finest wave that stands out


def _half(field: Field, axis: int) -> int:
    """Half the width of a bump along an axis, in points."""
    count = len(list(field.axes.values())[axis])
    finest = 1.0
    for values in field.values.values():
        window = np.hanning(count).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
        power = np.abs(np.fft.rfft(np.moveaxis(values * window, axis, 0), axis=0)) ** 2
        power = power.reshape(len(power), -1).mean(axis=1)
        floor = float(np.median(power[len(power) // 2 :]))
        loud = np.flatnonzero(power > max(10 * floor, 1e-6 * float(power.max())))
        finest = max(finest, float(loud[loud <= len(power) * 0.9].max(initial=1)))
    half = int(round(WIDTHS * count / finest / (2 * np.pi) * 3))
    least = min(NARROWEST, (count - 1) // 7)
    return int(np.clip(half, least, max(least, (count - 1) // 5)))


Slopes = Callable[[Array, tuple[int, ...]], Array]
NARROW_FIT, DEGREE = 4, 6


def smooth_slopes(field: Field, halves: Sequence[int] | None = None, periodic: Sequence[bool] = ()) -> Slopes:
    """Derivatives by local polynomials (Savitzky and Golay, 1964).

    Args:
        field: whose grid the values are on.
        halves: points on both sides of a polynomial, for every axis; four if left out.
        periodic: whether an axis begins again behind its last point; none does if left out.

    Returns:
        A function (values on the grid, orders along the axes) -> values on the grid.
    """
    halves = halves or [NARROW_FIT] * len(field.axes)
    modes = ["wrap" if turns else "interp" for turns in periodic or [False] * len(field.axes)]
    along = list(zip(field.steps, halves, modes, strict=True))

    def slope(values: Array, orders: tuple[int, ...]) -> Array:
        def once(array: Array, axis: int) -> Array:
            (step, half, mode), order = along[axis], orders[axis]
            if order == 0 and half <= NARROW_FIT:
                return array
            return np.asarray(savgol_filter(array, 2 * half + 1, DEGREE, order, step, axis, mode))

        return reduce(once, range(values.ndim), values)

    return slope


def noise_of_field(values: Array) -> float:
    """The standard deviation of noise in a field: its fourth differences along the axis where they are smallest."""
    sizes = []
    for axis in range(values.ndim):
        if values.shape[axis] > FEWEST:
            sizes.append(float(np.median(np.abs(np.diff(values, 6, axis=axis)))) / 0.6745 / np.sqrt(924.0))
    return min(sizes)
