"""`kansym bench scaling`: how the cost grows with grid, rows, width and members, and how exact every fast path is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from kansym.bench.accuracy import accuracy_table
from kansym.bench.engine import threads
from kansym.bench.entrants import entrants
from kansym.bench.jobs import ADAM, Entrant, Job
from kansym.bench.layers import REFERENCES, raced, rule
from kansym.bench.peers import Found, Shape
from kansym.bench.settings import Settings, lines
from kansym.bench.tables import Column, Document, Table, device_name, duration, number, race_table

GRIDS = (5, 8, 16, 32, 64, 128, 256, 512)
ROWS = (16, 64, 256, 1024, 4096, 16_384, 65_536)
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
MEMBERS = (2, 8, 32, 100, 500)
ROUNDS, SECONDS = 7, 20.0
# A program whose step took longer than this at one point is left out at the larger ones of the same sweep.
TOO_LONG = 3.0


@dataclass(frozen=True)
class Sweep:
    """One number varied, all else fixed.

    Args:
        name: of the case.
        axis: what varies, in words.
        values: that it takes, increasing.
        job: makes the job at one of them.
    """

    name: str
    axis: str
    values: tuple[int, ...]
    job: Callable[[int], Job]


SWEEPS = (
    Sweep("grid-cubic", "grid intervals, cubic", GRIDS, lambda value: Job(Shape((64, 64), value), 1024)),
    Sweep("grid-linear", "grid intervals, linear", GRIDS, lambda value: Job(Shape((64, 64), value, 1), 1024)),
    Sweep("rows", "rows", ROWS, lambda value: Job(Shape((64, 64)), value)),
    Sweep("width", "width", WIDTHS, lambda value: Job(Shape((value, value)), 256)),
    Sweep("members", "networks", MEMBERS, lambda value: Job(Shape((4, 8, 8, 1)), 1000, ADAM, value)),
)
ACCURACY = "accuracy"


def run(settings: Settings, command: str) -> Document:
    """Run the sweeps that were chosen, and the table of errors.

    Args:
        settings: how.
        command: what the user typed, for the page.

    Raises:
        ConfigError: for a case that does not exist.
    """
    names = [sweep.name for sweep in SWEEPS] + [ACCURACY]
    chosen, found = settings.chosen(names, lambda name: name), settings.found()
    with threads(settings.threads) as count:
        tables = [table for sweep in SWEEPS if sweep.name in chosen for table in sweep_tables(sweep, found, settings)]
        if ACCURACY in chosen:
            settings.tell("accuracy of every path")
            tables.append(accuracy_table(settings.device))
    where, peers = device_name(settings.device), lines(found)
    return Document("scaling", "How the cost grows", command, rule(settings), tuple(tables), peers, where, count)


def sweep_tables(sweep: Sweep, found: Sequence[Found], settings: Settings) -> list[Table]:
    """Return one summary (a row per program, a column per value) and the race behind every column."""
    values = sweep.values[:2] if settings.quick else sweep.values
    races, slow = [], set[str]()
    for value in values:
        settings.tell(f"{sweep.name}: {sweep.axis} = {value}")
        races.append(_point(sweep, value, found, settings, slow))
        slow |= {record["name"] for record in races[-1].records if (record["minimum_s"] or 0.0) > TOO_LONG}
    return [_summary(sweep, races), *races]


def _point(sweep: Sweep, value: int, found: Sequence[Found], settings: Settings, slow: set[str]) -> Table:
    job = replace(sweep.job(value), device=settings.device)
    running: list[Entrant] = [each for each in entrants(job, found, settings.compiled) if each.name not in slow]
    rows = raced(running, job, settings, ROUNDS, SECONDS)
    return race_table(f"{sweep.name}-{value}", job.title, rows, REFERENCES, (sweep.axis, float(value)))


def _summary(sweep: Sweep, races: Sequence[Table]) -> Table:
    """Return the fastest round of every program at every value, and the growth from the first to the last."""
    names = list(dict.fromkeys(record["name"] for race in races for record in race.records))
    records = []
    for name in names:
        found = [_seconds(race, name) for race in races]
        known = [seconds for seconds in found if seconds is not None]
        growth = found[-1] / found[0] if found[0] and found[-1] else None
        if known:
            marks = {f"at {race.axis[1]:g}": seconds for race, seconds in zip(races, found, strict=True) if race.axis}
            records.append({"name": name, **marks, "growth": growth})
    keys = [f"at {race.axis[1]:g}" for race in races if race.axis]
    columns = (Column("name", "program"), *(Column(key, key, duration) for key in keys), Column("growth", "x", number))
    return Table(sweep.name, f"Time of a step against {sweep.axis} (fastest round)", columns, tuple(records))


def _seconds(race: Table, name: str) -> float | None:
    return next((record["minimum_s"] for record in race.records if record["name"] == name), None)
