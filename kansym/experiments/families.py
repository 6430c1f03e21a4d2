"""Whether a found formula belongs to a family of laws with free constants, such as k*a**(3/2) with any k.

The family is fitted to the found formula itself (not to the data) on points of its box: a member is met to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kansym.errors import FormulaError
from kansym.symbolic.constants import Rows
from kansym.symbolic.given_form import fit_given

Array = np.ndarray
POINTS = 200
MEMBER = 1e-8


@dataclass(frozen=True)
class Family:
    """A form with free parameters. logarithm: it is the form of log(y). accepts: what the parameters must fulfil."""

    form: str
    start: Mapping[str, float]
    logarithm: bool = False
    accepts: Callable[[Mapping[str, float]], bool] | None = None


def member(family: Family, formula: Callable[[Array], Array], column: str, low: float, high: float
           ) -> Mapping[str, float] | None:  # fmt: skip
    """The parameters with which the family draws a formula of one column between low and high; None if it cannot."""
    points = np.linspace(low, high, POINTS)[:, None]
    values = np.asarray(formula(points), dtype=float)
    with np.errstate(all="ignore"):
        target = np.log(values) if family.logarithm else values
    spread = float(np.std(target))
    if not np.all(np.isfinite(target)) or not spread > 0:
        return None
    rows = Rows(points, target)
    try:
        fit = fit_given(family.form, (column,), tuple(family.start), rows, [tuple(family.start.values())])
    except FormulaError:
        return None
    if not np.sqrt(fit.residual_sum / POINTS) < MEMBER * spread:
        return None
    return fit.parameters if family.accepts is None or family.accepts(fit.parameters) else None
