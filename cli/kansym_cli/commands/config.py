"""`kansym config show`: the settings that a fit with the same options would use."""

from __future__ import annotations

from typing import Any

import click

from kansym_cli import options


@click.group()
def command() -> None:
    """The settings of a fit."""


@command.command("show")
@options.settings_options
def show(**flags: Any) -> None:
    """Print the settings as TOML, ready for --config: defaults, then the --config file, then the flags."""
    click.echo(options.read_config(flags).to_toml(), nl=False)
