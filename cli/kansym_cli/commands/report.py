"""`kansym report RUN -o FILE`: everything about a run on one page."""

from __future__ import annotations

import json
from pathlib import Path

import click

from kansym.errors import ConfigError
from kansym_cli import options

FORMATS = ("html", "md", "pdf")
FLAGS = {".htm": "html", ".markdown": "md"}  # what else a file's name may say


@click.command()
@options.RUN
@options.OUTPUT
@click.option("--format", "kind", type=click.Choice(FORMATS), help="How it is written.  [default: by FILE's ending]")
@options.JSON
def command(run: Path, output: Path | None, kind: str | None, as_json: bool) -> None:
    """Write everything about the run folder RUN on one page, on stdout or to a file.

    \b
    kansym report runs/data-1 -o report.html      one offline page that answers to clicks
    kansym report runs/data-1 -o report.pdf       for print; no LaTeX is needed
    kansym report runs/data-1 --format md         a note, mathematics in dollars
    """
    suffix = output.suffix.lower() if output is not None else ""
    chosen = kind or FLAGS.get(suffix, suffix.removeprefix(".") or "html")
    if chosen not in FORMATS:
        raise click.BadParameter(
            f"'{output}' should end in .html, .md or .pdf, or give --format", param_hint="--output"
        )
    content = _written(run, chosen)
    if output is not None:
        options.written(output, content, as_json)
    elif isinstance(content, bytes):
        raise click.UsageError("a PDF needs a file to go to: give one with -o FILE.pdf")
    elif as_json:
        click.echo(json.dumps({"format": chosen, "text": content}))
    else:
        click.echo(content, nl=False)


def _written(run: Path, kind: str) -> str | bytes:
    result = options.load_run(run)
    if kind == "md":
        from kansym.report.markdown import markdown_report

        return markdown_report(result)
    if kind == "html":
        from kansym.report.html import report

        return report(result)
    try:
        from kansym.report.pdf import pdf_report
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ConfigError("a PDF needs matplotlib, which is not installed: pip install 'kansym[plot]'") from error
    return pdf_report(result)
