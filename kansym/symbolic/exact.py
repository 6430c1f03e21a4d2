"""Fitted numbers that are known numbers: integers, small fractions, and these times powers of pi or a square root.

A number becomes exact when saying its exact form is cheaper than saying as many digits as the data give it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations

import numpy as np

from kansym.budget import Budget, Part
from kansym.symbolic.canonical import canonical, factors_of
from kansym.symbolic.constants import Fit, Rows, polish
from kansym.symbolic.expression import Constant, Expression, Power, Product, Sum, add, multiply, raise_to, whole
from kansym.symbolic.labels import Exact, is_name

LARGEST_DENOMINATOR = 32
MARGIN_BITS = 8.0
LEAST_NATS = 2.0
SURE = 4.0  # standard errors that a number may be away from its exact form
NUMERICAL = 1e-11  # relative accuracy that a fit to clean data reaches
POLISHING = 100
NAMED_POWERS = tuple(Fraction(p) for p in ("1", "-1", "2", "-2", "1/2", "-1/2", "3", "4"))


@dataclass(frozen=True)
class _Form:
    exact: Exact
    bits: float


@cache
def _irrational() -> tuple[tuple[Exact, float], ...]:
    """1, powers of pi, e and small roots, with the bits that naming them costs."""
    forms = [(Exact(Fraction(1)), 0.0)]
    forms += [(Exact(Fraction(1), pi=p), 3.0 + abs(p)) for p in (1, -1, 2, -2, 3, -3)]
    forms += [(Exact(Fraction(1), root=r), 5.0) for r in (2, 3, 5)]
    forms += [(Exact(Fraction(1), e=p), 6.0) for p in (1, -1)]
    forms += [(Exact(Fraction(1), pi=p, root=2), 9.0) for p in (1, -1)]
    return tuple(forms)


@dataclass(frozen=True)
class Known:
    """A constant of the user, such as the speed of light, by its name."""

    name: str
    value: float

    def constant(self) -> Constant:
        """The labelled constant of a formula."""
        return Constant(self.value, self.name)


def named_form(value: float, error: float, known: Sequence[Known]) -> Expression | None:
    """The product of an exact number and powers of one or two known constants that a fitted value stands for, or None.

    Of several, the one of the shortest exact number and the fewest constants.
    """
    options: list[tuple[float, Expression]] = []
    factors = list(_powers_of(known))
    cost = math.log2(len(factors) + 1.0)
    for size, parts in factors:
        if not math.isfinite(size) or size == 0 or not math.isfinite(value / size):
            continue
        found = exact_form(value / size, error / abs(size), cost)
        if found is not None:
            options.append((_length(found) + len(parts), multiply(found.constant(), *parts)))
    return min(options, key=lambda option: option[0])[1] if options else None


def _powers_of(known: Sequence[Known]) -> Iterator[tuple[float, tuple[Expression, ...]]]:
    """Values of the powers of one constant and the products of two, with the factors that they are written by."""
    single = [(each, Fraction(p)) for each in known for p in NAMED_POWERS if each.value > 0 or p.denominator == 1]
    for each, p in single:
        yield _power_of(each, p), (raise_to(each.constant(), p),)
    for (first, p), (second, q) in combinations(single, 2):
        if first is not second and p.denominator == q.denominator == 1:
            parts = (raise_to(first.constant(), p), raise_to(second.constant(), q))
            yield _power_of(first, p) * _power_of(second, q), parts


def _power_of(known: Known, exponent: Fraction) -> float:
    try:
        return float(known.value ** float(exponent))
    except OverflowError:
        return math.inf


def _length(exact: Exact) -> float:
    return math.log2(abs(exact.ratio.numerator)) + 2.0 * math.log2(exact.ratio.denominator) + 3.0 * abs(exact.pi)


def exact_form(value: float, error: float, extra: float = 0.0) -> Exact | None:
    """The exact number that a fitted value with its standard error stands for, or None.

    The bits of the form (numerator, denominator, the irrational factor, and the extra ones) must stay below the bits
    that the data give.
    """
    tolerance = max(SURE * error, NUMERICAL * abs(value), 1e-300)
    if not np.isfinite(value) or not np.isfinite(tolerance) or value == 0:
        return None
    known = np.log2(abs(value) / tolerance) if tolerance < abs(value) else 0.0
    best: _Form | None = None
    for factor, cost in _irrational():
        ratio = Fraction(value / factor.value).limit_denominator(LARGEST_DENOMINATOR)
        if ratio == 0 or abs(float(ratio) * factor.value - value) > tolerance:
            continue
        bits = cost + math.log2(abs(ratio.numerator)) + 2.0 * math.log2(ratio.denominator)
        form = factor.times(Exact(ratio))
        if (
            form is not None
            and bits + extra + MARGIN_BITS < known + _bonus(ratio)
            and (best is None or bits < best.bits)
        ):
            best = _Form(form, bits)
    return best.exact if best else None


def _bonus(ratio: Fraction) -> float:
    """Plain small numbers are likely beforehand: they need less evidence, and 1 saves the number altogether."""
    if abs(ratio) == 1:
        return 7.0
    return 5.0 if ratio.denominator in (1, 2) and abs(ratio.numerator) <= 3 else 0.0


def tidy(expression: Expression, rows: Rows, budget: Budget | Part | None = None, known: Sequence[Known] = ()) -> Fit:
    """The formula without needless terms, known numbers made exact, the rest refitted, as long as it fits as well.

    With a budget that runs out, the steps made so far.
    """
    fit = polish(canonical(expression), rows, POLISHING)
    floor = (1e-12) ** 2 * float(np.mean((rows.target * rows.roots) ** 2))
    for _ in range(24):
        if budget is not None and budget.expired:
            break
        better = next((trial for trial in _simpler(fit, rows, known) if _as_good(trial, fit, rows, floor)), None)
        if better is None:
            return _placed(fit, rows, floor)
        fit = better
    return fit


def _placed(fit: Fit, rows: Rows, floor: float) -> Fit:
    """The fit, or with the numbers of its products at other places, where fewer of them, or shorter ones, say the same.

    c*sqrt(a + b*u) is also sqrt(c**2*a + c**2*b*u), or c*sqrt(a)*sqrt(1 + b/a*u): one of these may have known numbers.
    """
    best = fit
    for way in _WAYS:
        form = fit.expression.map(way)
        if form == fit.expression:
            continue
        trial = _known(polish(form, rows, POLISHING), rows, floor)
        if _burden(trial) < _burden(best) and _as_good(trial, fit, rows, floor):
            best = trial
    return best


def _known(fit: Fit, rows: Rows, floor: float) -> Fit:
    """The fit with every number made exact that can be."""
    position = 0
    while position < len(fit.expression.free_constants):
        value, error = fit.expression.free_constants[position].value, float(fit.standard_errors[position])
        exact = exact_form(value, error if np.isfinite(error) else 0.0)
        snapped = exact and polish(_replaced(fit.expression, position, exact.constant()), rows, POLISHING)
        if snapped and _as_good(snapped, fit, rows, floor):
            fit = snapped
        else:
            position += 1
    return fit


def _burden(fit: Fit) -> tuple[int, int, bool]:
    """Free numbers, nodes, and whether a free number stands before a square root that could hold it."""
    nodes = list(fit.expression.walk())
    return len(fit.expression.free_constants), fit.expression.complexity, any(map(_stands_before_root, nodes))


def _stands_before_root(node: Expression) -> bool:
    parts = _numbers_and_power(node)
    return parts is not None and any(n.label is None for n in parts[0]) and parts[1].exponent == Fraction(1, 2)


def _numbers_and_power(node: Expression) -> tuple[list[Constant], Power] | None:
    """The plain numbers of a product and its only power of a sum, or None; a sum itself is its first power."""
    if not isinstance(node, Product | Power):
        return None
    factors = factors_of(node)
    powers = [(f if isinstance(f, Power) else Power(f, Fraction(1))) for f in factors if _is_power_of_sum(f)]
    numbers = [f for f in factors if isinstance(f, Constant) and not is_name(f.label)]
    if len(powers) != 1 or not any(c.label is None for c in (*numbers, *powers[0].free_constants)):
        return None
    return numbers, powers[0]


def _is_power_of_sum(node: Expression) -> bool:
    return isinstance(node.base if isinstance(node, Power) else node, Sum)


def _taken_inside(node: Expression) -> Expression:
    """c*sqrt(a + b) as sqrt(c**2*a + c**2*b), and the same for other powers."""
    return _redone(node, None)


def _taken_outside(place: int) -> Callable[[Expression], Expression]:
    """sqrt(a + c*b) as sqrt(c)*sqrt(a/c + b), where b is the term at that place, and the same for other powers."""
    return lambda node: _redone(node, place)


def _redone(node: Expression, place: int | None) -> Expression:
    """A product with the size of its sum changed so that there is no number before it, or none at one term in it."""
    parts = _numbers_and_power(node)
    if parts is None:
        return node
    numbers, power = parts
    assert isinstance(power.base, Sum)
    front = float(np.prod([number.value for number in numbers]))
    terms = [_coefficient(term) for term in power.base.terms]
    if place is not None and place >= len(terms):
        return node
    if place is None and (front <= 0 or not numbers):
        return node
    try:
        size = front ** float(1 / power.exponent) if place is None else 1.0 / terms[place][0]
        outside = 1.0 if place is None else front * size ** -float(power.exponent)
    except (OverflowError, ZeroDivisionError):
        return node
    if isinstance(outside, complex) or not 0 < size < math.inf or not np.isfinite(outside):
        return node
    inner = [multiply(Constant(value * size), rest) for value, rest in terms]
    if place is not None:
        inner[place] = terms[place][1]
    others = [f for f in factors_of(node) if f not in numbers and not _is_power_of_sum(f)]
    number = () if place is None else (Constant(outside),)
    return multiply(*number, *others, raise_to(add(*inner), power.exponent))


def _coefficient(term: Expression) -> tuple[float, Expression]:
    """The number and the rest of a term."""
    numbers = [f for f in factors_of(term) if isinstance(f, Constant) and not is_name(f.label)]
    rest = [f for f in factors_of(term) if f not in numbers]
    return float(np.prod([number.value for number in numbers])), multiply(*rest) if rest else whole(1)


MOST_PLACES = 4
_WAYS = (_taken_inside, *map(_taken_outside, range(MOST_PLACES)))


def _as_good(trial: Fit, fit: Fit, rows: Rows, floor: float) -> bool:
    """Whether the misfit rises by no more than the constants that are saved cost: half a log of the rows each."""
    saved = max(1, len(fit.expression.free_constants) - len(trial.expression.free_constants))
    nats = max(LEAST_NATS, 0.5 * math.log(max(len(rows), 1)))
    chance = 1.0 + 2.0 * nats * saved / max(len(rows) - len(fit.standard_errors), 1)
    return np.isfinite(trial.mean_square) and trial.mean_square <= max(fit.mean_square * max(chance, 1.0 + 1e-9), floor)


def _simpler(fit: Fit, rows: Rows, known: Sequence[Known] = ()) -> Iterator[Fit]:
    """Fits with one constant less: gone (0), exact, or known to the user; the surest first."""
    values = [constant.value for constant in fit.expression.free_constants]
    errors = [float(e) if np.isfinite(e) else 0.0 for e in fit.standard_errors]
    small = sorted(range(len(values)), key=lambda i: abs(values[i]) / (errors[i] + 1e-300))
    for i in small:
        if abs(values[i]) <= SURE * errors[i] or abs(values[i]) < 1e-9:
            without = _replaced(fit.expression, i, whole(0))
            yield polish(canonical(without), rows)
    for i, value in enumerate(values):
        exact = exact_form(value, errors[i])
        if exact is not None:
            yield polish(canonical(_replaced(fit.expression, i, exact.constant())), rows)
        named = named_form(value, errors[i], known) if known and exact is None else None
        if named is not None:
            yield polish(canonical(_replaced(fit.expression, i, named)), rows)


def _replaced(expression: Expression, position: int, constant: Expression) -> Expression:
    """The tree with its free constant number `position` replaced; a zero takes its product away and leaves its sum."""
    seen = -1

    def change(node: Expression) -> Expression:
        nonlocal seen
        if isinstance(node, Constant) and node.label is None:
            seen += 1
            return constant if seen == position else node
        if not node.children:
            return node
        return _without_zeros(node.rebuilt(tuple(change(child) for child in node.children)))

    return change(expression)


def _without_zeros(node: Expression) -> Expression:
    zero = whole(0)
    if isinstance(node, Product) and zero in node.factors:
        return zero
    if isinstance(node, Sum) and zero in node.terms:
        return add(*(term for term in node.terms if term != zero))
    return node
