"""A fast canonical form of formulas: like terms together, redundant constants merged, everything in a fixed order.

The result equals the formula wherever both are finite. Its structure never depends on a free constant being 0 or 1,
so that formulas found in different ways can be compared; only signs and underflow are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kansym.symbolic.arithmetic import (
    LARGEST_EXPONENT,
    MINUS,
    ONE,
    ZERO,
    added,
    folded,
    is_free,
    is_zero,
    multiplied,
    normal,
    raised,
    rational,
    small_ratio,
    times,
)
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.function_values import known_value
from kansym.symbolic.notation import exact_value, height
from kansym.symbolic.ordering import factor_key, term_key
from kansym.symbolic.terms import factors_of, leading_is_negative, product_of, scaled, split, sum_of, terms_of

MOST_NODES = 1000
MOST_LEVELS = 100
MOST_PASSES = 8
ODD = frozenset({"sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "sign", "erf"})
EVEN = frozenset({"cos", "cosh", "gaussian", "lorentzian", "sinc", "abs", "besselj0"})
POSITIVE = frozenset({"exp", "cosh", "gaussian", "lorentzian", "sigmoid", "softplus"})


def canonical(expression: Expression, positive: frozenset[int] = frozenset()) -> Expression:
    """The canonical form of a formula.

    positive: numbers of the variables that are known to be positive; roots and logarithms of products open up for them.

    Free constants that only repeat another one's freedom are merged: c1*(c2*x) is c*x, exp(x + c) is c*exp(x).
    Formulas of more than 1,000 nodes or 100 levels come back as they are.
    """
    if height(expression) > MOST_LEVELS or sum(1 for _ in expression.walk()) > MOST_NODES:
        return expression
    rules = _Rules(positive)
    for _ in range(MOST_PASSES):
        changed = rules.canonical(expression)
        if changed == expression:
            break
        expression = changed
    return expression


@dataclass(frozen=True)
class _Rules:
    positive: frozenset[int]

    def canonical(self, node: Expression) -> Expression:
        below = [self.canonical(child) for child in node.children]
        if isinstance(node, Sum):
            return self.sum(below)
        if isinstance(node, Product):
            return self.product(below)
        if isinstance(node, Power):
            return self.power(below[0], node.exponent)
        if isinstance(node, Call):
            return self.call(node.name, below[0])
        return normal(node) if isinstance(node, Constant) else node

    # sums

    def sum(self, terms: Sequence[Expression]) -> Expression:
        """A sum of canonical terms."""
        opened = self._log_scales([inner for term in terms for inner in self._opened(term)])
        plain = _collected(opened)
        wide = [inner for term in terms for inner in self._opened(term, every_exact=True)]
        if len(wide) > len(opened):
            other = _collected(wide)
            plain = other if other.complexity < plain.complexity else plain
        return plain

    def _opened(self, term: Expression, every_exact: bool = False) -> tuple[Expression, ...]:
        """The terms that a term stands for: a sum's own, and those of a constant times a sum where nothing is lost."""
        coefficient, rest = split(term)
        if not isinstance(rest, Sum):
            return (term,) if not isinstance(term, Sum) else term.terms
        if coefficient == MINUS or (every_exact and coefficient.label is not None):
            return terms_of(self.distributed(coefficient, rest))
        return terms_of(self.product((coefficient, rest)))

    def _log_scales(self, terms: list[Expression]) -> list[Expression]:
        """With a free constant in the sum, log(c1*u + c2) gives its scale to it: log(u + c)."""
        if not any(isinstance(term, Constant) and is_free(term) for term in terms):
            return terms
        return [inner for term in terms for inner in self._log_scale(term)]

    def _log_scale(self, term: Expression) -> tuple[Expression, ...]:
        coefficient, rest = split(term)
        if not (isinstance(rest, Call) and rest.name == "log" and _all_free(rest.argument)):
            return (term,)
        number, monic = _without_leading(rest.argument)
        if number is None or number.value <= 0:
            return (term,)
        scale = times(coefficient, Constant(math.log(number.value)))
        return (term,) if scale is None else (scaled(coefficient, Call("log", monic)), scale)

    def distributed(self, coefficient: Constant, rest: Sum) -> Expression:
        """coefficient * (a + b + ...) as a sum; unchanged when a product of constants cannot be held."""
        terms = []
        for term in rest.terms:
            own, inner = split(term)
            product = times(coefficient, own)
            if product is None:
                return scaled(coefficient, rest)
            terms.append(scaled(product, inner))
        return sum_of(terms)

    # products

    def product(self, factors: Sequence[Expression]) -> Expression:
        """A product of canonical factors."""
        constants, powers = self._gathered(factors)
        coefficients: list[Constant] = []
        rest: list[Expression] = []
        for power in self._joined(powers):
            for piece in factors_of(power):
                if isinstance(piece, Constant):
                    coefficients.append(piece)
                else:
                    rest.append(piece)
        numbers = multiplied(constants + coefficients)
        if any(is_zero(number) for number in numbers):
            return ZERO
        numbers, rest = self._normalised(numbers, rest)
        return self._assembled(numbers, sorted(rest, key=factor_key))

    def _gathered(self, factors: Sequence[Expression]) -> tuple[list[Constant], dict[Expression, Fraction]]:
        """The constants, and every other base with its total exponent; exponentials are one base."""
        pieces = [piece for factor in factors for piece in factors_of(factor)]
        exponents = [piece.argument for piece in pieces if isinstance(piece, Call) and _is_exp(piece)]
        if len(exponents) > 1:
            pieces = [piece for piece in pieces if not _is_exp(piece)]
            pieces += factors_of(self.call("exp", self.sum(exponents)))
        constants = [piece for piece in pieces if isinstance(piece, Constant)]
        powers: dict[Expression, Fraction] = {}
        for piece in pieces:
            for base, exponent in () if isinstance(piece, Constant) else self._powers_of(piece):
                powers[base] = powers.get(base, Fraction(0)) + exponent
        return constants, powers

    def _powers_of(self, piece: Expression) -> list[tuple[Expression, Fraction]]:
        """A factor as powers; the root of a product is opened where that is right for either sign."""
        if not isinstance(piece, Power):
            return [(piece, Fraction(1))]
        base, exponent = piece.base, piece.exponent
        doubtful = sum(not self.is_positive(factor) for factor in factors_of(base))
        if not isinstance(base, Product) or (exponent.denominator % 2 == 0 and doubtful > 1):
            return [(base, exponent)]
        inner = [(f.base, f.exponent) if isinstance(f, Power) else (f, Fraction(1)) for f in base.factors]
        return [(factor, power * exponent) for factor, power in inner]

    def _joined(self, powers: dict[Expression, Fraction]) -> list[Expression]:
        """The powers, those with the same root under one: sqrt(x)/sqrt(y) is sqrt(x/y)."""
        roots: dict[int, list[tuple[Expression, Fraction]]] = {}
        for base, exponent in powers.items():
            roots.setdefault(exponent.denominator, []).append((base, exponent))
        joined = [self.power(base, exponent) for base, exponent in roots.pop(1, [])]
        for degree, members in roots.items():
            joined.append(self.power(*members[0]) if len(members) == 1 else self._under_one_root(degree, members))
        return joined

    def _under_one_root(self, degree: int, members: list[tuple[Expression, Fraction]]) -> Expression:
        shared = math.gcd(*(exponent.numerator for _, exponent in members))
        shared = -shared if all(exponent < 0 for _, exponent in members) else shared
        inside = self.product([self.power(base, Fraction(e.numerator // shared)) for base, e in members])
        return self._root(inside, Fraction(shared, degree))

    def _normalised(self, numbers: list[Constant], rest: list[Expression]) -> tuple[list[Constant], list[Expression]]:
        """Scales and signs of the factors gathered in the number in front."""
        several = len(rest) > 1
        pulled: list[Expression] = []
        for factor in rest:
            free = any(is_free(number) for number in numbers)
            number, changed = None, factor
            if several and _all_free(factor):
                number, changed = _without_leading(factor)
            elif free and isinstance(factor, Power):
                number, changed = self._out_of_power(factor)
            if number is None and _flippable(factor) and (free or (MINUS in numbers and several)):
                number, changed = MINUS, _flipped(self, factor)
            if number is not None:
                numbers = multiplied([*numbers, number])
            pulled.extend(factor for factor in factors_of(changed) if factor != ONE)
        return numbers, pulled

    def _out_of_power(self, factor: Power) -> tuple[Constant | None, Expression]:
        """(c, u) with factor = c*u for an exact number under a root, where a free constant outside can take it."""
        inside, rest = split(factor.base)
        if inside == ONE or inside.value <= 0:
            return None, factor
        value = folded(inside.value ** float(factor.exponent))
        return (None, factor) if value is None else (value, self.power(rest, factor.exponent))

    def _assembled(self, numbers: list[Constant], rest: list[Expression]) -> Expression:
        numbers = sorted((number for number in numbers if number != ONE), key=factor_key)
        fixed = [factor for factor in rest if _is_fixed(factor)] if len(rest) > 1 else []
        others = [factor for factor in rest if factor not in fixed] if fixed else []
        if len(others) == 1 and isinstance(others[0], Sum) and any(map(_is_free_number, others[0].terms)):
            return self.sum([self._times_fixed(term, numbers, fixed) for term in others[0].terms])
        if len(rest) == 1 and isinstance(rest[0], Sum) and len(numbers) == 1 and _absorbs(numbers[0], rest[0]):
            return _in_order(self.distributed(numbers[0], rest[0]))
        return product_of([*numbers, *rest])

    def _times_fixed(self, term: Expression, numbers: Sequence[Constant], fixed: Sequence[Expression]) -> Expression:
        """A term of a sum times numbers and functions of numbers; a free number takes them into its value."""
        if not _is_free_number(term):
            return self.product([*numbers, *fixed, term])
        value = float(product_of([*numbers, *fixed, term]).evaluate(np.zeros((1, 0)))[0])
        return folded(value) or self.product([*numbers, *fixed, term])

    # powers

    def power(self, base: Expression, exponent: Fraction) -> Expression:
        """A canonical base to a power."""
        if exponent == 0 or base == ONE:
            return ONE
        if exponent == 1:
            return base
        if isinstance(base, Constant):
            return raised(base, exponent) or Power(base, exponent)
        if isinstance(base, Power) and abs(base.exponent * exponent) <= LARGEST_EXPONENT:
            return self._nested(base, exponent)
        if isinstance(base, Product):
            return self._power_of_product(base, exponent)
        if isinstance(base, Sum):
            return self._power_of_sum(base, exponent)
        if isinstance(base, Call) and base.name == "exp":
            return self.call("exp", self.product((rational(exponent), base.argument)))
        if isinstance(base, Call) and base.name == "abs" and exponent.numerator % 2 == 0 and exponent.denominator % 2:
            return self.power(base.argument, exponent)
        if isinstance(base, Call) and base.name == "planck" and exponent < 0:  # 1 / (1 / (exp u - 1))
            return self.power(self.sum((self.call("exp", base.argument), MINUS)), -exponent)
        return Power(base, exponent)

    def _nested(self, base: Power, exponent: Fraction) -> Expression:
        inner, total = base.base, base.exponent * exponent
        if _is_even(base.exponent) and not _is_even(total) and not self.is_positive(inner):
            return self.power(self.call("abs", inner), total)
        return self.power(inner, total)

    def _power_of_product(self, base: Product, exponent: Fraction) -> Expression:
        if exponent.denominator == 1:
            return self.product([self.power(factor, exponent) for factor in base.factors])
        if exponent.denominator % 2:
            return self.product((Power(base, exponent),))
        return self._root(base, exponent)

    def _root(self, base: Expression, exponent: Fraction) -> Expression:
        """A fractional power of a canonical product, with what has a plain root taken out."""
        if not isinstance(base, Product):
            return self.power(base, exponent)
        outside: list[Expression] = []
        inside: list[Expression] = []
        for factor in base.factors:
            self._out_of_root(factor, exponent, outside, inside)
        if not outside:
            return Power(base, exponent)
        left = self.product(inside)
        return self.product([*outside, self._root(left, exponent)])

    def _out_of_root(
        self, factor: Expression, exponent: Fraction, outside: list[Expression], inside: list[Expression]
    ) -> None:
        if isinstance(factor, Constant):
            size = times(factor, MINUS) if factor.value < 0 else factor
            root = raised(size, exponent) if size and size != ONE else None
            known = exact_value(root) if root else None
            if root is None or (known and known.root != 1):
                inside.append(factor)
            else:
                outside.append(root)
                inside.extend([MINUS] if factor.value < 0 else [])
        elif isinstance(factor, Call) and factor.name == "exp":
            outside.append(self.power(factor, exponent))
        elif (
            isinstance(factor, Power)
            and (factor.exponent * exponent).denominator == 1
            and self.is_positive(factor.base)
        ):
            outside.append(self.power(factor.base, factor.exponent * exponent))
        else:
            inside.append(factor)

    def _has_root(self, factor: Expression, exponent: Fraction) -> bool:
        if not isinstance(factor, Power) or (factor.exponent * exponent).denominator != 1:
            return False
        return self.is_positive(factor.base)

    def _power_of_sum(self, base: Sum, exponent: Fraction) -> Expression:
        number, monic = _without_leading(base) if _all_free(base) else (None, base)
        root = raised(number if number.value > 0 else Constant(-number.value), exponent) if number else None
        if number is None or root is None:
            flip = _is_even(exponent) and leading_is_negative(base)
            return Power(_negated(self, base) if flip else base, exponent)
        if number.value > 0 or _is_even(exponent):
            return self.product((root, Power(monic, exponent)))
        if exponent.denominator % 2:
            return self.product((MINUS, root, Power(monic, exponent)))
        return self.product((root, Power(_negated(self, monic), exponent)))

    # functions

    def call(self, name: str, argument: Expression) -> Expression:
        """A function of a canonical argument."""
        if isinstance(argument, Constant):
            known = known_value(name, argument)
            if known is not None:
                return known
        if name in EVEN and leading_is_negative(argument):
            argument = _negated(self, argument)
        if name in ODD and leading_is_negative(argument) and split(terms_of(argument)[0])[0].label is not None:
            return self.product((MINUS, Call(name, _negated(self, argument))))
        if name == "exp":
            return self._exponential(argument)
        if name == "log":
            return self._logarithm(argument)
        return self._absolute(argument) if name == "abs" else Call(name, argument)

    def _exponential(self, argument: Expression) -> Expression:
        outside: list[Expression] = []
        inside: list[Expression] = []
        for term in terms_of(argument):
            coefficient, rest = split(term)
            power = small_ratio(coefficient)
            value = known_value("exp", term) if isinstance(term, Constant) and is_free(term) else None
            if isinstance(rest, Call) and rest.name == "log" and power is not None:
                outside.append(self.power(rest.argument, power))
            elif value is not None:
                outside.append(value)
            else:
                inside.append(term)
        if not outside:
            return Call("exp", argument)
        left = sum_of(inside)
        return self.product([*outside, Call("exp", left)] if inside else outside)

    def _logarithm(self, argument: Expression) -> Expression:
        coefficient, rest = split(argument)
        if is_free(coefficient) and rest != ONE and coefficient.value != 0:
            sign = MINUS if coefficient.value < 0 else ONE
            value = Constant(math.log(abs(coefficient.value)))
            return self.sum((self.call("log", self.product((sign, rest))), value))
        if isinstance(argument, Call) and argument.name == "exp":
            return argument.argument
        if isinstance(argument, Power) and (argument.exponent.numerator % 2 or self.is_positive(argument.base)):
            return self.product((rational(argument.exponent), self.call("log", argument.base)))
        if isinstance(argument, Product):
            return self._logarithm_of_product(argument)
        return Call("log", argument)

    def _logarithm_of_product(self, argument: Product) -> Expression:
        """log(u*exp(v)) is v + log(u)."""
        exponents = [
            factor.argument for factor in argument.factors if isinstance(factor, Call) and factor.name == "exp"
        ]
        if not exponents:
            return Call("log", argument)
        rest = [factor for factor in argument.factors if not _is_exp(factor)]
        return self.sum([*exponents, self.call("log", self.product(rest))])

    def _absolute(self, argument: Expression) -> Expression:
        if self.is_positive(argument) or (isinstance(argument, Call) and argument.name == "abs"):
            return argument
        if isinstance(argument, Power) and _is_even(argument.exponent):
            return argument
        if isinstance(argument, Product) and any(self._outside_abs(factor) for factor in argument.factors):
            outside = [self._absolute(factor) for factor in argument.factors if self._outside_abs(factor)]
            inside = [factor for factor in argument.factors if not self._outside_abs(factor)]
            return self.product([*outside, *([self.call("abs", product_of(inside))] if inside else [])])
        return Call("abs", argument)

    def _outside_abs(self, factor: Expression) -> bool:
        return self._absolute(factor) != Call("abs", factor)

    # facts

    def is_positive(self, node: Expression) -> bool:
        """Whether the node is certainly not negative wherever it is finite."""
        if isinstance(node, Constant):
            return node.value > 0
        if isinstance(node, Variable):
            return node.index in self.positive
        if isinstance(node, (Sum, Product)):
            return all(self.is_positive(child) for child in node.children)
        if isinstance(node, Power):
            return _is_even(node.exponent) or node.exponent.denominator % 2 == 0 or self.is_positive(node.base)
        return isinstance(node, Call) and (node.name in POSITIVE or node.name == "abs")


def _is_free_number(node: Expression) -> bool:
    return isinstance(node, Constant) and is_free(node)


def _is_fixed(factor: Expression) -> bool:
    """Whether a factor is a function of a number, such as 1/log(10)."""
    base = factor.base if isinstance(factor, Power) else factor
    return isinstance(base, Call) and isinstance(base.argument, Constant)


def _is_exp(node: Expression) -> bool:
    return isinstance(node, Call) and node.name == "exp"


def _is_even(exponent: Fraction) -> bool:
    return exponent.numerator % 2 == 0 and exponent.denominator % 2 == 1


def _collected(terms: Sequence[Expression]) -> Expression:
    """Like terms added up, in order."""
    found: dict[Expression, list[Constant]] = {}
    for term in terms:
        coefficient, rest = split(term)
        found[rest] = added([*found.get(rest, []), coefficient])
    kept = [scaled(number, rest) for rest, numbers in found.items() for number in numbers if not is_zero(number)]
    return sum_of(sorted(kept, key=term_key))


def _in_order(node: Expression) -> Expression:
    return Sum(tuple(sorted(node.terms, key=term_key))) if isinstance(node, Sum) else node


def _absorbs(number: Constant, rest: Sum) -> bool:
    """Whether a number times a sum is better written as a sum: all coefficients but one at most are free anyway."""
    return number == MINUS or sum(not is_free(split(term)[0]) for term in rest.terms) <= 1


def _without_leading(node: Expression) -> tuple[Constant | None, Expression]:
    """(c, u) with node = c*u, the first coefficient of u being exactly 1; (None, node) when that cannot be held."""
    assert isinstance(node, Sum)
    number = split(node.terms[0])[0]
    inverse = raised(number, Fraction(-1))
    if inverse is None:
        return None, node
    terms = [split(node.terms[0])[1]]
    for term in node.terms[1:]:
        own, rest = split(term)
        ratio = times(inverse, own)
        if ratio is None:
            return None, node
        terms.append(scaled(ratio, rest))
    return number, Sum(tuple(terms))


def _negated(rules: _Rules, node: Expression) -> Expression:
    if isinstance(node, Sum):
        return _in_order(rules.distributed(MINUS, node))
    coefficient, rest = split(node)
    return scaled(times(coefficient, MINUS) or coefficient, rest)


def _flippable(factor: Expression) -> bool:
    """Whether the factor is odd in something with a negative first coefficient, so that the sign can move out."""
    if isinstance(factor, Power):
        return (
            factor.exponent > 0
            and factor.exponent.numerator * factor.exponent.denominator % 2 == 1
            and _flippable(factor.base)
        )
    if isinstance(factor, Call):
        return factor.name in ODD and leading_is_negative(factor.argument)
    return isinstance(factor, Sum) and leading_is_negative(factor)


def _flipped(rules: _Rules, factor: Expression) -> Expression:
    if isinstance(factor, Power):
        return Power(_flipped(rules, factor.base), factor.exponent)
    if isinstance(factor, Call):
        return Call(factor.name, _negated(rules, factor.argument))
    return _negated(rules, factor)


def _all_free(node: Expression) -> bool:
    return isinstance(node, Sum) and all(is_free(split(term)[0]) for term in node.terms)
