"""Every command's help ends in lines that can be typed as they stand."""

from collections.abc import Iterator

import click
import pytest

from kansym_cli.main import group


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, by what is typed to reach them."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for word in command.list_commands(context):
        inner = command.get_command(context, word)
        assert inner is not None
        yield from commands(inner, f"{name} {word}")


EVERY = dict(commands(group, "kansym"))


@pytest.mark.parametrize("name", EVERY)
def test_a_command_shows_examples_of_itself_that_it_understands(name: str) -> None:
    command = EVERY[name]
    examples = [line.strip() for line in (command.help or "").splitlines() if line.strip().startswith(f"{name}")]
    assert examples
    for example in examples:
        words = example.split(" > ")[0].split("   ")[0].removeprefix(name).split()
        context = click.Context(command, resilient_parsing=True)
        assert command.parse_args(context, words) == []
