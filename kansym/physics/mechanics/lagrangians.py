"""The Lagrangian behind measured accelerations: the functions for which the equations of Euler and Lagrange hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kansym.errors import DataError
from kansym.physics.mechanics.additive import SPLINE, edges_of, flattest, read
from kansym.physics.mechanics.relations import Relation, relations, written
from kansym.physics.mechanics.terms import curvatures, slopes, terms
from kansym.symbolic.expression import Expression
from kansym.symbolic.formula import FittedConstant, Formula

Array = np.ndarray
DEGREE = 4
SAME = 1e-9  # share of a candidate's equations that must be its own where accelerations are free
PROBES = 32
SINGULAR = 1e-8  # smallest over largest singular value of the mass matrix


@dataclass(frozen=True)
class Lagrangian:
    """A Lagrangian of coordinates and velocities.

    Args:
        formula: of the columns (q1, ..., v1, ...); its scale is free, and so is a total derivative added to it.
        violation: root mean square of what is left of the equations of motion, over that of its last term's part.
    """

    formula: Formula
    violation: float

    @property
    def moves(self) -> tuple[int, ...]:
        """The coordinates whose accelerations it settles."""
        low, high = np.array(self.formula.box).T
        states = np.random.default_rng(0).uniform(low, high, (PROBES, len(low)))
        return tuple(sorted(_moves(self.formula.expression, states, len(low) // 2)))

    def accelerations(self, coordinates: Array, velocities: Array) -> Array:
        """The accelerations (N, n) that the equations of motion give at coordinates and velocities (N, n).

        They are nan for coordinates that it does not move.
        """
        states, count, moved = np.hstack([coordinates, velocities]), coordinates.shape[1], list(self.moves)
        mass, rest = _mass_and_rest(self.formula.expression, states, count)
        found = np.full(coordinates.shape, np.nan)
        found[:, moved] = np.linalg.solve(mass[:, moved][:, :, moved], -rest[:, moved, None])[..., 0]
        return found

    def __str__(self) -> str:
        return f"{self.formula} (violated by {self.violation:.1e})"


def lagrangian(
    coordinates: Array,
    velocities: Array,
    accelerations: Array,
    names: Sequence[str],
    library: Sequence[Expression] | None = None,
    tolerance: float = 1e-8,
) -> tuple[Lagrangian, ...]:
    """Find Lagrangians L with d/dt dL/dv = dL/dq along measured motion.

    The equations are linear in L: their null space is read simplest functions first. Candidates that change no equation
    of motion (constants, total derivatives, functions that are equal to others) are left out beforehand.

    Args:
        coordinates, velocities, accelerations: (N, n) each, of the same n coordinates.
        names: of the 2 n columns: the coordinates, then the velocities.
        library: candidate functions of these 2 n columns, see `terms`; by default all products of up to four columns
            that hold at most one letter twice, and the functions that additive networks (one layer) propose.
        tolerance: largest violation, about the relative error of the accelerations.

    Returns:
        The simplest Lagrangian, and further ones that are needed to move every coordinate: where the motion falls into
        independent parts, each has its own, and their sum moves all. None where no candidate fits.

    Raises:
        DataError: when the shapes do not fit each other.
    """
    coordinates, velocities, accelerations = _checked(coordinates, velocities, accelerations, names)
    count, states = coordinates.shape[1], np.hstack([coordinates, velocities])
    if library is None:
        own = proposed(coordinates, velocities, accelerations)
        library = tuple(sorted(dict.fromkeys((*own, *terms(names, DEGREE))), key=lambda term: term.complexity))
    listed, equations, sizes = _different(library, states, accelerations, count)
    found: list[Lagrangian] = []
    moved: set[int] = set()
    for relation in relations(equations, sizes, tolerance):
        expression = _written(relation, listed, states, count)
        moves = _moves(expression, states, count)
        if not moves - moved:
            continue
        moved |= moves
        found.append(_lagrangian(expression, relation, names, states))
        if len(moved) == count:
            break
    return tuple(found)


def _checked(q: Array, v: Array, a: Array, names: Sequence[str]) -> tuple[Array, Array, Array]:
    q, v, a = (np.asarray(each, dtype=float) for each in (q, v, a))
    q, v, a = (each[:, None] if each.ndim == 1 else each for each in (q, v, a))
    if not (q.shape == v.shape == a.shape) or 2 * q.shape[1] != len(names):
        raise DataError(
            f"coordinates {q.shape}, velocities {v.shape} and accelerations {a.shape} must be (N, n), "
            f"with 2 n names, not {len(names)}"
        )
    if not all(np.all(np.isfinite(each)) for each in (q, v, a)):
        raise DataError("coordinates, velocities and accelerations must be finite: leave the other rows out")
    return q, v, a


def _mass_and_rest(expression: Expression, states: Array, count: int) -> tuple[Array, Array]:
    """d2L/dv dv (N, n, n), and d2L/dv dq . v - dL/dq (N, n)."""
    second = curvatures(expression, states, range(count, 2 * count))  # (N, n, 2 n)
    rest = np.einsum("nij,nj->ni", second[:, :, :count], states[:, count:]) - slopes(expression, states)[:, :count]
    return second[:, :, count:], rest


def _different(
    library: Sequence[Expression], states: Array, accelerations: Array, count: int
) -> tuple[list[Expression], Array, Array]:
    """The candidates that change the equations of motion, each in its own way; their equations on the data; sizes.

    The equations at accelerations that have nothing to do with the motion tell: what is nothing there, or the same
    as others together, is so by its form.
    """
    free = np.random.default_rng(0).standard_normal(accelerations.shape) * _size(accelerations)
    listed, columns, anywhere, sizes = [], [], np.zeros((accelerations.size, 0)), []
    for term in library:
        mass, rest = _mass_and_rest(term, states, count)
        if not (np.all(np.isfinite(mass)) and np.all(np.isfinite(rest))):
            continue
        apart = (np.einsum("nij,nj->ni", mass, free) + rest).ravel()
        left = apart - anywhere @ (anywhere.T @ apart)
        left -= anywhere @ (anywhere.T @ left)
        if not np.linalg.norm(left) > SAME * np.linalg.norm(apart):
            continue
        anywhere = np.column_stack([anywhere, left / np.linalg.norm(left)])
        pulled = np.einsum("nij,nj->ni", mass, accelerations)
        listed.append(term)
        columns.append((pulled + rest).ravel())
        sizes.append(float(np.hypot(np.linalg.norm(pulled), np.linalg.norm(rest))))
    return listed, np.stack(columns, axis=-1) if columns else np.zeros((len(states), 0)), np.array(sizes)


def _size(values: Array) -> Array:
    size = np.sqrt(np.mean(values**2, axis=0))
    return np.where(size > 0, size, 1.0)


def _unit(relation: Relation, library: Sequence[Expression], count: int) -> tuple[int, float]:
    """The simplest term in velocities alone, and its coefficient: a half, as in a kinetic energy."""
    moving = [
        place for place, column in enumerate(relation.columns) if min(library[column].variables, default=0) >= count
    ]
    listed = moving or range(len(relation.columns))
    place = min(listed, key=lambda place: (library[relation.columns[place]].complexity, place))
    return place, 0.5 if library[relation.columns[place]].complexity <= 2 else 1.0


def _written(relation: Relation, library: Sequence[Expression], states: Array, count: int) -> Expression:
    """The relation as a Lagrangian whose masses are positive, where they have one sign."""
    place, value = _unit(relation, library, count)
    expression = written(relation, library, place, value)
    masses = np.trace(_mass_and_rest(expression, states, count)[0], axis1=1, axis2=2)
    return written(relation, library, place, -value) if float(np.median(masses)) < 0 else expression


def _moves(expression: Expression, states: Array, count: int) -> set[int]:
    """The coordinates whose accelerations the equations of motion settle."""
    mass, _ = _mass_and_rest(expression, states, count)
    if not np.all(np.isfinite(mass)):
        return set()
    touched = [i for i in range(count) if np.any(np.abs(mass[:, i]) > 0)]
    inner = mass[:, touched][:, :, touched]
    if not touched:
        return set()
    singular = np.linalg.svd(inner, compute_uv=False)
    return set(touched) if float(np.median(singular[:, -1] / singular[:, 0])) > SINGULAR else set()


def _lagrangian(expression: Expression, relation: Relation, names: Sequence[str], states: Array) -> Lagrangian:
    constants = tuple(FittedConstant(constant.value) for constant in expression.free_constants)
    box = tuple((float(low), float(high)) for low, high in zip(states.min(0), states.max(0), strict=True))
    return Lagrangian(
        Formula(expression, tuple(names), "L", constants, {}, box, origin="lagrangian"), relation.residual
    )


def proposed(q: Array, v: Array, a: Array) -> tuple[Expression, ...]:
    """The functions that a Lagrangian T(v) - V(q) is made of, for every coordinate that has one."""
    found: dict[Expression, None] = {}
    count = q.shape[1]
    for place in range(count):
        columns = np.column_stack([q[:, place], v[:, place]])
        position, speed = edges_of(columns)
        parts = [-position.features(q[:, place], 1), speed.features(v[:, place], 2) * a[:, [place]]]
        left, coefficients = flattest(parts)
        if left > SPLINE:
            continue
        energy, kinetic = np.split(coefficients, [parts[0].shape[1]])
        found |= dict.fromkeys(read(q[:, place], position, energy, place))
        found |= dict.fromkeys(read(v[:, place], speed, kinetic, count + place))
    return tuple(found)
