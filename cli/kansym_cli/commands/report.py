"""`kansym report RUN -o FILE`: one HTML page with everything about a run."""

from __future__ import annotations

from pathlib import Path

import click

from kansym_cli import options


@click.command()
@options.RUN
@options.OUTPUT
def command(run: Path, output: Path | None) -> None:
    """Write one HTML page about the run folder RUN, on stdout or to a file."""
    from kansym.report.html import report

    text = report(options.load_run(run))
    if output is None:
        click.echo(text, nl=False)
    else:
        options.write_output(output, text)
