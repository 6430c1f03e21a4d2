"""`fit`: from a table to a law, one stage after the other."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.data import Dataset, split_rows
from kansym.data.dimensions import read_dimensions
from kansym.discovery import Network, Task, run_network
from kansym.errors import DataError, quote
from kansym.events import Listener, Note, Progress, StageFinished, StageStarted, ignore
from kansym.graph import Graph
from kansym.narrowing import Narrowing, shown_rows
from kansym.result import Points, Result, Table
from kansym.structure.dimensions import Analysis, scalings
from kansym.structure.noise import estimate_noise
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.dimensional import search_with_units
from kansym.symbolic.expression import Constant, Expression, Variable, multiply
from kansym.symbolic.formula import ParetoFront
from kansym.symbolic.lowdim import EXACT, Candidate, reached
from kansym.symbolic.lowdim import Table as SearchTable
from kansym.symbolic.network import with_law
from kansym.symbolic.primitives import Library, library
from kansym.symbolic.selection import Names, Parts, description_length, front_of, outlying_row, simplified
from kansym.symbolic.steering import Reduction, Steering, read_steering
from kansym.symbolic.text import to_text

Array = np.ndarray
SMALL = 30
WIDE = 30.0  # a positive target that spans more than this factor may have errors in proportion to its size
SLACK = 1.03  # of the noise: what a right formula may have by chance
GRACE = 6.0  # seconds beyond the limit in which the last candidates are refitted and their numbers made exact
LOUD, NEVER = 0.05, 0.5  # noise under which wrong formulas come as near as right ones: then nothing stops the search
PROPORTIONAL_NATS = 8.0  # measurements over decades mostly have errors in proportion
SEARCHED_ROWS = 4000
LARGEST_SHARE = 0.6  # of the target, that errors in proportion to it may be
BELIEVED = (1e-4, 0.3)  # noise below is none; above, the smooth model may just have failed to follow the law
ENOUGH_TO_STOP = 60  # rows from which reaching the estimated noise may end the search: fewer are searched to the end
SEARCH_SHARE, NETWORK_SHARE = 0.7, 0.75  # of the time that is left when the stage starts
HOPELESS, HOPELESS_SHARE = 1.0, 0.5  # the noise of a table in which no smooth model sees anything, and its share
ORDINARY = (1e-3, 1e4)
REACH = (1e-100, 1e100)  # squares of errors and powers of columns must stay within what a float can hold


@dataclass
class _Clock:
    """Runs the stages: events at their start and end, and the seconds that each took."""

    listen: Listener
    seconds: dict[str, float] = field(default_factory=dict)

    def stage(self, name: str, detail: str = "") -> _Stage:
        return _Stage(self, name, detail)


@dataclass
class _Stage:
    clock: _Clock
    name: str
    detail: str
    summary: str = ""

    def __enter__(self) -> _Stage:
        self.started = time.monotonic()
        self.clock.listen(StageStarted(self.name, self.detail))
        return self

    def __exit__(self, *_: object) -> None:
        taken = time.monotonic() - self.started
        self.clock.seconds[self.name] = self.clock.seconds.get(self.name, 0.0) + taken
        self.clock.listen(StageFinished(self.name, taken, self.summary))


def fit(
    dataset: Dataset,
    config: Config | None = None,
    on_event: Listener = ignore,
    budget: Budget | None = None,
    hints: Sequence[Expression] = (),
) -> Result:
    """Find the law that explains the target of a table by its inputs.

    Args:
        dataset: the table, one target column; N >= 3 rows.
        config: choices; the defaults are meant to be good.
        on_event: receives typed events, see `kansym.events`.
        budget: a running time limit to share; a new one of `config.seconds` otherwise.
        hints: formulas of the inputs that may be near the law, such as those of another target; they are refitted.

    Returns:
        The result, with the chosen formula in raw units; its `stop_reason` tells whether time or the user cut it short.

    Raises:
        DataError: when the table has several targets, or too few rows.
    """
    config = config or Config()
    budget = budget or Budget(config.seconds)
    clock = _Clock(on_event)
    with clock.stage("data", f"{dataset.rows} rows") as stage:
        _check_reach(dataset)
        narrow = Narrowing.of(dataset, config, hints)
        problem = prepare(narrow.table, config).with_hints([narrow.lowered(hint) for hint in hints])
        stage.summary = "; ".join(narrow.notes)
    if problem.constant:
        constant = Constant(float(problem.raw.target[0]))
        return narrow.lifted(finish(problem, [(constant, "constant")], None, config, budget, clock))
    with clock.stage("search", "laws that need no network") as stage:
        share = budget.part((HOPELESS_SHARE if problem.hopeless else SEARCH_SHARE) * budget.remaining)
        problem, candidates, found = _searched(problem, share, on_event)
        back = narrow.missed(*_best_prediction(problem, found))
        if back and not budget.expired:
            earlier, narrow = narrow, narrow.widened(back)
            names = ", ".join(dataset.input_names[i] for i in back)
            on_event(Note(f"what is left depends on {names}: searching again"))
            problem = prepare(narrow.table, config).with_hints([narrow.lowered(hint) for hint in hints])
            problem, candidates, again = _searched(problem, budget.part(SEARCH_SHARE * budget.remaining), on_event)
            found = [(narrow.lowered(earlier.raised(expression)), origin) for expression, origin in found] + again
        stage.summary = f"{len(found)} candidates"
    known = problem.solved(candidates) or problem.steering.outline is not None or problem.exact(found)
    known = known or problem.hopeless or "network" in config.without
    with clock.stage("network", "a small one, for the picture" if known else "train, prune, match") as stage:
        share = budget.part(NETWORK_SHARE * budget.remaining)
        network = run_network(problem.task(known), share, on_event)
        stage.summary = _pruning_summary(network, problem)
        if network is not None and not known:
            found += [(expression, "network") for expression in network.formulas(problem.fitted, share)]
    return narrow.lifted(finish(problem, found, network, config, budget, clock))


def _searched(
    problem: Problem, budget: Part, listen: Listener
) -> tuple[Problem, list[Candidate], list[tuple[Expression, str]]]:
    """The problem, perhaps without an outlying row; the candidates of the search; and all with their origins."""
    steered = problem.steered(budget, listen)
    shared = problem.exact([item for item in steered if item[1] == "shared"])  # the law of another target, adapted
    candidates = [] if shared else _candidates(problem, budget, listen)
    row = outlying_row((candidate.expression for candidate in candidates), problem.fitted)
    if row is not None:
        problem = problem.without(int(np.sort(np.concatenate([problem.parts.train, problem.parts.validation]))[row]))
        listen(Note(problem.dropped[-1]))
        candidates = _candidates(problem, budget, listen)
    return problem, candidates, [*steered, *((candidate.expression, candidate.origin) for candidate in candidates)]


def _best_prediction(problem: Problem, found: list[tuple[Expression, str]]) -> tuple[Array, Array]:
    """What the shortest description predicts of the fitted rows, in the table's unit, and which rows these are."""
    rows = problem.fitted
    lengths = [description_length(expression, mean_square(expression, rows), rows) for expression, _ in found]
    best = found[int(np.nanargmin(lengths))][0] if np.any(np.isfinite(lengths)) else Constant(float(rows.target.mean()))
    kept = np.sort(np.concatenate([problem.parts.train, problem.parts.validation])).astype(int)
    return problem.target_power * best.evaluate(rows.inputs), kept


def _candidates(problem: Problem, budget: Part, listen: Listener) -> list[Candidate]:
    found: list[Candidate] = []
    tables = [(each, problem.reduced(each)) for each in problem.steering.reductions(problem.dataset.columns)]
    for place, (reduction, fewer) in enumerate(tables):
        share = budget.part(budget.remaining / (len(tables) - place))
        if reduction is None or fewer is None:
            found += problem.searched_views(share, listen)
            continue
        inner = _candidates(fewer, share, listen)
        for each in inner:
            lifted = rescaled(canonical(reduction.lift(unscaled(each.expression, fewer))), problem)
            found.append(replace(each, expression=lifted))
        if fewer.solved(inner):
            break
    return found


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
        allowed = (EXACT * float(np.std(rows.target * rows.roots))) ** 2
        return any(mean_square(expression, rows) <= allowed for expression, _ in found)

    def reduced(self, reduction: Reduction | None) -> Problem | None:
        """The problem in the columns that the user's statements leave; None where it is not defined there."""
        rows = None if reduction is None else reduction.apply(self.raw)
        if reduction is None or rows is None:
            return None
        names = [to_text(column, self.dataset.input_names) for column in reduction.columns]
        fewer = Dataset(rows.inputs, rows.target, tuple(names), self.dataset.target_names, weights=rows.weights)
        return prepare(fewer, replace(self.config, guess=(), assume=(), template=None))

    def without(self, row: int) -> Problem:
        """The problem with one row left out of all fitting and judging, and a note that says so."""
        value = self.raw.target[row]
        name = self.dataset.target_names[0]
        note = f"row {row + 1} ({name} = {value:g}) is an outlier that no formula explains: it was left out of the fit"
        kept = (part[part != row] for part in (self.parts.train, self.parts.validation, self.parts.test))
        return replace(self, parts=Parts(self.parts.rows, *kept), dropped=(*self.dropped, note))

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
        uneven = bool(size.max() > WIDE * np.median(size))  # few large rows then decide what the noise is taken for
        return (NEVER if self.noise >= LOUD or uneven else SLACK) * self.noise

    def views(self) -> Iterator[Rows]:
        """The rows to search on: with the given weights, and with relative errors if the target spans decades."""
        yield self.train
        y = self.train.target
        if self.train.weights is None and np.all(y > 0) and y.max() > WIDE * y.min():
            yield Rows(self.train.inputs, y, relative_weights(y))

    def searched_views(self, budget: Part, listen: Listener) -> list[Candidate]:
        """Candidates of the search on every view of the rows, until one leaves nothing to find."""
        found: list[Candidate] = []
        for view in self.views():
            found += self.searched(view, budget, listen)
            if self.exact([(candidate.expression, candidate.origin) for candidate in found]):
                break
        return found

    def searched(self, train: Rows, budget: Part, listen: Listener) -> list[Candidate]:
        """Candidates of the search on one view of the rows."""
        held = self.validation if len(self.validation) else train
        if train.weights is not None and held.weights is None:
            held = Rows(held.inputs, held.target, relative_weights(held.target))
        without = self.config.without
        table = SearchTable(train, held, self._goal_on(held, train), without)
        found = search_with_units(table, None if "units" in without else self.units, budget, self.library)
        if found:
            text = to_text(unscaled(found[0].expression, self), self.dataset.input_names, 4)
            listen(Progress("search", None, found[0].error, None, f"{self.dataset.target_names[0]} = {text}"))
        return found

    def task(self, known: bool) -> Task:
        """What the network stage works on."""
        names, target = self.dataset.input_names, self.dataset.target_names[0]
        return Task(self.train, self.validation, names, target, self.config, self.library, known)

    def _goal_on(self, held: Rows, train: Rows) -> float:
        """The goal over the spread of the judging rows: heavy tails give the two parts different spreads."""
        if self.goal == EXACT or train.weights is not None:
            return self.goal
        return self.goal * float(np.std(train.target) / max(np.std(held.target), 1e-300))

    def solved(self, candidates: list[Candidate]) -> bool:
        """Whether a candidate reaches the noise, so that the network is only needed for its picture."""
        held = self.validation if len(self.validation) else self.train
        return reached(candidates, self._goal_on(held, self.train))


def relative_weights(target: Array) -> Array:
    """Weights (N,) for errors in proportion to the target, with mean 1."""
    weights = 1.0 / target**2
    return weights / weights.mean()


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
    first = parts.rows.take(parts.train[:SEARCHED_ROWS])
    noise = estimate_noise(first.inputs, first.target, config.seed)
    if config.noise is not None:
        spread = float(np.std(scaled.target)) or 1.0
        noise = config.noise * float(np.sqrt(np.mean(scaled.target**2))) / spread
    dataset, units = _analysed(dataset)
    return Problem(
        dataset, raw, scaled, powers, target_power, parts, noise, library(config.primitives, config.drop), config,
        units=units, steering=read_steering(config, dataset.input_names),
    )  # fmt: skip


def _analysed(dataset: Dataset) -> tuple[Dataset, Analysis | None]:
    """The table with notes about its units, and what they say of the law."""
    target, unit = dataset.target_names[0], dataset.target_units[0]
    dimensions, notes = read_dimensions(dataset.input_names, dataset.input_units, target, unit)
    bases = tuple(scalings(dimensions)) if dimensions else ()
    if dimensions and not bases:
        notes = (f"no product of the inputs has the unit of {quote(target)}: the law holds a constant with a unit",)
    analysis = Analysis(dimensions, bases) if dimensions and bases else None
    return (replace(dataset, notes=(*dataset.notes, *notes)) if notes else dataset), analysis


def _check_reach(dataset: Dataset) -> None:
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


def finish(
    problem: Problem,
    found: list[tuple[Expression, str]],
    network: Network | None,
    config: Config,
    budget: Budget,
    clock: _Clock,
) -> Result:
    """Refit and rank the candidates in raw units, and put the result together."""
    if not budget.interrupted:  # a time limit that has passed must not leave the numbers of the law unfinished
        budget = Budget(budget.remaining + GRACE, hit=budget.hit)
    with clock.stage("select", f"{len(found)} candidates"):
        candidates = [(unscaled(expression, problem), origin) for expression, origin in found]
        front = _front(candidates, problem, budget)
        doubt = problem.steering.doubt(candidates, front.best.expression, problem.raw, config.seed)
        if doubt is not None:
            problem = replace(problem, dropped=(*problem.dropped, doubt))
            clock.listen(Note(doubt))
        clock.listen(Progress("select", 1.0, None, None, str(front.best)))
    dataset = problem.dataset
    if dataset.rows < SMALL:
        clock.listen(Note(f"{dataset.rows} rows are too few for a test part: errors are leave-one-out"))
    table = Table(
        os.path.basename(dataset.source),
        dataset.digest,
        dataset.rows,
        dataset.input_names,
        dataset.target_names[0],
        dataset.input_units,
        dataset.target_units[0],
        (*dataset.notes, *problem.dropped),
        tuple((float(c.min()), float(c.max())) for c in dataset.inputs.T),
    )
    stop = "interrupted" if budget.interrupted else "time limit" if budget.hit else "finished"
    return Result(
        config,
        table,
        front,
        network and network.graph_before,
        _pictured(network, front, problem),
        (network.structure, network.tensors) if network else None,
        _raw_errors(network, problem),
        network.history if network else (),
        _points(front, problem),
        _environment(),
        stop,
        problem.noise,
        clock.seconds,
    )


def _front(candidates: list[tuple[Expression, str]], problem: Problem, budget: Budget) -> ParetoFront:
    """The front under the noise model (even or proportional errors) that describes the table in fewer nats."""
    dataset = problem.dataset
    names = Names(dataset.input_names, dataset.target_names[0], dataset.input_units, dataset.target_units[0])
    y, seed, steering = problem.raw.target, problem.config.seed, problem.steering
    names = replace(names, known=steering.known)
    admitted = steering.admitted(candidates, problem.raw, seed)
    leave = steering.leave(problem.raw, seed)
    options = []
    for rows, jacobian in _noise_models(problem):
        parts, share = replace(problem.parts, rows=rows), budget.part(max(3.0, budget.remaining))
        fitted = parts.fitted
        front = front_of(admitted, parts, names, problem.config.max_complexity, share, leave)
        length = front.best.description_length
        if jacobian:
            length += float(np.sum(np.log(fitted.target))) - (PROPORTIONAL_NATS if y.max() > WIDE * y.min() else 0.0)
            if options and mean_square(front.best.expression, fitted) > LARGEST_SHARE**2:
                continue  # errors as large as the target itself are no errors in proportion to it
        options.append((length, front, parts))
        if mean_square(front.best.expression, fitted) <= (1e-9 * float(np.std(y))) ** 2:
            break
    _, front, parts = min(options, key=lambda option: option[0])
    if budget.expired or "simplification" in problem.config.without:
        return front
    return simplified(front, parts, names, problem.config.max_complexity)


def _noise_models(problem: Problem) -> Iterator[tuple[Rows, bool]]:
    yield problem.raw, False
    y = problem.raw.target
    if problem.raw.weights is None and np.all(y > 0):
        yield Rows(problem.raw.inputs, y, 1.0 / y**2), True


def _pictured(network: Network | None, front: ParetoFront, problem: Problem) -> Graph | None:
    """The pruned graph; a network of one edge shows the chosen law itself on it."""
    if network is None:
        return None
    columns: list[Expression] = [
        Variable(i) if power == 1.0 else multiply(Constant(float(power)), Variable(i))
        for i, power in enumerate(problem.input_powers)
    ]
    law = multiply(Constant(1.0 / problem.target_power), front.best.expression.substitute(columns))
    return with_law(network.graph, law, network.inputs, network.target)


def _pruning_summary(network: Network | None, problem: Problem) -> str:
    """What pruning took away and what the network's error is afterwards, in words."""
    if network is None:
        return "too few rows, or no time"
    before, after = len(network.graph_before.active()), len(network.graph.active())
    used = {edge.id.source for edge in network.graph.active() if edge.id.layer == 0}
    idle = [name for i, name in enumerate(problem.dataset.input_names) if i not in used]
    part = "validation" if "validation" in network.errors else "train"
    words = f"{before} edges pruned to {after}, {part} NRMSE {network.errors[part].nrmse:.2g}"
    return words + (f"; not used: {', '.join(idle)}" if idle else "")


def _raw_errors(network: Network | None, problem: Problem) -> dict:
    if network is None:
        return {}
    size = problem.target_power
    return {
        name: replace(errors, rmse=errors.rmse * size, max_error=errors.max_error * size)
        for name, errors in network.errors.items()
    }


def _points(front: ParetoFront, problem: Problem) -> Points:
    count = len(problem.raw)
    kept = shown_rows(count)
    part = np.full(count, "left out", dtype=object)
    part[problem.parts.train] = "train"
    part[problem.parts.validation] = "validation"
    part[problem.parts.test] = "test"
    inputs = problem.raw.inputs[kept]
    return Points(inputs, problem.raw.target[kept], front.best(inputs), tuple(str(p) for p in part[kept]))


def _environment() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("kansym", "torch", "numpy", "scipy", "sympy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "source"
    return found
