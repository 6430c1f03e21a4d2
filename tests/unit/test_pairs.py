"""Two halves: the listing of short expressions, the scores of pairs, and laws of two columns."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Call, Constant, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.listing import listing
from kansym.symbolic.pairs import JOINS, best_pairs, expression_of, halves, loosened

Array = np.ndarray
Box = tuple[tuple[float, float], tuple[float, float]]


def points(box: Box, rows: int = 400) -> Array:
    low, high = np.array(box, dtype=float).T
    return np.random.default_rng(5).uniform(low, high, (rows, 2))


def test_a_listing_holds_distinct_finite_columns_of_its_trees() -> None:
    x = points(((0.5, 3.0), (0.5, 3.0)), 60)
    found = listing(x, 800)
    assert len(found.trees) == len(found.values) == len(found.complexity) >= 500
    assert np.all(np.isfinite(found.values))
    for at in range(0, len(found.trees), 37):
        assert found.trees[at].evaluate(x) == pytest.approx(found.values[at], rel=1e-9)
    shapes = {np.round(values / np.max(np.abs(values)), 8).tobytes() for values in found.values}
    assert len(shapes) == len(found.trees)


def test_a_listing_never_nests_waves_in_waves() -> None:
    found = listing(points(((0.5, 3.0), (0.5, 3.0)), 60), 3000)
    for tree in found.trees:
        waves = [node for node in tree.walk() if isinstance(node, Call) and node.name in ("sin", "cos")]
        assert all(not any(inner in waves for inner in wave.argument.walk()) for wave in waves)


@pytest.mark.parametrize("join", ["sum", "product", "shifted", "quotient"])
def test_the_score_of_a_pair_is_the_misfit_of_its_least_squares(join: str) -> None:
    x = points(((0.5, 3.0), (0.5, 3.0)), 80)
    found = listing(x, 60)
    target = np.sin(x[:, 0]) * x[:, 1] ** 2 + 0.3 * np.random.default_rng(0).normal(size=80)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, 80)
    weights /= weights.mean()
    for pair in best_pairs(found, target, weights, 80, (join,), 5):
        formula = expression_of(pair, found, x, target, weights)
        assert formula is not None
        misfit = np.average((formula.evaluate(x) - target) ** 2, weights=weights)
        spread = np.average((target - np.average(target, weights=weights)) ** 2, weights=weights)
        nodes = found.complexity[pair.first] + found.complexity[pair.second]
        scored = np.exp(2.0 / 80 * (pair.cost - 2.0 * nodes))
        if join == "quotient":  # scored by how the numerator is drawn, which is another scale
            assert scored >= 0
        else:
            assert misfit / spread == pytest.approx(scored, rel=1e-6)


LAWS: tuple[tuple[str, Callable[[Array, Array], Array], Box], ...] = (
    ("grating", lambda n, t: np.sin(n * t / 2) ** 2 / np.sin(t / 2) ** 2, ((1, 5), (1, 5))),
    ("langevin", lambda x, y: 1 / np.tanh(x) - 1 / x + y, ((0.5, 4), (-1, 1))),
    ("chirp", lambda x, y: np.sin(x**2 + y) / (1 + x), ((0, 2), (-1, 1))),
    ("growth", lambda x, y: np.log(1 + x**2 + y) * y, ((-2, 2), (0.5, 3))),
)


@pytest.mark.parametrize(("law", "box"), [item[1:] for item in LAWS], ids=[item[0] for item in LAWS])
def test_a_law_of_two_halves_is_found(law: Callable[[Array, Array], Array], box: Box) -> None:
    x = points(box)
    rows = Rows(x, law(*x.T))
    for under_one_link in halves(rows, clean=True):
        if any(mean_square(formula, rows) < (1e-9 * np.std(rows.target)) ** 2 for formula in under_one_link):
            return
    pytest.fail("no link showed the law")


def test_a_law_of_two_halves_is_found_under_noise() -> None:
    x = points(((0, 3), (0, 3)), 800)
    clean = np.exp(-x[:, 0] * x[:, 1]) * np.sin(x[:, 1])
    noisy = Rows(x, clean + 0.01 * np.sqrt(np.mean(clean**2)) * np.random.default_rng(3).normal(size=800))
    first = next(halves(noisy, clean=False))
    nearest = min(mean_square(formula, Rows(x, clean)) for formula in first)
    assert nearest < (2e-3 * np.std(clean)) ** 2


def test_few_rows_are_left_alone() -> None:
    x = points(((1, 2), (1, 2)), 10)
    assert list(halves(Rows(x, x[:, 0]), clean=True)) == []


def test_every_link_names_joins_that_exist() -> None:
    assert {join for joins in JOINS.values() for join in joins} == {"sum", "product", "shifted", "quotient"}


def test_loosening_frees_every_number_and_keeps_the_values() -> None:
    x = Variable(0)
    formula = add(whole(1), raise_to(x, Fraction(2)), call("exp", multiply(whole(-1), x)))
    free = loosened(formula)
    inputs = np.linspace(0.1, 2, 7)[:, None]
    assert free.evaluate(inputs) == pytest.approx(formula.evaluate(inputs))
    assert all(node.label is None for node in free.walk() if isinstance(node, Constant))
    assert len(free.free_constants) >= 3
