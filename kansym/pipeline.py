"""`fit`: from a table to a law, one stage after the other."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.data import as_dataset
from kansym.discovery import Network, run_network
from kansym.editing import edited, may_be_edited
from kansym.events import Listener, Note, Progress, StageFinished, StageStarted, ignore
from kansym.graph import Graph
from kansym.narrowing import Narrowing, shown_rows
from kansym.problem import Problem, check_reach, prepare, rescaled, unscaled
from kansym.result import Points, Result, Table
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.error_models import proportional, proportional_nats
from kansym.symbolic.expression import Constant, Expression, Variable, multiply
from kansym.symbolic.formula import ParetoFront
from kansym.symbolic.network import with_law
from kansym.symbolic.outliers import outlying_rows
from kansym.symbolic.selection import Names, description_length, front_of, simplified
from kansym.symbolic.table import Candidate
from kansym.threads import one_thread

Array = np.ndarray
SMALL = 30
GRACE = 6.0  # seconds beyond the limit in which the last candidates are refitted and their numbers made exact
LARGEST_SHARE = 0.6  # of the target, that errors in proportion to it may be
SEARCH_SHARE, NETWORK_SHARE, EDITS_SHARE = 0.7, 0.3, 0.85  # of the time that is left when the stage starts
HOPELESS_SHARE = 0.5  # of the time, for a table in which no smooth model sees anything
# Ranks candidates (with their origins) for a problem whose columns are these of the table.
Judge = Callable[[list[tuple[Expression, str]], Problem, tuple[int, ...], Budget], ParetoFront]


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


@one_thread()
@np.errstate(all="ignore")  # many formulas that are tried overflow somewhere
def fit(
    table: Any,
    config: Config | None = None,
    on_event: Listener = ignore,
    budget: Budget | None = None,
    hints: Sequence[Expression] = (),
    target: str | None = None,
    judge: Judge | None = None,
) -> Result:
    """Find the law that explains the target of a table by its inputs.

    Args:
        table: a `Dataset`, a data frame (pandas, polars, pyarrow, ...) or the path of a file; one target column; N >= 3
            rows.
        config: choices; the defaults are meant to be good.
        on_event: receives typed events, see `kansym.events`.
        budget: a running time limit to share; a new one of `config.seconds` otherwise.
        hints: formulas of the inputs that may be near the law, such as those of another target; they are refitted.
        target: the target column of a frame or file; without it, the last one.
        judge: ranks the candidates in the place of least squares, for a target that only stands for what was seen.

    Returns:
        The result, with the chosen formula in raw units; its `stop_reason` tells whether time or the user cut it short.

    Raises:
        DataError: when the table has several targets, or too few rows.
    """
    config = config or Config()
    budget = budget or Budget(config.seconds)
    clock, dataset = _Clock(on_event), as_dataset(table, target)
    with clock.stage("data", f"{dataset.rows} rows") as stage:
        check_reach(dataset)
        narrow = Narrowing.of(dataset, config, hints)
        problem = prepare(narrow.table, config).with_hints([narrow.lowered(hint) for hint in hints])
        stage.summary = "; ".join(narrow.notes)
    if problem.constant:
        constant = Constant(float(problem.raw.target[0]))
        return narrow.lifted(
            finish(problem, [(constant, "constant")], None, config, budget, clock, _ranking(judge, narrow))
        )
    with clock.stage("search", "laws that need no network") as stage:
        share = budget.part((HOPELESS_SHARE if problem.hopeless else SEARCH_SHARE) * budget.remaining)
        problem, candidates, found = _searched(problem, share, on_event, judge is None)
        back = narrow.missed(*_best_prediction(problem, found))
        if back and not budget.expired:
            earlier, narrow = narrow, narrow.widened(back)
            names = ", ".join(dataset.input_names[i] for i in back)
            on_event(Note(f"what is left depends on {names}: searching again"))
            wider = prepare(narrow.table, config).with_hints([narrow.lowered(hint) for hint in hints]).like(problem)
            share = budget.part(SEARCH_SHARE * budget.remaining)
            problem, candidates, again = _searched(wider, share, on_event, judge is None)
            found = [(narrow.lowered(earlier.raised(expression)), origin) for expression, origin in found] + again
        stage.summary = f"{len(found)} candidates"
    known = (
        problem.solved(candidates) or problem.exact(found) or problem.hopeless or problem.steering.outline is not None
    )
    with clock.stage("network", "a small one, for the picture" if known else "train, prune, match") as stage:
        share = budget.part(NETWORK_SHARE * budget.remaining)
        network = None if "network" in config.without else run_network(problem.task(known), share, on_event)
        stage.summary = _pruning_summary(network, problem)
        if network is not None and not known:
            found += [(expression, "network") for expression in network.formulas(problem.fitted, share)]
    if not known and judge is None and may_be_edited(problem):
        problem, changed = _edited(problem, found, budget, clock)
        found += changed
    return narrow.lifted(finish(problem, found, network, config, budget, clock, _ranking(judge, narrow)))


def _edited(
    problem: Problem, found: list[tuple[Expression, str]], budget: Budget, clock: _Clock
) -> tuple[Problem, list[tuple[Expression, str]]]:
    """What becomes of the best candidates where they are changed node by node, and the problem without outliers."""
    with clock.stage("edits", "the best formulas, changed node by node") as stage:
        changed = edited(problem, found, budget.part(EDITS_SHARE * budget.remaining))
        stage.summary = f"{len(changed)} candidates"
    formulas = [expression for expression, _ in (*found, *changed)]
    return _without_outliers(problem, formulas, budget, clock.listen), changed


Ranking = Callable[[list[tuple[Expression, str]], Problem, Budget], ParetoFront]


def _ranking(judge: Judge | None, narrow: Narrowing) -> Ranking:
    """How candidates of the kept columns are ranked."""
    if judge is None:
        return _front
    return lambda candidates, problem, budget: judge(candidates, problem, narrow.kept, budget)


def _searched(
    problem: Problem, budget: Part, listen: Listener, may_clean: bool
) -> tuple[Problem, list[Candidate], list[tuple[Expression, str]]]:
    """The problem, perhaps without outlying rows; the candidates of the search; and all with their origins.

    may_clean: whether rows may be left out: a judge of its own counts them all.
    """
    steered = problem.steered(budget, listen)
    known = problem.exact([item for item in steered if item[1] in ("guess", "shared")])  # the law is given, or adapted
    candidates = [] if known else _candidates(problem, budget, listen)
    formulas = [candidate.expression for candidate in candidates]
    cleaned = _without_outliers(problem, formulas, budget.whole, listen) if may_clean else problem
    if cleaned is not problem and not budget.expired:
        candidates += _candidates(cleaned, budget, listen)
    problem = cleaned
    return problem, candidates, [*steered, *((candidate.expression, candidate.origin) for candidate in candidates)]


def _without_outliers(problem: Problem, found: list[Expression], budget: Budget | Part, listen: Listener) -> Problem:
    """The problem without the rows that no formula explains, and a note about them; the problem itself without any."""
    left_out = outlying_rows(found, problem.fitted, problem.may_go, budget)
    if not left_out:
        return problem
    cleaned = problem.without(left_out)
    listen(Note(cleaned.dropped[-1]))
    return cleaned


def _best_prediction(problem: Problem, found: list[tuple[Expression, str]]) -> tuple[Array, Array]:
    """What the shortest description predicts of the fitted rows, in the table's unit, and which rows these are."""
    rows = problem.fitted
    lengths = [description_length(expression, mean_square(expression, rows), rows) for expression, _ in found]
    best = found[int(np.nanargmin(lengths))][0] if np.any(np.isfinite(lengths)) else Constant(float(rows.target.mean()))
    return problem.target_power * best.evaluate(rows.inputs), problem.parts.fitted_rows


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


def finish(
    problem: Problem,
    found: list[tuple[Expression, str]],
    network: Network | None,
    config: Config,
    budget: Budget,
    clock: _Clock,
    ranking: Ranking,
) -> Result:
    """Refit and rank the candidates in raw units, and put the result together."""
    spent = budget.remaining <= 0.0
    if not budget.interrupted:  # a time limit that has passed must not leave the numbers of the law unfinished
        budget = Budget(budget.remaining + GRACE, hit=budget.hit, clock=budget.clock)
    with clock.stage("select", f"{len(found)} candidates"):
        candidates = [(unscaled(expression, problem), origin) for expression, origin in found]
        front = ranking(candidates, problem, budget)
        doubt = problem.steering.doubt(candidates, front.best.expression, problem.raw, config.seed)
        if doubt is not None:
            problem = replace(problem, dropped=(*problem.dropped, doubt))
            clock.listen(Note(doubt))
        clock.listen(Progress("select", 1.0, None, None, str(front.best)))
    if problem.dataset.rows < SMALL:
        clock.listen(Note(f"{problem.dataset.rows} rows are too few for a test part: errors are leave-one-out"))
    cut_short = spent or (budget.hit and not front.exact)  # a stage's share ran out: no loss where the law was found
    stop = "interrupted" if budget.interrupted else "time limit" if cut_short else "finished"
    return Result(
        config,
        _described(problem),
        front,
        network and network.graph_before,
        _pictured(network, front, problem),
        (network.structure | _powers(problem), network.tensors) if network else None,
        _raw_errors(network, problem),
        network.history if network else (),
        _points(front, problem),
        environment(),
        stop,
        problem.noise,
        clock.seconds,
    )


def _powers(problem: Problem) -> dict[str, Any]:
    """The powers of ten that the rows of the network were divided by."""
    return {"input_powers": problem.input_powers.tolist(), "target_power": problem.target_power}


def _described(problem: Problem) -> Table:
    """What the result says of the table."""
    dataset = problem.dataset
    return Table(
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


def _front(candidates: list[tuple[Expression, str]], problem: Problem, budget: Budget) -> ParetoFront:
    """The front under the noise model (even or proportional errors) that describes the table in fewer nats."""
    dataset = problem.dataset
    names = Names(dataset.input_names, dataset.target_names[0], dataset.input_units, dataset.target_units[0])
    y, seed, steering = problem.raw.target, problem.config.seed, problem.steering
    names = replace(names, known=steering.known)
    admitted = steering.admitted(candidates, problem.raw, seed)
    leave = steering.leave(problem.raw, seed)
    options = []
    for rows, nats in _noise_models(problem):
        parts, share = replace(problem.parts, rows=rows), budget.part(max(3.0, budget.remaining))
        fitted = parts.fitted
        front = front_of(admitted, parts, names, problem.config.max_complexity, share, leave)
        length = front.best.description_length + nats
        if nats and options and mean_square(front.best.expression, fitted) > LARGEST_SHARE**2:
            continue  # errors as large as the target itself are no errors in proportion to it
        options.append((length, front, parts))
        if mean_square(front.best.expression, fitted) <= (1e-9 * float(np.std(y))) ** 2:
            break
    _, front, parts = min(options, key=lambda option: option[0])
    if budget.expired or "simplification" in problem.config.without:
        return front
    return simplified(front, parts, names, problem.config.max_complexity)


def _noise_models(problem: Problem) -> Iterator[tuple[Rows, float]]:
    """All rows under every kind of error that those which are not left out may have, and what that kind costs."""
    raw, parts = problem.raw, problem.parts
    yield raw, 0.0
    kept = raw.target[np.concatenate([parts.train, parts.validation, parts.test]).astype(int)]
    if raw.weights is None and proportional(kept):
        with np.errstate(divide="ignore"):
            weights = np.where(raw.target != 0, 1.0 / raw.target**2, 0.0)
        yield replace(raw, weights=weights), proportional_nats(raw.target[parts.fitted_rows])


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


def environment() -> dict[str, str]:
    """The versions that a result was made with, by name."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("kansym", "torch", "numpy", "scipy", "sympy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "source"
    return found
