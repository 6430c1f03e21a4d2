"""`kansym show RUN`: print again what a run found."""

from __future__ import annotations

from pathlib import Path

import click

from kansym_cli import options, output


@click.command()
@options.RUN
@options.JSON
def command(run: Path, as_json: bool) -> None:
    """Print what the run folder RUN holds: the law, its constants, errors, LaTeX and the alternatives.

    \b
    kansym show runs/data-1
    kansym show runs/data-1 --json
    """
    result = options.load_run(run)
    click.echo(output.json_text(output.document(result, str(run))) if as_json else output.page(result, str(run)))
