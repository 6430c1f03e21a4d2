"""`kansym export RUN --format FORMAT`: a run's formula in another language."""

from __future__ import annotations

from pathlib import Path

import click

from kansym_cli import options


@click.command()
@options.RUN
@click.option(
    "--format",
    "language",
    required=True,
    metavar="FORMAT",
    help="latex, markdown, python, numpy, torch, c, fortran, javascript, excel, json, ... (a wrong name lists all).",
)
@options.OUTPUT
def command(run: Path, language: str, output: Path | None) -> None:
    """Write the formula of the run folder RUN in another language, on stdout or to a file."""
    from kansym.export import FORMATS

    exporter = options.choose(FORMATS, language, "--format")
    text = exporter(options.load_run(run))
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
    else:
        options.write_output(output, text)
