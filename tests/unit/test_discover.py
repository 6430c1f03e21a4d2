"""Discovery of differential equations, stage by stage, on systems small enough for a moment."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kansym.budget import Budget
from kansym.errors import DataError
from kansym.physics.discovery import (
    Field,
    Settings,
    Trajectories,
    Trajectory,
    find_equations,
    find_field_equations,
    simulate,
)
from kansym.physics.discovery.elimination import elimination, small_subsets
from kansym.physics.discovery.forms import FORMS, form_of
from kansym.physics.discovery.libraries import LIBRARIES, evaluated, polynomial
from kansym.physics.discovery.rates import FormulaRates
from kansym.physics.discovery.shooting import cut, noise_of, shoot
from kansym.physics.discovery.smoothing import smooth_path, smooth_paths
from kansym.symbolic.parser import parse
from kansym_datasets import dynamics, fields

NAMES = ("x", "y")
OSCILLATOR = ("y", "-2.0*x - 0.3*y")


def oscillator(samples: int = 120, noise: float = 0.0, end: float = 8.0, seed: int = 0) -> Trajectories:
    times = np.linspace(0, end, samples)
    formulas = [parse(text, NAMES) for text in OSCILLATOR]
    states = simulate(formulas, np.array([1.0, 0.5]), times, np.ones(2))
    states = states + noise * np.random.default_rng(seed).standard_normal(states.shape)
    return Trajectories((Trajectory(times, states),), NAMES)


def test_a_smooth_path_follows_clean_samples_and_tells_the_noise_of_others():
    clean, noisy = oscillator(), oscillator(400, 0.05)
    times = np.linspace(1, 7, 50)
    slopes = smooth_path(clean.parts[0]).slope(times)
    assert np.max(np.abs(slopes[:, 0] - smooth_path(clean.parts[0]).value(times)[:, 1])) < 1e-5
    assert smooth_path(noisy.parts[0]).noise == pytest.approx(0.05, rel=0.15)


@pytest.mark.parametrize("name", FORMS.names())
def test_every_form_is_met_by_the_law(name: str):
    data = oscillator(300)
    form = form_of(data, smooth_paths(data), name)
    rates = np.column_stack([parse(text, NAMES).evaluate(form.states) for text in OSCILLATOR])
    assert np.max(np.abs(form.applied(rates) - form.target)) < 1e-4 * np.max(np.abs(form.target))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True), st.integers(0, 1000))
def test_a_sum_of_few_terms_is_found_among_ten(chosen: list[int], seed: int):
    generator = np.random.default_rng(seed)
    matrix, weights = generator.standard_normal((80, 10)), generator.uniform(1, 2, len(chosen))
    target, blocks = matrix[:, chosen] @ weights, np.arange(80) // 16
    for found in (small_subsets(matrix, target, blocks, 3), elimination(matrix, target, blocks)):
        best = next(each for each in found if len(each.columns) == len(chosen))
        assert set(best.columns) == set(chosen) and best.error < 1e-6


def test_slopes_of_rates_are_those_of_finite_differences():
    rates = FormulaRates([parse(text, NAMES) for text in ("1.5*x - 0.7*x*y", "sin(2.0*x) + 0.3*y**2")])
    states, theta, step = np.array([[0.4, 1.2], [2.0, -0.3]]), rates.start, 1e-6
    values, by_state, by_constant = rates.slopes(states, theta)
    assert values == pytest.approx(rates.values(states, theta))
    for i, shift in enumerate(step * np.eye(2)):
        gap = (rates.values(states + shift, theta) - rates.values(states - shift, theta)) / (2 * step)
        assert by_state[:, :, i] == pytest.approx(gap, abs=1e-7)
    for i, shift in enumerate(step * np.eye(len(theta))):
        gap = (rates.values(states, theta + shift) - rates.values(states, theta - shift)) / (2 * step)
        assert by_constant[:, :, i] == pytest.approx(gap, abs=1e-7)


def test_shooting_finds_the_constants_and_its_standard_errors_cover_them():
    data = oscillator(300, 0.02, seed=3)
    paths = smooth_paths(data)
    rates = FormulaRates([parse("1.1*y", NAMES), parse("-1.8*x - 0.4*y", NAMES)])
    shot = shoot(rates, cut(data, paths, noise_of(data, paths)), Budget(30))
    gap = np.abs(shot.theta - np.array([1.0, -2.0, -0.3]))
    assert np.all(gap < 4 * shot.errors) and np.all(shot.errors < 0.02) and shot.gap < 0.1


def test_clean_samples_give_the_exact_equations():
    found = find_equations(oscillator(), Settings(time_limit=30))
    assert found.exact and [str(each) for each in found.equations] == ["dx/dt = y", "dy/dt = -2*x - 0.3*y"]
    assert found.equations[1].latex().startswith(r"\frac{\mathrm{d}y}{\mathrm{d}t} = ")


@pytest.mark.slow
def test_missing_samples_uneven_times_and_noise_are_no_obstacle():
    data = oscillator(400, 0.01, seed=1)
    generator = np.random.default_rng(5)
    rows = np.sort(generator.choice(400, 300, replace=False))
    states = data.parts[0].states[rows].copy()
    states[generator.random(states.shape) < 0.1] = np.nan
    found = find_equations(
        Trajectories((Trajectory(data.parts[0].times[rows], states),), NAMES), Settings(time_limit=40)
    )
    first, second = found.equations
    assert first.expression.variables == (1,) and second.expression.variables == (0, 1)
    assert second(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx([-2.0, -0.3], abs=0.03)
    assert found.noise["x"] == pytest.approx(0.01, rel=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ode-cubic2", "ode-pendulum", "ode-michaelis"])
def test_textbook_systems_are_found(name: str):
    system = dynamics.card(name)
    times = np.linspace(0, min(system.end, 6.0), 600)
    data = Trajectories((Trajectory(times, dynamics.simulate(system, system.starts[0], times)),), system.states)
    found = find_equations(data, Settings(time_limit=120))
    points = data.parts[0].states
    for equation, law in zip(found.equations, system.rates, strict=True):
        wanted = parse(law, system.states).evaluate(points)
        assert np.max(np.abs(equation(points) - wanted)) < 1e-5 * np.max(np.abs(wanted))


def test_the_same_data_give_the_same_equations():
    settings = Settings(time_limit=60, libraries=("polynomial",), search=False)
    one, two = (find_equations(oscillator(50, 0.02), settings) for _ in range(2))
    assert one.latex(None) == two.latex(None)


def test_burgers_equation_comes_out_of_a_noisy_field():
    axes, values = fields.grid("pde-burgers", 0.2)
    (equation,) = find_field_equations(Field(axes, values)).equations
    numbers = sorted(each.value for each in equation.constants)
    assert set(equation.names) == {"u", "u_x", "u_xx"} and numbers == pytest.approx([-1.0, 0.1], rel=0.1)


def test_two_solitons_give_their_equation():
    axes, values = fields.grid("pde-kdv")
    (equation,) = find_field_equations(Field(axes, values)).equations
    numbers = sorted(each.value for each in equation.constants)
    assert set(equation.names) == {"u", "u_x", "u_xxx"} and numbers == pytest.approx([-6.0, -1.0], rel=1e-3)


def test_a_clean_field_gives_its_equation_by_smoothed_derivatives_too():
    axes, values = fields.grid("pde-burgers")
    (equation,) = find_field_equations(Field(axes, values), Settings(form="derivative")).equations
    numbers = sorted(each.value for each in equation.constants)
    assert set(equation.names) == {"u", "u_x", "u_xx"} and numbers == pytest.approx([-1.0, 0.1], rel=5e-3)


def test_bad_trajectories_are_refused_in_one_line():
    times = np.linspace(0, 1, 20)
    with pytest.raises(DataError, match="never changes"):
        Trajectories((Trajectory(times, np.ones((20, 1))),), ("x",))
    with pytest.raises(DataError, match="at least"):
        Trajectories((Trajectory(times[:5], times[:5, None]),), ("x",))
    with pytest.raises(DataError, match="must rise"):
        Trajectory(times[::-1], times[:, None])


def test_libraries_give_finite_and_distinct_terms():
    states = np.random.default_rng(0).uniform(0.5, 2, (50, 2))
    for name, library in LIBRARIES.items():
        terms, values = library(states)
        assert len(terms) == values.shape[1] > 5 and np.all(np.isfinite(values)), name
    assert len(evaluated(polynomial(2, 3), states)[0]) == 10
