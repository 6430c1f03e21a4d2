"""`kansym plot RUN --kind KIND -o FILE`: a picture of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kansym.errors import ConfigError
from kansym_cli import options

SUFFIXES = (".svg", ".png", ".pdf")


@click.command()
@options.RUN
@click.option(
    "--kind", required=True, metavar="KIND", help="graph, edges, pareto, fit, history, ... (a wrong name lists all)."
)
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="FILE.svg, .png or .pdf."
)
def command(run: Path, kind: str, output: Path) -> None:
    """Draw a picture of the run folder RUN."""
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise click.BadParameter(f"'{output}' should end in .svg, .png or .pdf", param_hint="--output")
    kinds, encode = _drawing()
    draw = options.choose(kinds, kind, "--kind")
    options.write_output(output, encode(draw(options.load_run(run)), suffix))


def _drawing() -> tuple[Any, Callable[[Any, str], bytes]]:
    """The kinds of pictures, and what turns a figure into the bytes of a file."""
    try:
        from kansym.report.canvas import encode
        from kansym.report.figures import KINDS
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ConfigError("pictures need matplotlib, which is not installed: pip install 'kansym[plot]'") from error
    return KINDS, encode
