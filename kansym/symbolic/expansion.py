"""Products of sums multiplied out, and what makes the sum short again: common factors of some terms, known products."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import product

from kansym.symbolic.arithmetic import MINUS, ONE, small_ratio
from kansym.symbolic.canonical import canonical
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Product,
    Sum,
    Variable,
    add,
    call,
    multiply,
    raise_to,
)
from kansym.symbolic.monomials import Factored, collected, negated, plain_root, size_of, written
from kansym.symbolic.reading import is_column, term_order
from kansym.symbolic.terms import factors_of, sum_of, terms_of

Parts = Callable[[Expression], Factored | None]
MOST_TERMS = 12
ROUNDING = 1e-10  # by which fitted numbers may differ that are one
LARGEST_POWER = 4  # to which a sum is multiplied out


def in_order(terms: Sequence[Expression]) -> Sum:
    """Two terms at least as a sum in their fixed order, sums among them laid flat."""
    return Sum(tuple(sorted((inner for term in terms for inner in terms_of(term)), key=term_order)))


def expanded(node: Expression, parts: Parts) -> list[Factored] | None:
    """The node as a sum of monomials, like ones added up; None where there are more than 12, or numbers do not add."""
    terms = _monomials(node, parts)
    return None if terms is None else collected(terms)


def _monomials(node: Expression, parts: Parts) -> list[Factored] | None:
    if isinstance(node, Sum):
        return _few([_monomials(term, parts) for term in node.terms])
    factors = [
        _monomials(each, parts) if isinstance(each, Sum) else None if (one := parts(each)) is None else [one]
        for factor in factors_of(node)
        for each in _repeated(factor)
    ]
    known = [factor for factor in factors if factor is not None]
    if len(known) < len(factors):
        return None
    terms = [Factored()]
    for factor in known:
        terms = [one.times(other) for one, other in product(terms, factor)]
        if len(terms) > MOST_TERMS:
            return None
    return terms


def _few(several: Sequence[list[Factored] | None]) -> list[Factored] | None:
    terms = [term for part in several for term in part or ()]
    return None if None in several or len(terms) > MOST_TERMS else terms


def _repeated(factor: Expression) -> tuple[Expression, ...]:
    """A small whole power of a sum as that many factors."""
    if isinstance(factor, Power) and isinstance(factor.base, Sum) and factor.exponent.denominator == 1:
        return (factor.base,) * int(factor.exponent) if 0 < factor.exponent <= LARGEST_POWER else (factor,)
    return (factor,)


# --- some terms of a sum -------------------------------------------------------------------------------------------


def grouped(terms: Sequence[Factored], best: Callable[[Expression], Expression]) -> Iterator[Expression]:
    """The sum with what some of its terms share before them: a*b + a*c + d as a*(b + c) + d.

    best: how a part of the sum is written.
    """
    for shared in _shared_by_some(terms):
        inside = [written(_without(term, shared)) for term in terms if _holds(term, shared)]
        outside = [written(term) for term in terms if not _holds(term, shared)]
        rest = best(sum_of(sorted(outside, key=term_order)))
        yield in_order([multiply(written(shared), best(in_order(inside))), rest])


def _shared_by_some(terms: Sequence[Factored]) -> Iterator[Factored]:
    """Powers of columns, and numbers, that two terms at least share, but not all.

    Polynomials stay as they are: a power comes before a sum only where its column is in no term of it, and nothing
    before some terms of a polynomial in one column.
    """
    columns = dict.fromkeys((base, e) for term in terms for base, e in term.powers.items() if is_column(base))
    if len({base for base, _ in columns}) < 2 and all(e > 0 for _, e in columns):
        return
    numbers = dict.fromkeys(size_of(term.numbers[0]) for term in terms if len(term.numbers) == 1)
    options = [Factored(powers={base: e}) for base, e in columns]
    options += [Factored((number,)) for number in numbers if number != ONE]
    for shared in options:
        inside = [term for term in terms if _holds(term, shared)]
        left = {base for term in inside for base in _without(term, shared).powers}
        again = any(base in left for base, e in shared.powers.items() if e > 0)
        again |= bool(shared.numbers) and len(left) < 2
        if 2 <= len(inside) < len(terms) and all(term.powers for term in inside) and not again:
            yield shared


def _without(term: Factored, shared: Factored) -> Factored:
    """The term over what it shares; a number is the same but for rounding, so that only its sign is left of it."""
    if shared.numbers:
        return Factored((MINUS,) if term.numbers[0].value < 0 else (), term.powers)
    return term.times(Factored(powers={base: -exponent for base, exponent in shared.powers.items()}))


def _holds(term: Factored, shared: Factored) -> bool:
    if shared.numbers:
        size = shared.numbers[0].value
        return len(term.numbers) == 1 and abs(abs(term.numbers[0].value) - size) <= ROUNDING * size
    ((base, exponent),) = shared.powers.items()
    own = term.powers.get(base, Fraction(0))
    return own * exponent > 0 and abs(own) >= abs(exponent)


def squares_apart(node: Sum, parts: Parts) -> Iterator[Expression]:
    """The sum with a**2 - b**2 in it as (a - b)*(a + b), where one of these is in it too."""
    bases = dict.fromkeys(inner for inner in node.walk() if isinstance(inner, Sum) and len(inner.terms) == 2)
    for base in bases:
        roots = _roots_of_difference(base, parts)
        for one, other in [roots, roots[::-1]] if roots else []:
            both = [in_order([one, other]), in_order([one, negated(other)])]
            if any(each in bases or negated(each) in bases for each in both):
                yield node.map(lambda inner, base=base, both=both: multiply(*both) if inner == base else inner)
                break


def _roots_of_difference(base: Sum, parts: Parts) -> tuple[Expression, Expression] | None:
    """(a, b) for a**2 - b**2 in either order of the terms."""
    terms = [parts(term) for term in base.terms]
    for first, second in (terms, terms[::-1]):
        a = plain_root(first) if first is not None else None
        b = plain_root(second.times(Factored((MINUS,)))) if second is not None else None
        if a is not None and b is not None:
            return written(a), written(b)
    return None


def divided_out(above: Sequence[Factored], below: Sequence[Factored]) -> Iterator[tuple[Factored, list[Factored]]]:
    """Monomials m and the terms of what a sum leaves beyond m times another sum, where these are fewer.

    (x**2 + 3*x + 1)/(x + 3) is x + 1/(x + 3). Fitted numbers are taken for one where they differ by rounding.
    """
    for term, other in product(above, below):
        inverse = other.raised(Fraction(-1))
        if inverse is None:
            continue
        quotient = term.times(inverse)
        minus = quotient.times(Factored((MINUS,)))
        left = _added_up([*above, *(minus.times(each) for each in below)])
        if left is not None and 0 < len(left) < len(above):
            yield quotient, left


def over_one(terms: Sequence[Factored], parts: Parts) -> Iterator[Expression]:
    """A sum over the denominator of one of its terms, where that makes it no more terms: u/(v - u) + 1 as v/(v - u)."""
    for place, term in enumerate(terms):
        for below in (base for base, e in term.powers.items() if isinstance(base, Sum) and e == -1):
            factors, others = expanded(below, parts), [*terms[:place], *terms[place + 1 :]]
            if factors is None:
                continue
            raised = [other.times(factor) for other in others for factor in factors]
            above = collected([term.times(Factored(powers={below: Fraction(1)})), *raised])
            if above and len(above) <= len(terms):
                numerator = sum_of(sorted(map(written, above), key=term_order))
                yield multiply(numerator, raise_to(below, Fraction(-1)))


def numbers_taken_in(node: Expression, parts: Parts) -> Iterator[Expression]:
    """A product with its known numbers in one of its sums: 2*x + 3 for 2*(x + 3/2)."""
    own = parts(node) if isinstance(node, Product) else None
    if own is None or not own.numbers or any(number.label is None for number in own.numbers):
        return
    for base in (base for base, e in own.powers.items() if isinstance(base, Sum) and e == 1):
        inside = expanded(multiply(*own.numbers, base), parts)
        if inside is not None and len(inside) > 1:
            rest = Factored(powers={other: e for other, e in own.powers.items() if other != base})
            yield multiply(written(rest), in_order([written(term) for term in inside]))


def _added_up(terms: Sequence[Factored]) -> list[Factored] | None:
    """Like terms added up, those that cancel but for rounding left out; None where numbers do not add."""
    alike: dict[tuple, list[Factored]] = {}
    for term in terms:
        alike.setdefault(term.key, []).append(term)
    found: list[Factored] = []
    for several in alike.values():
        sizes = [math.prod(number.value for number in term.numbers) for term in several]
        if len(several) > 1 and abs(sum(sizes)) <= ROUNDING * max(map(abs, sizes)):
            continue
        if len(several) > 1 and any(len(term.numbers) > 1 for term in several):
            return None
        exact = collected(several)
        found += exact if exact is not None else [Factored((Constant(sum(sizes)),), several[0].powers)]
    return found


# --- exponentials --------------------------------------------------------------------------------------------------


def in_one_exponential(node: Expression, letter: Variable, parts: Parts) -> tuple[Sum, Expression] | None:
    """(s, u) where s is the node multiplied out with exp(u) as a letter; None where it holds no two such functions.

    exp, sinh and cosh of multiples of one u are powers of the letter: 2*exp(-u)*(cosh(u) - 1) is (1 - letter**-1)**2.
    """
    waves = [inner for inner in node.walk() if isinstance(inner, Call) and inner.name in ("exp", "sinh", "cosh")]
    if len(waves) < 2 or all(wave.name != "exp" for wave in waves):
        return None
    found = [_rate(wave.argument, parts) for wave in waves]
    unit = found[0][1]
    if any(rest != unit for _, rest in found) or letter.index in node.variables:
        return None
    least = min(abs(rate) for rate, _ in found)
    if any((rate / least).denominator > 1 for rate, _ in found):
        return None  # exp(-u/5) and exp(-u/3) side by side are read as they are
    powers = {wave: _in_letter(wave.name, letter, rate) for wave, (rate, _) in zip(waves, found, strict=True)}
    terms = expanded(canonical(node.map(lambda n: powers.get(n, n) if isinstance(n, Call) else n)), parts)
    if terms is None or len(terms) < 2:
        return None
    return Sum(tuple(sorted(map(written, terms), key=term_order))), unit


def _rate(argument: Expression, parts: Parts) -> tuple[Fraction, Expression]:
    """(c, u) with argument = c*u for a rational c, u the same for all multiples however they are written."""
    terms = expanded(argument, parts)
    if not terms:
        return Fraction(1), argument
    ordered = sorted(terms, key=lambda term: term_order(written(term)))
    numbers = ordered[0].numbers
    rate = Fraction(1) if not numbers else small_ratio(numbers[0]) if len(numbers) == 1 else None
    inverse = Factored((_number(1 / rate),)) if rate else Factored()
    return rate or Fraction(1), add(*(written(term.times(inverse)) for term in ordered))


def _number(value: Fraction) -> Constant:
    return Constant(float(value), str(value))


def _in_letter(name: str, letter: Variable, rate: Fraction) -> Expression:
    up, down = raise_to(letter, rate), raise_to(letter, -rate)
    if name == "exp":
        return up
    return multiply(_number(Fraction(1, 2)), add(up, down if name == "cosh" else multiply(MINUS, down)))


def without_letter(form: Expression, letter: Variable, unit: Expression) -> Expression:
    """The form with powers of the letter as exp of multiples of the unit, those of one product together."""
    if isinstance(form, Product):
        powers = [factor for factor in form.factors if _is_power_of(factor, letter)]
        total = sum((factor.exponent if isinstance(factor, Power) else Fraction(1) for factor in powers), Fraction(0))
        rest = [without_letter(factor, letter, unit) for factor in form.factors if factor not in powers]
        return multiply(*rest, _exponential(total, unit)) if powers else multiply(*rest)
    if _is_power_of(form, letter):
        return _exponential(form.exponent if isinstance(form, Power) else Fraction(1), unit)
    return form.rebuilt([without_letter(child, letter, unit) for child in form.children]) if form.children else form


def _is_power_of(node: Expression, letter: Variable) -> bool:
    return (node.base if isinstance(node, Power) else node) == letter


def _exponential(rate: Fraction, unit: Expression) -> Expression:
    return call("exp", unit if rate == 1 else canonical(multiply(_number(rate), unit)))
