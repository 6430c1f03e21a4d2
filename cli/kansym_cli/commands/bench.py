"""`kansym bench layers | training | scaling | formulas`: speed, memory, accuracy and recovered laws, in one run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from kansym_cli import console, options
from kansym_cli.commands import formulas

if TYPE_CHECKING:
    from kansym.bench.settings import Settings

FOLDER = click.Path(file_okay=False, path_type=Path)
# What every suite takes: (flag, click's arguments).
_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--device", {"default": "cpu", "show_default": True, "metavar": "DEVICE", "help": "cpu, cuda or cuda:N."}),
    ("--peers", {"type": FOLDER, "help": "Folder with check-outs of other programs, one each: efficient-kan, ..."}),
    ("--threads", {"type": click.IntRange(1), "help": "Threads of torch.  [default: torch's; training: 1]"}),
    ("--rounds", {"type": click.IntRange(1), "help": "Rounds of every race.  [default: 15; scaling: 7]"}),
    ("--case", {"multiple": True, "metavar": "NAME", "help": "Only this case; may be repeated (a wrong name helps)."}),
    ("--quick", {"is_flag": True, "help": "Small data and two rounds: only to see that everything runs."}),
    ("--out", {"type": FOLDER, "help": "Write a page, JSON and a plot into this folder."}),
)
_SEEDS = click.option("--seeds", type=click.IntRange(1), help="Seeds of every case.  [default: 40; pykan: 3]")
_COMPILE = click.option("--compile", "compiled", is_flag=True, help="Everybody once more through torch.compile.")
_MEMORY = click.option("--no-memory", "memory", flag_value=False, default=True, help="Do not measure peak memory.")


def _shared(command: Callable[..., Any]) -> Callable[..., Any]:
    for flag, arguments in reversed(_OPTIONS):
        command = click.option(flag, **arguments)(command)
    return options.JSON(command)


@click.group()
def command() -> None:
    """Measure kansym beside other programs: every number is measured in this run, ratios within one race."""


@command.command("layers")
@_shared
@_COMPILE
@_MEMORY
def layers(**chosen: Any) -> None:
    """One step of one network, or of a population, on the shapes that each program is made for.

    \b
    kansym bench layers --quick
    """
    _run("layers", **chosen)


@command.command("training")
@_shared
@_SEEDS
def training(**chosen: Any) -> None:
    """Time to learn known functions, share of the seeds that do, and a thousand networks at once.

    \b
    kansym bench training --quick
    """
    _run("training", **chosen)


@command.command("scaling")
@_shared
@_COMPILE
def scaling(**chosen: Any) -> None:
    """Cost against grid, rows, width and networks, and the rounding error of every fast path.

    \b
    kansym bench scaling --quick
    """
    _run("scaling", **chosen)


command.add_command(formulas.command, "formulas")


def _run(suite: str, as_json: bool, out: Path | None, case: tuple[str, ...], **chosen: Any) -> None:
    from kansym.bench.settings import Settings

    _check_device(chosen["device"])
    settings = Settings(cases=case, tell=console.say, **chosen)
    document = import_module(f"kansym.bench.{suite}").run(settings, _typed(suite, settings, out))
    if out is not None:
        from kansym.bench.pictures import write_page

        for path in write_page(document, out):
            console.say(f"wrote {path}")
    click.echo(document.json() if as_json else document.screen(), nl=as_json)


def _check_device(device: str) -> None:
    import torch

    if device != "cpu" and not (device.startswith("cuda") and torch.cuda.is_available()):
        raise click.BadParameter(f"there is no device {device!r} here: try cpu", param_hint="--device")


def _typed(suite: str, settings: Settings, out: Path | None) -> str:
    """The command that makes the page again; folders of this machine are left out."""
    parts = ["kansym bench", suite]
    parts += [f"--device {quote(settings.device)}"] if settings.device != "cpu" else []
    for flag, value in (("threads", settings.threads), ("rounds", settings.rounds), ("seeds", settings.seeds)):
        parts += [f"--{flag} {value}"] if value is not None else []
    parts += [f"--case {quote(name)}" for name in settings.cases]
    parts += ["--quick"] * settings.quick + ["--compile"] * settings.compiled + ["--no-memory"] * (not settings.memory)
    parts += ["--peers DIR"] if settings.peers else []
    return " ".join([*parts, *(["--out docs/benchmarks"] if out else [])])
