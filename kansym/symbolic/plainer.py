"""Plainer readings of a formula: what is left of it where a small effect comes on top of a law.

The rows may speak against them, as the dispersion of air speaks against Balmer's law in lines that are known to seven
digits; they stand on the front, and whoever looks for the law finds it there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from kansym.symbolic.canonical import canonical
from kansym.symbolic.expression import Call, Constant, Expression, Product, Sum, add, call, multiply, raise_to

Array = np.ndarray
NEAR_POWER, NO_POWER = 0.02, 1e-3  # of an exponent; exponents that stand for a logarithm
FAINT = 1e-3  # of the largest term of a sum, at every row


def plainer(expression: Expression, inputs: Array) -> Iterator[Expression]:
    """The formula with plain exponents, without terms that hardly count in their sums, and both at once.

    A power of an exponent next to 0, which only bends, is written as the logarithm that it stands for.

    Args:
        expression: with constants fitted to rows.
        inputs: (N, D) of these rows.
    """
    plain = canonical(expression)
    if (logarithms := canonical(plain.map(_as_logarithm))) != plain:
        yield logarithms
    powers = _with_plain_powers(plain)
    if powers != plain:
        yield powers
    for form in dict.fromkeys((plain, powers)):
        if (shorter := _without_faint_terms(form, inputs)) != form:
            yield shorter


def _as_logarithm(node: Expression) -> Expression:
    """p*log(u) for u**p with p next to 0: but for a constant they are the same."""
    power = _power(node.argument) if isinstance(node, Call) and node.name == "exp" else None
    return node.argument if isinstance(node, Call) and power is not None and abs(power[0]) < NO_POWER else node


def _with_plain_powers(expression: Expression) -> Expression:
    """The formula with every fitted exponent that is near a whole or half number made that number."""

    def plain(node: Expression) -> Expression:
        if not (isinstance(node, Call) and node.name == "exp"):
            return node
        terms = node.argument.terms if isinstance(node.argument, Sum) else (node.argument,)
        return multiply(*(_plain_power(term) or call("exp", term) for term in terms))

    return canonical(expression.map(plain))


def _plain_power(term: Expression) -> Expression | None:
    """u**p for a term p*log(u) with p near a whole or half number."""
    power = _power(term)
    exponent = Fraction(round(2 * power[0]), 2) if power is not None else Fraction(0)
    near = power is not None and exponent and abs(power[0] - exponent) <= NEAR_POWER * abs(exponent)
    return raise_to(power[1], exponent) if power is not None and near else None


def _power(term: Expression) -> tuple[float, Expression] | None:
    """(p, u) of p*log(u) with a fitted finite p."""
    factors = term.factors if isinstance(term, Product) else (term,)
    numbers = [factor for factor in factors if isinstance(factor, Constant) and factor.label is None]
    logs = [factor for factor in factors if isinstance(factor, Call) and factor.name == "log"]
    if len(factors) != 2 or len(numbers) != 1 or len(logs) != 1 or not math.isfinite(numbers[0].value):
        return None
    return numbers[0].value, logs[0].argument


def _without_faint_terms(expression: Expression, inputs: Array) -> Expression:
    """The formula without the terms of sums that are much smaller than another one of the sum at every row."""

    def cut(node: Expression) -> Expression:
        if not isinstance(node, Sum):
            return node
        with np.errstate(all="ignore"):
            sizes = np.array([np.abs(term.evaluate(inputs)) * np.ones(len(inputs)) for term in node.terms])
        counts = np.any(sizes > FAINT * sizes.max(axis=0), axis=1)
        return add(*(term for term, kept in zip(node.terms, counts, strict=True) if kept)) if counts.any() else node

    return canonical(expression.map(cut))
