"""Two numbers of a formula that hang together: each is known badly, their ratio or product well.

In a/(exp(b*u) - 1) the rows tell a/b to a tenth of the errors of a and b. Where that ratio is a plain number, both lie
on one line, and there the error of each is smaller; where it is then near a plain number too, both are meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from kansym.symbolic.constants import Fit
from kansym.symbolic.labels import Exact
from kansym.symbolic.likely import plainest

CHANCE = 0.05  # that some two numbers of a formula are taken for plain ones, nominally: measured it is half of that
JOINED = 0.1  # of the smaller variance of two numbers, that of their ratio or product where they hang together
POWERS = (-1, 1)


@dataclass(frozen=True)
class Tie:
    """The places of two free constants, the plain numbers that they stand for, and how likely that is by chance.

    Two findings of chances p and q have a product of p q or less with the chance p q (1 - log(p q)), in each try.
    """

    places: tuple[int, int]
    forms: tuple[Exact, Exact]
    chance: float


def ties(fit: Fit) -> list[Tie]:
    """Pairs of a fit's free constants that stand for plain numbers together, the least likely by chance first."""
    if fit.covariance is None:
        return []
    pairs = list(combinations(range(len(fit.standard_errors)), 2))
    tries = len(POWERS) * len(pairs)
    found = [tie for pair in pairs for tie in _of_pair(fit, pair, tries) if tie.chance <= CHANCE]
    return sorted(found, key=lambda tie: tie.chance)


def _of_pair(fit: Fit, pair: tuple[int, int], tries: int) -> Iterator[Tie]:
    """Both numbers, where their ratio or product is plain and what it then leaves of the second one is plain too."""
    places = list(pair)
    values = np.array([fit.expression.free_constants[place].value for place in places])
    if not np.all(values):
        return
    covariance = np.asarray(fit.covariance)[np.ix_(places, places)] / np.outer(values, values)  # of the logarithms
    for power in POWERS:
        joined, one, both = _along(values, covariance, power)
        if not 0 < one < JOINED * float(np.min(np.diag(covariance))):
            continue
        shared, first = plainest(joined, abs(joined) * math.sqrt(one))
        if shared is None:
            continue
        shift = math.log(shared.value / joined) * both / one
        second = float(values[1]) * math.exp(shift)
        left = max(float(covariance[1, 1]) - both * both / one, 0.0)
        form, last = plainest(second, abs(second) * math.sqrt(left))
        opposite = form and form.power(Fraction(-power))
        other = opposite and shared.times(opposite)
        if form is not None and other is not None:
            yield Tie(pair, (other, form), tries * first * last * (1.0 - math.log(first * last)))


def _along(values: np.ndarray, covariance: np.ndarray, power: int) -> tuple[float, float, float]:
    """a * b**power, the variance of its logarithm, and the covariance of that with the logarithm of b."""
    direction = np.array([1.0, power])
    together = covariance @ direction
    return float(values[0] * values[1] ** float(power)), float(direction @ together), float(together[1])
