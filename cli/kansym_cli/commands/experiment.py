"""`kansym experiment list | run | table`: experiments of physics and of fast layers, held against published figures."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from kansym.errors import DataError
from kansym_cli import console, options, output

FOLDER = click.Path(file_okay=False, path_type=Path)
MISSED = 1


@click.group()
def command() -> None:
    """Experiments: each prints one table against its bars; the exit code is 1 when a bar is missed."""


@command.command("list")
@options.JSON
def list_experiments(as_json: bool) -> None:
    """List the experiments.

    \b
    kansym experiment list
    """
    from kansym.experiments.catalogue import EXPERIMENTS

    rows = [{"name": name, "question": words} for name, (_, words) in EXPERIMENTS.items()]
    click.echo(output.json_text(rows) if as_json else output.columns([list(row.values()) for row in rows], indent=""))


@command.command("run")
@click.argument("name")
@click.option("--seed", type=click.IntRange(0), help="Only this seed.")
@click.option("--seeds", type=click.IntRange(1), default=1, show_default=True, help="Seeds 0 to N-1.")
@click.option("--quick", is_flag=True, help="Small sizes and few steps: only to see that everything runs.")
@click.option("--peers", is_flag=True, help="Also run other programs on the same problem, where installed.")
@click.option(
    "--processor-time",
    is_flag=True,
    help="Limits and times in seconds of the processor: for a machine that others keep busy.",
)
@click.option("--out", type=FOLDER, help="Write a page, JSON, a LaTeX table and a picture into this folder.")
@options.JSON
def run(
    name: str, seed: int | None, seeds: int, quick: bool, peers: bool, processor_time: bool, out: Path | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Run the experiment NAME.

    \b
    kansym experiment run poisson
    kansym experiment run poisson --seeds 5 --out results
    """
    import kansym_datasets
    from kansym import experiments

    experiment = experiments.load(name)
    sets = kansym_datasets.load, kansym_datasets.card, kansym_datasets.printed
    setting = experiments.Setting(0, sets[0], console.lines, quick, peers, *sets[1:])
    setting = replace(setting, clock=time.process_time) if processor_time else setting
    chosen = range(seeds) if seed is None else (seed,)
    findings = experiments.run(experiment, setting, chosen, console.say)
    page = experiments.document(
        findings, _typed(name, seed, seeds, quick=quick, peers=peers, processor_time=processor_time)
    )
    for path in experiments.write(findings, page, out) if out is not None else ():
        console.say(f"wrote {path}")
    click.echo(page.json() if as_json else page.screen(), nl=as_json)
    return 0 if findings.passed else MISSED


def _typed(name: str, seed: int | None, seeds: int, **flags: bool) -> str:
    parts = [f"kansym experiment run {name}"]
    parts += [f"--seed {seed}"] if seed is not None else [f"--seeds {seeds}"] if seeds > 1 else []
    return " ".join([*parts, *(f"--{flag.replace('_', '-')}" for flag, given in flags.items() if given)])


@command.command("table")
@click.argument("folder", type=FOLDER)
@options.JSON
def table(folder: Path, as_json: bool) -> None:
    """Print one row per bar of every experiment whose JSON lies in FOLDER.

    \b
    kansym experiment table docs/benchmarks/experiments
    """
    from kansym.experiments.findings import summary

    rows = summary([page for path in sorted(folder.glob("*.json")) if "tables" in (page := _read(path))])
    click.echo(output.json_text(list(rows.records)) if as_json else output.columns(rows.cells(), indent=""))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path.name} cannot be read as JSON ({error}): write it again with --out") from error
    return found if isinstance(found, dict) else {}
