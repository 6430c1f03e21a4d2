"""What a report tells, as values: sections of blocks that a page, a note or a sheet of paper sets in its own way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from kansym.report import style
from kansym.report.command import reproduce_command
from kansym.result import Result
from kansym.symbolic.constant_units import constant_units
from kansym.symbolic.formula import Errors, FittedConstant, Formula


@dataclass(frozen=True)
class Number:
    """A number, and how many digits of it are shown; None for one that is missing."""

    value: float | None
    digits: int = 4

    def __str__(self) -> str:
        return style.number(self.value, self.digits)


@dataclass(frozen=True)
class Law:
    """A formula set as mathematics; `named` writes the target and an equals sign before it."""

    formula: Formula
    digits: int = 4
    named: bool = False


Cell = str | Number | Law


@dataclass(frozen=True)
class Words:
    """A paragraph; a quiet one is a remark."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Listing:
    """One item a line."""

    items: tuple[Cell, ...]


@dataclass(frozen=True)
class Grid:
    """A table.

    marked: the row that stands out. laws: per row the formula that can be copied from it; empty for none.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    marked: int | None = None
    laws: tuple[Formula, ...] = ()


@dataclass(frozen=True)
class Facts:
    """Names and what they are."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    """Text to be typed or pasted."""

    text: str


@dataclass(frozen=True)
class Picture:
    """One of the pictures of a result, by its kind, and what it shows."""

    kind: str
    shows: str


@dataclass(frozen=True)
class Network:
    """The network, where the medium can answer to a pointer; elsewhere the picture of kind "graph"."""


Block = Words | Listing | Grid | Facts | Code | Picture | Network


@dataclass(frozen=True)
class Section:
    """A title and what stands below it."""

    title: str
    blocks: tuple[Block, ...]


def title(result: Result) -> str:
    """Return the heading of a report."""
    return f"{result.table.target_name} as a function of {', '.join(result.table.input_names)}"


def verdict(result: Result) -> str:
    """Return what must be said beside the law: whether it is one; empty when it simply is."""
    if not result.law_found:
        return "No law found: no formula of the inputs explains the target better than a constant."
    return "" if result.front.exact else "No closed form found; this is the best approximation."


def story(result: Result) -> tuple[Section, ...]:
    """Return the sections of a report, in their order; those without anything to say are left out."""
    told = (Section(name, tuple(tell(result))) for name, tell in _SECTIONS)
    return tuple(section for section in told if section.blocks)


def _errors(result: Result) -> list[Block]:
    found = [*result.formula.errors.items()]
    network = [(f"network, {part}", each) for part, each in result.network_errors.items()]
    rows = [_error_row(part, each) for part, each in found + network if isinstance(each, Errors | Mapping)]
    unit = f" ({result.table.target_unit})" if result.table.target_unit else ""
    noise = [Words(f"Noise of the target: {style.number(result.noise, 3)} of its RMS.", True)] if result.noise else []
    head = ("part", "rows", f"RMSE{unit}", "NRMSE", f"largest{unit}", "R²")
    return [Grid(head, tuple(rows)), *noise] if rows else []


def _error_row(part: str, errors: Errors | Mapping[str, Any]) -> tuple[Cell, ...]:
    get: Callable[[str], Any] = errors.get if isinstance(errors, Mapping) else lambda key: getattr(errors, key)
    rows = get("rows")
    numbers = (Number(get(key), 9 if key == "r2" else 4) for key in ("rmse", "nrmse", "max_error", "r2"))
    return (part, Number(None if rows is None else float(rows), 9), *numbers)


def _constants(result: Result) -> list[Block]:
    formula = result.formula
    units = constant_units(formula.expression, formula.input_units, formula.target_unit)
    measured = any(units)
    rows = [
        _constant_row(f"c{place}", constant, unit if measured else None)
        for place, (constant, unit) in enumerate(zip_longest(formula.constants, units), start=1)
        if constant is not None
    ]
    head = ("constant", "value", "standard error", "relative", *(["unit"] if measured else []))
    return [Grid(head, tuple(row[: len(head)] for row in rows))] if rows else []


def _constant_row(name: str, constant: FittedConstant, unit: str | None) -> tuple[Cell, ...]:
    share = abs(constant.error / constant.value) if constant.error and constant.value else None
    percent = "" if share is None else f"{style.number(100 * share, 2)} %"
    error = "exact" if constant.label else f"± {style.number(constant.error, 2)}"
    label = f"{name} = {constant.label}" if constant.label else name
    return (label, Number(constant.value, 10), error, percent, unit or "–")


def _network(result: Result) -> list[Block]:
    if result.graph is not None or result.graph_before is not None:
        return [Network()]
    origin = f" ({result.formula.origin})" if result.formula.origin else ""
    return [Words(f"No network was trained: a direct check of the data found the law{origin}.")]


def _fit(result: Result) -> list[Block]:
    shows = "Measured and predicted values, and what is left over."
    return [Picture("fit", shows)] if len(result.points.measured) else []


def _partial(result: Result) -> list[Block]:
    if not result.formula.expression.variables:
        return []
    return [Picture("partial", "The formula along each input, the others held at their quartiles (thin) and median.")]


def _front(result: Result) -> list[Block]:
    front = result.front
    parts = list(dict.fromkeys(part for formula in front.formulas for part in formula.errors))
    rows = tuple(
        (
            Number(float(formula.complexity)),
            *(_nrmse(formula, part) for part in parts),
            Law(formula),
            _standing(result, at),
        )
        for at, formula in enumerate(front.formulas)
    )
    head = ("complexity", *(f"{part} NRMSE" for part in parts), "formula", "")
    return [Grid(head, rows, front.chosen, front.formulas), Words(f"Rule: {front.rule}.", True)]


def _nrmse(formula: Formula, part: str) -> Number:
    errors = formula.errors.get(part)
    return Number(None if errors is None else errors.nrmse, 3)


def _standing(result: Result, place: int) -> str:
    front = result.front
    return "chosen" if place == front.chosen else "fits as well" if place in front.rivals else ""


def _rivals(result: Result) -> list[Block]:
    rivals = tuple(Law(result.front.formulas[place], 6) for place in result.front.rivals)
    return [Words("The data cannot tell the chosen formula from these:"), Listing(rivals)] if rivals else []


def _box(result: Result) -> list[Block]:
    table = result.table
    ranges = result.formula.box or table.ranges
    rows = tuple(
        (name, Number(limits[0], 6), Number(limits[1], 6), unit or "")
        for name, limits, unit in zip_longest(table.input_names, ranges, table.input_units)
        if name is not None and limits is not None
    )
    if not rows:
        return []
    drawn = [Picture("domain", "Where the data were.")] if len(result.points.measured) else []
    return [Grid(("input", "from", "to", "unit"), rows), Words("Outside these ranges the formula extrapolates.", True),
            *drawn]  # fmt: skip


def _data(result: Result) -> list[Block]:
    table = result.table
    facts = (("source", table.source), ("rows", str(table.rows)), ("digest", table.digest))
    notes = [Words("Notes:"), Listing(table.notes)] if table.notes else []
    return [Facts(facts), *notes]


def _asked(result: Result) -> list[Block]:
    usual = type(result.config)().to_dict()
    named = {"target": result.table.target_name, "inputs": ", ".join(result.table.input_names)}
    chosen = {key: _plain(value) for key, value in result.config.to_dict().items() if value != usual.get(key)}
    return [Facts(tuple({**named, **dict(result.table.options), **chosen}.items()))]


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _tried(result: Result) -> list[Block]:
    rows = tuple((Law(formula), formula.origin) for formula in result.front.formulas if formula.origin)
    spent = tuple((stage, f"{seconds:.1f} s") for stage, seconds in result.timings.items())
    history = [Picture("history", "Training of the network: losses, refinements of the grid, prunings.")]
    return [
        *([Facts(spent)] if spent else []), *(history if result.history else []),
        *([Grid(("formula", "found by"), rows)] if rows else []),
    ]  # fmt: skip


def _reproduce(result: Result) -> list[Block]:
    versions = (("seed", str(result.config.seed)), *((name, str(value)) for name, value in result.environment.items()))
    return [Code(reproduce_command(result)), Facts(versions)]


_SECTIONS: tuple[tuple[str, Callable[[Result], Sequence[Block]]], ...] = (
    ("Errors", _errors),
    ("Constants", _constants),
    ("Network", _network),
    ("Fit", _fit),
    ("One input at a time", _partial),
    ("Simpler and more accurate", _front),
    ("Rivals", _rivals),
    ("Where it holds", _box),
    ("Data", _data),
    ("What was asked", _asked),
    ("What was tried", _tried),
    ("Reproduce", _reproduce),
)
