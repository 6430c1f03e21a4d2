"""`kansym export RUN --format FORMAT`: a run's formula in another language."""

from __future__ import annotations

import json
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
    help="latex, markdown, python, numpy, torch, c, fortran, excel, json, onnx, graphml, ... (a wrong name lists all).",
)
@options.OUTPUT
@options.JSON
def command(run: Path, language: str, output: Path | None, as_json: bool) -> None:
    """Write the formula of the run folder RUN in another language, on stdout or to a file.

    \b
    kansym export runs/data-1 --format latex
    kansym export runs/data-1 --format c -o law.c
    kansym export runs/data-1 --format onnx -o law.onnx
    """
    from kansym.export import FILES, FORMATS

    exporter = options.choose(dict([*FORMATS.items(), *FILES.items()]), language, "--format")
    if language in FILES and output is None:
        raise click.UsageError(f"{language} is no text: name a file with -o")
    text = exporter(options.load_run(run))
    if output is not None:
        options.written(output, text, as_json)
    elif as_json:
        click.echo(json.dumps({"format": language, "text": text}))
    else:
        click.echo(text, nl=not text.endswith("\n"))
