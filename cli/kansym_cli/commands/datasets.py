"""`kansym datasets list|show|write`: the data sets that come with kansym."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kansym.errors import printable
from kansym_cli import console, options, output

NAME = click.argument("name")


@click.group()
def command() -> None:
    """Data sets that come with kansym: measured tables and seeded generators, each with a card."""


@command.command("list")
@click.option("--kind", help="Only this kind, such as measured or strd.")
@options.JSON
def list_sets(kind: str | None, as_json: bool) -> None:
    """List the names, kinds and titles.

    \b
    kansym datasets list --kind measured
    """
    import kansym_datasets

    cards = [kansym_datasets.card(name) for name in kansym_datasets.names()]
    kinds = sorted({_kind(card) for card in cards})
    if kind is not None and kind not in kinds:
        raise click.BadParameter(f"{kind!r} is unknown: choose from {', '.join(kinds)}", param_hint="--kind")
    chosen = [card for card in cards if kind in (None, _kind(card))]
    rows = [{"name": card.name, "kind": _kind(card), "title": card.title} for card in chosen]
    if as_json:
        click.echo(output.json_text(rows))
    else:
        click.echo(output.columns([list(row.values()) for row in rows], indent=""))


@command.command("show")
@NAME
@options.JSON
def show(name: str, as_json: bool) -> None:
    """Print the card: source, licence, columns, units and the known law.

    \b
    kansym datasets show kepler
    """
    import kansym_datasets

    card: Any = kansym_datasets.card(name)
    facts, table = _facts_and_columns(card)
    columns = ("column", "unit", "meaning")
    if as_json:
        named = {"name": card.name, "title": card.title, "kind": _kind(card), "source": card.source}
        parts = [dict(zip(columns, row, strict=True)) for row in table]
        click.echo(output.json_text({**named, "licence": card.licence, **dict(facts), "columns": parts}))
        return
    rows = [[card.name, card.title], ["kind", _kind(card)], ["source", card.source], ["licence", card.licence], *facts]
    click.echo(output.columns([[first, printable(second)] for first, second in rows if second], indent=""))
    click.echo("\n" + output.columns([list(columns), *table]))


def _kind(card: Any) -> str:
    """The kind of a measured table, or the suite of a generated law."""
    return getattr(card, "kind", None) or card.suite


def _facts_and_columns(card: Any) -> tuple[list[list[str]], list[list[str]]]:
    if hasattr(card, "variables"):
        return _law_facts(card), _law_columns(card)
    if hasattr(card, "rates"):
        return _equation_facts(card), _equation_columns(card)
    return _card_facts(card), _card_columns(card)


def _equation_facts(card: Any) -> list[list[str]]:
    return [["law", card.formula], ["notes", getattr(card, "about", None) or ""]]


def _equation_columns(card: Any) -> list[list[str]]:
    """Of a system: the time and its states; of a field: its axes and what lies over them."""
    axes, values = getattr(card, "axes", ("t",)), getattr(card, "states", None) or card.fields
    return [*([name, "-", ""] for name in axes), *([name, "-", "(target)"] for name in values)]


def _card_facts(card: Any) -> list[list[str]]:
    constants = ", ".join(f"{name} = {value:g}" for name, value in card.constants.items())
    law = f"{card.target} = {card.law}" if card.law else ""
    return [["law", law], ["constants", constants], ["truth", card.truth], ["notes", card.notes]]


def _card_columns(card: Any) -> list[list[str]]:
    parts = {card.target: " (target)", card.sigma: " (standard errors of the target)"}
    return [
        [name, card.units.get(name) or "-", printable(meaning) + parts.get(name, "")]
        for name, meaning in card.columns.items()
    ]


def _law_facts(card: Any) -> list[list[str]]:
    notes = " ".join(note for note in (card.note, card.about) if note)
    return [["law", f"{card.target} = {card.formula}"], ["rows", str(card.rows)], ["notes", notes]]


def _law_columns(card: Any) -> list[list[str]]:
    rows = [[each.name, each.unit or "-", _drawn(each)] for each in card.variables]
    return [*rows, [card.target, card.target_unit or "-", "(target)"]]


def _drawn(variable: Any) -> str:
    if variable.rate is not None:
        return f"state, its rate of change is {variable.rate}"
    sign = {"positive": "", "negative": ", negative", "both": ", either sign"}[variable.sign]
    return f"{variable.scale} from {variable.low:g} to {variable.high:g}{sign}"


@command.command("write")
@NAME
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("-o", "--output", "out", type=click.Path(dir_okay=False, path_type=Path), help="The same as FILE.")
@click.option("--rows", type=click.IntRange(1), help="Rows to generate; measured tables have theirs.")
@click.option("--noise", type=float, default=0.0, show_default=True, help="Noise over the target's root mean square.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the generator.")
@options.JSON
def write(name: str, file: Path | None, out: Path | None, as_json: bool, **choices: Any) -> None:
    """Write the data set NAME as CSV to FILE; NAME.csv if none is given. Units stand in the header.

    \b
    kansym datasets write kepler
    """
    if file is not None and out is not None:
        raise click.UsageError("give the file once: as FILE or with -o")
    import kansym_datasets

    target = file or out or Path(f"{name}.csv")
    kansym_datasets.write(name, target, **choices)
    if as_json:
        click.echo(output.json_text({"written": str(target), "target": kansym_datasets.card(name).target}))
    card = kansym_datasets.card(name)
    following = "" if hasattr(card, "axes") else f"; now: kansym {_arguments(target, card)}"  # fields are no tables
    console.say(f"wrote {target}{following}")


def _arguments(path: Path, card: Any) -> str:
    """What to type behind `kansym`: to fit, the target is named where it is not the last column."""
    from shlex import quote

    if hasattr(card, "rates"):
        return f"discover {quote(str(path))}"
    sigma = getattr(card, "sigma", None)
    return f"fit {quote(str(path))}" + (f" --target {quote(card.target)} --sigma {quote(sigma)}" if sigma else "")
