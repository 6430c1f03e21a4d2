"""Products taken apart into numbers and powers, multiplied, divided, and written as one product again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations

from kansym.symbolic.arithmetic import MINUS, ONE, multiplied, plus, raised, times
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Power,
    Sum,
    add,
    multiply,
    raise_to,
    whole,
)
from kansym.symbolic.labels import Exact, is_name
from kansym.symbolic.notation import exact_value
from kansym.symbolic.ordering import values
from kansym.symbolic.reading import base_and_exponent, best_of, factor_order, is_column, is_negative, term_order
from kansym.symbolic.terms import factors_of, product_of

Powers = dict[Expression, Fraction]
HALF = Fraction(1, 2)
SAME = 1e-12
LARGEST_SHARED = 2  # degree of a root that several powers always share: sqrt(x*y), but x**0.3*y**0.7


@dataclass(frozen=True)
class Factored:
    """A product taken apart: numbers in front, and every other base with its exponent."""

    numbers: tuple[Constant, ...] = ()
    powers: Powers = field(default_factory=dict)

    def times(self, other: Factored) -> Factored:
        powers = dict(self.powers)
        for base, exponent in other.powers.items():
            powers[base] = powers.get(base, Fraction(0)) + exponent
        kept = {base: exponent for base, exponent in powers.items() if exponent}
        return Factored(tuple(multiplied([*self.numbers, *other.numbers])), kept)

    def raised(self, exponent: Fraction) -> Factored | None:
        """The power, every part by itself; None where a number has no such power."""
        result = Factored(powers={base: own * exponent for base, own in self.powers.items()})
        for number in self.numbers:
            power = _number_power(number, exponent)
            if power is None:
                return None
            result = result.times(power)
        return result

    @property
    def is_one(self) -> bool:
        """Whether it is 1 or -1."""
        return not self.powers and all(abs(number.value) == 1 for number in self.numbers)

    @property
    def key(self) -> tuple:
        """What makes two monomials the same."""
        return tuple(sorted((base.skeleton, values(base), exponent) for base, exponent in self.powers.items()))


def _number_power(number: Constant, exponent: Fraction) -> Factored | None:
    """A number to a power; what has no exact root of this form stays a power."""
    one = raised(number, exponent)
    if one is not None:
        return Factored((one,) if one != ONE else ())
    known = exact_value(number)
    if known is None or number.value <= 0:
        return None
    parts = [(Exact(known.ratio, root=known.root), Fraction(1)), (Exact(Fraction(1), pi=1), Fraction(known.pi)),
             (Exact(Fraction(1), e=1), Fraction(known.e))]  # fmt: skip
    result = Factored()
    for part, own in parts:
        if own and part.value != 1:
            one = raised(part.constant(), own * exponent)
            result = result.times(Factored((one,)) if one else Factored(powers={part.constant(): own * exponent}))
    return result


def assembled(parts: Factored) -> list[Expression]:
    """The ways to write a product: roots under one sign or apart, squares of quotients as squares."""
    whole_powers = {base: e for base, e in parts.powers.items() if e.denominator == 1}
    roots: dict[int, Powers] = {}
    for base, exponent in parts.powers.items():
        if exponent.denominator > 1:
            roots.setdefault(exponent.denominator, {})[base] = exponent
    ways: list[tuple[tuple[Constant, ...], list[Expression]]] = [(parts.numbers, [])]
    for degree in sorted(roots):
        ways = [
            (left, [*done, *factors])
            for numbers, done in ways
            for left, factors in _rooted(degree, roots[degree], numbers)
        ]
    return [
        product_of([*sorted(left, key=factor_order), *sorted([*factors, *done], key=factor_order)])
        for numbers, done in ways
        for left, factors in _squares(whole_powers, numbers)
    ]


def _squares(powers: Powers, numbers: tuple[Constant, ...]) -> Iterator[tuple[list[Constant], list[Expression]]]:
    """Whole powers; x**2/y**2 also as (x/y)**2, alone with the number in it where its root is exact."""
    plain_factors = [raise_to(base, exponent) for base, exponent in powers.items()]
    yield [number for number in numbers if number != ONE], plain_factors
    squared = {base: e for base, e in powers.items() if abs(e) == 2 and is_column(base)}
    sign = {e > 0 for e in squared.values()}
    known = exact_value(numbers[0]) if len(numbers) == 1 else None
    root = Exact(abs(known.ratio), known.pi, known.e, known.root).power(HALF) if known else None
    inner = [] if root is None or root.root != 1 or root.value == 1 else [root.constant()]
    if len(sign) == 2 or (inner and squared and not all(sign)):
        rest = [factor for factor, base in zip(plain_factors, powers, strict=True) if base not in squared]
        base = product_of([*inner, *sorted((raise_to(b, e / 2) for b, e in squared.items()), key=factor_order)])
        if inner and not rest:
            yield ([MINUS] if numbers[0].value < 0 else []), [*rest, Power(base, Fraction(2))]
        if len(sign) == 2:
            base = product_of(sorted((raise_to(b, e / 2) for b, e in squared.items()), key=factor_order))
            yield [number for number in numbers if number != ONE], [*rest, Power(base, Fraction(2))]


def _rooted(
    degree: int, powers: Powers, numbers: tuple[Constant, ...]
) -> Iterator[tuple[tuple[Constant, ...], list[Expression]]]:
    """Fractional powers of one denominator under one root, and with the higher powers of columns beside it."""
    exact = numbers[0] if len(numbers) == 1 else None
    known = exact_value(exact) if exact else None
    apart = {base: e for base, e in powers.items() if is_column(base) and abs(e) > 1}
    for outside in ({}, apart) if apart and len(apart) < len(powers) else ({},):
        inside = {base: e for base, e in powers.items() if base not in outside}
        beside = [raise_to(base, e) for base, e in outside.items()]
        yield numbers, [*beside, _root(degree, inside, None)]
        if degree > LARGEST_SHARED:
            yield numbers, [*beside, *(raise_to(base, e) for base, e in inside.items())]
        if degree == 2 and known and known.root != 1:
            left = Exact(known.ratio, known.pi, known.e)
            yield (left.constant(),), [*beside, _root(2, inside, whole(known.root))]
            square = Exact(known.ratio**2 * known.root)
            rest = Exact(Fraction(1 if known.ratio > 0 else -1), known.pi, known.e)
            yield (rest.constant(),), [*beside, _root(2, inside, square.constant())]


def _root(degree: int, powers: Powers, number: Constant | None) -> Expression:
    """prod base**exponent as one root; below the line when all exponents are negative."""
    if len(powers) == 1 and number is None:
        ((base, exponent),) = powers.items()
        return Power(base, exponent)
    shared = math.gcd(*(exponent.numerator for exponent in powers.values())) if number is None else 1
    shared = -shared if number is None and all(exponent < 0 for exponent in powers.values()) else shared
    inner = [raise_to(base, Fraction(e.numerator, shared)) for base, e in powers.items()]
    numbers = [] if number is None or number == ONE else [number]
    return Power(product_of([*numbers, *sorted(inner, key=factor_order)]), Fraction(shared, degree))


def written(parts: Factored) -> Expression:
    ways = assembled(parts)
    return ways[0] if len(ways) == 1 else best_of(ways, 1)[0]


def size_of(number: Constant) -> Constant:
    return number if number.value > 0 else times(number, MINUS) or number


def _is_log_ratio(node: Expression) -> bool:
    """Whether the node is log(a/b), which is -log(b/a)."""
    if not (isinstance(node, Call) and node.name == "log"):
        return False
    return len({base_and_exponent(factor)[1] < 0 for factor in factors_of(node.argument)}) == 2


def negated(node: Expression) -> Expression:
    """The node times -1, without a product around a sum or the logarithm of a ratio."""
    if isinstance(node, Call) and _is_log_ratio(node):
        return Call("log", product_of([_inverse(factor) for factor in factors_of(node.argument)]))
    if isinstance(node, Sum):
        return Sum(tuple(sorted((negated(term) for term in node.terms), key=term_order)))
    numbers = [factor for factor in factors_of(node) if isinstance(factor, Constant) and not is_name(factor.label)]
    rest = [factor for factor in factors_of(node) if factor not in numbers]
    return product_of([*(n for n in multiplied([*numbers, MINUS]) if n != ONE or not rest), *rest])


def _inverse(factor: Expression) -> Expression:
    base, exponent = base_and_exponent(factor)
    return raise_to(base, -exponent)


def collected(terms: Sequence[Factored]) -> list[Factored] | None:
    """Like terms added up; None where their numbers cannot be added exactly."""
    found: dict[tuple, Factored] = {}
    for term in terms:
        before = found.get(term.key)
        total = _added(before, term) if before else term
        if total is None:
            return None
        found[term.key] = total
    return [term for term in found.values() if not any(number.value == 0 for number in term.numbers)]


def _added(first: Factored, second: Factored) -> Factored | None:
    if len(first.numbers) > 1 or len(second.numbers) > 1:
        return None
    total = plus(*(part.numbers[0] if part.numbers else ONE for part in (first, second)))
    return None if total is None else Factored((total,) if total != ONE else (), first.powers)


def divisors(terms: Sequence[Factored]) -> Iterator[Factored]:
    """What a sum may be divided by: nothing, what all terms share, one term with or without its number, a number."""
    yield Factored()
    shared: Powers = {}
    for base in terms[0].powers:
        exponents = [term.powers.get(base, Fraction(0)) for term in terms]
        if all(e > 0 for e in exponents) or all(e < 0 for e in exponents):
            shared[base] = min(exponents, key=abs)
    for parts in {part.key: part for part in [Factored(powers=shared), *terms]}.values():
        numbers = tuple(size_of(number) for number in parts.numbers)
        yield Factored(powers=parts.powers)
        if numbers:
            yield Factored(numbers, parts.powers)
            yield Factored(numbers)
    columns = dict.fromkeys((base, e) for term in terms for base, e in term.powers.items() if is_column(base))
    for base, exponent in columns:
        yield Factored(powers={base: exponent})


def signs_moved(parts: Factored) -> Iterator[Factored]:
    """The product with its minus signs where they are fewest, and with a leading one moved into a sum."""
    odd = [base for base, e in parts.powers.items() if isinstance(base, Sum) and e.denominator == 1 and e.numerator % 2]
    many = [base for base in odd if isinstance(base, Sum) and 2 * sum(map(is_negative, base.terms)) > len(base.terms)]
    better = _flipped(parts, many)
    yield better
    if any(number.value < 0 for number in better.numbers):
        for base, exponent in better.powers.items():
            if (isinstance(base, Sum) or _is_log_ratio(base)) and exponent.denominator == 1 and exponent.numerator % 2:
                yield _flipped(better, [base])


def opposites_joined(parts: Factored) -> Factored:
    """The product with a whole power of b - a as one of a - b where both are in it."""
    for base in [base for base, e in parts.powers.items() if isinstance(base, Sum) and e.denominator == 1]:
        if negated(base) in parts.powers and base in parts.powers:
            parts = _flipped(parts, [base])
    return parts


def _flipped(parts: Factored, bases: Sequence[Expression]) -> Factored:
    for base in bases:
        rest = Factored(parts.numbers, {b: e for b, e in parts.powers.items() if b != base})
        sign = (MINUS,) if parts.powers[base].numerator % 2 else ()
        parts = rest.times(Factored(sign, {negated(base): parts.powers[base]}))
    return Factored(tuple(number for number in parts.numbers if number != ONE), parts.powers)


def squared(terms: Sequence[Factored]) -> Iterator[Expression]:
    """The sum with c*a**2 + 2*c*a*b + c*b**2 in it as c*(a + b)**2, and with every such square that is in it."""
    for shared in (_nearest_to_none, min):
        left, squares = list(terms), []
        while (found := _first_square(left, shared)) is not None:
            used, square = found
            left = [term for place, term in enumerate(left) if place not in used]
            squares.append(square)
            yield add(*map(written, left), *squares)


def _nearest_to_none(one: Fraction, other: Fraction) -> Fraction:
    """The exponent that two powers share: none where their signs differ."""
    return min(one, other, key=abs) if one * other > 0 else Fraction(one.numerator % 2 if one.denominator == 1 else 0)


def _first_square(
    terms: Sequence[Factored], shared: Callable[[Fraction, Fraction], Fraction]
) -> tuple[tuple[int, int, int], Expression] | None:
    """Three terms, by their places, that are one square, and the square; shared: the power of a column before it."""
    for first, second in combinations(range(len(terms)), 2):
        cross = plain_root(terms[first].times(terms[second]))
        if cross is None:
            continue
        for third, term in enumerate(terms):
            ratio = _value(term) / (2.0 * _value(cross))
            fits = third not in (first, second) and term.key == cross.key and abs(abs(ratio) - 1.0) < SAME
            square = _square(terms[first], terms[second], ratio, shared) if fits else None
            if square is not None:
                return (first, second, third), square
    return None


def _square(
    one: Factored, other: Factored, sign: float, shared: Callable[[Fraction, Fraction], Fraction]
) -> Expression | None:
    """c*(a + b)**2, or c*(a - b)**2 where c and the sign differ, for c*a**2 and c*b**2."""
    none = Fraction(0)
    bases = dict.fromkeys((*one.powers, *other.powers))
    powers = {base: shared(one.powers.get(base, none), other.powers.get(base, none)) for base in bases}
    for numbers in ((), one.numbers):
        front = Factored(numbers, {base: e for base, e in powers.items() if e})
        over = front.raised(Fraction(-1))
        a = None if over is None else plain_root(one.times(over))
        b = None if over is None else plain_root(other.times(over))
        if a is not None and b is not None:
            inner = [written(a), written(b if sign * _value(one) > 0 else b.times(Factored((MINUS,))))]
            return multiply(written(front), Power(Sum(tuple(sorted(inner, key=term_order))), Fraction(2)))
    return None


def plain_root(parts: Factored) -> Factored | None:
    """The root of a monomial whose exponents are even."""
    even = all(e.denominator == 1 and e.numerator % 2 == 0 for e in parts.powers.values())
    return parts.raised(HALF) if even and _value(parts) > 0 else None


def _value(parts: Factored) -> float:
    return math.prod(number.value for number in parts.numbers)
