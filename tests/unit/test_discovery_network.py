"""A KAN as right-hand side of differential equations."""

from dataclasses import replace

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.physics.discovery import Settings, Trajectories, Trajectory, find_equations, simulate
from kansym.physics.discovery.network import KANRates, collocated, network_paths, shot_from
from kansym.physics.discovery.rates import FormulaRates
from kansym.physics.discovery.shooting import _Normal, cut, followed_share, shoot
from kansym.physics.discovery.smoothing import smooth_paths
from kansym.symbolic.parser import parse

NAMES = ("x", "y")
LAW = [parse(text, NAMES) for text in ("y", "-2.0*x - 0.3*y")]


def oscillator(noise: float = 0.0) -> Trajectories:
    times = np.linspace(0, 6, 80)
    states = simulate(LAW, np.array([1.0, 0.5]), times, np.ones(2))
    states = states + noise * np.random.default_rng(0).standard_normal(states.shape)
    return Trajectories((Trajectory(times, states),), NAMES)


def small() -> KANRates:
    data = oscillator()
    return collocated(data, smooth_paths(data), 2, 2, steps=20, starts=1)


def quickly_followed(data, paths, pieces, budget, seed=0):
    """As `followed`, with a smaller network and fewer starts."""
    return shot_from(collocated(data, paths, 3, 2, seed, steps=30, starts=2), pieces, budget)


def test_slopes_of_a_network_are_those_of_finite_differences():
    rates, states, step = small(), np.array([[0.2, -0.4], [0.5, 0.3]]), 1e-6
    theta = rates.start
    values, by_state, by_constant = rates.slopes(states, theta)
    assert values == pytest.approx(rates.values(states, theta))
    for i, shift in enumerate(step * np.eye(2)):
        gap = (rates.values(states + shift, theta) - rates.values(states - shift, theta)) / (2 * step)
        assert by_state[:, :, i] == pytest.approx(gap, abs=1e-6)
    for i, shift in enumerate(step * np.eye(len(theta))):
        gap = (rates.values(states, theta + shift) - rates.values(states, theta - shift)) / (2 * step)
        assert by_constant[:, :, i] == pytest.approx(gap, abs=1e-6)


def test_a_network_follows_noisy_samples_to_the_noise_and_its_rates_are_the_slopes_of_its_paths():
    data = oscillator(0.02)
    paths = smooth_paths(data)
    network = quickly_followed(data, paths, cut(data, paths, np.full(2, 0.02)), Budget(60))
    assert 0.4 < network.shot.chi2 < 1.3
    times = np.linspace(1, 5, 20)
    law = np.column_stack([formula.evaluate(paths[0].value(times)) for formula in LAW])
    slopes = network_paths(network, paths)[0].slope(times)
    assert np.sqrt(np.mean((slopes - law) ** 2)) < 0.15 * np.sqrt(np.mean(law**2))


def test_the_share_of_the_samples_that_a_solution_misses_grows_with_how_early_it_runs_away():
    data = oscillator()
    after = lambda power: [parse(text, NAMES) for text in ("y", f"-2.0*x - 0.3*y + {power}*y^3")]  # noqa: E731
    shares = [followed_share(FormulaRates(law), data) for law in (LAW, after(0.1), after(0.5), after(5))]
    assert shares[0] < 1e-12
    assert shares == sorted(shares)
    assert 0.5 < shares[-1] <= 1.0


def test_the_share_that_is_missed_is_over_the_samples_that_there_are():
    """A short trajectory beside a long one, and a sample that is missing."""
    (long,) = oscillator().parts
    states = long.states[:20].copy()
    states[3, 0] = np.nan
    data = Trajectories((long, Trajectory(long.times[:20], states)), NAMES)
    assert followed_share(FormulaRates(LAW), data) < 1e-12
    wrong = [parse(text, NAMES) for text in ("y", "-2.2*x - 0.3*y")]
    missed = [simulate(wrong, part.states[0], part.times, np.ones(2)) - part.states for part in data.parts]
    squares = np.concatenate([((each / data.size) ** 2).ravel() for each in missed])
    assert followed_share(FormulaRates(wrong), data) == pytest.approx(np.nanmean(np.minimum(squares, 1.0)), rel=1e-5)


def test_the_normal_equations_with_a_spread_are_those_of_their_value():
    data = oscillator(0.02)
    rates, pieces = FormulaRates(LAW), cut(data, smooth_paths(data), np.full(2, 0.02))
    normal, theta, starts, step = _Normal(rates, pieces, 0.1, 0.02), rates.start, pieces.starts, 1e-6
    value, matrix, side = normal.equations(theta, starts)
    assert value == pytest.approx(normal.value(theta, starts))
    for i, shift in enumerate(step * np.eye(len(theta))):
        slope = (normal.value(theta + shift, starts) - normal.value(theta - shift, starts)) / (2 * step)
        assert slope == pytest.approx(2 * side[i], rel=1e-5)
    plain = _Normal(rates, pieces, 0.1, np.inf).equations(theta, starts)[1]
    assert np.diag(matrix - plain) == pytest.approx([1 / 0.02**2] * len(theta) + [0.0] * starts.size, abs=1e-6)


def test_constants_with_a_small_spread_stay_near_zero_and_with_a_large_one_follow_the_samples():
    data = oscillator(0.02)
    rates, pieces = FormulaRates(LAW), cut(data, smooth_paths(data), np.full(2, 0.02))
    free, wide, narrow = (shoot(rates, pieces, Budget(20), spread=spread).theta for spread in (np.inf, 1e3, 1e-3))
    assert wide == pytest.approx(free, rel=1e-4)
    assert np.linalg.norm(narrow) < 0.5 * np.linalg.norm(free)


@pytest.mark.slow
def test_where_no_formula_is_found_a_network_is_the_answer_and_the_notes_say_so(monkeypatch: pytest.MonkeyPatch):
    """The search is kept from finding anything, so that only the network is left."""
    from kansym.physics.discovery import equations

    monkeypatch.setattr("kansym.physics.discovery.network.STEPS", 10)
    monkeypatch.setattr(equations, "followed", quickly_followed)
    monkeypatch.setattr(equations, "searched", lambda *_: [])
    monkeypatch.setattr(equations, "_by_libraries", hobbled(equations._by_libraries))
    found = find_equations(oscillator(0.02), Settings(time_limit=120, libraries=("polynomial",)))
    assert not found.exact and found.network is not None and found.facts["network chi2"] < 1.3
    assert any("a network of" in note for note in found.notes)
    state, samples = found.curves[0], oscillator().parts[0]
    assert np.interp(samples.times, state.dense, state.solution) == pytest.approx(samples.states[:, 0], abs=0.1)


def hobbled(by_libraries):
    """Libraries whose only candidate is a straight decay."""

    def replaced(form, data, settings, judge, clock):
        pools, _, judge = by_libraries(form, data, settings, judge, clock)
        pools = [[replace(pool[0], formula=parse("-0.1*x", NAMES))] for pool in pools]
        return pools, judge.model([pool[0].formula for pool in pools], ["polynomial"] * 2), judge

    return replaced
