"""`kansym plot RUN --kind KIND -o FILE`: a picture of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kansym.errors import ConfigError
from kansym_cli import options

SUFFIXES = (".svg", ".png", ".pdf")
PAGE = ".html"


@click.command()
@options.RUN
@click.option(
    "--kind",
    required=True,
    metavar="KIND",
    help="graph, edges, pareto, fit, partial, domain or history.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="FILE.svg, .png or .pdf; .html for a graph.",
)
@options.JSON
def command(run: Path, kind: str, output: Path, as_json: bool) -> None:
    """Draw a picture of the run folder RUN; a graph as .html is a page with a slider for the pruning threshold.

    \b
    kansym plot runs/data-1 --kind fit -o fit.pdf
    kansym plot runs/data-1 --kind graph -o network.html
    """
    suffix = output.suffix.lower()
    if suffix == PAGE and kind == "graph":
        from kansym.report.interactive import graph_page

        options.written(output, graph_page(options.load_run(run)), as_json)
        return
    if suffix not in SUFFIXES:
        ends = ".svg, .png, .pdf or .html" if kind == "graph" else ".svg, .png or .pdf"
        raise click.BadParameter(f"'{output}' should end in {ends}", param_hint="--output")
    kinds, encode = _drawing()
    draw = options.choose(kinds, kind, "--kind")
    options.written(output, encode(draw(options.load_run(run)), suffix), as_json)


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
