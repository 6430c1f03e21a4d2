"""Sparse regression: the dictionary's columns are sound, and planted pairs and triples are found among them."""

import numpy as np
import pytest

from kansym.symbolic.dictionary import features, one_variable_features, univariate
from kansym.symbolic.expression import Expression, Variable
from kansym.symbolic.sparse import Subset, best_subsets
from kansym.symbolic.text import to_text

Array = np.ndarray
NAMES = ("x", "y", "z", "w")


def draws(columns: int, rows: int = 80, low: float = 0.3, high: float = 0.9) -> Array:
    return np.random.default_rng(0).uniform(low, high, (rows, columns))


def best(subsets: list[Subset], size: int) -> Subset:
    return min((subset for subset in subsets if len(subset.columns) == size), key=lambda subset: subset.error)


def words(terms: list[Expression], subset: Subset) -> dict[str, float]:
    return {to_text(terms[i], NAMES): c for i, c in zip(subset.columns, subset.coefficients, strict=True)}


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_every_column_is_its_expression_and_finite(columns: int) -> None:
    inputs = draws(columns)
    terms, table = features(inputs)
    assert table.shape == (len(inputs), len(terms))
    assert len(terms) > 20
    assert np.all(np.isfinite(table))
    for at in range(0, len(terms), 37):
        np.testing.assert_array_equal(table[:, at], terms[at].evaluate(inputs))


def test_equal_columns_occur_once() -> None:
    _, table = features(draws(2))
    scaled = np.round(table / np.max(np.abs(table), axis=0), 9)
    assert len(np.unique(scaled, axis=1).T) == table.shape[1]


def test_functions_that_are_not_real_on_the_rows_are_left_out() -> None:
    terms, _ = one_variable_features(np.linspace(-1, 1, 30)[:, None])
    found = {to_text(term, NAMES) for term in terms}
    assert "x" in found and "sin(x)" in found
    assert not {"log(x)", "sqrt(x)"} & found


def test_the_one_variable_functions_have_no_free_constant() -> None:
    assert all(not term.free_constants for term in univariate(Variable(0)))


def test_a_constant_column_has_no_features() -> None:
    terms, table = one_variable_features(np.ones((10, 1)))
    assert terms == [] and table.shape == (10, 0)


def test_a_planted_pair_is_found() -> None:
    inputs = draws(2)
    x, y = inputs.T
    terms, table = features(inputs)
    found = best(best_subsets(table, 3.0 * np.sin(x) * y - 0.7 * y**2 + 0.4, most=2), 2)
    assert found.error < 1e-24
    assert words(terms, found) == pytest.approx({"sin(x)*y": 3.0, "y**2": -0.7}, rel=1e-6)
    assert found.constant == pytest.approx(0.4, rel=1e-6)


def test_a_pair_whose_members_are_useless_alone_is_found() -> None:
    generator = np.random.default_rng(0)
    common, small = generator.normal(size=200), 0.02 * generator.normal(size=200)
    table = np.column_stack([generator.normal(size=(200, 30)), common, common + small])
    found = best(best_subsets(table, table[:, 31] - table[:, 30], most=2), 2)
    assert found.columns == (30, 31)
    assert found.coefficients == pytest.approx((-1.0, 1.0), rel=1e-8)


def test_a_pair_that_only_helps_together_is_found_beside_the_best_column() -> None:
    generator = np.random.default_rng(1)
    first, common, small = generator.normal(size=(3, 200))
    table = np.column_stack([generator.normal(size=(200, 30)), first, common, common + 0.02 * small])
    found = best(best_subsets(table, 5.0 * first + table[:, 32] - table[:, 31], most=3), 3)
    assert found.columns == (30, 31, 32)
    assert found.coefficients == pytest.approx((5.0, -1.0, 1.0), rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_planted_triples_are_found_among_many_columns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = generator.normal(size=(150, 60))
    chosen = np.sort(generator.choice(60, 3, replace=False))
    found = best(best_subsets(table, table[:, chosen] @ [1.0, -2.0, 0.5] + 3.0, most=3), 3)
    assert found.columns == tuple(chosen)
    assert found.coefficients == pytest.approx((1.0, -2.0, 0.5))
    assert found.constant == pytest.approx(3.0)
    assert found.error < 1e-24


def test_larger_subsets_fit_no_worse() -> None:
    generator = np.random.default_rng(0)
    table, target = generator.normal(size=(60, 20)), generator.normal(size=60)
    errors = [best(best_subsets(table, target, most=4), size).error for size in (1, 2, 3, 4)]
    assert errors == sorted(errors, reverse=True)


def test_weights_hide_rows() -> None:
    generator = np.random.default_rng(0)
    table = generator.normal(size=(80, 10))
    target = 2.0 * table[:, 4] + 1.0
    target[:5] = 100.0
    weights = np.where(np.arange(80) < 5, 0.0, 1.0)
    found = best_subsets(table, target, weights, 1)[0]
    assert found.columns == (4,)
    assert found.coefficients + (found.constant,) == pytest.approx((2.0, 1.0))


def test_columns_without_spread_are_never_chosen() -> None:
    generator = np.random.default_rng(0)
    table = np.column_stack([np.ones(40), 1e6 + 1e-6 * generator.normal(size=40), generator.normal(size=40)])
    found = best_subsets(table, generator.normal(size=40), most=2)
    assert {column for subset in found for column in subset.columns} == {2}
    assert best_subsets(table[:, :1], generator.normal(size=40)) == []


def test_a_constant_target_has_no_subset() -> None:
    assert best_subsets(np.random.default_rng(0).normal(size=(20, 5)), np.full(20, 2.0)) == []


def test_columns_that_are_multiples_of_each_other_are_no_pair() -> None:
    column = np.random.default_rng(0).normal(size=40)
    found = best_subsets(np.column_stack([column, 2 * column]), column + 1.0, most=2)
    assert [len(subset.columns) for subset in found] == [1]
    assert found[0].error < 1e-24


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_a_dictionary_of_few_columns_is_searched_too(columns: int) -> None:
    table = np.random.default_rng(0).normal(size=(30, columns))
    found = best_subsets(table, table.sum(axis=1) + 2.0, most=4)
    assert min(subset.error for subset in found) < 1e-24
    assert max(len(subset.columns) for subset in found) == columns
