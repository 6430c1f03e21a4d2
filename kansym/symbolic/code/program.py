"""A formula as a piece of program: helper functions that it needs, its arguments, and what its columns mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from kansym.symbolic.code.safe_names import quoted_line, safe_names
from kansym.symbolic.code.writer import Language, code
from kansym.symbolic.expression import Constant
from kansym.symbolic.formula import Formula
from kansym.symbolic.labels import is_name


@dataclass(frozen=True)
class Draft:
    """What a language's template puts together.

    about: lines that tell what the function returns and takes, without comment signs. helpers: their source texts.
    arguments: one name for every column, in the table's order. body: the formula as one expression.
    """

    about: tuple[str, ...]
    helpers: tuple[str, ...]
    arguments: tuple[str, ...]
    body: str


@dataclass(frozen=True)
class Program:
    """A language with what surrounds an expression in it.

    helpers: source text by the name that calls it; one may call others. reserved: words that no argument may have.
    ascii_only, fold: whether names are plain letters only, and whether upper and lower case are the same there.
    """

    language: Language
    template: Callable[[Draft], str]
    helpers: Mapping[str, str] = field(default_factory=dict)
    reserved: frozenset[str] = frozenset()
    ascii_only: bool = True
    fold: bool = False

    def write(self, formula: Formula) -> str:
        """The source text of a function of all columns, in the table's order."""
        reserved = (*self.reserved, *self.helpers, "formula")
        names = safe_names(formula.input_names, reserved, self.ascii_only, self.fold)
        body = code(formula.expression, names, self.language)
        return self.template(Draft(tuple(about(formula, names)), self._needed(body), names, body))

    def _needed(self, body: str) -> tuple[str, ...]:
        found: set[str] = set()
        texts = [body]
        while texts:
            text = texts.pop()
            new = {name for name in self.helpers if name not in found and re.search(rf"\b{name}\b", text)}
            found |= new
            texts += [self.helpers[name] for name in new]
        return tuple(text for name, text in self.helpers.items() if name in found)


def about(formula: Formula, names: Sequence[str]) -> list[str]:
    """What the function returns, every argument's column with its unit and range, and the known constants in it."""
    units = formula.input_units or (None,) * len(names)
    boxes = formula.box or ((None, None),) * len(names)
    lines = [f"Return {_described(formula.target_name, formula.target_unit)}.", "", "Args:"]
    for name, column, unit, (low, high) in zip(names, formula.input_names, units, boxes, strict=True):
        seen = "" if low is None or high is None else f", {low:g} to {high:g} in the data"
        lines.append(f"    {name}: column {_described(column, unit)}{seen}")
    named = {c.label: c.value for c in formula.expression.walk() if isinstance(c, Constant) and is_name(c.label)}
    return [*lines, *(f"Known constant: {name} = {value!r}" for name, value in named.items())]


def _described(name: str, unit: str | None) -> str:
    return quoted_line(repr(name)) + (f" in {quoted_line(unit)}" if unit else "")


def commented(lines: Sequence[str], sign: str) -> list[str]:
    """Lines as comments; blank ones stay bare signs, and none ends in a sign that would join it to the next line."""
    return [f"{sign} {line}".rstrip() + ("." if line.endswith("\\") else "") for line in lines]
