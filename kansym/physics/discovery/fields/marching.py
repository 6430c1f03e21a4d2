"""The solution that found equations have from a field's first moment on: the method of lines.

Derivatives are differences over nine points of the field's own grid. What lies beyond the grid is the field itself
where it repeats (a periodic axis), else the measured values of the four outermost points on either side.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Any

import numpy as np
from scipy.integrate import DOP853, Radau
from scipy.interpolate import CubicSpline
from scipy.sparse import coo_array, kron

from kansym.budget import Budget, Part
from kansym.physics.discovery.fields.averages import bump_for, noise_of_field, smooth_slopes
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.fields.terms import by_name
from kansym.symbolic.expression import Expression

Array = np.ndarray
REACH = 4  # points on both sides of a difference
SMOOTH = 1e-4  # noise over a field's spread below which its own values start the solution
SEAM, JUMP, ENDS = 5.0, 2.0, 8  # how much rougher the seam of a periodic axis may be than the field inside, by
# fourth differences (of clean fields) and by lines through so many points on both sides (of noisy ones)
RUNAWAY = 100.0  # times the largest sample: a solution that goes beyond is given up
MOST_STEPS = 20_000
TOLERANCE, NOISE_SHARE = 1e-6, 1e-2  # of the solver; as a share of the noise, where that is larger
Formula = tuple[Expression, Sequence[str]]


@dataclass(frozen=True, eq=False)
class March:
    """A solution on the field's own grid.

    Attributes:
        values: by name, as the field's; nan from where the solution has left the field's range or the time was up.
        errors: by name, root mean square of samples less solution over the samples' spread, as far as it goes.
        reached: share of the field's time.
    """

    values: Mapping[str, Array]
    errors: Mapping[str, float]
    reached: float


def march(field: Field, formulas: Sequence[Formula], budget: Budget | Part | None = None) -> March:
    """Solve equations from the field's first moment on.

    Args:
        field: gives the first moment (smoothed where it is noisy), the edges of axes that are not periodic, and what
            the solution is compared with.
        formulas: for every field, the right-hand side and the names of its columns: those of `by_name`, and axes.
        budget: a time limit to share.
    """
    lattice = _Lattice.of(field)
    found = np.full((len(lattice.times), *lattice.smooth[:, 0].shape), np.nan)
    found[0] = lattice.on_grid(lattice.first, lattice.times[0])
    for row, state in _states(_Rates(field, lattice, formulas), lattice, budget):
        found[row] = lattice.on_grid(state, lattice.times[row])
    values = {name: found[:, place] for place, name in enumerate(field.values)}
    errors = {name: _error(values[name], field.values[name]) for name in field.values}
    return March(values, errors, float(np.isfinite(found.reshape(len(found), -1)).all(axis=1).mean()))


def _error(solution: Array, samples: Array) -> float:
    gone = np.isfinite(solution)
    return float(np.sqrt(np.mean((solution[gone] - samples[gone]) ** 2)) / np.std(samples))


@dataclass(frozen=True, eq=False)
class _Lattice:
    """Which points of the grid are unknowns.

    Attributes:
        axes: of space.
        steps: their spacing.
        turns: for every axis of space, None where the outermost points are given; of a periodic axis 1 where its last
            point is the first again, else 0.
        smooth: (fields, n_t, ...) the field without its noise.
        tolerance: of the solver, relative.
    """

    axes: tuple[Array, ...]
    steps: tuple[float, ...]
    turns: tuple[int | None, ...]
    smooth: Array
    times: Array
    tolerance: float

    @staticmethod
    def of(field: Field) -> _Lattice:
        samples = np.array(list(field.values.values()))
        noise = max(float(noise_of_field(values) / np.std(values)) for values in samples)
        turns = tuple(_turn(samples, axis) for axis in range(2, samples.ndim))
        smooth = samples
        if noise > SMOOTH:
            halves = bump_for(field, (1,) * len(field.axes)).halves
            slope = smooth_slopes(field, halves, [False, *(turn == 0 for turn in turns)])
            smooth = np.array([slope(values, (0,) * len(field.axes)) for values in samples])
        times, *axes = field.axes.values()
        return _Lattice(tuple(axes), field.steps[1:], turns, smooth, times, max(TOLERANCE, noise * NOISE_SHARE))

    @property
    def first(self) -> Array:
        """(U,) the unknowns at the first moment."""
        return self.smooth[:, 0][self._inside()].ravel()

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """(fields, ...) of the unknowns."""
        return self.smooth[:, 0][self._inside()].shape

    @cached_property
    def edges(self) -> CubicSpline:
        """The smooth field at any time."""
        return CubicSpline(self.times, self.smooth, axis=1)

    def _inside(self, whole: frozenset[int] = frozenset()) -> tuple[slice, ...]:
        """Where the unknowns are on the grid, fields first; all points of the axes that are named."""
        cuts = {None: slice(REACH, -REACH), 0: slice(None), 1: slice(None, -1)}
        return (slice(None), *(slice(None) if axis in whole else cuts[t] for axis, t in enumerate(self.turns)))

    def extended(self, state: Array, time: float) -> Array:
        """(fields, ...) the unknowns with four more points on either side of every axis of space."""
        values, whole = state.reshape(self.shape), frozenset[int]()
        for axis, turn in enumerate(self.turns):
            if turn is None:
                given = np.moveaxis(self.edges(time)[self._inside(whole | {axis})], axis + 1, 0)
                middle = np.moveaxis(values, axis + 1, 0)
                values = np.moveaxis(np.concatenate([given[:REACH], middle, given[-REACH:]]), 0, axis + 1)
                whole |= {axis}
        for axis, turn in enumerate(self.turns):
            if turn is not None:
                room = [(REACH, REACH) if place == axis + 1 else (0, 0) for place in range(values.ndim)]
                values = np.pad(values, room, mode="wrap")
        return values

    def on_grid(self, state: Array, time: float) -> Array:
        """(fields, ...) on the whole grid."""
        values = self.extended(state, time)
        for axis, turn in enumerate(self.turns, 1):
            if turn is not None:
                values = np.take(values, range(REACH, values.shape[axis] - REACH + turn), axis)
        return values

    def places(self, name: int) -> Array:
        """(U / fields,) coordinates of the unknowns along an axis of space."""
        axes = [axis[cut] for axis, cut in zip(self.axes, self._inside()[1:], strict=True)]
        return np.meshgrid(*axes, indexing="ij")[name].ravel()


def _turn(samples: Array, axis: int) -> int | None:
    """Whether an axis is periodic, and whether its last point is the first again."""
    values = np.moveaxis(samples, axis, -1)
    scale = float(np.sqrt(np.mean(np.diff(values, 1, -1) ** 2)))
    if np.sqrt(np.mean((values[..., 0] - values[..., -1]) ** 2)) < 1e-3 * scale:
        return 1
    closed = np.concatenate([values[..., -ENDS:], values[..., :ENDS]], -1)
    seams = (
        _rough(np.diff(closed[..., ENDS - REACH : ENDS + REACH], 4, -1)) < SEAM * _rough(np.diff(values, 4, -1)),
        _rough(_jumps(closed)) < JUMP * _rough(_jumps(values)),
    )
    return 0 if all(seams) else None


def _rough(changes: Array) -> float:
    """The largest root mean square along the last axis."""
    return float(np.sqrt(np.mean(changes**2, axis=tuple(range(changes.ndim - 1))).max()))


def _jumps(values: Array) -> Array:
    """By how much the lines through so many points on both sides of every gap miss each other in its middle."""
    points = np.arange(-ENDS, ENDS) + 0.5
    line = np.linalg.pinv(np.column_stack([np.ones(ENDS), points[ENDS:]]))[0]
    return np.lib.stride_tricks.sliding_window_view(values, 2 * ENDS, -1) @ np.concatenate([-line[::-1], line])


def _weights(order: int, step: float) -> Array:
    """(9,) of the difference that gives a derivative at its middle point."""
    points = np.arange(-REACH, REACH + 1.0)
    wanted = np.zeros(len(points))
    wanted[order] = factorial(order)
    return np.linalg.solve(np.vander(points, increasing=True).T, wanted) / step**order


class _Rates:
    """The right-hand sides at the unknowns: a function of (time, state)."""

    def __init__(self, field: Field, lattice: _Lattice, formulas: Sequence[Formula]) -> None:
        self._lattice, self._formulas = lattice, formulas
        self._terms = by_name(field)
        self._places = {name: lattice.places(number) for number, name in enumerate(field.space)}

    def __call__(self, time: float, state: Array) -> Array:
        values = list(self._lattice.extended(state, time))
        rows = len(state) // len(self._formulas)
        known: dict[str, Array] = {}
        found = np.empty((len(self._formulas), rows))
        for row, (formula, names) in enumerate(self._formulas):
            for name in names:
                if name not in known:
                    known[name] = self._places[name] if name in self._places else self._read(name, values)
            found[row] = formula.evaluate(np.column_stack([np.empty((rows, 0)), *(known[name] for name in names)]))
        return found.ravel()

    def _read(self, name: str, values: list[Array]) -> Array:
        return self._terms[name].read(values, self._slope).ravel()

    def _slope(self, values: Array, orders: tuple[int, ...]) -> Array:
        for axis, (order, step) in enumerate(zip(orders[1:], self._lattice.steps, strict=True)):
            windows = np.lib.stride_tricks.sliding_window_view(values, 2 * REACH + 1, axis=axis)
            values = windows @ _weights(order, step) if order else windows[..., REACH]
        return values


def _states(rates: _Rates, lattice: _Lattice, budget: Budget | Part | None) -> Iterator[tuple[int, Array]]:
    """Numbers of the field's moments after the first, and the states there, as far as a solver gets."""
    times, first = lattice.times, lattice.first
    largest = RUNAWAY * float(np.abs(lattice.smooth).max())
    settings: dict[str, Any] = {"rtol": lattice.tolerance, "atol": lattice.tolerance * float(np.std(lattice.smooth))}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the solver's words on steps that fail; its status says it too
        if not np.all(np.isfinite(rates(times[0], first))):
            return
        if len(lattice.axes) == 1:
            solver: Any = Radau(rates, times[0], first, times[-1], jac_sparsity=_reach(lattice), **settings)
        else:
            solver = DOP853(rates, times[0], first, times[-1], **settings)
        for _ in range(MOST_STEPS):
            solver.step()
            if solver.status == "failed" or not np.abs(solver.y).max() < largest or (budget and budget.expired):
                return
            curve = solver.dense_output()
            for row in np.flatnonzero((times > solver.t_old) & (times <= solver.t)):
                yield int(row), curve(times[row])
            if solver.status == "finished":
                return


def _reach(lattice: _Lattice) -> coo_array:
    """Which unknowns of one axis the rate of each reads: its neighbours in every field."""
    fields, count = lattice.shape
    rows = np.repeat(np.arange(count), 2 * REACH + 1)
    columns = rows + np.tile(np.arange(-REACH, REACH + 1), count)
    there = (columns >= 0) & (columns < count)
    if lattice.turns[0] is not None:
        columns, there = columns % count, np.ones_like(there)
    one = coo_array((np.ones(int(there.sum())), (rows[there], columns[there])), shape=(count, count))
    return coo_array(kron(np.ones((fields, fields)), one))
