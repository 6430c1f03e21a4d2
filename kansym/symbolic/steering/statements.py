"""Statements about a law, such as even(x) or difference(x, y): read from text, and checked on formulas by numbers.

A statement holds for a formula when it holds at many points of the box that the rows fill. Nothing is proved, but a
formula that breaks a statement anywhere visible is found out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.errors import FormulaError, did_you_mean, quote
from kansym.symbolic.expression import Call, Constant, Expression, Sum, Tape, add
from kansym.symbolic.notation import exact_value
from kansym.symbolic.parser import parse

Array = np.ndarray
POINTS = 200
TIGHT, LOOSE = 1e-6, 0.05  # a formula breaks a statement by this share of its spread: finally, and before its last fit
STEP = 0.1  # of a column's range, for moves that must change nothing
HARMONICS = 6
_WHOLE = re.compile(r"\s*([A-Za-z_]+)\s*(?:\((.*)\))?\s*", re.DOTALL)
_PART = re.compile(r"(?:`(?:[^`]|``)*`|[^,;`])+")


@dataclass(frozen=True)
class Points:
    """Where formulas are looked at: rows (n, D), the same with every column shuffled by itself, and columns' ranges."""

    rows: Array
    other: Array
    span: Array

    @classmethod
    def of(cls, inputs: Array, seed: int) -> Points:
        """Up to `POINTS` rows and as many points of their box."""
        random = np.random.default_rng(seed)
        chosen = inputs[random.permutation(len(inputs))[:POINTS]]
        chosen = chosen[np.arange(POINTS) % len(chosen)]
        other = np.stack([random.permutation(column) for column in chosen.T], axis=1)
        return cls(chosen, other, np.ptp(inputs, axis=0))

    @property
    def both(self) -> Array:
        """Rows and shuffled points (2n, D)."""
        return np.vstack([self.rows, self.other])


@dataclass(frozen=True)
class Statement:
    """A statement with its columns (by number) and, where it has one, its number: a degree or a period."""

    text: str
    kind: str
    columns: tuple[int, ...]
    number: float | None = None

    def broken_by(self, formula: Expression, points: Points) -> float:
        """How much a formula breaks the statement, as a share of its spread; infinite where it is not defined."""
        with np.errstate(all="ignore"):
            amount = KINDS[self.kind].check(formula, self, points)
        return amount if np.isfinite(amount) else np.inf


Check = Callable[[Expression, Statement, Points], float]


@dataclass(frozen=True)
class Kind:
    """What a kind of statement takes and means. most: how many columns at most. number: its name, "" for none."""

    check: Check
    meaning: str
    fewest: int
    most: int
    number: str = ""
    needed: bool = False  # whether the number must be given


def _share(difference: Array, values: Array) -> float:
    """RMS of a difference over the size of what was compared; points where the formula is not defined are left out."""
    defined = np.isfinite(values)
    if defined.sum() < max(3, len(values) // 4):
        return np.inf
    if not np.all(np.isfinite(difference[defined])):
        return np.inf
    size = float(np.max(np.abs(values[defined])))
    if size == 0:
        return 0.0 if np.all(difference[defined] == 0) else np.inf
    return float(np.sqrt(np.mean((difference[defined] / size) ** 2)))


def _four(formula: Expression, pair: tuple[int, int], points: Points) -> list[Array]:
    """Values with neither, the first, the second, and both of two columns exchanged against other points'."""
    values = []
    for chosen in ((), pair[:1], pair[1:], pair):
        moved = points.rows.copy()
        for column in chosen:
            moved[:, column] = points.other[:, column]
        values.append(formula.evaluate(moved))
    return values


def _pairs(columns: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(a, b) for i, a in enumerate(columns) for b in columns[i + 1 :]]


def _additive(formula: Expression, statement: Statement, points: Points) -> float:
    worst = 0.0
    for pair in _pairs(statement.columns):
        none, first, second, both = _four(formula, pair, points)
        mixed = none + both - first - second
        worst = max(worst, _where_defined(mixed, none))
    return worst


def _multiplicative(formula: Expression, statement: Statement, points: Points) -> float:
    worst = 0.0
    for pair in _pairs(statement.columns):
        none, first, second, both = _four(formula, pair, points)
        worst = max(worst, _where_defined(none * both - first * second, none * both))
    return worst


def _where_defined(difference: Array, values: Array) -> float:
    """As `_share`, but points of the box where the formula is not defined are no fault: no row is there."""
    return _share(np.where(np.isfinite(difference), difference, 0.0), values)


def _together(move: Callable[[Array, Array, Array], tuple[Array, Array]]) -> Check:
    """A check that nothing changes when two columns move so that their combination stays."""

    def check(formula: Expression, statement: Statement, points: Points) -> float:
        first, second = statement.columns
        moved = points.rows.copy()
        steps = STEP * np.linspace(-1.0, 1.0, len(moved))
        span = min(points.span[first], points.span[second])
        moved[:, first], moved[:, second] = move(moved[:, first], moved[:, second], steps * (span if span else 1.0))
        before = formula.evaluate(points.rows)
        return _where_defined(formula.evaluate(moved) - before, before)

    return check


def _relative(step: Array) -> Array:
    return np.exp(STEP * step / max(float(np.max(np.abs(step))), 1e-300))


def _rotated(x: Array, y: Array, step: Array) -> tuple[Array, Array]:
    angle = STEP * step / max(float(np.max(np.abs(step))), 1e-300)
    return x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)


def _mirrored(sign: float) -> Check:
    def check(formula: Expression, statement: Statement, points: Points) -> float:
        column = statement.columns[0]
        moved = points.rows.copy()
        moved[:, column] *= -1.0
        before = formula.evaluate(points.rows)
        return _share(formula.evaluate(moved) - sign * before, before)

    return check


def _periodic(formula: Expression, statement: Statement, points: Points) -> float:
    """The least fault over the given period, or over those that the formula's waves suggest."""
    column = statement.columns[0]
    if column not in formula.variables:
        return 0.0
    periods = [statement.number] if statement.number is not None else _periods(formula, column, points)
    before, faults = formula.evaluate(points.rows), [np.inf]
    for period in periods:
        moved = points.rows.copy()
        moved[:, column] += period
        faults.append(_share(formula.evaluate(moved) - before, before))
    return min(faults)


def _periods(formula: Expression, column: int, points: Points) -> list[float]:
    found = []
    for node in formula.walk():
        if isinstance(node, Call) and node.name in ("sin", "cos", "tan"):
            slope = np.abs(Tape(node.argument).gradient(points.rows)[1][:, column])
            if np.all(np.isfinite(slope)) and slope[0] > 0 and np.ptp(slope) < 1e-9 * slope[0]:
                found += [k * np.pi / float(slope[0]) for k in range(1, 2 * HARMONICS + 1)]
    return found


def _rising(signs: tuple[float, ...]) -> Check:
    """A check of the slope by one column: it keeps one of the signs."""

    def check(formula: Expression, statement: Statement, points: Points) -> float:
        column = statement.columns[0]
        values, slopes = Tape(formula).gradient(points.both)
        slope = slopes[:, column] * max(float(points.span[column]), 1e-300)
        defined = np.isfinite(values) & np.isfinite(slope)
        size = float(np.max(np.abs(slope[defined]), initial=0.0))
        if defined.sum() < len(points.rows) // 2 or size == 0:
            return 0.0 if defined.any() and size == 0 else np.inf
        return min(float(np.max(np.maximum(-sign * slope[defined], 0.0))) / size for sign in signs)

    return check


def _signed(sign: float) -> Check:
    def check(formula: Expression, statement: Statement, points: Points) -> float:
        values = sign * formula.evaluate(points.both)
        values = values[np.isfinite(values)]
        size = float(np.max(np.abs(values), initial=0.0))
        return float(np.max(np.maximum(-values, 0.0), initial=0.0)) / size if size else 0.0

    return check


def _homogeneous(formula: Expression, statement: Statement, points: Points) -> float:
    factor = np.exp(STEP * np.linspace(-1.0, 1.0, len(points.rows)))
    moved = points.rows.copy()
    moved[:, list(statement.columns)] *= factor[:, None]
    before = formula.evaluate(points.rows)
    return _where_defined(formula.evaluate(moved) - before * factor ** (statement.number or 0.0), before)


ANY = 100
KINDS: dict[str, Kind] = {
    "additive": Kind(_additive, "no term mixes them", 2, ANY),
    "multiplicative": Kind(_multiplicative, "the law is a product of parts with one of them each", 2, ANY),
    "sum": Kind(_together(lambda x, y, t: (x + t, y - t)), "they act only as x + y", 2, 2),
    "difference": Kind(_together(lambda x, y, t: (x + t, y + t)), "they act only as x - y", 2, 2),
    "product": Kind(_together(lambda x, y, t: (x * _relative(t), y / _relative(t))), "they act only as x*y", 2, 2),
    "ratio": Kind(_together(lambda x, y, t: (x * _relative(t), y * _relative(t))), "they act only as x/y", 2, 2),
    "norm": Kind(_together(_rotated), "they act only as x**2 + y**2", 2, 2),
    "homogeneous": Kind(
        _homogeneous, "the law grows by s**p when they all grow by s", 1, ANY, "degree", needed=True
    ),
    "even": Kind(_mirrored(1.0), "the same at -x", 1, 1),
    "odd": Kind(_mirrored(-1.0), "minus itself at -x", 1, 1),
    "periodic": Kind(_periodic, "repeats itself; the period may be told", 1, 1, "period"),
    "increasing": Kind(_rising((1.0,)), "never falls with x", 1, 1),
    "decreasing": Kind(_rising((-1.0,)), "never rises with x", 1, 1),
    "monotone": Kind(_rising((1.0, -1.0)), "only falls or only rises with x", 1, 1),
    "positive": Kind(_signed(1.0), "never below 0", 0, 0),
    "negative": Kind(_signed(-1.0), "never above 0", 0, 0),
}  # fmt: skip


def read_statement(text: str, names: Sequence[str]) -> Statement:
    """The statement that a text makes, such as `even(x)`, `periodic(x, 2*pi)` or `homogeneous(2, x, y)`.

    names: column names (D,); one that is no identifier may stand in backquotes.
    Raises FormulaError for an unknown statement or column, or a wrong number of them.
    """
    found = _WHOLE.fullmatch(text)
    where = f"--assume {quote(text)}"
    if not found:
        raise FormulaError(f"{where} cannot be read: write it like even(x) or additive(x, y)")
    kind = KINDS.get(found[1])
    if kind is None:
        raise FormulaError(f"{where}: no statement is called {quote(found[1])}: {did_you_mean(found[1], KINDS)}")
    parts = [part.strip() for part in _PART.findall(found[2] or "") if part.strip()]
    place = _place_of_number(kind, parts, names)
    number = None if place is None else _number(parts.pop(place), where)
    if number is None and kind.needed:
        raise FormulaError(f"{where} needs the {kind.number} first: write it like {found[1]}(2, x, y)")
    columns = tuple(_column(part, names, where) for part in parts)
    if not kind.fewest <= len(columns) <= kind.most or len(set(columns)) < len(columns):
        count = str(kind.fewest) if kind.fewest == kind.most else f"{kind.fewest} or more"
        raise FormulaError(f"{where} needs {count} different columns: {kind.meaning}")
    return Statement(text.strip(), found[1], columns, number)


def _place_of_number(kind: Kind, parts: list[str], names: Sequence[str]) -> int | None:
    """Where the number stands among the arguments: first or last, and no column is called so."""
    if not kind.number or not parts:
        return None
    for place in (0, len(parts) - 1) if kind.needed else (len(parts) - 1,):
        if parts[place] not in names and not parts[place].startswith("`") and (kind.needed or len(parts) > 1):
            return place
    return None


def _number(text: str, where: str) -> float:
    try:
        value = parse(text, ())
    except FormulaError as error:
        raise FormulaError(f"{where}: {quote(text)} is neither a column nor a number ({error})") from error
    number = float(value.evaluate(np.zeros((1, 0)))[0])
    if not np.isfinite(number):
        raise FormulaError(f"{where}: {quote(text)} is no finite number")
    return number


def _column(text: str, names: Sequence[str], where: str) -> int:
    name = text[1:-1].replace("``", "`") if text.startswith("`") and text.endswith("`") and len(text) > 1 else text
    if name not in names:
        raise FormulaError(f"{where}: no column is called {quote(name)}: {did_you_mean(name, names)}")
    return list(names).index(name)


def degree_of(statement: Statement) -> Fraction:
    """The degree of a homogeneous statement as a fraction."""
    return Fraction(statement.number or 0.0).limit_denominator(12)


def obeying_part(formula: Expression, statements: Sequence[Statement], points: Points) -> Expression | None:
    """The sum of those terms that obey all statements by themselves; None when none or all of them do."""
    if not isinstance(formula, Sum):
        return None
    kept = [
        term
        for term in formula.terms
        if all(each.broken_by(term, points) <= TIGHT or _is_zero(term) for each in statements)
    ]
    return add(*kept) if 0 < len(kept) < len(formula.terms) else None


def _is_zero(term: Expression) -> bool:
    known = exact_value(term) if isinstance(term, Constant) else None
    return known is not None and known.ratio == 0
