"""`kansym compare RUN RUN ...`: what several runs found, beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kansym.errors import printable
from kansym_cli import options, output

if TYPE_CHECKING:
    from kansym.result import Result

POINTS = 1000
SAME = 1e-9  # of the values' spread: laws that differ by less are one


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@options.JSON
def command(runs: tuple[Path, ...], as_json: bool) -> None:
    """Print the laws of several run folders beside each other, and how far each is from that of the first.

    The distance is the root mean square of the difference over the spread, where the data of both were.

    \b
    kansym compare runs/data-1 runs/data-2
    """
    results = [options.load_run(run) for run in runs]
    rows = [_row(str(run), result, results[0]) for run, result in zip(runs, results, strict=True)]
    click.echo(output.json_text({"runs": rows}) if as_json else _page(rows))


def _row(run: str, result: Result, first: Result) -> dict[str, Any]:
    from kansym.storage import plain

    return plain(
        {
            "run": run,
            "law": str(result.formula),
            "complexity": result.formula.complexity,
            "nrmse": result.formula.held_out,
            "exact": result.front.exact,
            "stop_reason": result.stop_reason,
            "same_data": result.table.digest == first.table.digest,
            "distance": _distance(first, result),
        }
    )


def _distance(first: Result, other: Result) -> float | None:
    """How far two laws are apart over the spread of the first; None where they are not of the same columns."""
    import numpy as np

    one, two = first.formula, other.formula
    if one.target_name != two.target_name or set(one.input_names) != set(two.input_names) or not (one.box and two.box):
        return None
    places = [two.input_names.index(name) for name in one.input_names]
    low, high = (
        np.array([choose(a[side], two.box[place][side]) for a, place in zip(one.box, places, strict=True)])
        for side, choose in ((0, max), (1, min))
    )
    if np.any(low > high):
        return None
    inputs = np.random.default_rng(0).uniform(low, high, (POINTS, len(low)))
    turned = np.empty_like(inputs)
    turned[:, places] = inputs
    values, others = one(inputs), two(turned)
    both = np.isfinite(values) & np.isfinite(others)
    if not np.any(both):
        return None
    spread = float(np.std(values[both])) or float(np.max(np.abs(values[both]))) or 1.0
    return float(np.sqrt(np.mean((values - others)[both] ** 2))) / spread


def _page(rows: Sequence[dict[str, Any]]) -> str:
    head = ["run", "complexity", "NRMSE", "beside the first", "law"]
    lines = [head]
    for place, row in enumerate(rows):
        size = "-" if row["nrmse"] is None else output.size_text(row["nrmse"])
        law = printable(row["law"]) + ("" if row["exact"] else "  (does not reach the noise)")
        lines.append([printable(row["run"]), str(row["complexity"]), size, "" if place == 0 else _beside(row), law])
    return output.columns(lines, indent="")


def _beside(row: dict[str, Any]) -> str:
    if row["distance"] is None:
        return "other columns or ranges"
    return "the same law" if row["distance"] <= SAME else f"{output.size_text(row['distance'])} of the spread away"
