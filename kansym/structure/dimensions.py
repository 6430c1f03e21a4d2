"""Dimensional analysis: from the units of the columns to the groups that a law can depend on.

A law that holds in every system of units is target = x1**p1 ... xD**pD * G(groups), where the groups are products of
powers of the inputs that are pure numbers. The exponents follow from the units alone, exactly, whatever the noise.
Neither the groups nor the product in front are unique: a basis is fixed by the columns that measure all the others.

Source: Buckingham, On physically similar systems, Phys. Rev. 4 (1914) 345.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from itertools import combinations, islice
from math import gcd, lcm

from kansym.data.dimensions import Dimension, Dimensions
from kansym.structure.symmetry import Scaling

MOST_BASES = 8
TRIED = 2000  # sets of measuring columns that are looked at
Exponents = tuple[Fraction, ...]


@dataclass(frozen=True)
class Analysis:
    """What the columns of a table measure, and the bases of groups that follow, the simplest first."""

    dimensions: Dimensions
    bases: tuple[Scaling, ...]


def scalings(dimensions: Dimensions, most: int = MOST_BASES) -> list[Scaling]:
    """The simplest bases of dimensionless groups, each with a product of inputs that has the target's dimension.

    Args:
        dimensions: of the inputs (D) and of the target.
        most: how many bases at most.

    Returns:
        Scalings with exact exponents, the simplest first; empty when no product of powers of the inputs has the
        target's dimension, because then the law holds a constant with a dimension.
    """
    return [basis for _, basis in _ranked(dimensions)][:most]


def measuring(dimensions: Dimensions, most: int = 4) -> list[tuple[int, ...]]:
    """The columns that measure all others in the simplest bases.

    Where these columns are 1, the groups are the other columns themselves: any formula whose units agree can be said
    with the measuring columns set to 1, and the units tell where they go.
    """
    return [columns for columns, _ in _ranked(dimensions)][:most]


@cache
def _ranked(dimensions: Dimensions) -> list[tuple[tuple[int, ...], Scaling]]:
    """Measuring columns and bases, the simplest first; none where no product of inputs has the target's dimension."""
    found: dict[tuple, tuple[Fraction, int, Scaling, tuple[int, ...]]] = {}
    for order, columns in enumerate(islice(_measuring_sets(dimensions.inputs), TRIED)):
        basis = _basis(dimensions, columns)
        if basis is None:
            return []
        key = (basis.prefactor, frozenset(_either_way(group) for group in basis.invariants))
        price = _price(basis)
        if key not in found or price < found[key][0]:
            found[key] = (price, order, basis, columns)
    ranked = [(columns, basis) for _, _, basis, columns in sorted(found.values(), key=lambda item: item[:2])]
    return _varied(ranked)


def _measuring_sets(inputs: Sequence[Dimension]) -> Iterator[tuple[int, ...]]:
    """Sets of columns whose dimensions are independent and make up those of all inputs."""
    bases = sorted({base for dimension in inputs for base, _ in dimension.powers})
    rows = [[dimension.exponent(base) for base in bases] for dimension in inputs]
    rank = _rank(rows)
    able = [column for column, dimension in enumerate(inputs) if not dimension.pure]
    for chosen in combinations(able, rank):
        if _rank([rows[column] for column in chosen]) == rank:
            yield chosen


def measured_by(dimensions: Dimensions, measuring: tuple[int, ...]) -> Scaling | None:
    """The target and all other columns in terms of measuring columns, to the first power each: where the measuring
    columns are 1, the groups are the columns themselves. None when the measuring columns cannot make the target.
    """
    prefactor = _in_terms_of(dimensions.target, dimensions.inputs, measuring)
    if prefactor is None:
        return None
    groups = []
    for column, dimension in enumerate(dimensions.inputs):
        if column not in measuring:
            made = _in_terms_of(dimension, dimensions.inputs, measuring)
            assert made is not None  # the measuring columns span every input
            groups.append(tuple(Fraction(int(at == column)) - made[at] for at in range(len(made))))
    return Scaling(prefactor, tuple(groups))


def _basis(dimensions: Dimensions, measuring: tuple[int, ...]) -> Scaling | None:
    """The same with the smallest whole exponents in every group."""
    basis = measured_by(dimensions, measuring)
    return basis and Scaling(basis.prefactor, tuple(map(_smallest, basis.invariants)))


def _in_terms_of(wanted: Dimension, inputs: Sequence[Dimension], measuring: tuple[int, ...]) -> Exponents | None:
    """Exponents (D,) of the measuring columns whose product has the wanted dimension, or None."""
    bases = sorted({base for dimension in (wanted, *inputs) for base, _ in dimension.powers})
    equations = [[inputs[c].exponent(base) for c in measuring] + [wanted.exponent(base)] for base in bases]
    reduced, pivots = _echelon(equations)
    if len(measuring) in pivots:
        return None
    exponents = [Fraction(0)] * len(inputs)
    for row, pivot in zip(reduced, pivots, strict=False):
        exponents[measuring[pivot]] = row[-1]
    return tuple(exponents)


def _echelon(rows: list[list[Fraction]]) -> tuple[list[list[Fraction]], list[int]]:
    """The reduced echelon form and the columns of its leading ones, in exact arithmetic."""
    matrix, pivots = [list(row) for row in rows], []
    for column in range(len(matrix[0]) if matrix else 0):
        top = len(pivots)
        at = next((row for row in range(top, len(matrix)) if matrix[row][column]), None)
        if at is None:
            continue
        matrix[top], matrix[at] = matrix[at], matrix[top]
        matrix[top] = [value / matrix[top][column] for value in matrix[top]]
        for row in range(len(matrix)):
            if row != top and matrix[row][column]:
                factor = matrix[row][column]
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[top], strict=True)]
        pivots.append(column)
    return matrix, pivots


def _rank(rows: list[list[Fraction]]) -> int:
    return len(_echelon(rows)[1])


def _smallest(exponents: Sequence[Fraction]) -> Exponents:
    """The same group with the smallest whole exponents: (L/g)^(1/2) / t becomes L / (g t^2)."""
    whole = [value * lcm(*(value.denominator for value in exponents)) for value in exponents]
    common = gcd(*(int(value) for value in whole)) or 1
    return tuple(value / common for value in whole)


def _either_way(group: Exponents) -> Exponents:
    return max(group, tuple(-value for value in group))


def _price(basis: Scaling) -> Fraction:
    """How complicated a basis is: the sizes and denominators of its exponents, and how many there are."""
    rows = (basis.prefactor, *basis.invariants)
    return sum((abs(p) + p.denominator for row in rows for p in row if p), Fraction(0))


def _varied(ranked: list[tuple[tuple[int, ...], Scaling]]) -> list[tuple[tuple[int, ...], Scaling]]:
    """The bases reordered so that every product in front comes once before any comes again."""
    rounds: list[tuple[int, int]] = []
    seen: dict[Exponents, int] = {}
    for order, (_, basis) in enumerate(ranked):
        turn = seen.get(basis.prefactor, 0)
        seen[basis.prefactor] = turn + 1
        rounds.append((turn, order))
    return [ranked[order] for _, order in sorted(rounds)]
