"""How a formula is written: of all equal ways that a few rules of algebra lead to, the one that a textbook would print.

Equal means equal on the rows of the table: where columns, or sums of them, have one sign on all rows, roots open up.
Short comes first; then few occurrences of the columns, roots of "1 - ratio" rather than of a difference, few minuses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import combinations, product

import numpy as np

from kansym.symbolic.arithmetic import MINUS, ONE, multiplied, plus, raised, times
from kansym.symbolic.canonical import canonical, product_of
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
    whole,
)
from kansym.symbolic.labels import Exact, is_name
from kansym.symbolic.notation import exact_value, plain
from kansym.symbolic.ordering import factor_key, skeleton, term_key, values
from kansym.symbolic.simplify import same_values

Array = np.ndarray
Powers = dict[Expression, Fraction]
HALF = Fraction(1, 2)
MOST_NODES = 120
MOST_PASSES = 4
MOST_COMBINATIONS = 64
MOST_DIVISIONS = 10
MOST_TERMS = 6
KEPT = 3
TRIED = 12
ROWS = 2000
SAME = 1e-12
SPARE = 6
DIFFERENCE = 3.0  # nodes that a root of a difference without a plain number is worth avoiding
STACKED = 1.0  # nodes that a fraction within a fraction is worth avoiding
BOTH_SIDES = 2.25  # nodes that a column before and under a root is worth avoiding
REPEATED = 2.0  # nodes that a ratio saves where it occurs again: one would give it a letter
# What a function adds to its argument, where that is not one symbol; composed ones as they are printed.
CALL_LENGTHS = {
    "asinh": 3, "acosh": 3, "atanh": 3, "planck": 5, "sigmoid": 6, "softplus": 4, "gaussian": 3, "lorentzian": 5,
    "log1p": 3, "abs": 2, "sign": 2,
}  # fmt: skip


def textbook(expression: Expression, points: Array) -> Expression:
    """The formula as a textbook would print it, or the formula itself where no rule makes it shorter or plainer.

    points: (n, D) inputs with n >= 1; the result has the same values on them to 1e-9, and no more free constants. Signs
        that columns and sums have on all of them are used.
    Formulas of more than 120 nodes come back as they are.
    """
    if expression.complexity > MOST_NODES or len(points) == 0:
        return expression
    rules = _Rules(points[:ROWS])
    for _ in range(MOST_PASSES):
        better = _once(expression, rules)
        if better is None:
            break
        expression = better
    return expression.map(rules.faced)


def unfolded(expression: Expression, points: Array) -> Expression | None:
    """The formula with functions of inverse functions as algebra, for a new fit, or None where there are none.

    points: as for `textbook`. The values are the same, but what was one free constant may now stand in several places.
    """
    if expression.complexity > MOST_NODES or len(points) == 0 or not any(map(_opens, expression.walk())):
        return None
    rules = _Rules(points[:ROWS], spare=SPARE)
    form = expression.map(lambda node: next(opened(node), node) if isinstance(node, Call) else node)
    found = (way for way in rules.forms(form) if same_values(expression, way, rules.rows))
    return next(found, None)


def _opens(node: Expression) -> bool:
    return isinstance(node, Call) and next(opened(node), None) is not None


def _once(expression: Expression, rules: _Rules) -> Expression | None:
    """A form that is better than the formula, or None."""
    rows = rules.rows
    own, most = key(expression), len(expression.free_constants)
    positive = frozenset(int(i) for i in np.flatnonzero(np.all(rows > 0, axis=0)))
    starts = dict.fromkeys([expression, canonical(expression, positive), canonical(plain(expression), positive)])
    found = dict.fromkeys(form for start in starts for form in (start, *rules.forms(start)))
    ranked = sorted((pair for pair in ((key(form), form) for form in found) if pair[0] < own), key=lambda pair: pair[0])
    for _, form in ranked[:TRIED]:
        if len(form.free_constants) <= most and same_values(expression, form, rows):
            return form
    return None


# --- how well a formula reads ----------------------------------------------------------------------------------------


def key(expression: Expression) -> tuple:
    """What the best of equal forms is the least in: length as written, occurrences of columns, minuses, then order."""
    return (*_measure(expression), skeleton(expression), values(expression))


def _measure(expression: Expression) -> tuple:
    nodes = list(expression.walk())
    length = written_length(expression)
    length += DIFFERENCE * sum(map(_is_bare_difference, nodes)) + STACKED * sum(map(_is_stacked, nodes))
    length += BOTH_SIDES * _count_both_sides(expression)
    length -= REPEATED * _repeated_ratios(nodes)
    minuses = sum(isinstance(node, Constant) and node.value < 0 for node in nodes)
    return (length, sum(map(_is_column, nodes)), minuses, sum(map(_root_content, nodes)), expression.complexity)


def _best(forms: Iterable[Expression], count: int) -> list[Expression]:
    """The best forms; texts are compared only where nothing else decides."""
    measured = sorted(((_measure(form), form) for form in forms), key=lambda pair: pair[0])
    limit = measured[min(count, len(measured)) - 1][0]
    near = [(measure, skeleton(form), values(form), form) for measure, form in measured if measure <= limit]
    return [item[-1] for item in sorted(near, key=lambda item: item[:-1])[:count]]


def written_length(node: Expression) -> int:
    """Symbols of a formula as one writes it: a - b and a/b have one operator each, a sign costs one."""
    if isinstance(node, Constant):
        return _number_length(node) + (node.value < 0)
    if isinstance(node, Variable):
        return 1
    if isinstance(node, Call):
        return written_length(node.argument) + CALL_LENGTHS.get(node.name, 1)
    if isinstance(node, Sum):
        lengths = [written_length(term) - _is_negative(term) for term in node.terms]
        return sum(lengths) + len(lengths) - 1 + all(_is_negative(term) for term in node.terms)
    return _fraction_length(node)


def _fraction_length(node: Expression) -> int:
    above: list[int] = []
    below: list[int] = []
    negative = _is_negative(node)
    for factor in _factors(node):
        if isinstance(factor, Constant):
            known = exact_value(factor)
            _exact_lengths(known, above, below) if known else above.append(1)
        elif isinstance(factor, Power):
            size = written_length(factor.base) + (0 if abs(factor.exponent) == 1 else 1 if _is_plain(factor) else 2)
            (above if factor.exponent > 0 else below).append(size)
        else:
            above.append(written_length(factor))
    above = above or [1]
    return sum(above) + sum(below) + len(above) + len(below) - 1 + negative


def _is_plain(node: Power) -> bool:
    return abs(node.exponent) in (2, HALF)


def _number_length(constant: Constant) -> int:
    known = exact_value(constant)
    if known is None:
        return 1
    above: list[int] = []
    below: list[int] = []
    _exact_lengths(known, above, below)
    above = above or [1]
    return sum(above) + sum(below) + len(above) + len(below) - 1


def _exact_lengths(number: Exact, above: list[int], below: list[int]) -> None:
    """The lengths of the parts of an exact number above and below the fraction line."""
    if abs(number.ratio.numerator) != 1:
        above.append(1)
    if number.ratio.denominator != 1:
        below.append(1)
    for exponent in (number.pi, number.e):
        if exponent:
            (above if exponent > 0 else below).append(1 if abs(exponent) == 1 else 2)
    if number.root != 1:
        above.append(2)


def _is_negative(node: Expression) -> bool:
    return math.prod(factor.value for factor in _factors(node) if isinstance(factor, Constant)) < 0


def _is_bare_difference(node: Expression) -> bool:
    """Whether the node is a root of a sum with a negative term and without a plain positive number."""
    if not (isinstance(node, Power) and node.exponent.denominator % 2 == 0):
        return False
    sums = [_base_and_exponent(factor)[0] for factor in _factors(node.base)]
    return any(isinstance(base, Sum) and len(base.terms) == 2 and _is_difference(base) for base in sums)


def _is_difference(node: Sum) -> bool:
    return not _has_number(node) and any(_is_negative(term) for term in node.terms)


def _count_both_sides(node: Expression) -> int:
    if isinstance(node, Product):  # the roots in it are looked at with it
        inner = [
            part for factor in node.factors for part in (factor.children if isinstance(factor, Power) else [factor])
        ]
    else:
        inner = node.children
    return _on_both_sides(node) + sum(map(_count_both_sides, inner))


def _on_both_sides(node: Expression) -> int:
    """Columns before a root, or able to stand there, that are in the sum under it too, which holds no plain number."""
    factors = _factors(node)
    inner = [factor for part in factors if isinstance(part, Sum) for term in part.terms for factor in _factors(term)]
    roots = [each for each in (*factors, *inner) if isinstance(each, Power) and each.exponent.denominator % 2 == 0]
    under = [part for root in roots for part in map(_base_and_exponent, _factors(root.base))]
    before = {base for base, _ in map(_base_and_exponent, factors) if _is_column(base)}
    before |= {base for base, e in under if _is_column(base) and abs(e) >= 2}
    sums = [base for base, _ in under if isinstance(base, Sum) and not _has_number(base)]
    return len(before & {inner for base in sums for inner in base.walk() if _is_column(inner)}) if before else 0


def _has_number(node: Sum) -> bool:
    return any(isinstance(term, Constant) and term.value > 0 for term in node.terms)


def _is_stacked(node: Expression) -> bool:
    """Whether a sum below the fraction line holds a fraction of columns."""
    if not (isinstance(node, Power) and node.exponent < 0):
        return False
    sums = [_base_and_exponent(factor)[0] for factor in _factors(node.base)]
    return any(isinstance(base, Sum) and any(map(_has_division, base.terms)) for base in sums)


def _has_division(term: Expression) -> bool:
    return any(isinstance(factor, Power) and factor.exponent < 0 for factor in _factors(term)) or (
        isinstance(term, Power) and _has_division(term.base)
    )


def _repeated_ratios(nodes: Sequence[Expression]) -> int:
    """How often a ratio x/y of two columns occurs again in products."""
    seen: dict[tuple[Expression, Expression], int] = {}
    for node in nodes:
        if isinstance(node, Product):
            powers = {base: exponent for base, exponent in map(_base_and_exponent, node.factors) if _is_column(base)}
            for first, second in combinations(sorted(powers, key=skeleton), 2):
                if powers[first] == -powers[second]:
                    ratio = (first, second) if powers[first] > 0 else (second, first)
                    seen[ratio] = seen.get(ratio, 0) + 1
    return sum(count - 1 for count in seen.values())


def _root_content(node: Expression) -> int:
    """Nodes under the root that are no sum and no argument: fewer are better, 2*sqrt(x) rather than sqrt(4*x)."""
    if not (isinstance(node, Power) and node.exponent.denominator > 1):
        return 0
    return sum(abs(int(part.exponent)) for part in _factors(node.base) if isinstance(part, Power)) + sum(
        isinstance(part, Constant) for part in _factors(node.base)
    )


# --- products and their parts ----------------------------------------------------------------------------------------


def _factors(node: Expression) -> tuple[Expression, ...]:
    return node.factors if isinstance(node, Product) else (node,)


def _base_and_exponent(node: Expression) -> tuple[Expression, Fraction]:
    return (node.base, node.exponent) if isinstance(node, Power) else (node, Fraction(1))


def _is_column(node: Expression) -> bool:
    return isinstance(node, Variable) or (isinstance(node, Constant) and is_name(node.label))


@dataclass(frozen=True)
class _Parts:
    """A product taken apart: numbers in front, and every other base with its exponent."""

    numbers: tuple[Constant, ...] = ()
    powers: Powers = field(default_factory=dict)

    def times(self, other: _Parts) -> _Parts:
        powers = dict(self.powers)
        for base, exponent in other.powers.items():
            powers[base] = powers.get(base, Fraction(0)) + exponent
        kept = {base: exponent for base, exponent in powers.items() if exponent}
        return _Parts(tuple(multiplied([*self.numbers, *other.numbers])), kept)

    def raised(self, exponent: Fraction) -> _Parts | None:
        """The power, every part by itself; None where a number has no such power."""
        result = _Parts(powers={base: own * exponent for base, own in self.powers.items()})
        for number in self.numbers:
            power = _number_power(number, exponent)
            if power is None:
                return None
            result = result.times(power)
        return result

    @property
    def key(self) -> tuple:
        """What makes two monomials the same."""
        return tuple(sorted((skeleton(base), values(base), exponent) for base, exponent in self.powers.items()))


def _number_power(number: Constant, exponent: Fraction) -> _Parts | None:
    """A number to a power; what has no exact root of this form stays a power."""
    one = raised(number, exponent)
    if one is not None:
        return _Parts((one,) if one != ONE else ())
    known = exact_value(number)
    if known is None or number.value <= 0:
        return None
    parts = [(Exact(known.ratio, root=known.root), Fraction(1)), (Exact(Fraction(1), pi=1), Fraction(known.pi)),
             (Exact(Fraction(1), e=1), Fraction(known.e))]  # fmt: skip
    result = _Parts()
    for part, own in parts:
        if own and part.value != 1:
            one = raised(part.constant(), own * exponent)
            result = result.times(_Parts((one,)) if one else _Parts(powers={part.constant(): own * exponent}))
    return result


def _assembled(parts: _Parts) -> list[Expression]:
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
        product_of([*sorted(left, key=factor_key), *sorted([*factors, *done], key=factor_key)])
        for numbers, done in ways
        for left, factors in _squares(whole_powers, numbers)
    ]


def _squares(powers: Powers, numbers: tuple[Constant, ...]) -> Iterator[tuple[list[Constant], list[Expression]]]:
    """Whole powers; x**2/y**2 also as (x/y)**2, with the number in it where its root is exact."""
    plain_factors = [raise_to(base, exponent) for base, exponent in powers.items()]
    yield [number for number in numbers if number != ONE], plain_factors
    squared = {base: e for base, e in powers.items() if abs(e) == 2 and _is_column(base)}
    sign = {e > 0 for e in squared.values()}
    known = exact_value(numbers[0]) if len(numbers) == 1 else None
    root = Exact(abs(known.ratio), known.pi, known.e, known.root).power(HALF) if known else None
    inner = [] if root is None or root.root != 1 or root.value == 1 else [root.constant()]
    if len(sign) == 2 or (inner and squared and not all(sign)):
        rest = [factor for factor, base in zip(plain_factors, powers, strict=True) if base not in squared]
        base = product_of([*inner, *sorted((raise_to(b, e / 2) for b, e in squared.items()), key=factor_key)])
        if inner:
            yield ([MINUS] if numbers[0].value < 0 else []), [*rest, Power(base, Fraction(2))]
        if len(sign) == 2:
            base = product_of(sorted((raise_to(b, e / 2) for b, e in squared.items()), key=factor_key))
            yield [number for number in numbers if number != ONE], [*rest, Power(base, Fraction(2))]


def _rooted(
    degree: int, powers: Powers, numbers: tuple[Constant, ...]
) -> Iterator[tuple[tuple[Constant, ...], list[Expression]]]:
    """Fractional powers of one denominator under one root, and with the higher powers of columns beside it."""
    exact = numbers[0] if len(numbers) == 1 else None
    known = exact_value(exact) if exact else None
    apart = {base: e for base, e in powers.items() if _is_column(base) and abs(e) > 1}
    for outside in ({}, apart) if apart and len(apart) < len(powers) else ({},):
        inside = {base: e for base, e in powers.items() if base not in outside}
        beside = [raise_to(base, e) for base, e in outside.items()]
        yield numbers, [*beside, _root(degree, inside, None)]
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
    return Power(product_of([*numbers, *sorted(inner, key=factor_key)]), Fraction(shared, degree))


# --- the rules -------------------------------------------------------------------------------------------------------


class _Rules:
    """The ways to write a formula on given rows (n, D); `spare` free constants more than it has are allowed."""

    def __init__(self, rows: Array, spare: int = 0) -> None:
        self.rows, self.spare = rows, spare
        self._signs: dict[Expression, int] = {}
        self._forms: dict[Expression, list[Expression]] = {}
        self._divisions: dict[tuple[Expression, Fraction], list[_Parts]] = {}

    def sign(self, node: Expression) -> int:
        """1 or -1 where the node has this sign on all rows, else 0."""
        if node not in self._signs:
            found = node.evaluate(self.rows)
            self._signs[node] = 1 if np.all(found > 0) else -1 if np.all(found < 0) else 0
        return self._signs[node]

    def faced(self, node: Expression) -> Expression:
        """A product with two sums that are negative on all rows, as 1 - cos(x) is positive, turned round."""
        places = [at for at, factor in enumerate(_factors(node)) if self._is_turnable(factor)]
        factors = list(_factors(node))
        for at in places[: len(places) // 2 * 2]:
            base, exponent = _base_and_exponent(factors[at])
            factors[at] = raise_to(_negated(base), exponent)
        return product_of(factors) if len(places) > 1 else node

    def _is_turnable(self, factor: Expression) -> bool:
        base, exponent = _base_and_exponent(factor)
        if not isinstance(base, Sum) or exponent.denominator > 1 or exponent.numerator % 2 == 0:
            return False
        return self.sign(base) < 0 and written_length(_negated(base)) <= written_length(base)

    def forms(self, node: Expression) -> list[Expression]:
        """The best ways to write a node, the best first."""
        if not node.children:
            return [node]
        if node not in self._forms:
            most = len(node.free_constants) + self.spare
            found = dict.fromkeys(form for form in self._ways(node) if len(form.free_constants) <= most)
            self._forms[node] = _best(found, KEPT)
        return self._forms[node]

    def best(self, node: Expression) -> Expression:
        """The best way to write a node."""
        return self.forms(node)[0]

    def _ways(self, node: Expression) -> Iterator[Expression]:
        yield node
        if isinstance(node, Call):
            for argument in self.forms(node.argument):
                yield Call(node.name, argument)
            for form in opened(node):
                yield from self.forms(form)
        else:
            changed = node.rebuilt([self.best(child) for child in node.children])
            changed = add(*changed.children) if isinstance(changed, Sum) else changed
            changed = multiply(*changed.children) if isinstance(changed, Product) else changed
            yield changed
            for merged in self._merged(changed) if isinstance(changed, Sum) else ():
                yield from self.forms(merged)
            for form in dict.fromkeys([node, changed, *_opened_factors(changed)]):
                yield from self._products(form)

    # products

    def _products(self, node: Expression) -> Iterator[Expression]:
        parts = self.parts(node)
        if parts is None:
            return
        for option in self._expansions(parts):
            sums = [base for base in option.powers if isinstance(base, Sum)]
            if any(len(base.terms) > MOST_TERMS for base in sums):
                yield from _assembled(option)
                continue
            most = max(2, int(MOST_COMBINATIONS ** (1 / max(len(sums), 1))))
            rest = _Parts(option.numbers, {b: e for b, e in option.powers.items() if not isinstance(b, Sum)})
            choices = [self._divided(base, option.powers[base])[:most] for base in sums]
            for taken in self._taken_in(rest, sums, option.powers):
                yield from _assembled(taken)
            for chosen in product(*choices):
                whole_product = rest
                for part in chosen:
                    whole_product = whole_product.times(part)
                for signed in _signs_moved(whole_product):
                    yield from _assembled(signed)

    def _taken_in(self, rest: _Parts, sums: Sequence[Sum], powers: Powers) -> Iterator[_Parts]:
        """The product with all columns before its only sum in it or under its root, as in sqrt(a*c**2 + c**4)."""
        columns = {base: e for base, e in rest.powers.items() if _is_column(base) and e.denominator == 1}
        if len(sums) != 1 or not columns:
            return
        base, exponent = sums[0], powers[sums[0]]
        terms = [self.parts(term) for term in base.terms]
        known = [term for term in terms if term is not None]
        divisor = _Parts(powers={column: -e / exponent for column, e in columns.items()})
        if len(known) == len(terms) and all(e.denominator == 1 for e in divisor.powers.values()):
            option = self._one_division(known, divisor, exponent)
            if option is not None:
                yield rest.times(option[1])

    def parts(self, node: Expression) -> _Parts | None:
        """A node as a product; None where a number in it has no exact form."""
        if isinstance(node, Constant) and not is_name(node.label):
            return _Parts(() if node == ONE else (node,))
        if isinstance(node, Product):
            return self._joined([self.parts(factor) for factor in node.factors])
        if isinstance(node, Power):
            return self._power(node)
        return _Parts(powers={node: Fraction(1)})

    def _joined(self, several: Sequence[_Parts | None]) -> _Parts | None:
        result = _Parts()
        for part in several:
            if part is None:
                return None
            result = result.times(part)
        return result

    def _power(self, node: Power) -> _Parts | None:
        inner = self.parts(node.base)
        if inner is None:
            return None
        if node.exponent.denominator % 2 == 0:
            inner = self._positive(inner)
            if inner is None:
                return _Parts(powers={node.base: node.exponent})
        return inner.raised(node.exponent) or _Parts(powers={node.base: node.exponent})

    def _positive(self, parts: _Parts) -> _Parts | None:
        """The product with every base positive on all rows, or None where it is not certain to be."""
        sign, powers = 1, {}
        for number in parts.numbers:
            sign *= 1 if number.value > 0 else -1
        for base, exponent in parts.powers.items():
            own = self.sign(base)
            if own == 0 or (own < 0 and exponent.denominator > 1):
                return None
            sign *= own if exponent.numerator % 2 else 1
            powers[base if own > 0 else _negated(base)] = exponent
        if sign < 0:
            return None
        return _Parts(tuple(size for size in map(_size, parts.numbers) if size != ONE), powers)

    def _expansions(self, parts: _Parts) -> Iterator[_Parts]:
        """The product, and with two sums multiplied out where terms cancel: (a - b)*(a + b)."""
        yield parts
        sums = [base for base in parts.powers if isinstance(base, Sum)]
        for first, second in combinations(sums, 2):
            if parts.powers[first] == parts.powers[second]:
                joined = self._multiplied_out(first, second)
                if joined is not None:
                    powers = {base: e for base, e in parts.powers.items() if base not in (first, second)}
                    yield _Parts(parts.numbers, powers).times(_Parts(powers={joined: parts.powers[first]}))

    def _multiplied_out(self, first: Sum, second: Sum) -> Sum | None:
        if len(first.terms) * len(second.terms) > 9:
            return None
        terms = [self.parts(multiply(one, other)) for one, other in product(first.terms, second.terms)]
        joined = _collected([term for term in terms if term is not None])
        few = joined is not None and len(joined) <= max(len(first.terms), len(second.terms))
        return (
            Sum(tuple(sorted(map(_written, joined), key=_term_order))) if joined and few and len(joined) > 1 else None
        )

    # sums

    def _merged(self, node: Sum) -> Iterator[Expression]:
        """The sum with two of its logarithms as one, or three of its terms as a square."""
        merged = _logarithms(node)
        if merged is not None:
            yield merged
        terms = [self.parts(term) for term in node.terms]
        known = [term for term in terms if term is not None]
        if 3 <= len(known) <= MOST_TERMS and len(known) == len(terms):
            yield from _squared(known)

    def _divided(self, base: Sum, exponent: Fraction) -> list[_Parts]:
        """Ways to write base**exponent as m**exponent * (base/m)**exponent for monomials m, the best first."""
        if (base, exponent) not in self._divisions:
            self._divisions[base, exponent] = self._new_divisions(base, exponent)
        return self._divisions[base, exponent]

    def _new_divisions(self, base: Sum, exponent: Fraction) -> list[_Parts]:
        found: dict[Expression, _Parts] = {}
        most = len(base.free_constants) + self.spare
        for form in dict.fromkeys([base, *(f for f in self._forms.get(base, ()) if isinstance(f, Sum))]):
            terms = [self.parts(term) for term in form.terms]
            known = [term for term in terms if term is not None]
            for divisor in _divisors(known) if len(known) == len(terms) else ():
                option = self._one_division(known, divisor, exponent)
                if option is not None and len(option[0].free_constants) <= most:
                    found.setdefault(*option)
        own = _Parts(powers={base: exponent})
        return [own, *(found[left] for left in _best(found, MOST_DIVISIONS) if left != base)]

    def _one_division(self, terms: list[_Parts], divisor: _Parts, exponent: Fraction) -> tuple[Sum, _Parts] | None:
        inverse = divisor.raised(Fraction(-1))
        outside = self._outside(divisor, exponent)
        if inverse is None or outside is None:
            return None
        left = Sum(tuple(sorted((self._divided_term(term.times(inverse)) for term in terms), key=_term_order)))
        return left, outside.times(_Parts(powers={left: exponent}))

    def _divided_term(self, parts: _Parts) -> Expression:
        """A term once it is divided; a root of a sum in it takes what stands before it."""
        written = _written(parts)
        roots = any(isinstance(base, Sum) and e.denominator > 1 for base, e in parts.powers.items())
        return self.best(written) if roots else written

    def _outside(self, divisor: _Parts, exponent: Fraction) -> _Parts | None:
        """divisor**exponent where that is right for the signs on the rows."""
        if exponent.denominator % 2 == 0:
            bases = [base for base in divisor.powers if self.sign(base) != 1]
            if bases or any(number.value <= 0 for number in divisor.numbers):
                even = self._positive(divisor)
                known = even is not None and all((own * exponent).denominator == 1 for own in divisor.powers.values())
                return even.raised(exponent) if even is not None and known else None
        return divisor.raised(exponent)


def _divisors(terms: Sequence[_Parts]) -> Iterator[_Parts]:
    """What a sum may be divided by: nothing, what all terms share, one term with or without its number, a number."""
    yield _Parts()
    shared: Powers = {}
    for base in terms[0].powers:
        exponents = [term.powers.get(base, Fraction(0)) for term in terms]
        if all(e > 0 for e in exponents) or all(e < 0 for e in exponents):
            shared[base] = min(exponents, key=abs)
    for parts in {part.key: part for part in [_Parts(powers=shared), *terms]}.values():
        numbers = tuple(_size(number) for number in parts.numbers)
        yield _Parts(powers=parts.powers)
        if numbers:
            yield _Parts(numbers, parts.powers)
            yield _Parts(numbers)
    columns = dict.fromkeys((base, e) for term in terms for base, e in term.powers.items() if _is_column(base))
    for base, exponent in columns:
        yield _Parts(powers={base: exponent})


def _term_order(term: Expression) -> tuple:
    """The order of terms whatever numbers stand before them."""
    rest = [factor for factor in _factors(term) if not isinstance(factor, Constant)]
    return (*term_key(product_of(rest) if rest else term), term_key(term))


def _size(number: Constant) -> Constant:
    return number if number.value > 0 else times(number, MINUS) or number


def _written(parts: _Parts) -> Expression:
    ways = _assembled(parts)
    return ways[0] if len(ways) == 1 else _best(ways, 1)[0]


def _negated(node: Expression) -> Expression:
    if isinstance(node, Sum):
        return Sum(tuple(sorted((_negated(term) for term in node.terms), key=_term_order)))
    numbers = [factor for factor in _factors(node) if isinstance(factor, Constant) and not is_name(factor.label)]
    rest = [factor for factor in _factors(node) if factor not in numbers]
    return product_of([*(n for n in multiplied([*numbers, MINUS]) if n != ONE or not rest), *rest])


def _collected(terms: Sequence[_Parts]) -> list[_Parts] | None:
    """Like terms added up; None where their numbers cannot be added exactly."""
    found: dict[tuple, _Parts] = {}
    for term in terms:
        before = found.get(term.key)
        total = _added(before, term) if before else term
        if total is None:
            return None
        found[term.key] = total
    return [term for term in found.values() if not any(number.value == 0 for number in term.numbers)]


def _added(first: _Parts, second: _Parts) -> _Parts | None:
    if len(first.numbers) > 1 or len(second.numbers) > 1:
        return None
    total = plus(*(part.numbers[0] if part.numbers else ONE for part in (first, second)))
    return None if total is None else _Parts((total,) if total != ONE else (), first.powers)


def _signs_moved(parts: _Parts) -> Iterator[_Parts]:
    """The product with its minus signs where they are fewest, and with a leading one moved into a sum."""
    odd = [base for base, e in parts.powers.items() if isinstance(base, Sum) and e.denominator == 1 and e.numerator % 2]
    many = [base for base in odd if isinstance(base, Sum) and 2 * sum(map(_is_negative, base.terms)) > len(base.terms)]
    better = _flipped(parts, many)
    yield better
    if any(number.value < 0 for number in better.numbers):
        for base in better.powers:
            if isinstance(base, Sum) and better.powers[base].denominator == 1 and better.powers[base].numerator % 2:
                yield _flipped(better, [base])


def _flipped(parts: _Parts, bases: Sequence[Expression]) -> _Parts:
    for base in bases:
        rest = _Parts(parts.numbers, {b: e for b, e in parts.powers.items() if b != base})
        parts = rest.times(_Parts((MINUS,), {_negated(base): parts.powers[base]}))
    return _Parts(tuple(number for number in parts.numbers if number != ONE), parts.powers)


def _squared(terms: Sequence[_Parts]) -> Iterator[Expression]:
    """The sum with a**2 + 2*a*b + b**2 in it as (a + b)**2."""
    for first, second in combinations(range(len(terms)), 2):
        a, b = (_plain_root(terms[place]) for place in (first, second))
        if a is None or b is None:
            continue
        cross = _Parts((whole(2),)).times(a).times(b)
        for third, term in enumerate(terms):
            if third not in (first, second) and term.key == cross.key:
                ratio = _value(term) / _value(cross)
                if abs(abs(ratio) - 1.0) < SAME:
                    rest = [_written(other) for at, other in enumerate(terms) if at not in (first, second, third)]
                    inner = [_written(a), _written(b if ratio > 0 else b.times(_Parts((MINUS,))))]
                    yield add(*rest, Power(Sum(tuple(sorted(inner, key=_term_order))), Fraction(2)))


def _plain_root(parts: _Parts) -> _Parts | None:
    """The root of a monomial whose exponents are even."""
    even = all(e.denominator == 1 and e.numerator % 2 == 0 for e in parts.powers.values())
    return parts.raised(HALF) if even and _value(parts) > 0 else None


def _value(parts: _Parts) -> float:
    return math.prod(number.value for number in parts.numbers)


def _logarithms(node: Sum) -> Expression | None:
    """The sum with log(a) - log(b) as log(a/b)."""
    for first, second in combinations(node.terms, 2):
        for one, other in ((first, second), (second, first)):
            if isinstance(one, Call) and one.name == "log" and isinstance(other, Product) and len(other.factors) == 2:
                number, log = other.factors
                if number == MINUS and isinstance(log, Call) and log.name == "log":
                    rest = [term for term in node.terms if term not in (one, other)]
                    return add(*rest, call("log", one.argument / log.argument))
    return None


# --- functions that are algebra --------------------------------------------------------------------------------------


def _square(node: Expression) -> Expression:
    return raise_to(node, Fraction(2))


def _hypotenuse(u: Expression) -> Expression:
    return raise_to(add(_square(u), ONE), HALF)


def _leg(u: Expression) -> Expression:
    return raise_to(add(ONE, multiply(MINUS, _square(u))), HALF)


def _other_leg(u: Expression) -> Expression:
    return raise_to(add(_square(u), MINUS), HALF)


_INVERSE = {
    ("sin", "asin"): lambda u: u, ("cos", "acos"): lambda u: u, ("tan", "atan"): lambda u: u,
    ("sinh", "asinh"): lambda u: u, ("cosh", "acosh"): lambda u: u, ("tanh", "atanh"): lambda u: u,
    ("sin", "acos"): _leg, ("cos", "asin"): _leg, ("cosh", "asinh"): _hypotenuse, ("sinh", "acosh"): _other_leg,
    ("tan", "asin"): lambda u: u / _leg(u), ("tan", "acos"): lambda u: _leg(u) / u,
    ("sin", "atan"): lambda u: u / _hypotenuse(u), ("cos", "atan"): lambda u: ONE / _hypotenuse(u),
    ("tanh", "asinh"): lambda u: u / _hypotenuse(u), ("tanh", "acosh"): lambda u: _other_leg(u) / u,
    ("sinh", "atanh"): lambda u: u / _leg(u), ("cosh", "atanh"): lambda u: ONE / _leg(u),
    ("exp", "asinh"): lambda u: u + _hypotenuse(u), ("exp", "acosh"): lambda u: u + _other_leg(u),
    ("exp", "atanh"): lambda u: raise_to((ONE + u) / (ONE - u), HALF),
}  # fmt: skip
_MINUS_INVERSE = {
    "asinh": lambda u: _hypotenuse(u) - u,
    "acosh": lambda u: u - _other_leg(u),
    "atanh": lambda u: raise_to((ONE - u) / (ONE + u), HALF),
}


def _opened_factors(node: Expression) -> Iterator[Expression]:
    """The product with one of its functions of an inverse function written as algebra."""
    factors = _factors(node)
    for place, factor in enumerate(factors if len(factors) > 1 else ()):
        for form in opened(factor) if isinstance(factor, Call) else ():
            yield multiply(*factors[:place], form, *factors[place + 1 :])


def opened(node: Call) -> Iterator[Expression]:
    """A function of an inverse function as algebra: exp(-asinh(u)) is sqrt(u**2 + 1) - u."""
    inner = node.argument
    if isinstance(inner, Call) and (node.name, inner.name) in _INVERSE:
        yield _INVERSE[node.name, inner.name](inner.argument)
    if node.name == "exp" and isinstance(inner, Product) and len(inner.factors) == 2:
        number, inverse = inner.factors
        if isinstance(number, Constant) and isinstance(inverse, Call) and inverse.name in _MINUS_INVERSE:
            known = exact_value(number)
            if known is not None and known.irrational == (0, 0, 1) and abs(known.ratio) <= 4:
                build = _MINUS_INVERSE[inverse.name] if known.ratio < 0 else _INVERSE["exp", inverse.name]
                yield raise_to(build(inverse.argument), abs(known.ratio))
