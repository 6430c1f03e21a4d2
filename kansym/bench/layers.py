"""`kansym bench layers`: one step of one network, of every program, on the shapes that each of them is made for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from kansym.bench.engine import Row, clock_of, kernels_of, race, threads
from kansym.bench.entrants import entrants
from kansym.bench.jobs import ADAM, BACKWARD, FORWARD, FUSED_ADAM, Entrant, Job
from kansym.bench.memory import cuda_peak, peak_of
from kansym.bench.peers import Found, Shape
from kansym.bench.settings import Settings, lines
from kansym.bench.tables import Column, Document, Table, device_name, duration, number, race_table

REFERENCES = ("efficient-kan", "efficient-kan, loop", "MLP, same parameters", "MLP, same parameters, loop")
QUICK_ROWS, QUICK_MEMBERS, QUICK_WIDTH, QUICK_INTERVALS = 32, 3, 16, 16


@dataclass(frozen=True)
class Case:
    """One race: its name, what everybody does, and whether memory is measured too."""

    name: str
    job: Job
    memory: bool = False

    @property
    def title(self) -> str:
        return self.job.title


@dataclass(frozen=True)
class Growth:
    """A race of every program against itself on a finer grid: how its cost grows."""

    name: str
    coarse: Job
    fine: Job

    @property
    def title(self) -> str:
        return f"G = {self.fine.shape.intervals} against {self.coarse.title}"


WIDE, SQUARE, SMALL = (784, 256, 10), (256, 256), (4, 8, 8, 1)


DEGREES = {"cubic": 3, "linear": 1}


def _square(intervals: int, kind: str) -> Job:
    return Job(Shape(SQUARE, intervals, DEGREES[kind]), 4096)


CASES: tuple[Case | Growth, ...] = (
    Case("wide", Job(Shape(WIDE), 1024), memory=True),
    Case("wide-64", Job(Shape(WIDE), 64, ADAM)),
    Case("wide-64-fused", Job(Shape(WIDE), 64, FUSED_ADAM)),
    *(Case(f"square-{kind}-{grid}", _square(grid, kind)) for kind in DEGREES for grid in (5, 32, 128)),
    *(Growth(f"growth-{kind}", _square(5, kind), _square(128, kind)) for kind in DEGREES),
    Case("small", Job(Shape(SMALL), 1000, ADAM)),
    Case("small-10k", Job(Shape(SMALL), 10_000, ADAM), memory=True),
    Case("population-32", Job(Shape(SMALL), 1000, ADAM, 32)),
)


_SHORT = {FORWARD: "forward", BACKWARD: "backward", ADAM: "adam"}


def _on_device(widths: tuple[int, ...], rows: int, intervals: int, step: str, dtype: str = "float32") -> Case:
    name = f"{'x'.join(map(str, widths))}-{rows}-g{intervals}-{_SHORT[step]}-{dtype}"
    return Case(name, Job(Shape(widths, intervals), rows, step, 1, dtype), memory=True)


CUDA_CASES: tuple[Case | Growth, ...] = (
    *(
        _on_device(widths, rows, intervals, BACKWARD)
        for widths in (WIDE, (1024, 1024))
        for rows in (64, 1024, 16_384, 65_536)
        for intervals in (5, 32)
    ),
    _on_device(WIDE, 64, 5, FORWARD),
    _on_device(WIDE, 64, 5, ADAM),
    *(_on_device((1024, 1024), 16_384, intervals, BACKWARD, "bfloat16") for intervals in (5, 32)),
    *CASES[-3:],
    Case("population-1000", Job(Shape(SMALL), 1000, ADAM, 1000)),
)


def run(settings: Settings, command: str) -> Document:
    """Run the cases that were chosen.

    Args:
        settings: how.
        command: what the user typed, for the page.

    Raises:
        ConfigError: for a case that does not exist.
    """
    cuda = settings.device.startswith("cuda")
    chosen = settings.chosen(CUDA_CASES if cuda else CASES, lambda case: case.name)
    found = settings.found()
    with threads(settings.threads) as count:
        tables = tuple(_table(placed(case, settings), found, settings) for case in chosen)
    where, peers = device_name(settings.device), lines(found)
    return Document("layers", "One step of a layer", command, rule(settings), tables, peers, where, count)


def rule(settings: Settings) -> str:
    """Say how the numbers of a race come about."""
    hurried = "QUICK RUN on small data: these numbers only show that everything runs. " if settings.quick else ""
    return hurried + (
        "every round runs every program once, in an order drawn anew; a sample repeats its step until it lasts 10 ms; "
        "times are medians and minima over the rounds, ratios the median over the rounds of the quotient within a "
        "round. Every basis has G + degree functions per edge; KANditioned is linear throughout. Peak memory is what a "
        "step takes above data and parameters: the rise of the resident memory in a fresh process (CPU) or the rise "
        "of torch's allocator (CUDA)."
    )


def placed(case: Case | Growth, settings: Settings) -> Case | Growth:
    """Return a case for the device of the settings, cut down when only a quick run is wanted."""

    def fitted(job: Job) -> Job:
        job = replace(job, device=settings.device)
        return hurried(job) if settings.quick else job

    if isinstance(case, Growth):
        return replace(case, coarse=fitted(case.coarse), fine=fitted(case.fine))
    return replace(case, job=fitted(case.job))


def hurried(job: Job) -> Job:
    """Return a small job of the same kind."""
    shape = job.shape
    widths = tuple(min(width, QUICK_WIDTH) for width in shape.widths)
    shape = replace(shape, widths=widths, intervals=min(shape.intervals, QUICK_INTERVALS))
    return replace(job, shape=shape, rows=min(job.rows, QUICK_ROWS), members=min(job.members, QUICK_MEMBERS))


def _table(case: Case | Growth, found: Sequence[Found], settings: Settings) -> Table:
    settings.tell(f"{case.name}: {case.title}")
    return growth_table(case, found, settings) if isinstance(case, Growth) else _race(case, found, settings)


def _race(case: Case, found: Sequence[Found], settings: Settings) -> Table:
    running = entrants(case.job, found, settings.compiled)
    rows = raced(running, case.job, settings)
    if case.memory and settings.memory:
        known = {entrant.name: entrant for entrant in running}
        rows = [_with_memory(row, known[row.name], settings) for row in rows]
    return race_table(case.name, case.title, rows, REFERENCES)


def raced(running: Iterable[Entrant], job: Job, settings: Settings, rounds: int = 15, seconds: float = 90) -> list[Row]:
    """Race entrants, and count their launches where the device has any."""
    running = _unhurried(running, settings)
    contestants = [entrant.contestant() for entrant in running]
    rows = race(contestants, settings.plan(rounds, seconds), clock_of(job.device))
    if not job.device.startswith("cuda"):
        return rows
    return [_with_kernels(row, entrant) for row, entrant in zip(rows, running, strict=True)]


def _unhurried(running: Iterable[Entrant], settings: Settings) -> list[Entrant]:
    """Leave out what takes a compiler half a minute when only a quick run is wanted; forget earlier compilations."""
    chosen = [entrant for entrant in running if not (settings.quick and entrant.name == "kansym whole step, compiled")]
    if any("compile" in entrant.name for entrant in chosen):
        # The compiler gives up on a function that it has seen in too many shapes.
        torch.compiler.reset()
    return chosen


def _with_kernels(row: Row, entrant: Entrant) -> Row:
    if not row.seconds:
        return row
    step = entrant.make()
    step()
    return replace(row, kernels=kernels_of(step))


def _with_memory(row: Row, entrant: Entrant, settings: Settings) -> Row:
    if not row.seconds:
        return row
    if entrant.job.device.startswith("cuda"):
        return replace(row, peak_bytes=cuda_peak(entrant.make()))
    settings.tell(f"  memory of {entrant.name}")
    measured = peak_of(entrant.job, entrant.name, settings.peers, settings.threads)
    note, peak = measured.get("note"), measured.get("peak")
    return replace(row, note=str(note)) if note else replace(row, peak_bytes=float(peak or 0))


def growth_table(case: Growth, found: Sequence[Found], settings: Settings) -> Table:
    """Race every program on a coarse and on a fine grid, all in one race, and compare each with itself."""
    coarse, fine = (entrants(job, found) for job in (case.coarse, case.fine))
    renamed = [replace(each, name=f"{each.name}, G = {each.job.shape.intervals}") for each in (*coarse, *fine)]
    rows = raced(renamed, case.coarse, settings)
    records = tuple(
        {
            "name": entrant.name,
            "coarse_s": low.median if low.seconds else None,
            "fine_s": high.median if high.seconds else None,
            "ratio": high.ratio(low) if high.seconds and low.seconds else None,
            "note": low.note or high.note or None,
        }
        for entrant, low, high in zip(coarse, rows[: len(coarse)], rows[len(coarse) :], strict=True)
    )
    return Table(case.name, case.title, _GROWTH, records)


_GROWTH = (
    Column("name", "program"),
    Column("coarse_s", "coarse", duration),
    Column("fine_s", "fine", duration),
    Column("ratio", "fine : coarse", number),
    Column("note", "note"),
)
