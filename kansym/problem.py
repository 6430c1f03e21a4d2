"""A table made ready: rows split, columns scaled, noise estimated, and what the user has said about the law."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.data import Dataset, split_rows
from kansym.data.dimensions import read_dimensions
from kansym.discovery import Task
from kansym.errors import DataError, quote
from kansym.events import Listener, Note, Progress
from kansym.structure.dimensions import Analysis, scalings
from kansym.structure.noise import ErrorGrowth, error_growth, estimate_noise, smooth_values
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.dimensional import search_with_units
from kansym.symbolic.error_models import WIDE, clear_of_zero, reaches_zero, relative_weights, spans_decades
from kansym.symbolic.expression import Constant, Expression, Variable, multiply
from kansym.symbolic.lowdim import drawn
from kansym.symbolic.outliers import MOST_SHARE
from kansym.symbolic.primitives import Library, library
from kansym.symbolic.reading import has_whole_powers
from kansym.symbolic.search import nothing_left, solve_by_monomials
from kansym.symbolic.selection import Parts, reaches_noise
from kansym.symbolic.steering import Reduction, Steering, read_steering
from kansym.symbolic.table import EXACT, MONOMIAL, Candidate, reached
from kansym.symbolic.table import Table as SearchTable
from kansym.symbolic.text import to_text

Array = np.ndarray
EVEN = 0.5  # errors that grow with less than this power of the target are the same for all rows
FAINT = 0.1  # of the middling value: noise that hides nothing of it
VIEW_SHARE = 0.6  # of the time left, for the first of two ways to weigh the rows
SURE = 3.0  # standard deviations by which the error of a right formula on the judging rows may be larger
SLACK = 1.03  # of the noise: what a right formula may have by chance
LOUD, NEVER = 0.05, 0.5  # noise under which wrong formulas come as near as right ones: then nothing stops the search
SEARCHED_ROWS = 4000
BELIEVED = (1e-4, 0.3)  # noise below is none; above, the smooth model may just have failed to follow the law
ENOUGH_TO_STOP = 60  # rows from which reaching the estimated noise may end the search: fewer are searched to the end
HOPELESS = 1.0  # the noise of a table in which no smooth model sees anything
MOST_NAMED = 8  # rows
ORDINARY = (1e-3, 1e4)
REACH = (1e-100, 1e100)  # squares of errors and powers of columns must stay within what a float can hold


@dataclass(frozen=True)
class Problem:
    """A table made ready: rows scaled by powers of ten, their parts, and the noise that was estimated.

    Searching and fitting happen on the scaled rows, so that units from 1e-34 to 1e30 act as those near 1.
    """

    dataset: Dataset
    raw: Rows
    scaled: Rows
    input_powers: Array
    target_power: float
    parts: Parts
    noise: float
    library: Library
    config: Config
    dropped: tuple[str, ...] = ()
    units: Analysis | None = None
    steering: Steering = Steering()

    @property
    def hopeless(self) -> bool:
        """Whether no smooth model explains anything, so that a law can only be a faint one."""
        return self.noise >= HOPELESS and len(self.parts.train) >= ENOUGH_TO_STOP

    def with_hints(self, hints: Sequence[Expression]) -> Problem:
        """The problem with formulas of the raw columns to try besides those of the user."""
        return replace(self, steering=replace(self.steering, hints=tuple(hints)))

    def steered(self, budget: Budget | Part, listen: Listener) -> list[tuple[Expression, str]]:
        """Candidates, in scaled columns, from what the user said about the law."""
        if self.steering.outline is not None:
            listen(Note(f"template: {self.steering.outline.described()}"))
        rows = self.raw.take(self.parts.train[:SEARCHED_ROWS])
        found = self.steering.candidates(rows, budget, self.library, self.config.seed)
        return [(rescaled(expression, self), origin) for expression, origin in found]

    def exact(self, found: list[tuple[Expression, str]]) -> bool:
        """Whether one of the candidates leaves nothing of the rows."""
        rows = self.fitted
        allowed = (EXACT * rows.spread) ** 2
        return any(mean_square(expression, rows) <= allowed for expression, _ in found)

    def reduced(self, reduction: Reduction | None) -> Problem | None:
        """The problem in the columns that the user's statements leave; None where it is not defined there."""
        rows = None if reduction is None else reduction.apply(self.raw)
        if reduction is None or rows is None:
            return None
        names = [to_text(column, self.dataset.input_names) for column in reduction.columns]
        fewer = Dataset(rows.inputs, rows.target, tuple(names), self.dataset.target_names, weights=rows.weights)
        return prepare(fewer, replace(self.config, guess=(), assume=(), template=None)).like(self)

    def without(self, left_out: Sequence[int]) -> Problem:
        """The problem with some of the fitted rows left out of all fitting and judging, and a note that says so."""
        rows = self.parts.fitted_rows[list(left_out)]
        return self._in_parts(self.parts.without(rows), (*self.dropped, self._named(rows)))

    def like(self, other: Problem) -> Problem:
        """The problem without the rows that are left out of another one of the same rows."""
        parts = replace(other.parts, rows=self.parts.rows)
        return self._in_parts(parts, other.dropped) if other.dropped else self

    def _in_parts(self, parts: Parts, dropped: tuple[str, ...]) -> Problem:
        left = replace(self, parts=parts, dropped=dropped)
        return replace(left, noise=noise_of(left.train, self.config))

    def _named(self, rows: Array) -> str:
        """Which rows no formula explains."""
        name, places = self.dataset.target_names[0], ", ".join(str(row + 1) for row in rows[:MOST_NAMED])
        if len(rows) == 1:
            value = self.raw.target[rows[0]]
            return (
                f"row {places} ({name} = {value:g}) is an outlier that no formula explains: it was left out of the fit"
            )
        more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
        return f"rows {places}{more} are outliers that no formula explains: they were left out of the fit"

    @property
    def may_go(self) -> int:
        """How many of the fitted rows may still be left out as outliers."""
        there = len(self.parts.train) + len(self.parts.validation) + len(self.parts.test)
        gone = self.dataset.rows - there
        return max(1, int(MOST_SHARE * (len(self.parts.fitted_rows) + gone))) - gone

    @property
    def constant(self) -> bool:
        """Whether the target never changes."""
        return bool(np.ptp(self.raw.target) == 0)

    @property
    def fitted(self) -> Rows:
        """Rows for fitting final constants."""
        return self.parts.fitted

    @property
    def train(self) -> Rows:
        """Rows to search on; the split is random, so the first ones stand for a very large table."""
        return self.parts.rows.take(self.parts.train[:SEARCHED_ROWS])

    @property
    def validation(self) -> Rows:
        """Rows to judge by; empty for a small table."""
        return self.parts.rows.take(self.parts.validation[:SEARCHED_ROWS])

    @property
    def goal(self) -> float:
        """RMS error over the spread at which the search may stop."""
        few = len(self.parts.train) < ENOUGH_TO_STOP
        if few or not BELIEVED[0] < self.noise < BELIEVED[1]:
            return EXACT
        size = np.abs(self.train.target)
        # Few large rows then decide what the noise is taken for, unless the errors of all rows are alike.
        uneven = bool(size.max() > WIDE * np.median(size)) and self.growth > EVEN
        return (NEVER if self.noise >= LOUD or uneven else SLACK) * self.noise

    @property
    def growth(self) -> float:
        """The power of the target that its errors grow with, see `error_growth`; 1 where that cannot be told."""
        return self._growth.power if self.noise > BELIEVED[0] and self._growth is not None else 1.0

    @cached_property
    def _growth(self) -> ErrorGrowth | None:
        """None where errors in proportion make no sense."""
        y = self.train.target
        told = self.train.weights is None and spans_decades(y)
        return error_growth(self.train.inputs, y, self.config.seed) if told else None

    def views(self) -> Iterator[Rows]:
        """The rows to search on: with the given weights, and with relative errors if the target spans decades.

        Where the noise hides nothing of a typical value, relative errors come first: then every row says as much.
        Where the errors were seen to be even, there is nothing else to try.
        """
        y = self.train.target
        if self.train.weights is not None or not spans_decades(y) or self.growth < EVEN:
            yield self.train
            return
        relative = Rows(self.train.inputs, y, relative_weights(y))
        clean = self.noise * np.std(y) < FAINT * np.median(y)
        yield from (relative, self.train) if clean else (self.train, relative)

    def searched_views(self, budget: Part, listen: Listener) -> list[Candidate]:
        """Candidates of the search on every view of the rows, until one leaves nothing to find."""
        plain = self._monomials()
        if self.explained(plain):
            return plain
        found: list[Candidate] = []
        views = list(self.views())
        for place, view in enumerate(views):
            last = place == len(views) - 1
            found += self.searched(view, budget if last else budget.part(VIEW_SHARE * budget.remaining), listen)
            if self.exact([(candidate.expression, candidate.origin) for candidate in found]):
                break
        return found

    def searched(self, train: Rows, budget: Part, listen: Listener) -> list[Candidate]:
        """Candidates of the search on one view of the rows."""
        table = self._table(train)
        found = search_with_units(table, None if "units" in table.without else self.units, budget, self.library)
        if found:
            text = to_text(unscaled(found[0].expression, self), self.dataset.input_names, 4)
            listen(Progress("search", None, found[0].error, None, f"{self.dataset.target_names[0]} = {text}"))
        return found

    @property
    def _sees_proportion(self) -> bool:
        """Whether there are rows enough to know the size of errors in proportion to the target."""
        enough = len(self.parts.train) >= ENOUGH_TO_STOP
        return enough and self._growth is not None and self._growth.relative < BELIEVED[1]

    def _monomials(self) -> list[Candidate]:
        """The products of powers of columns, where a formula may be believed before it is exact."""
        view = next(self.views())
        if view.weights is not None and self._sees_proportion:
            return solve_by_monomials(self._table(view))
        return solve_by_monomials(self._table(self.train)) if self.goal > EXACT else []

    def _table(self, train: Rows) -> SearchTable:
        """What the search works on, for one view of the rows."""
        if train.weights is None:
            fit, held = self._clear
        else:
            fit, held = train, self.validation if len(self.validation) else train
            if held.weights is None:
                held = Rows(held.inputs, held.target, relative_weights(held.target))
        believed = self.goal > EXACT and train.weights is None
        noise = self._allowed(SLACK * self.noise, held, train) if believed else 0.0
        return SearchTable(fit, held, self._goal_on(held, train), self.config.without, noise=noise)

    @cached_property
    def _clear(self) -> tuple[Rows, Rows]:
        """The rows to search on and to judge by which noise has not brought near 0, where the target has one sign."""
        train, held = self.train, self.validation
        target, error = np.concatenate([train.target, held.target]), self.noise * float(np.std(train.target))
        believed = len(train) >= ENOUGH_TO_STOP and BELIEVED[0] < self.noise < HOPELESS
        if believed and reaches_zero(target, error):
            values = smooth_values(np.vstack([train.inputs, held.inputs]), target, self.config.seed)
            clear = clear_of_zero(target, values, error)
            train = train.take(np.flatnonzero(clear[: len(train)]))
            held = held.take(np.flatnonzero(clear[len(self.train) :]))
        return train, held if len(held) else train

    def explained(self, candidates: list[Candidate]) -> bool:
        """Whether a product of whole powers of columns, or a root of one, reaches the noise and leaves no pattern.

        Nothing shorter reads these columns, and what is longer would have to earn its length from the pattern: so the
        search may stop at any noise.
        """
        plain = [each for each in candidates if each.origin == MONOMIAL and has_whole_powers(each.expression)]
        if not plain:
            return False
        if next(self.views()).weights is not None and self._growth is not None and self._sees_proportion:
            y = self.fitted.target
            rows = replace(self.fitted, weights=1.0 / y**2)
            most = _with_chance(SLACK * self._growth.relative, len(y))
            near = [each for each in plain if mean_square(each.expression, rows) <= most**2]
        else:
            rows, noise = self.fitted, self._table(self.train).noise
            near = [each for each in plain if each.error <= noise]
        return any(reaches_noise(each.expression, rows) for each in near)

    def task(self, known: bool) -> Task:
        """What the network stage works on."""
        names, target = self.dataset.input_names, self.dataset.target_names[0]
        return Task(self.train, self.validation, names, target, self.config, self.library, known)

    def _goal_on(self, held: Rows, train: Rows) -> float:
        """The goal over the spread of the judging rows: heavy tails give the two parts different spreads."""
        return self.goal if self.goal == EXACT else self._allowed(self.goal, held, train)

    @staticmethod
    def _allowed(error: float, held: Rows, train: Rows) -> float:
        """An error over the spread of the searched rows as one over that of the judging rows, with room for chance."""
        if train.weights is not None:
            return error
        return _with_chance(error, len(held)) * float(np.std(train.target) / max(np.std(held.target), 1e-300))

    def solved(self, candidates: list[Candidate]) -> bool:
        """Whether a candidate reaches the noise, so that the network is only needed for its picture."""
        table = self._table(self.train)
        if reached(candidates, table.goal, table.noise, len(table.held)) or self.explained(candidates):
            return True
        return drawn(candidates, table) or nothing_left(candidates, table)


def _with_chance(error: float, rows: int) -> float:
    """An RMS error with room for what it may be by chance on so many rows."""
    return error * (1.0 + SURE / float(np.sqrt(2.0 * rows)))


def prepare(dataset: Dataset, config: Config) -> Problem:
    """Check the table, split its rows, scale it by powers of ten and estimate the noise."""
    if dataset.targets.shape[1] != 1:
        raise DataError(f"the table has {dataset.targets.shape[1]} target columns: fit_all fits them together")
    if dataset.rows < 3:
        raise DataError(f"the table has {dataset.rows} rows, too few for any law: at least 3 are needed")
    weights = dataset.weights if dataset.sigma is None else 1.0 / (dataset.sigma / np.median(dataset.sigma)) ** 2
    raw = Rows(np.asarray(dataset.inputs), np.asarray(dataset.targets[:, 0]), weights)
    powers, target_power = power_of_ten(raw.inputs), float(power_of_ten(raw.target[:, None])[0])
    scaled = Rows(raw.inputs / powers, raw.target / target_power, weights)
    split = split_rows(dataset.rows, config.seed)
    parts = Parts(scaled, split.train, split.validation, split.test)
    noise = noise_of(parts.rows.take(parts.train[:SEARCHED_ROWS]), config)
    dataset, units = _analysed(dataset)
    return Problem(
        dataset, raw, scaled, powers, target_power, parts, noise, library(config.primitives, config.drop), config,
        units=units, steering=read_steering(config, dataset.input_names),
    )  # fmt: skip


def noise_of(rows: Rows, config: Config) -> float:
    """The noise's standard deviation over the spread of the rows to search on: what the user says, or an estimate."""
    if config.noise is None:
        return estimate_noise(rows.inputs, rows.target, config.seed)
    return config.noise * float(np.sqrt(np.mean(rows.target**2))) / (float(np.std(rows.target)) or 1.0)


def _analysed(dataset: Dataset) -> tuple[Dataset, Analysis | None]:
    """The table with notes about its units, and what they say of the law."""
    target, unit = dataset.target_names[0], dataset.target_units[0]
    dimensions, notes = read_dimensions(dataset.input_names, dataset.input_units, target, unit)
    bases = tuple(scalings(dimensions)) if dimensions else ()
    if dimensions and not bases:
        notes = (f"no product of the inputs has the unit of {quote(target)}: the law holds a constant with a unit",)
    analysis = Analysis(dimensions, bases) if dimensions and bases else None
    return (replace(dataset, notes=(*dataset.notes, *notes)) if notes else dataset), analysis


def check_reach(dataset: Dataset) -> None:
    low, high = REACH
    names = (*dataset.input_names, *dataset.target_names)
    for name, size in zip(names, np.max(np.abs(np.hstack([dataset.inputs, dataset.targets])), axis=0), strict=True):
        if size and not low <= size <= high:
            raise DataError(
                f"column {quote(name)} reaches {size:.0e}: give it in a unit that keeps it within 1e-100 to 1e100"
            )


def power_of_ten(columns: Array) -> Array:
    """The power of ten that brings the typical size of every column (N, D) to 0.4 .. 4, (D,); 1 where it is ordinary.

    Ordinary columns keep their units, because laws have natural constants in natural units: sin(x), not sin(10 x).
    """
    size = np.max(np.abs(columns), axis=0)
    typical = size * np.sqrt(np.mean((columns / np.where(size > 0, size, 1.0)) ** 2, axis=0))
    low, high = ORDINARY
    strange = (typical > 0) & ((typical < low) | (typical > high))
    return np.where(strange, 10.0 ** np.floor(np.log10(np.where(strange, typical, 1.0) / 0.4)), 1.0)


def unscaled(expression: Expression, problem: Problem) -> Expression:
    """A formula of the scaled columns as one of the raw columns."""
    if np.all(problem.input_powers == 1.0) and problem.target_power == 1.0:
        return expression
    columns: list[Expression] = [
        Variable(i) if power == 1.0 else multiply(Constant(1.0 / power), Variable(i))
        for i, power in enumerate(problem.input_powers)
    ]
    raw = expression.substitute(columns)
    return canonical(raw if problem.target_power == 1.0 else multiply(Constant(problem.target_power), raw))


def rescaled(expression: Expression, problem: Problem) -> Expression:
    """A formula of the raw columns as one of the scaled columns."""
    if np.all(problem.input_powers == 1.0) and problem.target_power == 1.0:
        return expression
    columns: list[Expression] = [
        Variable(i) if power == 1.0 else multiply(Constant(float(power)), Variable(i))
        for i, power in enumerate(problem.input_powers)
    ]
    return multiply(Constant(1.0 / problem.target_power), expression.substitute(columns))
