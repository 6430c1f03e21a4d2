"""How formulas are written: values kept, nothing longer, the same again when asked again, and as a textbook has it."""

import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

from kansym.symbolic.constants import Rows
from kansym.symbolic.exact import tidy
from kansym.symbolic.expression import Constant, Expression, Sum, Variable
from kansym.symbolic.parser import parse
from kansym.symbolic.reading import key, written_length
from kansym.symbolic.simplify import same_values
from kansym.symbolic.text import to_text
from kansym.symbolic.textbook import textbook, unfolded
from tests.formulas import POINTS, expressions

NAMES = ("a", "b", "c", "d", "e", "f")
_DRAWS = np.random.default_rng(0)
# c is larger than b and a, so that roots of c**2 - b**2 are real; all columns are positive.
POSITIVE = np.column_stack([_DRAWS.uniform(low, low + 2, 60) for low in (1, 2, 5, 1, 2, 1)])
MIXED = _DRAWS.uniform(-2, 2, (60, 6))

CASES = {
    "c*(a - b*d)/sqrt(c**2 - b**2)": "(a - b*d)/sqrt(1 - (b/c)**2)",
    "d*sqrt((c**2*d - a*b)**2/(c**2*d**2*(c - b)*(c + b)))": "(d - a*b/c**2)/sqrt(1 - (b/c)**2)",
    "a*c/sqrt(c**2/b**2 - 1)": "a*b/sqrt(1 - (b/c)**2)",
    "2*a*sqrt(b/a)*cos(c) + a + b": "2*sqrt(a*b)*cos(c) + a + b",
    "sqrt(a**2*c**2/b**2 - pi**2)/c": "sqrt((a/b)**2 - (pi/c)**2)",
    "2*pi*sqrt(a**3/(b*(c + d)))": "2*pi*a**(3/2)/sqrt(b*(c + d))",
    "sqrt(2)*sqrt(a + 1/2)": "sqrt(2*a + 1)",
    "-1*(1/(1 - cos(b)))*(cos(a*b) - 1)": "(1 - cos(a*b))/(1 - cos(b))",
    "(a**2 - 1)/(-a*cos(b) - 1)": "(1 - a**2)/(a*cos(b) + 1)",
    "b*exp(-asinh(a/b))": "sqrt(a**2 + b**2) - a",
    "log(a) - log(b)": "log(a/b)",
    "a*sinc(a)": "sin(a)",
    "a**2/(2 - 2*cos(b) - sin(b)**2)": "a**2/(cos(b) - 1)**2",
    "a**2/(cos(2*b) - 4*cos(b) + 3)": "a**2/(2*(cos(b) - 1)**2)",
    "sqrt(exp(-(a/b)**2))/a": "exp(-(a/b)**2/2)/a",
    "-2*a*log(b/c)": "2*a*log(c/b)",
    "d - a*log(b*c/e)": "a*log(e/(b*c)) + d",
    "a*sqrt(2*b)/(2*sqrt(c))": "a*sqrt(b/(2*c))",
    "1/(1/a + 1/b)": "a*b/(a + b)",
    "d*sqrt((a - b)**2 + c**2*d**2)": "sqrt(c**2*d**4 + d**2*(a - b)**2)",
    "sqrt(a**2 - 2*a*b + b**2 + e)": "sqrt((a - b)**2 + e)",
    "a*b**2/2 - a*b*c + a*c**2/2": "a*(b - c)**2/2",
    "a/(2*a*b - a**2 - b**2 + 2*d*e - d**2 - e**2)": "-a/((a - b)**2 + (d - e)**2)",
    "f/(b**2*(a/b - (a/b)**2/2 - (c/b)**2/2 - (d/b)**2/2 + c*d/b**2 - 1/2))": "-2*f/((a - b)**2 + (c - d)**2)",
    "10*(a**2 - a*b/5 + 2)/(a**2 + 2)": "10 - 2*a*b/(a**2 + 2)",
    "(a**2 + 3*a + 1)/(a + 3)": "a + 1/(a + 3)",
    "2.7*(a - 2.3*b**2 + c)/(a + c)": "2.7 - 6.21*b**2/(a + c)",
    "a*b + a*c + d": "a*(b + c) + d",
    "a*b + a*c + d*e + d*f": "a*(b + c) + d*(e + f)",
    "9.81*b*e - b*(d**2 - c**2 + 19.62*f)/2 + a": "b*(c**2 - d**2 + 19.62*(e - f))/2 + a",
    "pi*sqrt((a**2 - b**2)**2 + c**2*(a + b)**2)": "pi*sqrt((a - b)**2 + c**2)*(a + b)",
    "-2*a*(exp(b*d - b*c)*sinh(b*c - b*d) + exp(b*d - b*c) - 1)": "a*(exp(b*(d - c)) - 1)**2",
    "2*a*(cosh(b) - 1)*exp(-b)/c": "a*(exp(-b) - 1)**2/c",
    "a/(cos(2*b) + 1)": "a/(2*cos(b)**2)",
    "a*(1 - cos(2*b))": "2*a*sin(b)**2",
    "c*(1 - cos(a))/(cos(a) + 1)": "c*tan(a/2)**2",
    "c*sin(a)**2/(a**2*(cos(a) + 1))": "c*(1 - cos(a))/a**2",
    "sin(b)**4/(1 - cos(b))**2": "(cos(b) + 1)**2",
    "sqrt((1 - cos(b/2))/(cos(b/2) + 1))": "tan(b/4)",
    "(tanh(c*log(a/b)/2) + 1)/2": "1/((b/a)**c + 1)",
    "(1 - tanh(a/2))/2": "1/(exp(a) + 1)",
    "3/tanh(a/2) - 3": "6/(exp(a) - 1)",
    "(exp(2*a*b) - 1)/(exp(2*a*b) + 1)": "tanh(a*b)",
    "b*(1 - exp(a))/(exp(a) + 1)": "-b*tanh(a/2)",
    "sqrt(a/(2/(exp(4*pi*b/a) - 1) + 1))": "sqrt(a*tanh(2*pi*b/a))",
    "3.5 - 7/(exp(a*b) + 1)": "3.5*tanh(a*b/2)",
    "(a**3*b**7)**(1/10)": "a**(3/10)*b**(7/10)",
    "a*sqrt(b**2/(c**2 - b**2) + 1)": "a/sqrt(1 - (b/c)**2)",
    "d/(1 - 2*a/(a + c))": "d*(a + c)/(c - a)",
    "a*exp(b/(c - b) + 1)": "a*exp(c/(c - b))",
    "2*(a*b + 3/2)/(3*(1 + a*b/3))": "2 - 3/(a*b + 3)",
    "2.5*(a + 3.75)/(a + 1.5)": "5.625/(a + 1.5) + 2.5",
}
PLAIN = [
    "sqrt(a**2 + b**2)",
    "sqrt(c**2 - a**2)",
    "a*b/(a + b)",
    "(1 - a)/(a + 1)",
    "(c**2 - 1)/(c**2 + 2)",
    "a*sqrt(a + 1)",
    "exp(-a**2/2)/sqrt(2*pi)",
    "2.5*a + 1.5",
    "a*exp(-b)*sinh(b)",
    "a*b + c*d + e",
    "a*(1 - cos(b))",
    "1 - tanh(a - b)",
    "b + 5*log(a)/log(10) - 5",
    "log(a**3 + a**2 + a + 1)",
    "3*a**2 + 2*a + 1",
]


def written(text: str, points: np.ndarray = POSITIVE) -> str:
    return to_text(textbook(parse(text, NAMES), points), NAMES)


@pytest.mark.parametrize("text", CASES)
def test_a_formula_is_written_as_a_textbook_has_it(text: str) -> None:
    assert written(text) == CASES[text]


@pytest.mark.parametrize("text", PLAIN)
def test_a_plain_formula_stays_as_it_is(text: str) -> None:
    assert written(text) == to_text(parse(text, NAMES), NAMES)


def test_a_root_of_a_square_stays_where_the_base_has_both_signs() -> None:
    assert written("sqrt(b*(a - 1)**2)/(a - 1)", np.abs(MIXED)) != "sqrt(b)"
    assert written("sqrt(b*(a + 1)**2)/(a + 1)", np.abs(MIXED)) == "sqrt(b)"


def test_a_root_of_a_square_opens_with_the_sign_that_the_rows_say() -> None:
    rows = POSITIVE * [-1, 1, 1, 1, 1, 1]
    assert written("sqrt(a**2*b)/a", rows) == "-sqrt(b)"
    assert written("sqrt(b*(a - b)**2)/(a - b)", rows) == "-sqrt(b)"


def test_free_constants_stay_free_and_become_no_more() -> None:
    formula = parse("2.5*sqrt(3.1*a**2 + 1.2*b**2)", NAMES)
    found = textbook(formula, POSITIVE)
    assert 0 < len(found.free_constants) <= 2
    assert same_values(formula, found, POSITIVE)


def test_exact_numbers_stay_exact() -> None:
    found = textbook(parse("sqrt(2)*pi*sqrt(a + b/2)/3", NAMES), POSITIVE)
    assert not found.free_constants
    assert to_text(found, NAMES) == "pi*sqrt(2*a + b)/3"


def test_a_function_of_an_inverse_function_is_algebra_after_a_fit() -> None:
    formula = parse("1.7320508075688772*b*exp(-asinh(0.5773502691896258*a/b))", NAMES)
    opened = unfolded(formula, POSITIVE)
    assert opened is not None
    fit = tidy(opened, Rows(POSITIVE, formula.evaluate(POSITIVE)))
    assert to_text(textbook(fit.expression, POSITIVE), NAMES) == "sqrt(a**2 + 3*b**2) - a"


def test_known_constants_keep_their_names_and_are_treated_as_columns() -> None:
    light = Constant(10.0, "c0")
    velocity = Variable(0)
    formula = light * velocity / (light**2 - velocity**2) ** Fraction(1, 2)
    assert to_text(textbook(formula, POSITIVE), NAMES) == "a/sqrt(1 - (a/c0)**2)"


def test_a_long_formula_is_written_in_a_few_seconds() -> None:
    sums = [f"({x}**2*{y} - {z}/{x} + 2.5*{x}*{z})" for x, y, z in ("abc", "bcd", "cde", "def", "efa")]
    formula = parse("sqrt(" + "*".join(sums[:3]) + ")/" + "/".join(sums[3:]), NAMES)
    started = time.process_time()
    textbook(formula, POSITIVE)
    assert time.process_time() - started < 6.0


def test_there_is_nothing_to_unfold_in_most_formulas() -> None:
    assert unfolded(parse("exp(-sinh(a)/b)", NAMES), POSITIVE) is None


@given(expressions)
@settings(max_examples=60, deadline=None)
def test_writing_keeps_the_values_and_makes_nothing_longer(expression: Expression) -> None:
    found = textbook(expression, POINTS)
    finite = np.isfinite(expression.evaluate(POINTS))
    values, others = expression.evaluate(POINTS)[finite], found.evaluate(POINTS)[finite]
    assert np.all(np.abs(values - others) <= 1e-9 * np.abs(values))
    assert len(found.free_constants) <= len(expression.free_constants)
    assert key(found)[0] <= key(expression)[0]


@given(expressions)
@settings(max_examples=40, deadline=None)
def test_what_is_written_well_is_not_written_again(expression: Expression) -> None:
    found = textbook(expression, POINTS)
    assert textbook(found, POINTS) == found


def test_the_length_is_that_of_the_formula_on_paper() -> None:
    lengths = {"a - b": 3, "a/b": 3, "-a": 2, "sqrt(1 - (b/c)**2)": 7, "1/a**2": 4, "pi**2*a": 4, "2*a/3": 5}
    assert {text: written_length(parse(text, NAMES)) for text in lengths} == lengths


def test_half_powers_of_an_exponential_are_written_where_no_column_stands_for_it() -> None:
    points = np.linspace(0.1, 5.0, 40)[:, None]
    formula = parse("5*exp(-x/5) + 3*sqrt(exp(-17*x/5)) + 0.2*sqrt(x + 1)", ["x"])
    assert same_values(textbook(formula, points), formula, points)


@pytest.mark.parametrize(
    "text", ["3*exp(-x/4)*sin(2*x) + 6/5", "x/10 + 4*exp(-(x - 3)**2) + 1/2", "5*exp(-x/5) - 4*exp(-1.1*x) + 1/2"]
)
def test_sums_keep_their_numbers_and_decays_stay_side_by_side(text: str) -> None:
    points = np.linspace(0.1, 5.0, 40)[:, None]
    written = textbook(parse(text, ["x"]), points)
    assert isinstance(written, Sum) and len(written.terms) == text.count(" + ") + text.count(" - 4") + 1
