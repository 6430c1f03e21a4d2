"""The command line that repeats a fit."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Sequence

from kansym.result import Result

FILES = "files"  # among the options of a table: where its rows came from, if from several files


def reproduce_command(result: Result) -> str:
    """The command line that repeats the fit, quoted for a POSIX shell; only what differs from the defaults is named."""
    table = result.table
    files = next(csv.reader([table.options[FILES]])) if FILES in table.options else [table.source]
    words = ["kansym", "fit", *files, "--target", table.target_name]
    words += ["--features", listed(table.input_names), "--seed", str(result.config.seed)]
    for key, value in table.options.items():
        words += [f"--{key}", value] if key != FILES else []
    default = type(result.config)().to_dict()
    for key, value in result.config.to_dict().items():
        if key == "seed" or value == default.get(key) or value in ([], ()):
            continue
        flag = f"--{key.replace('_', '-')}"
        if key in ("guess", "assume"):  # formulas hold commas: one flag each
            words += [word for item in value for word in (flag, item)]
        else:
            words += [flag, listed([str(item) for item in value]) if isinstance(value, list) else str(value)]
    return shlex.join(words)


def listed(names: Sequence[str]) -> str:
    """Names as one row of CSV, as the command line reads them."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(names)
    return row.getvalue()
