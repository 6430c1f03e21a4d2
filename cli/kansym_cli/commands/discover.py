"""`kansym discover DATA`: from trajectories or a field to the differential equations they obey."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kansym.events import Note
from kansym_cli import console, options, output

if TYPE_CHECKING:
    from kansym.budget import Budget
    from kansym.physics.discovery import Discovery

EXIT_CODES = {"finished": 0, "time limit": 3, "interrupted": 130}
EPILOG = """\b
Exit codes: 0 finished, 1 kansym failed, 2 wrong usage or bad input,
3 the time was up and 130 Ctrl-C (in both the best equations so far were printed)."""


@click.command(epilog=EPILOG)
@click.argument("data")
@click.option("--pde", is_flag=True, help="DATA is an .npz file of fields u(t, x) or u(t, x, y) and their axes.")
@click.option("--time", "time_name", default="t", show_default=True, help="Column (or array) of times.")
@click.option("--states", **options.NAMES, help="Columns of states, or arrays of fields.  [default: all others]")
@click.option("--trajectory", help="Column that tells trajectories apart.  [default: trajectory, if there is one]")
@click.option("--form", type=click.Choice(["weak", "integral", "derivative"]), default="weak", show_default=True,
              help="How candidates are held against the data.")  # fmt: skip
@click.option("--libraries", **options.NAMES, help="Of polynomial, trigonometric, everyday.  [default: all]")
@click.option("--primitives", **options.NAMES, help='Functions for a library of your own, such as "sin,tanh".')
@click.option("--no-search", is_flag=True, help="Only sums of library terms; no formulas of any form.")
@click.option("--noise", type=float, help="Noise over a state's root mean square.  [default: estimated]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of everything random.")
@click.option("--time-limit", type=float, default=120.0, show_default=True, help="Seconds at most.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Run folder to write.")
@options.JSON
@click.option("--quiet", is_flag=True, help="No progress and no notes on stderr.")
def command(data: str, pde: bool, out: Path | None, as_json: bool, quiet: bool, **flags: Any) -> int:
    """Find the differential equations that DATA obeys.

    DATA is a table with a column of times and one for every state (ordinary equations), or with --pde an .npz file.
    Empty cells are missing samples; times may be uneven; units in the headers, such as x [m], are kept.

    \b
    kansym discover trajectories.csv --time t
    kansym discover runs.csv --states x,y --trajectory run --out found
    kansym discover field.npz --pde
    """
    from kansym.physics.discovery import check_folder, document, write

    if out is not None:
        check_folder(out)
    found = _found(data, pde, quiet, flags)
    written = write(found, out) if out is not None else []
    if not quiet:
        for path in written:
            console.say(f"wrote {path}")
    click.echo(output.json_text(document(found)) if as_json else _page(found))
    return EXIT_CODES[found.stop_reason]


def _found(data: str, pde: bool, quiet: bool, flags: dict[str, Any]) -> Discovery:
    from kansym.budget import Budget
    from kansym.physics.discovery import Settings, find_equations, find_field_equations, read_field, read_trajectories

    chosen = {name: flags[name] for name in ("seed", "time_limit", "form", "noise")}
    libraries = {"libraries": flags["libraries"]} if flags["libraries"] else {}
    primitives = {"primitives": flags["primitives"]} if flags["primitives"] else {}
    settings = Settings(**chosen, **libraries, **primitives, search=not flags["no_search"])
    if pde:
        measured: Any = read_field(data, flags["time_name"], flags["states"])
    else:
        measured = read_trajectories(data, flags["time_name"], flags["states"], flags["trajectory"])
    budget = Budget(settings.time_limit)
    with console.caught(signal.SIGINT, lambda: _interrupt(budget)), console.listener(quiet, budget) as listen:
        if not quiet:
            listen(Note(f"searching for at most {settings.time_limit:g} s; Ctrl-C ends it with the best so far"))
        find = find_field_equations if pde else find_equations
        return find(measured, settings, listen, budget)


def _interrupt(budget: Budget) -> None:
    """Ctrl-C once lets the best so far flow on to a result; twice stops at once."""
    if budget.interrupted:
        raise KeyboardInterrupt
    budget.interrupt()


def _page(found: Discovery) -> str:
    lines = [equation.text() + (f"   [{equation.unit}]" if equation.unit else "") for equation in found.equations]
    lines += ["", *output.columns(_numbers(found), indent="").splitlines(), ""]
    if not found.exact:
        lines.append("these are approximations: more than noise is left")
    lines.append("noise: " + ", ".join(f"{name} {size:.3g}" for name, size in found.noise.items()))
    errors = ((name, found.facts.get(f"solution's error of {name}")) for name in found.noise)
    shares = [f"{name} within {100 * error:.2g} %" for name, error in errors if error is not None]
    if shares:
        lines.append(f"solution from the first moment on, of the field's spread: {', '.join(shares)}")
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def _numbers(found: Discovery) -> list[list[str]]:
    """The table of the numbers, with their units where some are known."""
    rows = [["equation", "number", "standard error", "unit", "what is left"]]
    for equation in found.equations:
        left = f"{equation.misfit:.3g}"
        free = [pair for pair in zip(equation.constants, equation.constant_units, strict=True) if not pair[0].label]
        for each, unit in free:
            error = "unknown" if each.error is None else f"{each.error:.2g}"
            rows.append([equation.left, f"{each.value:.8g}", error, unit or "", left])
        rows += [] if free else [[equation.left, "exact", "", "", left]]
    told = any(row[3] for row in rows[1:])
    return [row if told else [*row[:3], row[4]] for row in rows]
