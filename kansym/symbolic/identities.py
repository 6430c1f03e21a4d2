"""Identities of waves, exponentials and logarithms, by which a sum or a product of them is written otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, permutations

from kansym.symbolic.arithmetic import MINUS, ONE
from kansym.symbolic.canonical import canonical
from kansym.symbolic.expansion import in_order
from kansym.symbolic.expression import (
    Call,
    Constant,
    Expression,
    Product,
    Sum,
    add,
    call,
    multiply,
    raise_to,
    ratio,
    whole,
)
from kansym.symbolic.reading import base_and_exponent
from kansym.symbolic.terms import factors_of, split

HALF = Fraction(1, 2)
ROUNDING = 1e-9  # by which fitted numbers may differ that are one


def squares_of_sines(node: Expression) -> Iterator[Expression]:
    """The product with sin(u)**2/(1 + cos(u)) as 1 - cos(u), and the other way round."""
    factors = [base_and_exponent(factor) for factor in factors_of(node)]
    for (wave, up), (below, down) in permutations(factors, 2):
        other = one_with_cosine(below)
        if other is None or wave != call("sin", other[1]) or up != -2 * down or up.denominator > 1:
            continue
        rest = [raise_to(b, e) for b, e in factors if (b, e) not in ((wave, up), (below, down))]
        sign = Fraction(-other[0])
        opposite = in_order([whole(1), multiply(ratio(sign), call("cos", other[1]))])
        yield multiply(*rest, raise_to(opposite, -down))


def in_one_wave(node: Sum) -> Iterator[Expression]:
    """The sum with sin(u)**2 as 1 - cos(u)**2, or cos(2*u) as 2*cos(u)**2 - 1, where cos(u) is in it too."""
    for wave in dict.fromkeys(part for part in node.walk() if isinstance(part, Call) and part.name == "cos"):
        squared = raise_to(wave, Fraction(2))
        for old, new in (
            (raise_to(call("sin", wave.argument), Fraction(2)), add(ONE, multiply(MINUS, squared))),
            (call("cos", canonical(multiply(whole(2), wave.argument))), add(multiply(whole(2), squared), MINUS)),
        ):
            if any(part == old for part in node.walk()):
                yield canonical(node.map(lambda part, old=old, new=new: new if part == old else part))


def half_angles(node: Sum) -> Iterator[Expression]:
    """1 + cos(2*u) as 2*cos(u)**2, and 1 - cos(2*u) as 2*sin(u)**2."""
    wave = one_with_cosine(node)
    if wave is not None:
        half = canonical(multiply(ratio(HALF), wave[1]))
        yield multiply(whole(2), raise_to(call("cos" if wave[0] == 1 else "sin", half), Fraction(2)))


def one_with_cosine(node: Expression) -> tuple[int, Expression] | None:
    """(1, u) of 1 + cos(u), and (-1, u) of 1 - cos(u)."""
    if isinstance(node, Sum) and len(node.terms) == 2 and ONE in node.terms:
        (other,) = (term for term in node.terms if term != ONE)
        coefficient, wave = split(other)
        if isinstance(wave, Call) and wave.name == "cos" and coefficient in (ONE, MINUS):
            return (1 if coefficient == ONE else -1), wave.argument
    return None


def logistic(node: Sum) -> Iterator[Expression]:
    """c + c*tanh(u) as 2*c/(1 + exp(-2*u)), c - c*tanh(u) as 2*c/(1 + exp(2*u)), and the same with 1/tanh(u)."""
    numbers = [term for term in node.terms if isinstance(term, Constant)]
    if len(node.terms) != 2 or len(numbers) != 1:
        return
    constant, other = numbers[0], next(term for term in node.terms if term != numbers[0])
    coefficient, step = split(other)
    step, power = base_and_exponent(step)
    if not isinstance(step, Call) or step.name != "tanh" or abs(power) != 1:
        return
    if abs(coefficient.value) == abs(constant.value):
        turn = whole(-2 if coefficient.value == constant.value else 2)
        wave = call("exp", canonical(multiply(turn, step.argument)))
        below = add(ONE, wave if power == 1 else multiply(MINUS, wave))
        yield canonical(multiply(whole(2), constant, raise_to(below, Fraction(-1))))


def hyperbolic_sum(node: Sum) -> Iterator[Expression]:
    """c - 2*c/(exp(v) + 1) as c*tanh(v/2), and c + 2*c/(exp(v) - 1) as c/tanh(v/2)."""
    numbers = [term for term in node.terms if isinstance(term, Constant)]
    if len(node.terms) != 2 or len(numbers) != 1:
        return
    constant, other = numbers[0], next(term for term in node.terms if term != numbers[0])
    coefficient, inverse = split(other)
    base, exponent = base_and_exponent(inverse)
    found = _one_with_exponential(base)
    if found is None or exponent != -1:
        return
    sign, one, argument = found  # sign*exp(v) + one
    if abs(coefficient.value + 2 * one * constant.value) <= ROUNDING * abs(coefficient.value):
        tangent = call("tanh", multiply(ratio(HALF), argument))
        yield canonical(multiply(constant, raise_to(tangent, Fraction(sign * one))))


def hyperbolic_quotient(node: Expression) -> Iterator[Expression]:
    """The product with (exp(v) - 1)/(exp(v) + 1) as tanh(v/2)."""
    factors = [base_and_exponent(factor) for factor in factors_of(node)]
    for (above, up), (below, down) in permutations(factors, 2):
        minus, plus = _one_with_exponential(above), _one_with_exponential(below)
        if minus is None or plus is None or up != -down or plus[:2] != (1, 1) or minus[2] != plus[2]:
            continue
        if minus[0] == -minus[1] and (minus[0] == 1 or up.denominator == 1):
            half = canonical(multiply(ratio(HALF), plus[2]))
            rest = [raise_to(b, e) for b, e in factors if (b, e) not in ((above, up), (below, down))]
            turned = MINUS if minus[0] < 0 and up.numerator % 2 else ONE
            yield multiply(*rest, turned, raise_to(call("tanh", half), up))


def _one_with_exponential(node: Expression) -> tuple[int, int, Expression] | None:
    """(s, t, v) of s*exp(v) + t, where s and t are 1 or -1."""
    if not isinstance(node, Sum) or len(node.terms) != 2:
        return None
    for one, other in (node.terms, node.terms[::-1]):
        coefficient, wave = split(other)
        if one in (ONE, MINUS) and coefficient in (ONE, MINUS) and isinstance(wave, Call) and wave.name == "exp":
            return (1 if coefficient == ONE else -1), (1 if one == ONE else -1), wave.argument
    return None


def logarithms_joined(node: Sum) -> Expression | None:
    """The sum with log(a) - log(b) as log(a/b)."""
    for first, second in combinations(node.terms, 2):
        for one, other in ((first, second), (second, first)):
            if isinstance(one, Call) and one.name == "log" and isinstance(other, Product) and len(other.factors) == 2:
                number, log = other.factors
                if number == MINUS and isinstance(log, Call) and log.name == "log":
                    rest = [term for term in node.terms if term not in (one, other)]
                    return add(*rest, call("log", one.argument / log.argument))
    return None
