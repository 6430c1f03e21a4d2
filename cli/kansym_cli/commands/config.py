"""`kansym config show`: the settings that a fit with the same options would use."""

from __future__ import annotations

from typing import Any

import click

from kansym_cli import options, output


@click.group()
def command() -> None:
    """The settings of a fit."""


@command.command("show")
@options.settings_options
@options.JSON
def show(as_json: bool, **flags: Any) -> None:
    """Print the settings as TOML, ready for --config: defaults, then the --config file, then the flags.

    \b
    kansym config show --preset fast > kansym.toml
    """
    config = options.read_config(flags)
    click.echo(output.json_text(config.to_dict()) if as_json else config.to_toml(), nl=as_json)
