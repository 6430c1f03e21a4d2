"""The units that a formula's constants must have, written in the units of the user's own columns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction

from kansym.data.dimensions import PURE, PURE_TEXTS, Dimension
from kansym.symbolic.consistency import measured
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum

_FACTOR = re.compile(r"(?P<link>[*·.× /]?)(?P<word>[^\W\d_]+)(?:(?:\^|\*\*)?(?P<power>-?\d+))?")


def constant_units(
    expression: Expression, input_units: Sequence[str | None], target_unit: str | None
) -> tuple[str | None, ...]:
    """Return the unit of every constant, in the order in which the expression is walked.

    Args:
        expression: the formula, in raw units.
        input_units: texts of the D columns; None and blank count as pure numbers once another column has a unit.
        target_unit: of the target.

    Returns:
        Unit texts such as "m*s^-2", "1" for a pure number; None where the units do not tell, such as for two free
        factors of one product, where a function such as log is fed a quantity, or where none were given.
    """
    if target_unit is None or not any(input_units):
        return tuple(None for node in expression.walk() if isinstance(node, Constant))
    columns = [user_unit(unit or "") for unit in input_units]
    if measured(expression, columns).clashes:
        return tuple(None for node in expression.walk() if isinstance(node, Constant))
    found = _needed(expression, user_unit(target_unit), columns)
    return tuple(None if each is None else str(each) for each in found)


def user_unit(text: str) -> Dimension:
    """Return a unit as powers of the words in it, with no word replaced by others: inHg stays inHg.

    Args:
        text: such as "m/s^2"; one that is no chain of words is one word in brackets.
    """
    if text.strip() in PURE_TEXTS:
        return PURE
    total, place = PURE, 0
    while place < len(text):
        match = _FACTOR.match(text, place)
        if match is None or bool(place) != bool(match["link"]):
            return Dimension.of({f"({text})": Fraction(1)})
        factor = Dimension.of({match["word"]: Fraction(match["power"] or 1)})
        total = total / factor if match["link"] == "/" else total * factor
        place = match.end()
    return total


def _needed(node: Expression, wanted: Dimension | None, columns: Sequence[Dimension]) -> Iterator[Dimension | None]:
    """Yield what every constant below must measure so that the node measures what is wanted; None for unknown."""
    if isinstance(node, Constant):
        yield PURE if node.label is not None else wanted
    for child, its in zip(node.children, _shared_out(node, wanted, columns), strict=True):
        yield from _needed(child, its, columns)


def _shared_out(node: Expression, wanted: Dimension | None, columns: Sequence[Dimension]) -> list[Dimension | None]:
    """What every child must measure."""
    own = [measured(child, columns).dimension for child in node.children]
    if isinstance(node, Sum):
        known = wanted if wanted is not None else next((each for each in own if each is not None), None)
        return [known for _ in own]
    if isinstance(node, Product):
        return _factors(wanted, own)
    if isinstance(node, Power):
        return [None if wanted is None else wanted ** (1 / Fraction(node.exponent))]
    if isinstance(node, Call):
        return [wanted if node.name == "abs" else PURE]
    return []


def _factors(wanted: Dimension | None, own: list[Dimension | None]) -> list[Dimension | None]:
    """One factor that may have any unit takes what the others leave; of two, neither is known."""
    if wanted is None or own.count(None) != 1:
        return own
    rest = PURE
    for each in own:
        rest = rest if each is None else rest * each
    return [wanted / rest if each is None else each for each in own]
