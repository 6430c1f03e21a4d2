"""Conserved quantities and Lagrangians with known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kansym.errors import DataError
from kansym.physics.mechanics import conserved, conserved_along, lagrangian, terms

PLANE = ("x", "y", "px", "py")


def states(columns: int, rows: int = 300, reach: float = 1.5) -> np.ndarray:
    return np.random.default_rng(1).uniform(-reach, reach, (rows, columns))


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9))
def test_the_energy_of_an_oscillator_is_found_for_every_stiffness_and_mass(stiffness: int, mass: int):
    s = states(2)
    rates = np.column_stack([s[:, 1] / mass, -stiffness * s[:, 0]])
    (energy,) = conserved(s, rates, ("x", "p"), terms(("x", "p"), 3))
    fresh = states(2, 50, 4.0)
    ratio = energy.formula(fresh) / (fresh[:, 1] ** 2 / (2 * mass) + stiffness * fresh[:, 0] ** 2 / 2)
    assert np.ptp(ratio) < 1e-9 * abs(ratio[0]) and not energy.formula.expression.free_constants


def test_a_central_force_conserves_the_angular_momentum_too():
    s = states(4)
    rates = np.column_stack([s[:, 2], s[:, 3], -s[:, 0], -s[:, 1]])
    found = conserved(s, rates, PLANE, terms(PLANE, 2))
    assert [each.formula.text() for each in found] == ["x**2 + px**2", "y**2 + py**2", "x*py - y*px"]


def test_functions_that_nobody_named_are_proposed_by_the_network():
    s = np.random.default_rng(0).uniform(0.3, 3, (600, 2))
    rates = np.column_stack([1.5 * s[:, 0] - s[:, 0] * s[:, 1], s[:, 0] * s[:, 1] - 3 * s[:, 1]])
    (quantity,) = conserved(s, rates, ("x", "y"))
    assert quantity.formula.text() == "x + y - 3*log(x) - 3*log(y)/2"


def test_friction_leaves_nothing_conserved():
    s = states(2)
    assert conserved(s, np.column_stack([s[:, 1], -s[:, 0] - 0.2 * s[:, 1]]), ("x", "p"), terms(("x", "p"), 4)) == ()


def test_trajectories_alone_show_what_is_conserved():
    time = np.linspace(0, 5, 40)
    sizes = np.random.default_rng(2).uniform(0.5, 2, (5, 2))
    paths = [np.column_stack([a * np.sin(time + b), a * np.cos(time + b)]) for a, b in sizes]
    (energy,) = conserved_along(paths, ("x", "v"))
    assert energy.formula.text() == "x**2 + v**2"
    with pytest.raises(DataError, match="give 3"):
        conserved_along(paths[:2], ("x", "v"))


def test_wrong_shapes_are_told():
    with pytest.raises(DataError, match="one column a name"):
        conserved(states(2), states(3), ("x", "p"))
    with pytest.raises(DataError, match="2 n names"):
        lagrangian(states(2), states(2), states(2), ("x", "v"))


def test_the_lagrangian_of_a_relativistic_mass_is_found_without_a_hint():
    q, v = states(1, 600), states(1, 600, 0.9)[::-1]
    (found,) = lagrangian(q, v, (1 - v**2) ** 1.5, ("x", "v"))
    assert found.formula.text() == "x - sqrt(1 - v**2)"
    assert np.allclose(found.accelerations(q, v), (1 - v**2) ** 1.5, rtol=1e-9)


def test_a_magnetic_force_is_no_obstacle_and_total_derivatives_are_left_out():
    q, v = states(2), np.random.default_rng(5).uniform(-2, 2, (300, 2))
    names = ("x", "y", "vx", "vy")
    forces = np.column_stack([0.5 * v[:, 1], -0.5 * v[:, 0]])
    (found,) = lagrangian(q, v, forces, names, terms(names, 2))
    assert np.allclose(found.accelerations(q, v), forces, atol=1e-9)


def test_independent_parts_have_lagrangians_of_their_own():
    q, v = states(2), np.random.default_rng(5).uniform(-2, 2, (300, 2))
    found = lagrangian(q, v, -np.array([1.0, 4.0]) * q, ("x", "y", "vx", "vy"), terms(("x", "y", "vx", "vy"), 2))
    assert [each.moves for each in found] == [(0,), (1,)]
    assert np.isnan(found[0].accelerations(q, v)[:, 1]).all()


def test_friction_has_no_lagrangian_here():
    q, v = states(1), states(1)[::-1]
    assert lagrangian(q, v, -q - 0.3 * v, ("x", "v"), terms(("x", "v"), 4)) == ()
