"""What stays the same while a state moves: functions whose slope along the motion is zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kansym.errors import DataError
from kansym.physics.mechanics.additive import proposed
from kansym.physics.mechanics.relations import Relation, relations, written
from kansym.physics.mechanics.terms import slopes, terms
from kansym.symbolic.expression import Expression
from kansym.symbolic.formula import FittedConstant, Formula

Array = np.ndarray
DEGREE = 3
NEW = 1e-4  # share of a slope that must point away from the slopes of the quantities known before
POINTS = 200
FLOW, ALONG = 1e-8, 1e-5
FEWEST_TRAJECTORIES = 3


@dataclass(frozen=True)
class Quantity:
    """A conserved quantity.

    Args:
        formula: of the state; its scale is free, and so is a constant added to it.
        violation: root mean square of its rate of change, over that of what the columns contribute to it one by one;
            along trajectories its spread within a trajectory over that of its last term.
    """

    formula: Formula
    violation: float

    def __str__(self) -> str:
        return f"{self.formula} (violated by {self.violation:.1e})"


def conserved(
    states: Array,
    rates: Array,
    names: Sequence[str],
    library: Sequence[Expression] | None = None,
    tolerance: float = FLOW,
) -> tuple[Quantity, ...]:
    """Find what a flow conserves: sums H of candidate functions with rates . grad H = 0.

    The null space of that linear condition is read simplest functions first; what is a function of the quantities found
    before is left out, so at most D - 1 come back.

    Args:
        states: (N, D), in any units; N well above the number of candidates.
        rates: (N, D), their derivatives by time.
        names: D column names.
        library: candidate functions, see `terms`; by default all products of up to three columns, and the functions
            that an additive network (a KAN of one layer) proposes.
        tolerance: largest violation, about the relative error of the rates.

    Returns:
        The independent quantities, the simplest first; none where nothing is conserved.

    Raises:
        DataError: when the shapes do not fit each other.

    Source: the condition is that of KAN 2.0 (arXiv 2408.10205), section 6.1; here it is linear and solved at once.
    """
    states, rates = _checked(states, rates, names)
    if library is None:
        library = (*proposed(states, rates), *terms(names, DEGREE))
        library = tuple(sorted(dict.fromkeys(library), key=lambda term: term.complexity))
    parts = np.stack([slopes(term, states) * rates for term in library], axis=-1)  # (N, D, F)
    return _independent(parts.sum(axis=1), np.linalg.norm(parts, axis=(0, 1)), library, states, names, tolerance)


def conserved_along(
    trajectories: Sequence[Array],
    names: Sequence[str],
    library: Sequence[Expression] | None = None,
    tolerance: float = ALONG,
) -> tuple[Quantity, ...]:
    """Find what stays the same along every one of several trajectories; no rates and no times are needed.

    Args:
        trajectories: (n, D) each, from different starts: on a single one, everything that describes its curve is
            constant. Ten or more are better than three.
        names, library: as for `conserved`; by default all products of up to three columns.
        tolerance: largest spread within a trajectory, about the relative error of the states.

    Returns:
        The independent quantities, the simplest first.

    Raises:
        DataError: when there are fewer than three trajectories, or their shapes do not fit the names.
    """
    if len(trajectories) < FEWEST_TRAJECTORIES:
        raise DataError(f"{len(trajectories)} trajectories cannot show what is conserved: give {FEWEST_TRAJECTORIES}")
    library = terms(names, DEGREE) if library is None else library
    states = np.concatenate([_checked(each, each, names)[0] for each in trajectories])
    ends = np.cumsum([len(each) for each in trajectories])[:-1]
    values = np.stack([term.evaluate(states) for term in library], axis=-1)  # (N, F)
    inside = np.concatenate([part - part.mean(axis=0) for part in np.split(values, ends)])
    return _independent(inside, np.linalg.norm(values - values.mean(0), axis=0), library, states, names, tolerance)


def _checked(states: Array, rates: Array, names: Sequence[str]) -> tuple[Array, Array]:
    states, rates = np.asarray(states, dtype=float), np.asarray(rates, dtype=float)
    if states.ndim != 2 or states.shape != rates.shape or states.shape[1] != len(names):
        raise DataError(
            f"states {states.shape} and rates {rates.shape} must both be (N, {len(names)}), one column a name"
        )
    if not (np.all(np.isfinite(states)) and np.all(np.isfinite(rates))):
        raise DataError("states and rates must be finite numbers: leave the other rows out")
    return states, rates


def _independent(
    matrix: Array, sizes: Array, library: Sequence[Expression], states: Array, names: Sequence[str], tolerance: float
) -> tuple[Quantity, ...]:
    """The quantities of all relations that say something new."""
    finite = np.isfinite(sizes) & np.all(np.isfinite(matrix), axis=0)
    places = np.flatnonzero(finite)
    listed = [library[int(place)] for place in places]
    points = states[np.linspace(0, len(states) - 1, min(POINTS, len(states))).astype(int)]
    found: list[Quantity] = []
    known: list[Array] = []
    for relation in relations(matrix[:, places], sizes[places], tolerance):
        expression = _written(relation, listed)
        slope = slopes(expression, points)
        if not _is_new(slope, known, points):
            continue
        known.append(slope)
        found.append(_quantity(expression, relation, names, states, len(found)))
        if len(found) == len(names) - 1:
            break
    return tuple(found)


def _written(relation: Relation, library: Sequence[Expression]) -> Expression:
    """The relation over the coefficient that leaves the fewest numbers inexact; of several, the simplest term's."""
    places = range(len(relation.columns))
    units = sorted(places, key=lambda place: (library[relation.columns[place]].complexity, place))
    return min((written(relation, library, unit) for unit in units), key=lambda each: len(each.free_constants))


def _is_new(slope: Array, known: Sequence[Array], points: Array) -> bool:
    """Whether a slope (N, D), each column in units of its spread, leaves the space of the known ones."""
    unit = np.std(points, axis=0)
    rest = slope * unit
    size = np.linalg.norm(rest, axis=1)
    if not float(np.median(size)) > 0 or not np.all(np.isfinite(size)):
        return False
    if known:
        basis, _ = np.linalg.qr(np.stack([each * unit for each in known], axis=-1))  # (N, D, K)
        rest = rest - np.einsum("ndk,nk->nd", basis, np.einsum("ndk,nd->nk", basis, rest))
    return float(np.median(np.linalg.norm(rest, axis=1) / np.where(size > 0, size, 1.0))) > NEW


def _quantity(expression: Expression, relation: Relation, names: Sequence[str], states: Array, place: int) -> Quantity:
    constants = tuple(FittedConstant(constant.value) for constant in expression.free_constants)
    box = tuple((float(low), float(high)) for low, high in zip(states.min(0), states.max(0), strict=True))
    formula = Formula(expression, tuple(names), f"H{place + 1}", constants, {}, box, origin="conservation")
    return Quantity(formula, relation.residual)
