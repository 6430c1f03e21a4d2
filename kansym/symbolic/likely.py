"""Numbers that laws are made of, and whether a fitted one is so near to one of them that chance hardly explains it.

Of the numbers as plain as n/d times a power of pi, e or a small root, few lie near any value. Where the error of a fit
leaves room for so few of them that a random number would seldom hit one, a hit says that the number is meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import numpy as np

from kansym.symbolic.labels import Exact

Array = np.ndarray
MOST_BITS = 11.0
NEAR = 2.5  # standard errors that a number may be away from the one it stands for
CHANCE = 0.02  # share of random numbers that may be taken for known ones
WINDOW = 0.5  # on either side, in logarithms, where plain numbers are counted
BITS_PER_VARIANCE = 0.5 / math.log(2.0)


@cache
def irrational() -> tuple[tuple[Exact, float], ...]:
    """1, powers of pi, e and small roots, with the bits that naming them costs."""
    forms = [(Exact(Fraction(1)), 0.0)]
    forms += [(Exact(Fraction(1), pi=p), 3.0 + abs(p)) for p in (1, -1, 2, -2, 3, -3)]
    forms += [(Exact(Fraction(1), root=r), 5.0) for r in (2, 3, 5)]
    forms += [(Exact(Fraction(1), e=p), 6.0) for p in (1, -1)]
    forms += [(Exact(Fraction(1), pi=p, root=2), 9.0) for p in (1, -1)]
    return tuple(forms)


def ratio_bits(ratio: Fraction) -> float:
    """Bits to name a fraction."""
    return math.log2(abs(ratio.numerator)) + 2.0 * math.log2(ratio.denominator)


@dataclass(frozen=True)
class _Catalogue:
    """Plain positive numbers in order of size: their logarithms (K,), bits (K,) and forms."""

    logarithms: Array
    bits: Array
    forms: tuple[Exact, ...]


@cache
def _catalogue() -> _Catalogue:
    found: list[tuple[float, float, Exact]] = []
    for factor, cost in irrational():
        left = MOST_BITS - cost
        for below in range(1, int(2.0 ** (left / 2)) + 1):
            for above in range(1, int(2.0**left / below**2) + 1):
                form = factor.times(Exact(Fraction(above, below))) if math.gcd(above, below) == 1 else None
                if form is not None:
                    found.append((math.log(form.value), cost + ratio_bits(Fraction(above, below)), form))
    found.sort(key=lambda item: item[:2])
    return _Catalogue(
        np.array([x for x, _, _ in found]), np.array([b for _, b, _ in found]), tuple(f for *_, f in found)
    )


def likely_form(value: float, error: float) -> Exact | None:
    """The plain number that a fitted value with its standard error stands for, or None.

    At most `CHANCE` of all values are taken for one: the numbers as plain as the one that is chosen, each as wide as
    the error, must cover no more than that of the surroundings.
    """
    form, chance = plainest(value, error, CHANCE / 2.0)
    return form if chance <= CHANCE else None


def plainest(value: float, error: float, widest: float = WINDOW / 2.0) -> tuple[Exact | None, float]:
    """The plain number that a fitted value is most likely meant to be, and the share of numbers taken for one so plain.

    Args:
        value: as fitted.
        error: its standard error.
        widest: share of the value that the error, `NEAR` times, may be.
    """
    if not (math.isfinite(value) and math.isfinite(error)) or value == 0 or error <= 0:
        return None, 1.0
    width, at, known = NEAR * error / abs(value), math.log(abs(value)), _catalogue()
    if width > widest:
        return None, 1.0
    low, high = np.searchsorted(known.logarithms, [at - WINDOW, at + WINDOW])
    gaps, bits = np.abs(known.logarithms[low:high] - at), known.bits[low:high]
    near = np.flatnonzero(gaps <= width)
    if len(near) == 0:
        return None, 1.0
    doubt = bits[near] + BITS_PER_VARIANCE * (gaps[near] * NEAR / width) ** 2
    best = int(near[np.argmin(doubt)])
    form = known.forms[int(low) + best]
    chance = 2.0 * width * int(np.count_nonzero(bits <= bits[best])) / (2.0 * WINDOW)
    return (form if value > 0 else Exact(-form.ratio, form.pi, form.e, form.root)), min(chance, 1.0)
