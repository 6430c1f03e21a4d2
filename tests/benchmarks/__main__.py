"""`python -m tests.benchmarks NAME [options]`; rates of recovered laws are measured by `kansym bench formulas`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.runs import single_thread

single_thread()
# The packages of this checkout, also where they are not installed.
sys.path[:0] = [str(Path(__file__).parents[2] / folder) for folder in ("cli", "datasets")]

if TYPE_CHECKING:
    from tests.benchmarks.runs import Problem, Record
    from tests.benchmarks.tables import Report

COMMANDS = (
    "determinism",
    "surrogates",
    "conditioning",
    "derivatives",
    "sparsity",
    "streaming",
    "rough",
)
Benchmark = tuple["Callable[[Problem], Record]", "list[Problem]", "Callable[[Sequence[Record]], Report]"]


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    made.add_argument("name", choices=COMMANDS)
    made.add_argument("--limit", type=int, metavar="N", help="only the first N problems")
    made.add_argument("--names", nargs="+", metavar="NAME", help="only these data sets")
    made.add_argument("--seeds", type=int, metavar="N", help="seeds 0 to N-1 (default 1)")
    made.add_argument("--processes", type=int, default=14, help="determinism: how many (default 14)")
    made.add_argument("--rows", type=int, help="streaming: rows of the file")
    made.add_argument("--time-limit", type=float, metavar="S", help="seconds per fit (default: that of kansym)")
    made.add_argument("--jobs", type=int, choices=(1, 2), default=1, help="fits at once, one thread each")
    made.add_argument("--results", type=Path, metavar="FILE", help="keep one JSON line per problem in this file")
    made.add_argument("--resume", action="store_true", help="do not run again what --results already holds")
    made.add_argument("--write", nargs="?", const="", metavar="PAGE", help="write docs/benchmarks/PAGE.md and .json")
    made.add_argument("--columns", type=int, default=20, metavar="N", help="streaming: input columns (default 20)")
    made.add_argument("--format", choices=("parquet", "npz", "npy"), default="parquet", help="streaming: of the file")
    return made


def benchmark(options: argparse.Namespace) -> Benchmark:
    """What to run, on which problems, and how to show it."""
    # Each benchmark loads only what it needs.
    if options.name == "surrogates":
        return _surrogates(options)
    if options.name == "conditioning":
        return _conditioning(options)
    if options.name == "derivatives":
        return _derivatives(options)
    if options.name == "sparsity":
        return _sparsity(options)
    if options.name == "streaming":
        return _streaming(options)
    if options.name == "rough":
        return _rough(options)
    return _determinism(options)


def _surrogates(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks import surrogates
    from tests.benchmarks.runs import Problem

    return surrogates.run_law, [Problem(name) for name in options.names or surrogates.names()], surrogates.report


def _conditioning(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks import conditioning
    from tests.benchmarks.runs import Problem

    return conditioning.run_case, [Problem(name) for name in options.names or conditioning.names()], conditioning.report


def _derivatives(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks import derivatives

    return derivatives.run_system, derivatives.problems(options.names, options.seeds), derivatives.report


def _sparsity(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks import sparsity
    from tests.benchmarks.runs import Problem

    return sparsity.run_law, [Problem(name) for name in options.names or sparsity.names()], sparsity.report


def _streaming(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks import streaming

    return *streaming.problems(options), streaming.report


def _rough(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks.rough import running

    return running.run_table, running.problems(options.names, options.seeds, options.time_limit), running.report


def _determinism(options: argparse.Namespace) -> Benchmark:
    from tests.benchmarks import determinism
    from tests.benchmarks.runs import Problem

    names = options.names or determinism.DEFAULT
    problems = [Problem(name, n, time_limit=options.time_limit) for name in names for n in range(options.processes)]
    return determinism.run_process, problems, determinism.report


def main(arguments: Sequence[str]) -> int:
    """Run a benchmark; 0 when it ran, whatever it found."""
    from tests.benchmarks.runs import run_all
    from tests.benchmarks.tables import say

    options = parser().parse_args(arguments)
    worker, problems, report = benchmark(options)
    problems = problems[: options.limit]
    count = iter(range(1, len(problems) + 1))

    def tell(record: Record) -> None:
        state = record.get("solved", record.get("sha256"))
        words = f"{record.get('short') or ''}  {record.get('lost') or record.get('error') or ''}".strip()
        say(f"[{next(count)}/{len(problems)}] {record['name']} {state} {record.get('seconds', '')} {words}")

    found = report(run_all(worker, problems, options.jobs, options.results, options.resume, tell))
    sys.stdout.write(found.screen())
    if options.write is not None:
        command = "python -m tests.benchmarks " + shlex.join(_without_files(arguments))
        say(f"written: {found.write(command, options.write or None).name}")
    return 0


def _without_files(arguments: Sequence[str]) -> list[str]:
    """The arguments that decide the numbers: where the lines were kept on the way does not."""
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--results":
            skip = True
        elif argument != "--resume":
            kept.append(argument)
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
