"""Arithmetic of a formula's constants: exact where both are exact, free where one is free, None where neither holds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from kansym.symbolic.expression import Constant, whole
from kansym.symbolic.labels import Exact
from kansym.symbolic.notation import exact_value

LARGEST_EXPONENT = 1000
ONE, MINUS, ZERO = whole(1), whole(-1), whole(0)


def folded(value: float) -> Constant | None:
    """A free constant, or None when the number overflowed or vanished."""
    return Constant(value) if math.isfinite(value) and value != 0 else None


def times(left: Constant, right: Constant) -> Constant | None:
    """The product as one constant, exact if both are; None when it cannot be held."""
    exact_left, exact_right = exact_value(left), exact_value(right)
    if exact_left and exact_right:
        product = exact_left.times(exact_right)
        return product.constant() if product else None
    if left == ONE or right == ONE:
        return right if left == ONE else left
    if is_zero(left) or is_zero(right):
        return ZERO
    if left.value == 0 or right.value == 0:
        return Constant(0.0)
    return folded(left.value * right.value) if left.label is None or right.label is None else None


def plus(left: Constant, right: Constant) -> Constant | None:
    """The sum as one constant, exact if both are; None when two exact numbers have no common form."""
    exact_left, exact_right = exact_value(left), exact_value(right)
    if exact_left and exact_right:
        total = exact_left.plus(exact_right)
        return total.constant() if total else None
    value = left.value + right.value
    return Constant(value) if math.isfinite(value) and None in (left.label, right.label) else None


def raised(base: Constant, exponent: Fraction) -> Constant | None:
    """The real power as one constant; None when it is not real, or not exact though the base is."""
    known = exact_value(base)
    if known:
        power = known.power(exponent)
        return power.constant() if power else None
    negative = base.value < 0
    if base.label is not None or base.value == 0 or (negative and exponent.denominator % 2 == 0):
        return None
    try:
        size = abs(base.value) ** float(exponent)
    except OverflowError:
        return None
    return folded(-size if negative and exponent.numerator % 2 else size)


def is_zero(constant: Constant) -> bool:
    """Whether it is the exact number 0."""
    return constant.label is not None and constant.value == 0


def is_free(constant: Constant) -> bool:
    """Whether a fit may change it."""
    return constant.label is None


def normal(constant: Constant) -> Constant:
    """An exact constant with its label in the normal form; a free one as it is."""
    known = exact_value(constant)
    return known.constant() if known else constant


def rational(value: Fraction) -> Constant:
    """An exact rational constant."""
    return Exact(value).constant()


def small_ratio(constant: Constant) -> Fraction | None:
    """The rational number that a constant is exactly, if it is small enough for an exponent."""
    known = exact_value(constant)
    usable = (
        known
        and known.irrational == (0, 0, 1)
        and abs(known.ratio) <= LARGEST_EXPONENT
        and known.ratio.denominator <= 1000
    )
    return known.ratio if known and usable else None


def _merged(constants: Sequence[Constant], merge: Callable[[Constant, Constant], Constant | None]) -> list[Constant]:
    kept: list[Constant] = []
    for constant in constants:
        for place, other in enumerate(kept):
            one = merge(other, constant)
            if one is not None:
                kept[place] = one
                break
        else:
            kept.append(constant)
    return kept


def added(constants: Sequence[Constant]) -> list[Constant]:
    """The fewest constants whose sum is the same: free ones first."""
    return _merged(sorted(constants, key=is_free, reverse=True), plus)


def multiplied(constants: Sequence[Constant]) -> list[Constant]:
    """The fewest constants whose product is the same: free ones first."""
    return _merged(sorted(constants, key=is_free, reverse=True), times)
