"""Races: every round runs every contestant once, so that what disturbs the machine disturbs all of them alike."""

from __future__ import annotations

import contextlib
import io
import math
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Protocol

import torch

Step = Callable[[], object]
LONG_WARM_UP = 1.0


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    Args:
        rounds: how often every contestant is timed, >= 1.
        least: rounds that are run even when the time is up.
        sample: seconds that one sample takes at least; a shorter step is repeated within the sample.
        seconds: after this many seconds of a race no further round is begun.
        warm: steps after the very first one that nobody times; fewer where they take longer than a second.
    """

    rounds: int = 15
    least: int = 3
    sample: float = 0.01
    seconds: float = 90.0
    warm: int = 2


@dataclass(frozen=True)
class Contestant:
    """Something to be timed.

    Args:
        name: what the table calls it.
        make: builds it and returns one step as a function without arguments; what it raises becomes the row's note.
        parameters: numbers that its training changes; None where that is not known before it is made.
    """

    name: str
    make: Callable[[], Step]
    parameters: Callable[[], int] | None = None


@dataclass(frozen=True)
class Row:
    """What was measured of one contestant.

    Args:
        name: of the contestant.
        seconds: one step in every round, in the order of the rounds; empty when there is nothing to report.
        repeats: steps in every sample.
        parameters: numbers that its training changes.
        peak_bytes: most memory that one step takes above what was there before it.
        kernels: launches on the device in one step.
        note: why there are no numbers, or what the reader must know of them.
    """

    name: str
    seconds: tuple[float, ...] = ()
    repeats: int = 1
    parameters: int | None = None
    peak_bytes: float | None = None
    kernels: int | None = None
    note: str = ""

    @property
    def median(self) -> float:
        """Seconds of a step in the middle round; NaN when there are none."""
        return median(self.seconds) if self.seconds else math.nan

    @property
    def minimum(self) -> float:
        """Seconds of a step in the fastest round; NaN when there are none."""
        return min(self.seconds) if self.seconds else math.nan

    def ratio(self, reference: Row) -> float:
        """Median over the rounds of this time divided by that of the reference in the same round; NaN without both."""
        pairs = list(zip(self.seconds, reference.seconds, strict=False))
        return median(own / other for own, other in pairs) if pairs else math.nan


class LeftOut(Exception):
    """Raised by a contestant that does not take part, with the reason."""


class Clock(Protocol):
    """Tells how long some steps take."""

    def time(self, step: Step, repeats: int) -> float:
        """Return the seconds of one step, the mean of `repeats` of them."""
        ...


class WallClock:
    """The time on the wall: for everything that runs on the processor."""

    def time(self, step: Step, repeats: int) -> float:
        started = time.perf_counter()
        for _ in range(repeats):
            step()
        return (time.perf_counter() - started) / repeats


class CudaClock:
    """Events in the device's own queue, read after it has run dry."""

    def time(self, step: Step, repeats: int) -> float:
        torch.cuda.synchronize()
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(repeats):
            step()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1000 / repeats


def clock_of(device: str) -> Clock:
    """Return the clock for "cpu" or a CUDA device."""
    return CudaClock() if device.startswith("cuda") else WallClock()


@dataclass
class _Runner:
    """A contestant that was made: its step, how often a sample repeats it, and the samples so far."""

    row: Row
    step: Step | None
    samples: list[float] = field(default_factory=list)

    def result(self) -> Row:
        return replace(self.row, seconds=tuple(self.samples))


def race(contestants: Sequence[Contestant], plan: Plan, clock: Clock | None = None) -> list[Row]:
    """Time the contestants against each other.

    Args:
        contestants: who takes part; names differ.
        plan: how long.
        clock: wall time if left out.

    Returns:
        One row per contestant, in their order. A contestant that cannot be made or fails while it warms up has a row
        whose note says why; the others run on.
    """
    clock = clock or WallClock()
    runners = [_prepared(contestant, plan, clock) for contestant in contestants]
    racing = [runner for runner in runners if runner.step is not None]
    order, deadline = random.Random(0), time.perf_counter() + plan.seconds
    for number in range(plan.rounds):
        if number >= plan.least and time.perf_counter() > deadline:
            break
        # In a fixed order everyone would always run in the shadow (caches, heat) of the same neighbour.
        order.shuffle(racing)
        _round(racing, clock)
    return [runner.result() for runner in runners]


def _round(racing: Sequence[_Runner], clock: Clock) -> None:
    with quiet():
        for runner in racing:
            if runner.step is not None:
                runner.samples.append(clock.time(runner.step, runner.row.repeats))


def _prepared(contestant: Contestant, plan: Plan, clock: Clock) -> _Runner:
    """Make a contestant, warm it up and find out how often a sample must repeat its step."""
    row = Row(contestant.name)
    try:
        with quiet():
            step = contestant.make()
            repeats = _repeats(step, plan, clock)
            # Asked after the first steps: only then is it known which numbers get a gradient.
            parameters = contestant.parameters() if contestant.parameters else None
    except Exception as error:  # Programs of others fail in ways of their own; the race goes on without them.
        return _Runner(replace(row, note=why(error)), None)
    return _Runner(replace(row, parameters=parameters, repeats=repeats), step)


def _repeats(step: Step, plan: Plan, clock: Clock) -> int:
    """Warm up, and return how many steps fill a sample."""
    began, took = time.perf_counter(), clock.time(step, 1)
    for _ in range(plan.warm):
        if time.perf_counter() - began < LONG_WARM_UP:
            took = clock.time(step, 1)
    repeats = 1
    while took * repeats < plan.sample / 2 and repeats < 100_000:
        repeats = min(4 * repeats, 1 + int(plan.sample / max(took, 1e-9)))
        took = min(took, clock.time(step, repeats))
    return max(1, math.ceil(plan.sample / took)) if took * repeats < plan.sample else repeats


def why(error: BaseException) -> str:
    """Return the first line of what went wrong, short enough for a table."""
    text = (str(error).strip().splitlines() or [""])[0]
    return (text if isinstance(error, LeftOut) else f"{type(error).__name__}: {text}")[:100]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the prints and warnings of other programs out of our own output."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def threads(count: int | None) -> Iterator[int]:
    """Use so many threads inside, and as many as before afterwards; None changes nothing. Gives the number in use."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def kernels_of(step: Step) -> int:
    """Return how many kernels one step launches on the CUDA device, copies and fills included."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        step()
        torch.cuda.synchronize()
    return sum(1 for event in profiler.events() or () if event.device_type.name == "CUDA")
