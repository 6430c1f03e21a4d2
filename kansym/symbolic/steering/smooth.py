"""The unknown functions of an outline as splines, fitted together with its unknown numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.interpolate import BSpline

from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Tape
from kansym.symbolic.steering.outline import Outline

Array = np.ndarray
INTERVALS = {1: 10, 2: 6, 3: 3}  # by the number of arguments: a tensor product has (intervals + 3)**arguments columns
ROWS_PER_COEFFICIENT = 3
STARTS, STEPS = 6, 60
RIDGE = 1e-9
TOLERANCE = 1e-12


@dataclass(frozen=True)
class Grid:
    """The knots of one unknown function, one row of them per argument."""

    knots: tuple[Array, ...]

    @classmethod
    def of(cls, points: Array, intervals: int) -> Grid:
        """Knots at the quantiles of points (n, k)."""
        return cls(tuple(_knots(column, intervals) for column in points.T))

    def design(self, points: Array) -> Array:
        """Values (n, B) of all basis functions, which sum to 1; products of cubic B-splines for several arguments."""
        product = np.ones((len(points), 1))
        for column, knots in zip(points.T, self.knots, strict=True):
            inside = np.clip(column, knots[0], knots[-1])
            values = BSpline.design_matrix(inside, knots, 3).toarray()
            product = (product[:, :, None] * values[:, None, :]).reshape(len(points), -1)
        return product


def _knots(column: Array, intervals: int) -> Array:
    inner = np.quantile(column, np.linspace(0, 1, intervals + 1))
    if np.any(np.diff(inner) <= 0):
        inner = np.linspace(column.min(), column.max(), intervals + 1)
    margin = 1e-9 * max(inner[-1] - inner[0], 1e-300)
    return np.concatenate([np.full(4, inner[0] - margin), inner[1:-1], np.full(4, inner[-1] + margin)])


@dataclass(frozen=True)
class State:
    """What is unknown, with values: numbers (P,) and the coefficients (B,) of every function."""

    numbers: Array
    coefficients: tuple[Array, ...]

    @property
    def flat(self) -> Array:
        """All of them in one array."""
        return np.concatenate([self.numbers, *self.coefficients])

    def at(self, flat: Array) -> State:
        """The same with other values."""
        cuts = np.cumsum([len(self.numbers), *(len(each) for each in self.coefficients)])
        numbers, *coefficients = np.split(flat, cuts[:-1])
        return State(numbers, tuple(coefficients))


@dataclass(frozen=True)
class SmoothModel:
    """An outline on rows, its unknown functions being splines."""

    outline: Outline
    rows: Rows
    grids: tuple[Grid, ...]
    designs: tuple[Array, ...]  # one per application: (N, B)

    @classmethod
    def of(cls, outline: Outline, rows: Rows) -> SmoothModel:
        """The model with as many intervals as the rows allow."""
        points = [each.values(rows.inputs) for each in outline.applications]
        room = len(rows) // (ROWS_PER_COEFFICIENT * max(len(outline.functions), 1))
        grids = []
        for number, function in enumerate(outline.functions):
            intervals = INTERVALS[function.arity]
            while intervals > 1 and (intervals + 3) ** function.arity > room:
                intervals -= 1
            grids.append(Grid.of(np.vstack([points[place] for place in outline.places(number)]), intervals))
        designs = tuple(grids[each.function].design(at) for each, at in zip(outline.applications, points, strict=True))
        return cls(outline, rows, tuple(grids), designs)

    @cached_property
    def tape(self) -> Tape:
        """The outline's body as steps."""
        return Tape(self.outline.body)

    def curves(self, state: State) -> list[Array]:
        """The value (N,) of every application."""
        return [
            design @ state.coefficients[each.function]
            for each, design in zip(self.outline.applications, self.designs, strict=True)
        ]

    def gradient(self, numbers: Array, curves: Sequence[Array]) -> tuple[Array, Array]:
        """Values (N,) of the body and its derivatives (N, D + P + A) by columns, numbers and applications."""
        count = len(self.rows)
        table = np.column_stack([self.rows.inputs, np.broadcast_to(numbers, (count, len(numbers))), *curves])
        return self.tape.gradient(table)

    def jacobian(self, state: State) -> tuple[Array, Array]:
        """Weighted residuals (N,) and their derivatives (N, P + all coefficients)."""
        values, slopes = self.gradient(state.numbers, self.curves(state))
        first = self.outline.columns + len(state.numbers)
        blocks = [slopes[:, self.outline.columns : first]]
        for number, coefficients in enumerate(state.coefficients):
            block = np.zeros((len(self.rows), len(coefficients)))
            for place in self.outline.places(number):
                block += slopes[:, first + place, None] * self.designs[place]
            blocks.append(block)
        roots = np.broadcast_to(self.rows.roots, (len(self.rows),))
        return (values - self.rows.target) * roots, np.hstack(blocks) * roots[:, None]

    def start(self, value: float, slope: float) -> State:
        """Every function a straight line about a value."""
        numbers = np.array(self.outline.starts)
        tilts = [np.linspace(-slope, slope, design_width(grid)) for grid in self.grids]
        return State(numbers, tuple(value + tilt for tilt in tilts))

    def fitted(self, seed: int) -> tuple[State, float]:
        """The best state of several starts, and its RMS error over the target's spread."""
        found = [self.descend(start) for start in self._starts(seed)]
        return min(found, key=lambda item: item[1])

    def _starts(self, seed: int) -> Iterator[State]:
        random = np.random.default_rng(seed)
        yield self.start(1.0, 0.1)
        for _ in range(STARTS - 1):
            state = self.start(float(random.choice([1.0, -1.0]) * np.exp(random.normal())), float(random.normal()))
            factors = np.exp(0.7 * random.normal(size=len(state.numbers))) * random.choice(
                [1.0, 1.0, -1.0], len(state.numbers)
            )
            bent = tuple(each + 0.3 * random.normal(size=len(each)) for each in state.coefficients)
            yield replace(state, numbers=state.numbers * factors, coefficients=bent)

    def descend(self, state: State, steps: int = STEPS) -> tuple[State, float]:
        """Levenberg-Marquardt from a state; the state reached and its RMS error over the target's spread."""
        size = max(self.rows.spread, 1e-300) * np.sqrt(len(self.rows))
        flat, damping = state.flat, 1e-3
        residual, columns = self.jacobian(state)
        loss = _loss(residual / size)
        for _ in range(steps):
            if not np.isfinite(loss) or loss < TOLERANCE**2 or damping > 1e10:
                break
            trial = flat - _step(columns / size, residual / size, damping)
            moved, derivatives = self.jacobian(state.at(trial))
            after = _loss(moved / size)
            if after < loss and np.all(np.isfinite(derivatives)):
                done = loss - after < 1e-9 * loss
                flat, residual, columns, loss, damping = trial, moved, derivatives, after, damping * 0.2
                if done:
                    break
            else:
                damping *= 5.0
        return state.at(flat), float(np.sqrt(loss)) if np.isfinite(loss) else np.inf

    def implied(self, place: int, numbers: Array, curves: Sequence[Array]) -> tuple[Array, Array]:
        """The values (N,) that one application must have for the rows to be met, and weights (N,) for them.

        Newton steps in every row alone, from the values in `curves`; where none leads there, the values stay.
        """
        first = self.outline.columns + len(numbers)
        curves = list(curves)
        before = curves[place]
        for _ in range(12):
            values, slopes = self.gradient(numbers, curves)
            with np.errstate(all="ignore"):
                moved = curves[place] - (values - self.rows.target) / slopes[:, first + place]
            curves[place] = np.where(np.isfinite(moved), moved, before)
        values, slopes = self.gradient(numbers, curves)
        with np.errstate(all="ignore"):
            missed = np.abs(values - self.rows.target) > 1e-6 * np.std(self.rows.target)
        met = np.isfinite(values) & ~missed
        weights = np.where(met, slopes[:, first + place] ** 2 * np.broadcast_to(self.rows.roots, met.shape) ** 2, 0.0)
        total = weights.mean()
        good = np.isfinite(total) and total > 0
        return np.where(met, curves[place], before), weights / total if good else np.ones(len(before))


def design_width(grid: Grid) -> int:
    """How many coefficients a function on this grid has."""
    return int(np.prod([len(knots) - 4 for knots in grid.knots]))


def _loss(residual: Array) -> float:
    with np.errstate(all="ignore"):
        total = float(residual @ residual)
    return total if np.isfinite(total) else np.inf


def _step(columns: Array, residual: Array, damping: float) -> Array:
    """The damped step; the ridge holds still what the outline leaves free, such as the scale in a*f(x)."""
    gram = columns.T @ columns
    diagonal = np.diag(gram)
    gram[np.diag_indices_from(gram)] += damping * diagonal + RIDGE * max(float(diagonal.mean()), 1e-300)
    return np.linalg.lstsq(gram, columns.T @ residual, rcond=1e-15)[0]
