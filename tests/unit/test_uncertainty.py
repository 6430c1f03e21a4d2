"""The standard deviation of predictions: the textbook's for a line, and what other noise would have given."""

from pathlib import Path

import numpy as np
import pytest

import kansym
from kansym.config import STAGES, Config
from kansym.storage import load, save
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply
from kansym.symbolic.formula import Formula
from kansym.symbolic.parser import parse
from kansym.symbolic.selection import Names, Parts, formula_of

Array = np.ndarray
X = Variable(0)
LINE = add(multiply(Constant(1.0), X), Constant(0.0))


def fitted(expression: Expression, rows: Rows) -> Formula:
    parts = Parts(rows, np.arange(len(rows)), np.arange(1), np.zeros(0, int))
    return formula_of(polish(expression, rows), "test", parts, Names(("x",), "y"))


def test_a_line_has_the_uncertainty_of_the_textbook() -> None:
    x = np.random.default_rng(0).uniform(2, 9, 30)
    y = 3.0 * x - 2.0 + 0.5 * np.random.default_rng(1).normal(size=30)
    formula, at = fitted(LINE, Rows(x[:, None], y)), np.linspace(-5, 20, 11)
    residual = y - formula(x[:, None])
    variance = residual @ residual / (30 - 2)
    expected = np.sqrt(variance * (1 / 30 + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2)))
    np.testing.assert_allclose(formula.uncertainty(at[:, None]), expected, rtol=1e-9)


def test_weights_are_measurement_errors() -> None:
    x, sigma = np.linspace(0, 4, 40), np.linspace(0.1, 1.0, 40)
    y = 2.0 * x + sigma * np.random.default_rng(2).normal(size=40)
    formula = fitted(LINE, Rows(x[:, None], y, sigma**-2))
    design = np.column_stack([x, np.ones(40)]) / sigma[:, None]
    residual = (y - formula(x[:, None])) / sigma
    covariance = residual @ residual / 38 * np.linalg.inv(design.T @ design)
    at = np.column_stack([x, np.ones(40)])
    np.testing.assert_allclose(
        formula.uncertainty(x[:, None]), np.sqrt(np.sum(at @ covariance * at, axis=1)), rtol=1e-9
    )


def test_it_is_how_far_fits_of_other_noise_lie() -> None:
    decay = add(multiply(Constant(3.0), call("exp", multiply(Constant(-1.2), X))), Constant(0.5))
    x, random, at = np.linspace(0, 4, 60)[:, None], np.random.default_rng(3), np.array([[0.0], [2.0], [6.0]])
    truth = decay.evaluate(x)
    fits = [fitted(decay, Rows(x, truth + 0.05 * random.normal(size=60))) for _ in range(100)]
    told = np.mean([formula.uncertainty(at) for formula in fits], axis=0)
    np.testing.assert_allclose(np.std([formula(at) for formula in fits], axis=0), told, rtol=0.25)


def test_it_is_zero_without_constants_and_unknown_where_nothing_was_fitted() -> None:
    at = np.ones((3, 1))
    assert Formula(parse("x**2", ("x",)), ("x",), "y").uncertainty(at).tolist() == [0.0] * 3
    assert np.isnan(Formula(parse("1.5*x", ("x",)), ("x",), "y").uncertainty(at)).all()


def test_constants_that_the_rows_do_not_determine_make_it_unknown() -> None:
    x = np.linspace(1, 2, 20)[:, None]
    twice = add(multiply(Constant(1.0), X), multiply(Constant(2.0), X))
    assert np.isnan(fitted(twice, Rows(x, 3 * x[:, 0] + 0.1)).uncertainty(x)).all()


def test_a_saved_run_tells_the_same(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    x = random.uniform(1, 3, (80, 2))
    table = kansym.Dataset.from_arrays(x, 1.73421 * x[:, 0] + 0.32177 + 1e-3 * random.normal(size=80))
    result = kansym.fit(table, Config(without=tuple(stage for stage in STAGES if stage != "powers"), preset="fast"))
    read = load(save(result, tmp_path / "run"))
    told = result.formula.uncertainty(x)
    assert np.all(told > 1e-5) and np.all(told < 1e-3) and read.formula.uncertainty(x).tolist() == told.tolist()
    assert [each.covariance for each in read.front.formulas] == [each.covariance for each in result.front.formulas]


def test_the_function_of_arrays_broadcasts_also_a_constant() -> None:
    names = ("x", "y")
    assert Formula(parse("3.5", names), names, "t").numpy()(np.zeros((2, 3)), 1.0).tolist() == [[3.5] * 3] * 2
    values = Formula(parse("x - 10*y", names), names, "t").numpy()([1.0, 2.0], [[1.0], [2.0]])
    assert values.tolist() == [[-9.0, -8.0], [-19.0, -18.0]]
    with pytest.raises(kansym.errors.FormulaError, match="2 columns, 1 were given"):
        Formula(parse("x", names), names, "t").numpy()(1.0)
