"""Problem after problem in processes that may hang or die, with a line in the results file for each."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from kansym.bench.formulas.children import END, Child, Died, Work
from kansym.bench.formulas.problems import Identity, Problem
from kansym.bench.formulas.records import Record, append, read
from kansym.bench.formulas.work import SLACK, failed, solve
from kansym.errors import KansymError

GRACE = 60.0
JUDGING = 180.0
Tell = Callable[[Record], None]


@dataclass
class Outcome:
    """What a run has to show: records of finished problems in their order, and whether it was stopped early."""

    records: list[Record] = field(default_factory=list)
    stopped: bool = False


def run(problems: Sequence[Problem], jobs: int, results: Path | None, tell: Tell, work: Work = solve,
        slack: float = SLACK) -> Outcome:  # fmt: skip
    """Run the problems that a results file does not hold yet.

    Args:
        problems: what to run.
        jobs: how many processes, one thread each.
        results: one JSON line a problem; None to keep nothing.
        tell: called with every new record.
        work: what is done with a problem and its table; yields records, the last of which counts.
        slack: how many times its limit, and a minute, a fit may take by the clock on the wall before it is killed.

    Returns:
        The records of these problems, old and new; after Ctrl-C those that there are.

    Raises:
        DataError: if the results file is none or cannot be written.
    """
    done = read(results) if results else {}
    waiting = [problem for problem in problems if problem.identity.key not in done]

    def keep(record: Record, problem: Problem) -> None:
        done[problem.identity.key] = record
        if results:
            append(results, record)
        tell(record)

    crew = Crew(keep, work, slack)
    try:
        crew.work(waiting, jobs)
        stopped = False
    except KeyboardInterrupt:
        stopped = True
    finally:
        crew.dismiss()
    grouped = {problem.identity.key: list(problem.groups) for problem in problems}
    return Outcome([done[key] | {"groups": grouped[key]} for key in grouped if key in done], stopped)


@dataclass
class _Worker:
    """A process and what it is doing."""

    child: Child
    problem: Problem | None = None
    record: Record | None = None
    started: float = 0.0
    deadline: float = float("inf")

    @property
    def seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)


class Crew:
    """Processes that work on problems; one that hangs or dies is replaced.

    Args:
        keep: called with every record and its problem.
        work: what the processes do; see `kansym.bench.formulas.work.solve`.
        slack: see `run`.
    """

    def __init__(self, keep: Callable[[Record, Problem], None], work: Work = solve, slack: float = SLACK) -> None:
        self.keep = keep
        self.duty = work
        self.slack = slack
        self.workers: list[_Worker] = []

    def work(self, problems: Sequence[Problem], jobs: int) -> None:
        """Work on all of them."""
        waiting = deque(problems)
        while waiting or any(worker.problem for worker in self.workers):
            self._hire(min(jobs, len(waiting)) if waiting else 0)
            for worker in self.workers:
                if worker.problem is None and waiting:
                    self._begin(worker, waiting.popleft())
            self._listen()

    def _hire(self, count: int) -> None:
        while len(self.workers) < count:
            self.workers.append(_Worker(Child(self.duty)))

    def _begin(self, worker: _Worker, problem: Problem) -> None:
        try:
            material = problem.make()
        except KansymError as error:
            self.keep(failed(problem.identity, str(error), 0.0), problem)
            return
        worker.problem, worker.record, worker.started = problem, None, time.monotonic()
        worker.deadline = worker.started + fit_seconds(problem.identity, self.slack)
        with suppress(OSError):  # a process that has died is noticed when it is listened to
            worker.child.begin((problem.identity, material))

    def _listen(self) -> None:
        """Take the next message, or end those that are overdue."""
        busy = {worker.child.connection: worker for worker in self.workers if worker.problem}
        if not busy:
            return
        patience = max(0.0, min(worker.deadline for worker in busy.values()) - time.monotonic())
        for connection in wait(list(busy), patience):
            self._take(busy[connection])  # type: ignore[index]
        for worker in busy.values():
            if worker.problem and time.monotonic() > worker.deadline:
                self._give_up(worker, f"killed after {worker.seconds:.0f} s")

    def _take(self, worker: _Worker) -> None:
        try:
            message: Any = worker.child.receive()
        except Died as error:
            self._give_up(worker, f"the process died: {error}")
            return
        if message != END:
            worker.record, worker.deadline = message, time.monotonic() + JUDGING
            return
        self._finish(worker)

    def _finish(self, worker: _Worker) -> None:
        problem, worker.problem = worker.problem, None
        if problem and worker.record:
            self.keep(worker.record, problem)

    def _give_up(self, worker: _Worker, why: str) -> None:
        """Replace a process; what it had found stays in the record."""
        worker.child.kill()
        self.workers.remove(worker)
        assert worker.problem
        if worker.record is None:
            worker.record = failed(worker.problem.identity, why, worker.seconds)
        else:
            worker.record = worker.record | {"detail": f"not judged: {why}"}
        self._finish(worker)

    def dismiss(self) -> None:
        """End all processes."""
        for worker in self.workers:
            worker.child.kill()
        self.workers.clear()


def fit_seconds(identity: Identity, slack: float = SLACK) -> float:
    """Return how long a process may take for a fit before it is killed."""
    return slack * identity.time_limit + GRACE
