"""`kansym watch RUN`: follow a fit that runs in another terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from kansym.errors import DataError
from kansym_cli import console, options, output, progress


@click.command()
@options.RUN
@options.JSON
def command(run: Path, as_json: bool) -> int:
    """Follow the fit that writes into the run folder RUN, and print what it found when it is done.

    \b
    kansym fit data.csv --out here &
    kansym watch here
    """
    from kansym.storage import is_run

    running = (run / progress.FILE).exists()
    if not running and not is_run(run):
        raise DataError(f"nothing runs in '{run}' and there is no result: give the folder of a running `kansym fit`")
    shown = None
    for event in progress.follow(run):
        line = json.dumps({"event": type(event).__name__, **asdict(event)}) if as_json else console.told(event)
        if line and line != shown:
            click.echo(line)
        shown = line
    if not is_run(run):
        raise DataError(f"the fit in '{run}' ended without a result: its own terminal says why")
    result = options.load_run(run)
    click.echo(json.dumps(output.document(result, str(run))) if as_json else "\n" + output.page(result, str(run)))
    return 0
