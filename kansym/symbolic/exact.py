"""Fitted numbers that are known numbers: integers, small fractions, and these times powers of pi or a square root.

A number becomes exact when saying its exact form is cheaper than saying as many digits as the data give it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product

import numpy as np

from kansym.budget import Budget, Part
from kansym.symbolic.canonical import canonical
from kansym.symbolic.constants import Fit, Rows, polish
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    add,
    call,
    multiply,
    raise_to,
    real_powers,
    whole,
)
from kansym.symbolic.labels import Exact, is_name
from kansym.symbolic.likely import irrational, likely_form, ratio_bits
from kansym.symbolic.reading import is_bare_difference, is_loose_before_root, is_plain
from kansym.symbolic.terms import factors_of
from kansym.symbolic.tied import ties

LARGEST_DENOMINATOR = 32
MARGIN_BITS = 8.0
LEAST_NATS = 2.0
SURE = 4.0  # standard errors that a number may be away from its exact form
NUMERICAL = 1e-11  # relative accuracy that a fit to clean data reaches
POLISHING = 100
MOST_ASSUMED, LARGEST_ASSUMED = 4, 12
ASSUMED = 2.0  # standard errors that a number may be away from the one it is taken for
MOST_SUMS, MOST_PLACES = 2, 4  # of a product, and terms of a sum, between which numbers are moved
_WAYS = tuple((which, place) for which in range(MOST_SUMS) for place in (None, *range(MOST_PLACES)))
LOGARITHMS, LOGARITHM_BITS = (10, 2), 8.0  # scales of tens (pH, decibels, magnitudes) and half-lives
NAMED_POWERS = tuple(Fraction(p) for p in ("1", "-1", "2", "-2", "1/2", "-1/2", "3", "4"))


@dataclass(frozen=True)
class _Form:
    exact: Exact
    bits: float


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


def logarithmic_form(value: float, error: float) -> Expression | None:
    """The plain number times log(10) or log(2), or over one of these, that a fitted value stands for, or None."""
    for base, power in product(LOGARITHMS, (1, -1)):
        size = math.log(base) ** power
        found = exact_form(value / size, error / size, LOGARITHM_BITS)
        if found is not None and found.irrational == (0, 0, 1):
            return multiply(found.constant(), raise_to(call("log", whole(base)), Fraction(power)))
    return None


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
    that the data give; without extra ones, `likely_form` may still know it.
    """
    tolerance = max(SURE * error, NUMERICAL * abs(value), 1e-300)
    if not np.isfinite(value) or not np.isfinite(tolerance) or value == 0:
        return None
    known = np.log2(abs(value) / tolerance) if tolerance < abs(value) else 0.0
    best: _Form | None = None
    for factor, cost in irrational():
        if not np.isfinite(value / factor.value):
            continue
        ratio = Fraction(value / factor.value).limit_denominator(LARGEST_DENOMINATOR)
        if ratio == 0 or abs(float(ratio) * factor.value - value) > tolerance:
            continue
        bits, form = cost + ratio_bits(ratio), factor.times(Exact(ratio))
        if (
            form is not None
            and bits + extra + MARGIN_BITS < known + _bonus(ratio)
            and (best is None or bits < best.bits)
        ):
            best = _Form(form, bits)
    return best.exact if best else likely_form(value, error) if extra == 0 else None


def _bonus(ratio: Fraction) -> float:
    """Plain small numbers are likely beforehand: they need less evidence, and 1 saves the number altogether."""
    if abs(ratio) == 1:
        return 7.0
    if abs(ratio) in (2, Fraction(1, 2)):
        return 6.5
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
            return _placed(_assumed(fit, rows, floor) or fit, rows, floor)
        fit = better
    return fit


def _assumed(fit: Fit, rows: Rows, floor: float) -> Fit | None:
    """The fit with numbers exact that hang together and are known badly one by one.

    Of two to four constants all, where assuming a plain number for one shows the others; or two of them as `ties` says.
    """
    free = fit.expression.free_constants
    if not 2 <= len(free) <= MOST_ASSUMED:
        return None
    for tie in ties(fit):
        if any(
            not _may_be(form, fit.expression, free[at].value) for at, form in zip(tie.places, tie.forms, strict=True)
        ):
            continue
        exact = fit.expression
        for place, form in sorted(zip(tie.places, tie.forms, strict=True), reverse=True, key=lambda item: item[0]):
            exact = _replaced(exact, place, form.constant())
        trial = polish(canonical(exact), rows, POLISHING)
        if _as_good(trial, fit, rows, floor):
            return _known(trial, rows, floor)
    for position, (constant, error) in enumerate(zip(free, fit.standard_errors, strict=True)):
        for ratio in _plain_near(constant.value, ASSUMED * float(error)):
            exact = Exact(ratio).constant()
            trial = polish(canonical(_replaced(fit.expression, position, exact)), rows, POLISHING)
            trial = _known(trial, rows, floor) if _as_good(trial, fit, rows, floor) else trial
            if not trial.expression.free_constants and _as_good(trial, fit, rows, floor):
                return trial
    return None


def _plain_near(value: float, tolerance: float) -> list[Fraction]:
    """The plainest two of the numbers n/d up to 12 and with d up to 4 that are as near as that."""
    if not math.isfinite(value) or not 0 < tolerance < abs(value):
        return []
    near = {Fraction(round(value * d), d) for d in range(1, 5) if abs(round(value * d) / d - value) <= tolerance}
    plain = [ratio for ratio in near if ratio and abs(ratio) <= LARGEST_ASSUMED]
    return sorted(plain, key=lambda ratio: (ratio.denominator, abs(ratio.numerator)))[:2]


def _placed(fit: Fit, rows: Rows, floor: float) -> Fit:
    """The fit, or with the numbers of its products at other places, where fewer of them, or shorter ones, say the same.

    c*sqrt(a + b*u) is also sqrt(c**2*a + c**2*b*u), or c*sqrt(a)*sqrt(1 + b/a*u): one of these may have known numbers.
    """
    best = fit
    for which, place in _WAYS:
        form = fit.expression.map(lambda node, which=which, place=place: _redone(node, which, place))
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
        exact = _exact_in(fit.expression, value, error if np.isfinite(error) else 0.0)
        snapped = exact and polish(_replaced(fit.expression, position, exact.constant()), rows, POLISHING)
        if snapped and _as_good(snapped, fit, rows, floor):
            fit = snapped
        else:
            position += 1
    return fit


def _burden(fit: Fit) -> tuple[int, int, int, bool]:
    """Numbers that are not plain, differences that should be 1 - ratio, nodes, and whether one stands before a root."""
    nodes = list(fit.expression.walk())
    numbers = sum(isinstance(node, Constant) and not is_plain(node) for node in nodes)
    loose = any(map(is_loose_before_root, nodes))
    return numbers, sum(map(is_bare_difference, nodes)), fit.expression.complexity, loose


def _numbers_and_power(node: Expression, which: int) -> tuple[list[Constant], Expression] | None:
    """The plain numbers of a product and one of its sums or powers of sums, or None."""
    if not isinstance(node, Product):
        return None
    numbers = [f for f in factors_of(node) if isinstance(f, Constant) and not is_name(f.label)]
    powers = [f for f in factors_of(node) if _is_power_of_sum(f)]
    if which >= len(powers) or not any(c.label is None for c in (*numbers, *powers[which].free_constants)):
        return None
    return numbers, powers[which]


def _is_power_of_sum(node: Expression) -> bool:
    return isinstance(node.base if isinstance(node, Power) else node, Sum)


def _redone(node: Expression, which: int, place: int | None) -> Expression:
    """A product with the size of one of its sums changed so that no number stands before it, or at one term in it."""
    parts = _numbers_and_power(node, which)
    if parts is None:
        return node
    numbers, power = parts
    base, exponent = (power.base, power.exponent) if isinstance(power, Power) else (power, Fraction(1))
    terms = [_coefficient(term) for term in base.children]
    front = float(np.prod([number.value for number in numbers]))
    if (place is None and (front <= 0 or not numbers)) or (place is not None and place >= len(terms)):
        return node
    with np.errstate(all="ignore"):
        size = np.float64(front) ** float(1 / exponent) if place is None else 1.0 / np.float64(terms[place][0])
        outside = 1.0 if place is None else front * size ** -float(exponent)
    if not 0 < abs(size) < math.inf or not np.isfinite(outside):
        return node
    inner = [multiply(Constant(float(value * size)), rest) for value, rest in terms]
    if place is not None:
        inner[place] = terms[place][1]
    others = [f for f in factors_of(node) if f not in numbers and f is not power]
    number = () if place is None else (Constant(float(outside)),)
    return multiply(*number, *others, raise_to(add(*inner), exponent))


def _coefficient(term: Expression) -> tuple[float, Expression]:
    """The number and the rest of a term."""
    numbers = [f for f in factors_of(term) if isinstance(f, Constant) and not is_name(f.label)]
    rest = [f for f in factors_of(term) if f not in numbers]
    return float(np.prod([number.value for number in numbers])), multiply(*rest) if rest else whole(1)


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
        exact = _exact_in(fit.expression, value, errors[i])
        if exact is not None:
            yield polish(canonical(_replaced(fit.expression, i, exact.constant())), rows)
        free = exact is not None or value in _exponents(fit.expression)
        named = None if free else named_form(value, errors[i], known) or logarithmic_form(value, errors[i])
        if named is not None:
            yield polish(canonical(_replaced(fit.expression, i, named)), rows)


def _exact_in(expression: Expression, value: float, error: float) -> Exact | None:
    """The exact number that a constant of a formula stands for; of exponents, only fractions are known numbers."""
    exact = exact_form(value, error)
    return exact if exact is not None and _may_be(exact, expression, value) else None


def _may_be(exact: Exact, expression: Expression, value: float) -> bool:
    """Whether a constant of a formula may be an exact number: exponents may be fractions alone."""
    return exact.irrational == Exact(Fraction(1)).irrational or value not in _exponents(expression)


def _exponents(expression: Expression) -> set[float]:
    """The numbers that are, or stand before, exponents of powers with any exponent."""
    powers = [power for node in expression.walk() if isinstance(node, Call) for _, power in real_powers(node)[0]]
    return {factor.value for power in powers for factor in factors_of(power) if isinstance(factor, Constant)}


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
