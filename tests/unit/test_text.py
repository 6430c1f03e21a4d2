"""Formulas as text: tidy, in sympy's syntax, and read back to the same values."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from kansym.symbolic.expression import Call, Constant, Expression, Variable, add, call, multiply, raise_to, whole
from kansym.symbolic.labels import exact
from kansym.symbolic.parser import parse
from kansym.symbolic.sympy_form import to_sympy
from kansym.symbolic.text import quoted_name, to_text
from tests.formulas import POINTS, disagreement, expressions

NAMES = ("x", "y", "z")
TIDY = [
    "x/y", "x/(y*z)", "-x", "1 - x", "x - y", "x - (y - z)*x", "x**2", "1/x", "1/x**2", "3.0/sqrt(x)", "x**(3/2)",
    "0.5*x*y**2", "x*(y - z)", "-2.5*x", "x - 2.5*y", "(x + y)**2/(x - y)", "exp(-x**2)", "pi*x/2", "sqrt(2)*x/2",
    "x**2.7", "x**y", "Abs(x)**3", "(-2.0)**2", "besselj(0, x)", "1.0 - 2e-34*x", "sin(x)**2 + cos(x)**2",
    "sqrt(x**2 + 1)",
    "(x*y)**(1/3)", "1/(exp(x) - 1)", "-(x + y)**2", "2*x/3",
]  # fmt: skip


@pytest.mark.parametrize("text", TIDY)
def test_tidy_text_is_written_as_it_was_read(text: str) -> None:
    assert to_text(parse(text, NAMES), NAMES) == text


@pytest.mark.parametrize(
    ("name", "text"),
    [("sigmoid", "1/(1 + exp(-x))"), ("planck", "1/(exp(x) - 1)"), ("gaussian", "exp(-x**2)"), ("abs", "Abs(x)"),
     ("lorentzian", "1/(1 + x**2)"), ("softplus", "log(1 + exp(x))"), ("log1p", "log(1 + x)")],
)  # fmt: skip
def test_composed_primitives_are_written_in_plain_functions(name: str, text: str) -> None:
    assert to_text(Call(name, Variable(0)), NAMES) == text


@settings(max_examples=400)
@given(expressions)
def test_text_reads_back_to_the_same_values(expression: Expression) -> None:
    text = to_text(expression, NAMES)
    assert disagreement(expression, parse(text, NAMES).evaluate(POINTS)) == "", text


@settings(max_examples=150)
@given(st.lists(st.text(min_size=1, max_size=12), min_size=3, max_size=3, unique=True))
def test_any_column_names_survive_the_round_trip(names: list[str]) -> None:
    formula = add(multiply(Constant(2.5), Variable(0)), Variable(1), multiply(exact("pi"), Variable(2)), exact("E"))
    read = parse(to_text(formula, names), names)
    assert disagreement(formula, read.evaluate(POINTS)) == ""


@pytest.mark.parametrize("names", [("pi", "E", "x"), ("N", "S", "I"), ("beta", "gamma", "zeta"), ("exp", "sin", "Abs")])
def test_names_that_sympy_takes_for_itself_are_only_names(names: tuple[str, ...]) -> None:
    formula = parse("2*x + exp(y)*pi + sin(z)", NAMES)
    assert disagreement(formula, parse(to_text(formula, names), names).evaluate(POINTS)) == ""
    assert {symbol.name for symbol in to_sympy(formula, names).free_symbols} == set(names)


def test_a_name_that_is_no_identifier_stands_in_backquotes() -> None:
    assert quoted_name("T [K]") == "`T [K]`"
    assert quoted_name("a`b") == "`a``b`"
    assert quoted_name("λ") == "λ"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_free_constants_read_back_exactly(value: float) -> None:
    formula = multiply(Constant(value), Variable(0))
    assert parse(to_text(formula, NAMES), NAMES).evaluate(POINTS).tolist() == formula.evaluate(POINTS).tolist()


def test_digits_round_the_free_constants_only() -> None:
    formula = add(multiply(Constant(2.123456789), Variable(0)), exact("pi"))
    assert to_text(formula, NAMES, 4) == "2.123*x + pi"


@pytest.mark.parametrize("text", TIDY)
def test_sympys_own_reader_agrees_where_names_are_tame(text: str) -> None:
    """Only here, on fixed text: the library itself never hands text to sympy."""
    mine = to_sympy(parse(text, NAMES), NAMES)
    theirs = sympy.sympify(text, locals={name: sympy.Symbol(name) for name in NAMES})
    point = {"x": sympy.Float(1.3, 30), "y": sympy.Float(0.7, 30), "z": sympy.Float(0.4, 30)}
    assert complex((mine - theirs).subs(point)) == pytest.approx(0, abs=1e-12)


def test_a_number_alone_is_text_too() -> None:
    assert to_text(whole(-3), ()) == "-3"


DECIMALS = {
    "23209/2": "11604.5", "6078/25": "243.12", "267/10": "26.7", "1/25": "0.04", "39/2": "19.5", "3/10": "0.3",
    "1/3": "1/3", "3/8": "3/8", "32/5": "32/5", "2/7": "2/7", "1/16": "1/16", "1000/3": "1000/3", "-981/100": "-9.81",
    "3*pi/10": "3*pi/10", "267*pi/10": "26.7*pi", "7": "7",
}  # fmt: skip


@pytest.mark.parametrize("label", DECIMALS)
def test_an_exact_number_is_a_decimal_where_that_is_no_longer_and_the_fraction_is_not_small(label: str) -> None:
    constant = exact(label)
    assert to_text(constant, []) == DECIMALS[label]
    assert parse(to_text(multiply(constant, Variable(0)), ["x"]), ["x"]).evaluate(np.array([[2.0]])) == pytest.approx(
        2.0 * constant.value, rel=1e-15
    )


def test_powers_in_an_exponential_stand_before_it() -> None:
    formula = parse("2*exp(0.3*log(x) - 0.7*log(y) + z)/w", ["x", "y", "z", "w"])
    assert to_text(formula, ["x", "y", "z", "w"]) == "2*x**0.3*y**(-0.7)*exp(z)/w"


def test_a_fitted_factor_that_is_one_to_the_digits_shown_is_left_out() -> None:
    formula = add(multiply(Constant(0.9999999999998), Variable(0)), call("cos", multiply(Constant(1.0), Variable(0))))
    assert to_text(formula, ["x"], 6) == "x + cos(x)"
    assert to_text(formula, ["x"]) == "0.9999999999998*x + cos(1.0*x)"
    assert to_text(Constant(0.99999999999), ["x"], 6) == "1"
    assert to_text(multiply(Constant(1.0), raise_to(Variable(0), Fraction(-1))), ["x"], 6) == "1/x"
