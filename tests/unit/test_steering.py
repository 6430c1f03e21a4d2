"""Steering: what may be said about a law, what is refused, and what comes of it."""

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.config import Config
from kansym.errors import FormulaError
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.exact import Known, named_form, tidy
from kansym.symbolic.expression import Constant, Expression, Tape, Variable, multiply
from kansym.symbolic.latex import to_latex
from kansym.symbolic.parser import parse
from kansym.symbolic.serial import expression_from_json, expression_to_json
from kansym.symbolic.steering import Steering, read_steering
from kansym.symbolic.steering.guess import refitted, widened
from kansym.symbolic.steering.outline import read_outline
from kansym.symbolic.steering.reductions import outline_of, reductions_of
from kansym.symbolic.steering.smooth import SmoothModel
from kansym.symbolic.steering.statements import KINDS, LOOSE, TIGHT, Points, read_statement
from kansym.symbolic.steering.template import Settings, formulas
from kansym.symbolic.text import to_text
from kansym.symbolic.torch_form import to_torch

Array = np.ndarray
XYZ = ("x", "y", "z")
LIGHT = Known("c", 299792458.0)


def box(rows: int = 400, columns: int = 3, low: float = 0.5, high: float = 3.0) -> Array:
    return np.random.default_rng(5).uniform(low, high, (rows, columns))


def relative_error(expression: Expression, rows: Rows) -> float:
    return float(np.sqrt(mean_square(expression, rows)) / np.std(rows.target))


# Derivatives


def test_the_gradient_of_a_formula_is_that_of_differences() -> None:
    x, step = box(), 1e-6
    tape = Tape(parse("exp(-x*y)/(1.5 + z**2) + sin(2.0*x)", XYZ))
    values, slopes = tape.gradient(x)
    assert values == pytest.approx(np.exp(-x[:, 0] * x[:, 1]) / (1.5 + x[:, 2] ** 2) + np.sin(2 * x[:, 0]))
    for column in range(3):
        moved = x.copy()
        moved[:, column] += step
        assert slopes[:, column] == pytest.approx((tape.gradient(moved)[0] - values) / step, abs=1e-4)


# Guesses


def test_a_guess_finds_its_constants_from_starting_values_that_are_far_off() -> None:
    x = box(columns=2)
    rows = Rows(x, 3.2 * np.exp(-0.7 * x[:, 0]) * np.cos(5.3 * x[:, 1] + 0.4))
    found = refitted([parse("2*exp(-x)*cos(5*y)", ("x", "y"))], rows, Budget(), 0)
    assert min(relative_error(each, rows) for each in found) < 1e-9


def test_a_function_of_a_guess_is_widened_by_a_factor_and_a_shift_only_where_it_has_none() -> None:
    bare, full = parse("sin(x)", XYZ), parse("sin(1.5*x)", XYZ)
    assert len(widened(bare, {0}).free_constants) == 2
    assert len(widened(full, {0}).free_constants) == 2
    assert widened(full, set()) == full


def test_the_same_guess_and_seed_give_the_same_formulas() -> None:
    x = box(columns=2)
    rows, guess = Rows(x, np.sin(x[:, 0]) * x[:, 1]), parse("2*sin(x)", ("x", "y"))
    assert refitted([guess], rows, Budget(), 3) == refitted([guess], rows, Budget(), 3)


# Templates


def test_an_outline_tells_columns_numbers_and_functions_apart() -> None:
    outline = read_outline("a*f(x) + f(y) + g(y, z) + sin(x) + 2.5", XYZ)
    assert [function.name for function in outline.functions] == ["f", "g"]
    assert outline.names == ("a", "2.5") and outline.starts == (1.0, 2.5)
    assert [each.function for each in outline.applications] == [0, 0, 1]
    filled = outline.filled([2.0, 3.0], [parse("x**2", ("x",)), parse("x*y", ("x", "y"))])
    x = box()
    expected = 2 * x[:, 0] ** 2 + x[:, 1] ** 2 + x[:, 1] * x[:, 2] + np.sin(x[:, 0]) + 3.0
    assert filled.evaluate(x) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("f(g(x))", "an unknown function inside an unknown function cannot be searched"),
        ("f(a*x)", "an unknown number inside f"),
        ("f(x) + f(x, y)", "f has 2 arguments here and 1 elsewhere"),
        ("f(x, y, z, x)", "at most 3"),
        ("a*f(x) + a(y)", "'a' is an unknown number and cannot be a function"),
        ("x(y)", "'x' is a column and cannot be a function"),
        ("f(x) + f", "'f' is an unknown function elsewhere"),
        ("f(2)", "no column in it"),
        ("f(x", "expected ')'"),
        ("f(x) +", "found the end"),
    ],
)
def test_an_outline_that_cannot_be_searched_is_refused_with_its_position(text: str, reason: str) -> None:
    with pytest.raises(FormulaError, match="position") as error:
        read_outline(text, XYZ)
    assert reason in str(error.value)


@pytest.mark.parametrize(
    ("text", "law"),
    [
        ("f(x)*g(y)", "sin(3.0*x)*(1.0 + y**2)"),
        ("exp(f(x) + g(y))/z", "exp(-0.4*x**2)*y/z"),
        ("f(x) - f(y)", "1.7*log(x) - 1.7*log(y)"),
        ("f(x*y)*z**n", "tanh(0.5*x*y)*exp(1.37*log(z))"),
        ("f(x)/(1 + g(y))", "sqrt(x)/(1 + 0.3*exp(y))"),
        ("f(x) + g(y, z)", "2.0*sin(2.3*x) + y/z"),
    ],
)
def test_the_unknown_functions_of_an_outline_are_found(text: str, law: str) -> None:
    x = box()
    rows = Rows(x, parse(law, XYZ).evaluate(x))
    found = formulas(read_outline(text, XYZ), rows, Budget(60.0), Settings())
    assert relative_error(found[0], rows) < 1e-8


def test_the_unknown_functions_of_an_outline_are_found_under_noise() -> None:
    x = box()
    clean = np.sin(3 * x[:, 0]) * (1 + x[:, 1] ** 2)
    rows = Rows(x, clean + 0.02 * clean.std() * np.random.default_rng(1).normal(size=len(x)))
    found = formulas(read_outline("f(x)*g(y)", XYZ), rows, Budget(60.0), Settings())[0]
    assert relative_error(found, Rows(x, clean)) < 0.005
    assert found.complexity < 16


def test_splines_of_an_outline_follow_a_product_that_changes_sign() -> None:
    x = box()
    model = SmoothModel.of(read_outline("f(x)*g(y, z)", XYZ), Rows(x, np.sin(3 * x[:, 0]) * np.exp(x[:, 1] / x[:, 2])))
    state, error = model.fitted(0)
    assert error < 0.05
    values, weights = model.implied(1, state.numbers, model.curves(state))
    assert np.all(np.isfinite(values)) and np.all(weights >= 0)


# Assumptions

OBEYED = [
    ("additive(x, y)", "sin(x)*z + exp(y)", "sin(x*y)"),
    ("multiplicative(x, y)", "sin(x)*exp(y)*z", "sin(x) + y"),
    ("sum(x, y)", "exp(x + y)*z", "exp(x - y)"),
    ("difference(x, y)", "cos(x - y)/z", "cos(x - 2*y)"),
    ("product(x, y)", "log(x*y) + z", "log(x/y)"),
    ("ratio(x, y)", "tanh(x/y)", "tanh(x*y)"),
    ("norm(x, y)", "1/sqrt(x**2 + y**2)", "1/sqrt(x**2 + 2*y**2)"),
    ("homogeneous(2, x, y)", "x*y*sin(x/y) + z*0", "x*y*sin(x)"),
    ("homogeneous(-1/2; x)", "z/sqrt(x)", "z/x"),
    ("even(x)", "cos(x)*y", "sin(x)*y"),
    ("odd(x)", "x**3 + sin(x)*z", "x**3 + 1"),
    ("periodic(x)", "sin(2*x)**2 + y", "x*sin(2*x)"),
    ("periodic(x, 2*pi)", "sin(x)", "sin(1.5*x)"),
    ("increasing(x)", "exp(x)*z", "cos(5*x)"),
    ("decreasing(x)", "exp(-x)*z", "exp(x)"),
    ("monotone(x)", "-log(x)", "(x - 1.5)**2"),
    ("positive", "x**2 + y", "x - y"),
    ("negative", "-x*y", "x - y"),
]


def test_every_kind_of_statement_is_tested() -> None:
    assert {text.split("(")[0] for text, _, _ in OBEYED} == set(KINDS)


@pytest.mark.parametrize(("text", "obeying", "breaking"), OBEYED)
def test_a_statement_tells_formulas_that_obey_from_those_that_break(text: str, obeying: str, breaking: str) -> None:
    statement, points = read_statement(text, XYZ), Points.of(box(), 0)
    assert statement.broken_by(parse(obeying, XYZ), points) <= TIGHT
    assert statement.broken_by(parse(breaking, XYZ), points) > TIGHT


@pytest.mark.parametrize(("text", "_", "breaking"), OBEYED)
def test_no_effect_at_all_breaks_no_statement(text: str, _: str, breaking: str) -> None:
    assert read_statement(text, XYZ).broken_by(parse("0", XYZ), Points.of(box(), 0)) <= TIGHT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("evn(x)", "did you mean 'even'"),
        ("even(q)", "no column is called 'q'"),
        ("even(x, y)", "needs 1 different columns"),
        ("additive(x)", "needs 2 or more different columns"),
        ("difference(x, x)", "different columns"),
        ("homogeneous()", "needs the degree first"),
        ("homogeneous(q, x)", "neither a column nor a number"),
        ("even x", "cannot be read"),
        ("positive(x)", "needs 0"),
    ],
)
def test_a_statement_that_cannot_be_read_is_refused(text: str, reason: str) -> None:
    with pytest.raises(FormulaError, match="--assume") as error:
        read_statement(text, XYZ)
    assert reason in str(error.value)


def test_a_column_in_backquotes_may_hold_a_comma() -> None:
    assert read_statement("even(`a, b`)", ("q", "a, b")).columns == (1,)


def test_the_obeying_part_of_a_sum_becomes_a_candidate() -> None:
    rows = Rows(box(low=-2.0, high=2.0), np.zeros(400))
    steering = Steering(statements=(read_statement("odd(x)", XYZ),))
    found = steering.admitted([(parse("1.5*x + 0.4*x**2", XYZ), "test")], rows)
    assert [to_text(expression, XYZ, 3) for expression, _ in found] == ["1.5*x"]


def test_a_formula_that_fits_better_but_breaks_a_statement_is_told() -> None:
    x = box(low=-2.0, high=2.0)
    rows, law = Rows(x, x[:, 0] ** 3), parse("x**3", XYZ)
    steering = Steering(statements=(read_statement("even(x)", XYZ),))
    note = steering.doubt([(law, "test")], parse("0", XYZ), rows)
    assert note is not None and "breaks even(x)" in note
    assert steering.doubt([(law, "test")], law, rows) is None


def test_statements_take_columns_together() -> None:
    statements = [read_statement("difference(x, y)", XYZ)]
    reduction = reductions_of(statements, 3)[0]
    assert reduction is not None
    x = box()
    rows = reduction.apply(Rows(x, np.cos(x[:, 0] - x[:, 1]) * x[:, 2]))
    assert rows is not None and rows.inputs == pytest.approx(np.column_stack([x[:, 0] - x[:, 1], x[:, 2]]))
    assert reduction.lift(parse("cos(u)*z", ("u", "z"))).evaluate(x) == pytest.approx(rows.target)


def test_a_homogeneous_law_is_searched_in_quotients() -> None:
    reduction = reductions_of([read_statement("homogeneous(2, x, y)", XYZ)], 3)[0]
    x = box()
    assert reduction is not None
    rows = reduction.apply(Rows(x, x[:, 0] * x[:, 1]))
    assert rows is not None and rows.inputs.shape == (400, 2)
    assert rows.target == pytest.approx(x[:, 1] / x[:, 0])


def test_additive_statements_give_the_outline_of_the_law() -> None:
    outline = outline_of([read_statement("additive(x, y)", XYZ), read_statement("additive(x, z)", XYZ)], 3)
    assert outline is not None
    assert [each.arity for each in outline.functions] == [1, 2]
    assert outline_of([read_statement("additive(x, y)", XYZ)], 3) is None  # z may be with either


def test_a_template_and_assumptions_cannot_be_combined() -> None:
    with pytest.raises(FormulaError, match="cannot be combined"):
        read_steering(Config(template="f(x)", assume=("even(x)",)), XYZ)


# Known constants


def test_a_fitted_number_that_is_a_known_constant_takes_its_name() -> None:
    x = box(columns=1)
    rows = Rows(x, x[:, 0] * LIGHT.value**2)
    found = tidy(multiply(Constant(9e16), Variable(0)), rows, None, (LIGHT, Known("k", 1.380649e-23))).expression
    assert to_text(found, ("m",)) == "c**2*m"
    assert found.evaluate(x) == pytest.approx(rows.target, rel=1e-15)
    assert not found.free_constants


def test_a_known_constant_within_the_standard_error_of_noisy_rows_is_recognised() -> None:
    x = box(columns=1)
    noise = 1 + 1e-4 * np.random.default_rng(2).normal(size=len(x))
    found = tidy(
        multiply(Constant(4.0), Variable(0)), Rows(x, 1.5 * 2.7182 * x[:, 0] * noise), None, (Known("q", 2.7182),)
    )
    assert to_text(found.expression, ("x",)) in ("3*q*x/2", "3*x*q/2")


def test_numbers_that_are_no_known_constant_keep_their_value() -> None:
    assert named_form(3.3333e7, 1e2, (LIGHT,)) is None
    assert named_form(2.5, 0.1, (LIGHT,)) is None


def test_a_named_constant_survives_json_latex_torch_and_a_wrong_label_does_not() -> None:
    import torch

    from kansym.errors import ModelFileError

    tree = multiply(LIGHT.constant(), Variable(0))
    assert expression_from_json(expression_to_json(tree), 1) == tree
    assert to_latex(tree, ("m",)) in (r"c \, m", "c m")
    assert float(to_torch(tree)(torch.ones(1, 1))[0]) == LIGHT.value
    with pytest.raises(ModelFileError):
        expression_from_json(["constant", 1.0, "c}\\input{x"], 1)


@pytest.mark.parametrize("text", ["c", "c=", "c=fast", "c=0", "c=inf", "2c=1", "pi=3", "sin=1", "x=1", "=4"])
def test_a_known_constant_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(FormulaError, match="--known-constants"):
        read_steering(Config(known_constants=(text,)), XYZ)


def test_a_known_constant_given_twice_is_refused() -> None:
    with pytest.raises(FormulaError, match="given twice"):
        read_steering(Config(known_constants=("c=1", "c=2")), XYZ)


def test_nothing_said_is_nothing_done() -> None:
    steering, rows = read_steering(Config(), XYZ), Rows(box(), np.ones(400))
    found = [(parse("x", XYZ), "test")]
    assert steering == Steering()
    assert steering.candidates(rows, Budget()) == []
    assert steering.admitted(found, rows) == found and steering.leave(rows) is None
    assert steering.reductions(3) == [None]
    assert LOOSE > TIGHT
