"""`kansym predict RUN DATA`: apply a run's formula to a table."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kansym_cli import console, options
from kansym_cli import output as output_form

if TYPE_CHECKING:
    import numpy as np

    from kansym.result import Result

PREDICTION = "prediction"


@click.command()
@options.RUN
@click.argument("data")
@options.file_options
@options.OUTPUT
@options.JSON
def command(run: Path, data: str, output: Path | None, as_json: bool, **flags: Any) -> None:
    """Apply the formula of the run folder RUN to the table DATA.

    Writes CSV (or JSON): the inputs, then a column `prediction`. DATA needs the inputs of the fit, in any order; the
    target may be missing.

    \b
    kansym predict runs/data-1 new.csv -o predicted.csv
    """
    result = options.load_run(run)
    from kansym.data import read_features

    inputs = read_features(data, options.read_table_options(flags), result.table.input_names)
    predicted = result.predict(inputs)
    _warn(result, inputs, predicted)
    if output is not None:
        options.written(output, _csv(result, inputs, predicted), as_json)
    elif as_json:
        click.echo(_json(result, inputs, predicted))
    else:
        click.echo(_csv(result, inputs, predicted), nl=False)


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


def _json(result: Result, inputs: np.ndarray, predicted: np.ndarray) -> str:
    from kansym.storage import plain

    columns = dict(zip(result.table.input_names, inputs.T.tolist(), strict=True))
    return output_form.json_text(plain({"inputs": columns, PREDICTION: predicted.tolist()}))


def _csv(result: Result, inputs: np.ndarray, predicted: np.ndarray) -> str:
    table, target = io.StringIO(), result.table
    headers = [
        f"{name} [{unit}]" if unit else name for name, unit in zip(target.input_names, target.input_units, strict=True)
    ]
    rows = ([repr(float(value)) for value in (*row, value)] for row, value in zip(inputs, predicted, strict=True))
    csv.writer(table, lineterminator="\n").writerows([[*headers, PREDICTION], *rows])
    return table.getvalue()
