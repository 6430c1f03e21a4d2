"""The laws of the equation tables, as values: formula, variables with ranges and units, source."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from kansym.errors import DataError, did_you_mean, quote

SUITES = (
    "feynman", "bonus", "strogatz", "nguyen", "srsd", "empirical", "toys", "everyday", "textbook", "field", "workshop",
    "handbook",
)  # fmt: skip
_SHARED = ("source", "licence", "rows")
BASE_UNITS = ("m", "s", "kg", "K", "V")


@dataclass(frozen=True)
class Variable:
    """One input of a law and how it is drawn.

    Attributes:
        name: as in the formula.
        low: lower end of the range, in `unit`.
        high: upper end, in `unit`; inclusive for integers.
        unit: product of powers such as `kg*m^2`, `1` for a pure number, or None where the source names none.
        scale: uniform, log (the logarithm is uniform), integer, or sequence (low, low + 1, ..., high, low, ...).
        sign: positive (as drawn), negative, or both (the sign is drawn too).
        rate: for a state of a dynamical system, the formula of its rate of change; otherwise None.
        start: for a state, how starts are chosen: normal (mean, spread), uniform (low, high), listed (one each).
        start_values: the numbers that `start` asks for.
    """

    name: str
    low: float = 0.0
    high: float = 1.0
    unit: str | None = None
    scale: str = "uniform"
    sign: str = "positive"
    rate: str | None = None
    start: str | None = None
    start_values: tuple[float, ...] = ()


@dataclass(frozen=True)
class Law:
    """One benchmark law.

    Attributes:
        name: stable and unique, such as `feynman-I.6.2a`.
        suite: the table it belongs to, one of `SUITES`.
        formula: the truth, in the names of `variables`; Python syntax with ** for powers.
        target: name of the quantity the formula gives.
        variables: the inputs, in column order.
        source: where formula and ranges come from.
        licence: the licence of generated data.
        rows: rows drawn when the caller names no number.
        target_unit: as `Variable.unit`.
        title: what the law is about; its name where the source has no title.
        level: easy, medium or hard for SRSD; view or unseen for the everyday laws, by whether the search was worked on
            while they were looked at; textbook, field, workshop or handbook for those of these sets; otherwise None.
        monomial: whether the law is exactly c * x1^p1 * ... * xn^pn.
        require: a formula that must be above 0 in every row, or None.
        note: where this law departs from its source, or what its data cannot show; None if there is nothing to say.
        about: what holds for the whole suite, or None.
    """

    name: str
    suite: str
    formula: str
    target: str
    variables: tuple[Variable, ...]
    source: str
    licence: str
    rows: int
    target_unit: str | None = None
    title: str = ""
    level: str | None = None
    monomial: bool = False
    require: str | None = None
    note: str | None = None
    about: str | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in column order."""
        return tuple(variable.name for variable in self.variables)


@cache
def all_laws() -> dict[str, Law]:
    """Return every law by name, suite after suite, in the order of the tables."""
    return {law.name: law for suite in SUITES for law in _read(suite)}


def find(name: str) -> Law:
    """Return one law.

    Raises:
        DataError: if no law has this name.
    """
    laws = all_laws()
    if name not in laws:
        raise DataError(f"no law is called {quote(name)}: {did_you_mean(name, laws)}")
    return laws[name]


def exponents(unit: str) -> tuple[int, ...]:
    """Return the powers of m, s, kg, K and V in a unit of the Feynman tables.

    Args:
        unit: such as `kg*m^2*s^-2`, or `1`.

    Raises:
        DataError: if the unit has another base.
    """
    powers = dict.fromkeys(BASE_UNITS, 0)
    for factor in unit.split("*") if unit != "1" else ():
        base, _, power = factor.partition("^")
        if base not in powers:
            raise DataError(f"unit {quote(unit)} has no exponents: {quote(base)} is none of {', '.join(BASE_UNITS)}")
        powers[base] += int(power or 1)
    return tuple(powers.values())


def _read(suite: str) -> list[Law]:
    table = tomllib.loads(files("kansym_datasets").joinpath(f"equations/{suite}.toml").read_text(encoding="utf-8"))
    head = table["suite"]
    shared = {"suite": head["name"], "about": head.get("note")} | {key: head[key] for key in _SHARED}
    return [_law({**shared, "title": row["name"], **row}) for row in table["law"]]


def _law(row: dict[str, Any]) -> Law:
    return Law(**{**row, "variables": tuple(_variable(variable) for variable in row["variables"])})


def _variable(row: dict[str, Any]) -> Variable:
    fields: dict[str, Any] = {**row, "start_values": tuple(row.get("start_values", ()))}
    return Variable(**fields)
