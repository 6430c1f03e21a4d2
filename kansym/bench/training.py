"""`kansym bench training`: how long it takes to learn known functions, how often it works, and thousands at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import torch

from kansym.bench.engine import quiet, threads, why
from kansym.bench.memory import peak_while
from kansym.bench.peers import Found
from kansym.bench.problems import HELD_OUT, RATIO, TIMED, Data, Problem
from kansym.bench.settings import Settings, lines
from kansym.bench.tables import Column, Document, Table, device_name, duration, megabytes, number, share, whole
from kansym.budget import Budget
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.training import Job, JobOutcome, RestartConfig, TrainConfig, train, train_many, train_with_restarts

SEEDS, PEER_SEEDS = 40, 3
# Mean square to be reached, and the seconds in which restarts may try for it.
GOAL, SECONDS = 1e-10, 1.0
# Held-out NRMSE to be reached; the search aims lower on its own held-out rows, for others will be a little worse.
NRMSE, AIM, PATIENCE = 1e-4, 0.4e-4, 10.0
MANY_WAVES = (4, 8, 16) + (16,) * 50
# The ladder of pykan's function-fitting example, with the steps of its first part (its last part takes ten times more).
PYKAN, LADDER, PYKAN_STEPS = "pykan", (3, 10, 20, 50, 100), 20
POPULATION = 1000
POPULATION_WIDTHS = (4, 4, 1)


@dataclass(frozen=True)
class Attempt:
    """One run: how long it took, and whether it reached what was asked."""

    seconds: float
    reached: bool
    error: float


def run(settings: Settings, command: str) -> Document:
    """Run the cases that were chosen.

    Args:
        settings: how; the seeds are those of the rows and of the networks alike.
        command: what the user typed, for the page.

    Raises:
        ConfigError: for a case that does not exist.
    """
    chosen = settings.chosen(list(_CASES), lambda name: name)
    found = settings.found()
    with threads(settings.threads or 1) as count:
        tables = tuple(_CASES[name](settings, found) for name in chosen)
    where, peers = device_name(settings.device), lines([each for each in found if each.peer.name == PYKAN])
    return Document("training", "Learning known functions", command, rule(settings), tables, peers, where, count)


def rule(settings: Settings) -> str:
    """Say how the numbers come about."""
    hurried = "QUICK RUN on small data: these numbers only show that everything runs. " if settings.quick else ""
    return hurried + (
        "1,000 rows in float64, targets of variance 1, a new draw of rows and weights for every seed; times are from "
        "the making of the network to the end of training, after one run that nobody times. A search with restarts "
        "stops when its goal is reached. Held-out errors are on 1,000 rows that no training sees. pykan runs the "
        "recipe of its own function-fitting example on the same rows, in float32 as it comes: L-BFGS, "
        f"{PYKAN_STEPS} steps on each of the grids {', '.join(map(str, LADDER))}, ended as soon as a grid has brought "
        "it to the goal."
    )


def timed_table(settings: Settings, found: Sequence[Found]) -> Table:
    """Return how long it takes to a mean square of 1e-10, by single runs and by restarts."""
    ways: dict[str, Callable[[Problem, int, Settings], Attempt]] = {
        "kansym, single run": single,
        "kansym, with restarts": restarted,
    }
    records = []
    for problem in TIMED:
        for name, way in ways.items():
            settings.tell(f"{problem.name}, {name}")
            attempts = _attempts(lambda seed, way=way, problem=problem: way(problem, seed, settings), _seeds(settings))
            records.append(_facts(problem) | {"way": name} | _summary(attempts))
    columns = (Column("problem", "function"), Column("widths", "network"), Column("way", "way"), *_ATTEMPTS)
    return Table("goal", f"Mean square {GOAL:g}, at most {SECONDS:g} s", columns, tuple(records))


def single(problem: Problem, seed: int, settings: Settings) -> Attempt:
    """Train one network once."""
    data = _data(problem, seed, settings)
    started = time.perf_counter()
    options = KANOptions(LayerOptions(intervals=problem.intervals))
    config = TrainConfig(validation=0.0, noise_floor=GOAL, seed=seed)
    model = KAN(problem.widths, 1, seed, options).to(settings.device)
    outcome = train(model, data.x, data.y, config=config, budget=Budget(SECONDS))
    error = outcome.losses[0][0]
    return Attempt(time.perf_counter() - started, error <= GOAL, error)


def restarted(problem: Problem, seed: int, settings: Settings) -> Attempt:
    """Train networks of one shape until one reaches the goal."""
    data = _data(problem, seed, settings)
    started = time.perf_counter()
    config = RestartConfig(goal=GOAL, waves=MANY_WAVES, validation=0.0, seed=seed)
    outcome = train_with_restarts(problem.widths, data.x, data.y, config=config, budget=Budget(SECONDS))
    took = time.perf_counter() - started
    return Attempt(took, outcome.train <= GOAL and took <= SECONDS, outcome.train)


def held_out_table(settings: Settings, found: Sequence[Found]) -> Table:
    """Return how long it takes to a held-out NRMSE of 1e-4, beside pykan's own recipe."""
    records = []
    for problem in HELD_OUT:
        settings.tell(f"{problem.name}, kansym")
        own = _attempts(lambda seed, problem=problem: generalised(problem, seed, settings), _seeds(settings))
        record = _facts(problem) | {"way": "kansym"} | _summary(own) | {"per_second": _rate(own)}
        records += [record, _facts(problem) | _beside(problem, own, found, settings)]
    heading = Column("slower", "x kansym", number)
    rate = Column("per_second", "converged networks/s", number)
    columns = (Column("problem", "function"), Column("widths", "network"), Column("way", "program"), *_ATTEMPTS)
    columns += (rate, heading, Column("note", "note"))
    return Table("held-out", f"Held-out NRMSE {NRMSE:g}", columns, tuple(records))


def generalised(problem: Problem, seed: int, settings: Settings) -> Attempt:
    """Search until some rows held out by the training are fitted, and judge on rows that it never saw."""
    data = _data(problem, seed, settings)
    started = time.perf_counter()
    config = RestartConfig(goal=AIM**2, waves=MANY_WAVES, seed=seed)
    budget = Budget(0.5 if settings.quick else PATIENCE)
    outcome = train_with_restarts(problem.widths, data.x, data.y, config=config, budget=budget)
    took = time.perf_counter() - started
    with torch.no_grad():
        error = data.nrmse(outcome.model(data.x_test)[0])
    return Attempt(took, error <= NRMSE, error)


def _beside(problem: Problem, own: Sequence[Attempt], found: Sequence[Found], settings: Settings) -> dict[str, Any]:
    """Return pykan's row."""
    peer = next((each for each in found if each.peer.name == PYKAN), None)
    if peer is None or peer.module is None:
        return {"way": PYKAN, "note": f"not found: {peer.source}" if peer else "not asked for"}
    settings.tell(f"{problem.name}, {PYKAN}")
    try:
        with quiet():
            seeds = range(settings.seeds or (1 if settings.quick else PEER_SEEDS))
            theirs = [by_pykan(peer.module, problem, seed, settings) for seed in seeds]
    except Exception as error:  # Programs of others fail in ways of their own.
        return {"way": PYKAN, "note": why(error)}
    slower = median(each.seconds for each in theirs) / median(each.seconds for each in own)
    missed = not all(each.reached for each in theirs)
    note = "time to the end of the recipe where the goal is not reached" if missed else None
    return {"way": PYKAN, "slower": slower, "note": note} | _summary(theirs) | {"per_second": _rate(theirs)}


def by_pykan(module: Any, problem: Problem, seed: int, settings: Settings) -> Attempt:
    """Train pykan's network by the recipe of its function-fitting example."""
    with TemporaryDirectory() as folder:  # pykan keeps a log of its fits in a folder
        return _recipe(lambda **options: module.KAN(ckpt_path=folder, **options), problem, seed, settings)


def _recipe(make: Callable[..., Any], problem: Problem, seed: int, settings: Settings) -> Attempt:
    data = _data(problem, seed, settings)
    rows = {"train_input": data.x, "train_label": data.y, "test_input": data.x_test, "test_label": data.y_test}
    rows = {name: tensor.float() for name, tensor in rows.items()}
    grids, steps = (LADDER[:1], 1) if settings.quick else (LADDER, PYKAN_STEPS)
    started, error = time.perf_counter(), float("inf")
    model = make(width=list(problem.widths), grid=grids[0], k=3, seed=seed, auto_save=False)
    for grid in grids:
        model = model if grid == grids[0] else model.refine(grid)
        model.fit(rows, opt="LBFGS", steps=steps)
        with torch.no_grad():
            error = min(error, data.nrmse(model(rows["test_input"]).double()))
        if error <= NRMSE:
            break
    return Attempt(time.perf_counter() - started, error <= NRMSE, error)


def population_table(settings: Settings, found: Sequence[Found]) -> Table:
    """Return what a thousand networks cost until the training of each stops by itself."""
    count = 4 if settings.quick else POPULATION
    settings.tell(f"{count} networks {list(POPULATION_WIDTHS)}")
    data, outcomes, options = _data(RATIO, 0, settings), list[JobOutcome](), KANOptions(LayerOptions(intervals=5))
    jobs = [Job(POPULATION_WIDTHS, data.x, data.y, seed=seed, options=options) for seed in range(count)]
    with threads(settings.threads):
        used, started = torch.get_num_threads(), time.perf_counter()
        memory = peak_while(lambda: outcomes.extend(train_many(jobs)))
        seconds = time.perf_counter() - started
    errors = [outcome.validation**0.5 for outcome in outcomes]
    record = {
        "networks": count, "rows": len(data.x), "threads": used, "seconds": seconds, "per_second": count / seconds,
        "peak_bytes": memory, "nrmse": median(errors), "good": sum(error <= 1e-2 for error in errors) / count,
        "still": sum(outcome.reason in ("plateau", "noise_floor") for outcome in outcomes) / count,
        "method": ", ".join(sorted({outcome.optimizer for outcome in outcomes})),
    }  # fmt: skip
    return Table("population", f"{count:,} networks {list(POPULATION_WIDTHS)}, G = 5", _POPULATION, (record,))


_POPULATION = (
    Column("networks", "networks", whole),
    Column("rows", "rows", whole),
    Column("threads", "threads", whole),
    Column("seconds", "time", duration),
    Column("per_second", "networks/s", number),
    Column("peak_bytes", "peak MB", megabytes),
    Column("still", "stood still", share),
    Column("nrmse", "median NRMSE", number),
    Column("good", "NRMSE <= 0.01", share),
    Column("method", "method"),
)
_ATTEMPTS = (
    Column("seeds", "seeds", whole),
    Column("reached", "reached", share),
    Column("median_s", "median time", duration),
    Column("tail_s", "9 of 10 within", duration),
    Column("median_error", "median error", number),
)
_CASES: dict[str, Callable[[Settings, Sequence[Found]], Table]] = {
    "goal": timed_table,
    "held-out": held_out_table,
    "population": population_table,
}


def _facts(problem: Problem) -> dict[str, Any]:
    return {"case": problem.name, "problem": problem.formula, "widths": str(list(problem.widths))}


def _attempts(attempt: Callable[[int], Attempt], seeds: range) -> list[Attempt]:
    attempt(seeds[-1] + 1)
    return [attempt(seed) for seed in seeds]


def _summary(attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return share and times; a run that missed counts in the times with all it took."""
    seconds = [each.seconds for each in attempts]
    tail = quantiles(seconds, n=10, method="inclusive")[-1] if len(seconds) > 1 else seconds[0]
    return {
        "seeds": len(attempts),
        "reached": sum(each.reached for each in attempts) / len(attempts),
        "median_s": median(seconds),
        "tail_s": tail,
        "median_error": median(each.error for each in attempts),
        "seconds": seconds,
        "errors": [each.error for each in attempts],
    }


def _rate(attempts: Sequence[Attempt]) -> float:
    return sum(each.reached for each in attempts) / sum(each.seconds for each in attempts)


def _seeds(settings: Settings) -> range:
    return range(settings.seeds or (2 if settings.quick else SEEDS))


def _data(problem: Problem, seed: int, settings: Settings) -> Data:
    data = problem.rows(seed, 100 if settings.quick else 1000)
    places = {name: getattr(data, name).to(settings.device) for name in ("x", "y", "x_test", "y_test")}
    return replace(data, **places)
