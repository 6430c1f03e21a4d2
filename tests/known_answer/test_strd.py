"""NIST's certified nonlinear regressions: all 27, with the form given, from the far start and from the near one."""

import numpy as np
import pytest

from kansym.errors import FormulaError
from kansym.experiments import strd
from kansym.experiments.strd import NAMES
from kansym.symbolic.constants import Rows
from kansym.symbolic.given_form import GivenFit, fit_given
from kansym_datasets import catalogue

EXTENDED = np.finfo(np.longdouble).eps < 1e-18


def printed_rows(name: str) -> Rows:
    table = catalogue.printed(name)
    return Rows(table[:, :-1], table[:, -1])


def fit_set(name: str, start: int) -> GivenFit:
    return strd.fit_set(catalogue.card(name), printed_rows(name), start)


LINE = Rows(np.arange(6.0)[:, None], np.array([1.0, 3.1, 4.9, 7.0, 9.1, 10.9]))


def test_all_27_sets_are_there() -> None:
    assert len(NAMES) == 27 and {card.name for card in map(catalogue.card, catalogue.names()) if card.strd} == set(
        NAMES
    )


@pytest.mark.parametrize("start", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_certified_digits_are_reached(name: str, start: int) -> None:
    parameters, errors = strd.digits(catalogue.card(name), fit_set(name, start))
    assert parameters >= 6
    # Lanczos1 leaves residuals of 1e-13: its standard errors need more digits than 64-bit floats have.
    assert errors >= (4 if EXTENDED or name != "lanczos1" else 3)


@pytest.mark.parametrize("name", NAMES)
def test_the_residual_sum_and_the_freedom_are_the_certified_ones(name: str) -> None:
    certified = catalogue.card(name).strd
    assert certified is not None
    fit = fit_set(name, 2)
    assert fit.residual_sum == pytest.approx(certified.rss, rel=1e-6 if EXTENDED or name != "lanczos1" else 1e-2)
    assert fit.freedom == certified.dof


def test_the_fitted_expression_draws_the_same_curve_as_the_parameters() -> None:
    fit, rows = fit_set("misra1d", 1), printed_rows("misra1d")
    b1, b2 = fit.parameters["b1"], fit.parameters["b2"]  # b2 occurs twice
    x = rows.inputs[:, 0].astype(float)
    assert fit.expression.evaluate(rows.inputs.astype(float)) == pytest.approx(b1 * b2 * x / (1 + b2 * x), rel=1e-12)


def test_the_best_of_several_starts_wins() -> None:
    card, rows = catalogue.card("misra1a"), printed_rows("misra1a")
    assert card.strd is not None
    fit = fit_given(card.law, card.inputs, ["b1", "b2"], rows, [(0.0, -1.0), card.strd.start2])
    assert fit.start == 1
    assert fit.parameters["b1"] == pytest.approx(card.strd.certified[0], rel=1e-8)


def test_a_number_in_the_form_is_not_fitted() -> None:
    fit = fit_given("2.5*x + b", ("x",), ("b",), LINE, [(0.0,)])
    assert fit.expression.free_constants[0].value == 2.5
    assert fit.parameters["b"] == pytest.approx(float(np.mean(LINE.target - 2.5 * LINE.inputs[:, 0])), rel=1e-12)


def test_weights_count_as_repeated_rows_do() -> None:
    weights = np.array([1.0, 2.0, 1.0, 3.0, 1.0, 1.0])
    repeated = LINE.take(np.repeat(np.arange(6), weights.astype(int)))
    weighted = fit_given("a*x + b", ("x",), ("a", "b"), Rows(LINE.inputs, LINE.target, weights), [(1.0, 0.0)])
    plain = fit_given("a*x + b", ("x",), ("a", "b"), repeated, [(1.0, 0.0)])
    assert weighted.parameters["a"] == pytest.approx(plain.parameters["a"], rel=1e-12)
    assert weighted.residual_sum == pytest.approx(plain.residual_sum, rel=1e-10)


def test_a_parameter_that_the_rows_do_not_determine_has_no_standard_error() -> None:
    fit = fit_given("(a + c)*x + b", ("x",), ("a", "b", "c"), LINE, [(1.0, 0.0, 1.0)])
    assert all(np.isnan(error) for error in fit.standard_errors.values())


@pytest.mark.parametrize(
    ("form", "parameters", "starts", "message"),
    [
        ("a*x", ("a", "b"), [(1.0, 1.0)], "parameter 'b' does not occur"),
        ("a*x", ("a", "x"), [(1.0, 1.0)], "parameter 'x' is also a column"),
        ("a*x + b", ("a", "b"), [(1.0,)], "each start needs one number per parameter"),
        ("a*x + b", ("a", "b"), [], "each start needs one number per parameter"),
        ("sqrt(-1 - a**2)*x + b", ("a", "b"), [(-1.0, 0.0)], "is not finite on the rows from any start"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(form: str, parameters: tuple, starts: list, message: str) -> None:
    with pytest.raises(FormulaError, match=message.replace("(", r"\(")):
        fit_given(form, ("x",), parameters, LINE, starts)


def test_more_parameters_than_rows_are_refused() -> None:
    with pytest.raises(FormulaError, match="2 rows cannot determine 2 parameters"):
        fit_given("a*x + b", ("x",), ("a", "b"), LINE.take(np.arange(2)), [(1.0, 1.0)])
