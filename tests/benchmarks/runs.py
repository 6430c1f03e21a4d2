"""Run fits, one after the other or in two processes, and keep one JSON line for each."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kansym.errors import KansymError

if TYPE_CHECKING:
    from kansym.result import Result

Record = dict[str, Any]
GRACE = 60.0
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Problem:
    """One fit: a data set of `kansym_datasets`, how to draw it, and how long to search.

    seed: of the fit and, for generated laws, of the rows. rows, noise: for generated laws.
    time_limit: seconds; None for the default of kansym.
    """

    name: str
    seed: int = 0
    rows: int | None = None
    noise: float = 0.0
    time_limit: float | None = None

    @property
    def key(self) -> str:
        """What makes two problems the same."""
        return json.dumps(asdict(self), sort_keys=True)


Worker = Callable[[Problem], Record]


def fitted(problem: Problem) -> tuple[Record, Result | None]:
    """Fit a problem: a record that always exists, and the result if there is one."""
    import torch

    import kansym_datasets
    from kansym.config import Config
    from kansym.pipeline import fit

    torch.set_num_threads(1)
    data = kansym_datasets.load(problem.name, problem.rows, problem.noise, problem.seed)
    config = Config(seed=problem.seed, time_limit=problem.time_limit)
    record: Record = {**asdict(problem), "formula": None, "error": None, "stop_reason": None}
    started, result = time.perf_counter(), None
    try:
        with _alarm(2 * config.seconds + GRACE):
            result = fit(data, config)
    except (KansymError, ArithmeticError, ValueError, TypeError, RuntimeError, LookupError, AttributeError,
            AssertionError, TimeoutError) as error:  # fmt: skip
        # A benchmark of a hundred laws must tell of a crash and go on.
        record["error"] = f"{type(error).__name__}: {str(error)[:200]}"
    record["seconds"] = round(time.perf_counter() - started, 3)
    return record | (_facts(result) if result else {}), result


def _facts(result: Result) -> Record:
    formula = result.formula
    return {
        "formula": formula.text(),
        "short": formula.text(6),
        "complexity": formula.complexity,
        "origin": formula.origin,
        "nrmse": {part: errors.nrmse for part, errors in formula.errors.items()},
        "exact": result.front.exact,
        "stop_reason": result.stop_reason,
    }


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """TimeoutError after so long: a fit that ignores its own limit must not stop the whole benchmark."""

    def ring(number: int, frame: Any) -> None:
        raise TimeoutError(f"still running after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_all(worker: Worker, problems: list[Problem], jobs: int, results: Path | None, resume: bool,
            tell: Callable[[Record], None]) -> list[Record]:  # fmt: skip
    """The records of all problems, in their order.

    results: a file with one JSON line per problem, written as they come; with resume, its lines are not run again.
    tell: called with each new record.
    """
    done = _read(results) if results and resume else {}
    if results:
        results.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            results.unlink(missing_ok=True)
    for key, record in _outcomes(worker, [problem for problem in problems if problem.key not in done], jobs):
        done[key] = record
        tell(record)
        if results:
            with results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"key": key, "record": record}) + "\n")
    return [done[problem.key] for problem in problems]


def _read(path: Path) -> dict[str, Record]:
    if not path.exists():
        return {}
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return {line["key"]: line["record"] for line in lines}


def _outcomes(worker: Worker, problems: list[Problem], jobs: int) -> Iterable[tuple[str, Record]]:
    if jobs == 1:
        for problem in problems:
            yield problem.key, worker(problem)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=single_thread) as pool:
        running = {pool.submit(worker, problem): problem.key for problem in problems}
        for future in as_completed(running):
            yield running[future], future.result()


def single_thread() -> None:
    """One thread for this process; to be called before numpy or torch is imported."""
    for variable in THREADS:
        os.environ.setdefault(variable, "1")
