"""Groups and the product in front follow from the units alone."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.data.dimensions import Dimension, Dimensions, parse_unit
from kansym.structure.dimensions import scalings


def of(target: str, *inputs: str) -> Dimensions:
    return Dimensions(tuple(parse_unit(unit) for unit in inputs), parse_unit(target))


def product(dimensions: Dimensions, exponents: tuple[Fraction, ...]) -> Dimension:
    total = Dimension()
    for dimension, power in zip(dimensions.inputs, exponents, strict=True):
        total = total * dimension**power
    return total


def test_a_pendulum_swings_as_the_root_of_length_over_gravity() -> None:
    found = scalings(of("s", "m", "m/s^2", "kg"))
    assert [(basis.prefactor, basis.invariants) for basis in found] == [((Fraction(1, 2), Fraction(-1, 2), 0), ())]


def test_a_pendulum_with_an_angle_has_the_angle_as_its_only_group() -> None:
    found = scalings(of("s", "m", "m/s^2", "rad"))
    assert [basis.invariants for basis in found] == [((0, 0, 1),)]


def test_planck_radiation_depends_on_one_group() -> None:
    dimensions = of("W/(m^2*Hz*sr)", "Hz", "K", "J*s", "J/K", "m/s")
    found = scalings(dimensions)
    assert len(found) > 1
    group = (1, -1, 1, -1, 0)  # h nu / (k T)
    for basis in found:
        assert len(basis.invariants) == 1
        assert basis.invariants[0] in (group, tuple(-p for p in group))


def test_drag_depends_on_the_reynolds_number() -> None:
    found = scalings(of("N", "kg/m^3", "m/s", "m", "Pa*s"))
    plain = [basis.invariants for basis in found if basis.prefactor == (1, 2, 2, 0)]
    assert plain in ([((-1, -1, -1, 1),)], [((1, 1, 1, -1),)])
    assert len({basis.prefactor for basis in found}) > 1


def test_a_missing_constant_leaves_no_basis() -> None:
    assert scalings(of("N", "kg", "kg", "m")) == []


def test_base_dimensions_of_the_users_own_are_used() -> None:
    assert scalings(of("apples", "apples/day", "h"))[0].prefactor == (1, 1)


UNITS = st.sampled_from(["m", "kg", "s", "m/s", "J", "N", "1", "V", "K", "m^(1/2)", "Pa", "J/K", "m^-3"])


@given(st.lists(UNITS, min_size=1, max_size=6), st.lists(st.integers(-2, 2), min_size=6, max_size=6))
def test_every_basis_has_the_target_in_front_and_pure_independent_groups(units: list[str], powers: list[int]) -> None:
    inputs = tuple(parse_unit(unit) for unit in units)
    target = Dimension()
    for dimension, power in zip(inputs, powers, strict=False):
        target = target * dimension**power
    dimensions = Dimensions(inputs, target)
    found = scalings(dimensions)
    assert 1 <= len(found) <= 8
    bases = sorted({base for dimension in inputs for base, _ in dimension.powers})
    matrix = np.array([[float(d.exponent(base)) for d in inputs] for base in bases]).reshape(len(bases), len(inputs))
    free = len(inputs) - (np.linalg.matrix_rank(matrix) if matrix.size else 0)
    for basis in found:
        assert product(dimensions, basis.prefactor) == target
        assert all(product(dimensions, group).pure for group in basis.invariants)
        groups = np.array([[float(p) for p in group] for group in basis.invariants]).reshape(-1, len(inputs))
        assert len(groups) == free == (np.linalg.matrix_rank(groups) if groups.size else 0)


@pytest.mark.parametrize("most", [1, 3])
def test_no_more_bases_come_than_asked_for(most: int) -> None:
    assert len(scalings(of("N", "m", "m", "m", "N", "N"), most)) == most
