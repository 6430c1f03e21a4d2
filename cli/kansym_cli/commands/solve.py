"""`kansym solve PROBLEM`: from a differential equation to its solution, a folder and, where there is one, a formula."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kansym.errors import ConfigError, ModelFileError, did_you_mean, printable, quote
from kansym.events import Note
from kansym_cli import console, options, output
from kansym_cli.commands.fit import EPILOG, EXIT_CODES, claim

if TYPE_CHECKING:
    from kansym.budget import Budget
    from kansym.physics.solver import Problem, Solution, SolveConfig

METHODS = ("gauss_newton", "lbfgs", "adam")


@click.command(epilog=EPILOG.replace("formula", "solution"))
@click.argument("problem", required=False)
@click.option("--list", "listed", is_flag=True, help="List the known problems and leave.")
@click.option("--method", type=click.Choice(METHODS), help="How the networks are trained.")
@click.option("--basis", help="Functions on the network's edges.  [default: bspline]")
@click.option("--hidden", **options.WIDTHS, help="Nodes per hidden layer.")
@click.option("--intervals", **options.WIDTHS, help="Grid sizes, from coarse to fine.")
@click.option("--points", type=click.IntRange(1), help="Points inside the domain.")
@click.option("--windows", type=click.IntRange(1), help="Pieces of time, solved one after the other.")
@click.option("--hard", is_flag=True, default=None, help="Meet the conditions by construction.")
@click.option("--seed", type=click.IntRange(0), help="Of weights and points.")
@click.option("--time-limit", type=float, help="Seconds at most, the formula included.")
@click.option("--formula-time", type=float, help="Seconds at most for the formula.")
@click.option("--no-formula", is_flag=True, help="Do not look for a formula.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write.  [default: runs/NAME-1, -2, ...]")
@options.JSON
@click.option("--quiet", is_flag=True, help="No progress and no notes on stderr.")
def command(problem: str | None, listed: bool, out: Path | None, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Solve a differential equation by a Kolmogorov-Arnold network, and look for the solution's formula.

    PROBLEM is a TOML file with equations, domain and conditions, or the name of a known problem (see --list).

    \b
    kansym solve poisson
    kansym solve heat.toml --hard --out heat
    """
    if listed:
        return _print_list(as_json)
    if problem is None:
        raise click.UsageError("give a problem: a TOML file, or a name of --list")
    task, config = _read(problem, flags)
    with _folder(out, task.name) as folder:
        solution = _solved(task, config, folder, quiet)
        _save(solution, folder)
    return _print(solution, folder, as_json)


def _print_list(as_json: bool) -> int:
    from kansym.physics.solver import PROBLEMS

    rows = [{"name": name, "title": known.title} for name, known in PROBLEMS.items()]
    click.echo(output.json_text(rows) if as_json else output.columns([list(row.values()) for row in rows], indent=""))
    return 0


def _read(name: str, flags: dict[str, Any]) -> tuple[Problem, SolveConfig]:
    from kansym.physics.solver import PROBLEMS, SolveConfig, read_problem

    if name in PROBLEMS:
        known = PROBLEMS.get(name)
        task, config = known.problem(), known.config
    elif Path(name).suffix == ".toml" or Path(name).exists():
        task, config = read_problem(name)
    else:
        hint = did_you_mean(name, PROBLEMS.names())
        raise ConfigError(f"no problem is called {quote(name)}: {hint} (a file of your own ends in .toml)")
    without = flags.pop("no_formula")
    given = {key: value for key, value in flags.items() if value is not None} | ({"formula": False} if without else {})
    return task, SolveConfig.from_dict(config.to_dict() | given)


def _solved(task: Problem, config: SolveConfig, folder: Path, quiet: bool) -> Solution:
    # Loading the engine takes seconds; the budget starts after it.
    from kansym.budget import Budget
    from kansym.physics.solver import solve

    budget = Budget(config.time_limit)
    with console.caught(signal.SIGINT, lambda: _interrupt(budget)), console.listener(quiet, budget) as listen:
        if not quiet:
            limit = "" if config.time_limit is None else f" for at most {config.time_limit:g} s"
            listen(Note(f"solving {task.name}{limit}; folder {folder}; Ctrl-C ends it with the best so far"))
        return solve(task, config, listen, budget)


def _interrupt(budget: Budget) -> None:
    """Ctrl-C once ends with the best so far; twice stops at once."""
    if budget.interrupted:
        raise KeyboardInterrupt
    budget.interrupt()


@contextmanager
def _folder(out: Path | None, name: str) -> Iterator[Path]:
    """The folder, checked before the work so that a wrong --out costs no time; an unused new one is removed."""
    from kansym.physics.solver.saving import check_folder

    safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)
    try:
        folder = claim(safe or "problem") if out is None else out
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelFileError(f"cannot write a folder: {error}: choose another --out") from error
    try:
        yield folder
    finally:
        if not any(folder.iterdir()):
            folder.rmdir()


def _save(solution: Solution, folder: Path) -> None:
    from kansym.physics.solver import save_solution

    save_solution(solution, folder)


def _print(solution: Solution, folder: Path, as_json: bool) -> int:
    from kansym.physics.solver.saving import summary

    if as_json:
        timings = {"seconds": solution.seconds, "cpu_seconds": solution.cpu_seconds}
        click.echo(output.json_text(summary(solution) | timings | {"run": str(folder)}))
    else:
        click.echo("\n".join(printable(line) for line in str(solution).splitlines()) + f"\n\nsaved in {folder}")
    return EXIT_CODES[solution.stop_reason]
