"""`kansym predict RUN DATA`: apply a run's formula to a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kansym_cli import console, options

if TYPE_CHECKING:
    import numpy as np

    from kansym.result import Result

PREDICTION = "prediction"


@click.command()
@options.RUN
@click.argument("data")
@options.file_options
@options.OUTPUT
def command(run: Path, data: str, output: Path | None, **flags: Any) -> None:
    """Apply the formula of the run folder RUN to the table DATA.

    Writes CSV: the inputs, then a column `prediction`. DATA needs the inputs of the fit, in any order; the target may
    be missing.
    """
    result = options.load_run(run)
    from kansym.data import read_features

    inputs = read_features(data, options.read_table_options(flags), result.table.input_names)
    predicted = result.predict(inputs)
    _warn(result, inputs, predicted)
    text = _csv(result, inputs, predicted)
    if output is None:
        click.echo(text, nl=False)
    else:
        options.write_output(output, text)


def _warn(result: Result, inputs: np.ndarray, predicted: np.ndarray) -> None:
    import numpy as np

    limits = result.formula.box or result.table.ranges
    if limits:
        low, high = np.array(limits, dtype=float).T
        outside = int(((inputs < low) | (inputs > high)).any(axis=1).sum())
        if outside:
            console.say(f"note: {outside} of {len(inputs)} rows lie outside the range of the fitted data: extrapolated")
    unreal = int((~np.isfinite(predicted)).sum())
    if unreal:
        console.say(f"note: the formula has no real value in {unreal} of {len(inputs)} rows: these stand as nan")


def _csv(result: Result, inputs: np.ndarray, predicted: np.ndarray) -> str:
    table, target = io.StringIO(), result.table
    headers = [
        f"{name} [{unit}]" if unit else name for name, unit in zip(target.input_names, target.input_units, strict=True)
    ]
    rows = ([repr(float(value)) for value in (*row, value)] for row, value in zip(inputs, predicted, strict=True))
    csv.writer(table, lineterminator="\n").writerows([[*headers, PREDICTION], *rows])
    return table.getvalue()
