"""Symmetries of noisy tables: those of the law are the likeliest, whatever was proposed, and none are invented."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.structure.noisy_symmetry import likelihood, likely_step
from kansym.structure.rows import Rows
from kansym.structure.surrogate import evidence
from kansym.structure.symmetry import Combination, Scaling

Array = np.ndarray
Law = Callable[..., Array]
Box = tuple[tuple[float, float], ...]


def table(law: Law, box: Box, noise: float = 0.1, rows: int = 700, seed: int = 0) -> Rows:
    draws = np.random.default_rng(seed)
    low, high = np.array(box).T
    inputs = draws.uniform(low, high, (rows, len(box)))
    target = law(*inputs.T)
    target = target + noise * np.sqrt(np.mean(target**2)) * draws.normal(size=rows)
    return Rows(inputs[:-150], target[:-150], inputs[-150:], target[-150:])


def scaling(prefactor: tuple[int, ...], *invariants: tuple[int, ...]) -> Scaling:
    return Scaling(tuple(map(Fraction, prefactor)), tuple(tuple(map(Fraction, powers)) for powers in invariants))


def test_powers_before_a_function_are_found_in_one_step() -> None:
    rows = table(lambda g, k, a, v: k * v / (a * (g - 1)), ((2, 5), (1, 5), (1, 5), (1, 5)))
    assert likely_step(rows, None) == scaling((0, 1, -1, 1), (1, 0, 0, 0))


def test_a_wrong_proposal_is_given_up_for_the_likelier_step() -> None:
    rows = table(lambda g, k, v: k * v / (g - 1), ((2, 5), (1, 5), (1, 5)))
    wrong = scaling((0, 2, 1), (1, 0, 0))
    right = scaling((0, 1, 1), (1, 0, 0))
    assert likelihood(rows, right) > likelihood(rows, wrong) + 10.0
    assert likely_step(rows, wrong) == right


@pytest.mark.parametrize(
    ("law", "box", "pair"),
    [
        (lambda x, y, z: np.exp(-0.5 * (x - y) ** 2) * z, ((0, 4), (0, 4), (1, 2)), (0, 1)),
        (lambda x, y, z: np.cos(y - z) + 0.3 * x**2, ((0, 2), (0, 3), (0, 3)), (1, 2)),
    ],
)
def test_columns_that_act_as_their_difference_are_found(law: Law, box: Box, pair: tuple[int, int]) -> None:
    rows = table(law, box, 0.05)
    step = Combination(*pair, "x", -1.0)
    assert likelihood(rows, step) > likelihood(rows, None) + 10.0
    found, left = likely_step(rows, None), rows
    while isinstance(found, Scaling):  # a power before the function may go first
        left = found.apply(left)
        found = likely_step(left, None)
    assert isinstance(found, Combination) and (found.phi, found.coefficient) == ("x", -1.0)


def test_nothing_is_invented() -> None:
    rows = table(lambda x, y: np.sin(2 * x) + np.log(x + y**2), ((0.3, 3), (0.3, 3)), 0.05)
    assert likely_step(rows, None) is None
    draws = np.random.default_rng(0)
    noise = Rows(
        draws.uniform(1, 2, (300, 2)), draws.normal(size=300), draws.uniform(1, 2, (80, 2)), draws.normal(size=80)
    )
    assert likely_step(noise, None) is None


def test_a_table_without_noise_keeps_what_was_proposed() -> None:
    rows = table(lambda x, y: x * np.exp(y), ((1, 2), (0, 2)), 0.0)
    step = Combination(0, 1, "x", 1.0)
    assert likely_step(rows, step) is step and likely_step(rows, None) is None


def test_evidence_counts_the_units_and_the_weights() -> None:
    draws = np.random.default_rng(0)
    x, noise = draws.uniform(0, 1, (300, 1)), draws.normal(size=300)
    y = np.sin(5 * x[:, 0]) + 0.1 * noise
    assert evidence(x, 10.0 * y) == pytest.approx(evidence(x, y) - 300 * np.log(10.0), abs=1e-3)
    assert evidence(x, y) > evidence(draws.uniform(0, 1, (300, 1)), y) + 50.0
    size = np.where(np.arange(300) % 2, 1.0, 10.0)
    loud = np.sin(5 * x[:, 0]) + 0.1 * size * noise
    assert evidence(x, loud, size**-2.0) > evidence(x, loud) + 50.0
    assert evidence(x, np.ones(300)) == -np.inf
