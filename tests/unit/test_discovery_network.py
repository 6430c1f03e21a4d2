"""A KAN as right-hand side of differential equations."""

from dataclasses import replace

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.physics.discovery import Settings, Trajectories, Trajectory, find_equations, simulate
from kansym.physics.discovery.network import KANRates, collocated, followed, network_paths
from kansym.physics.discovery.shooting import cut
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
    return collocated(data, smooth_paths(data), 2, 2, steps=20)


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
    network = followed(data, paths, cut(data, paths, np.full(2, 0.02)), Budget(20))
    assert 0.4 < network.shot.chi2 < 1.3
    times = np.linspace(1, 5, 20)
    law = np.column_stack([formula.evaluate(paths[0].value(times)) for formula in LAW])
    slopes = network_paths(network, paths)[0].slope(times)
    assert np.sqrt(np.mean((slopes - law) ** 2)) < 0.15 * np.sqrt(np.mean(law**2))


@pytest.mark.slow
def test_where_no_formula_is_found_a_network_is_the_answer_and_the_notes_say_so(monkeypatch: pytest.MonkeyPatch):
    """The search is kept from finding anything, so that only the network is left."""
    from kansym.physics.discovery import equations

    monkeypatch.setattr(equations, "searched", lambda *_: [])
    monkeypatch.setattr(equations, "_by_libraries", hobbled(equations._by_libraries))
    found = find_equations(oscillator(0.02), Settings(time_limit=30, libraries=("polynomial",)))
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
