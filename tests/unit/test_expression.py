"""Formula trees: values, exact derivatives by the free constants, constants replaced, sympy and back."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch
from hypothesis import assume, given, settings

from kansym.errors import FormulaError
from kansym.symbolic.expression import Constant, Expression, Tape, Variable, call, multiply, raise_to, whole
from kansym.symbolic.labels import exact, read_label
from kansym.symbolic.parser import parse
from kansym.symbolic.simplify import same_values, simplify_in_child
from kansym.symbolic.sympy_form import from_sympy, to_sympy
from kansym.symbolic.torch_form import to_torch
from tests.formulas import POINTS, disagreement, expressions

NAMES = ("x", "y", "z")
FORMULA = "2.0*x*exp(-0.5*y**2) + 1.5*sqrt(z + 3.0)/(x + 4.0) - cos(0.7*x)"


def test_values_are_those_of_the_arithmetic() -> None:
    x, y, z = POINTS.T
    expected = 2 * x * np.exp(-0.5 * y**2) + 1.5 * np.sqrt(z + 3) / (x + 4) - np.cos(0.7 * x)
    np.testing.assert_allclose(parse(FORMULA, NAMES).evaluate(POINTS), expected, rtol=1e-13)


def test_a_constant_formula_gives_one_value_for_every_row() -> None:
    assert Constant(2.5).evaluate(POINTS).tolist() == [2.5] * len(POINTS)


def test_outside_the_real_domain_the_value_is_nan_without_a_warning() -> None:
    assert np.isnan(call("log", Variable(0)).evaluate(np.array([[-1.0]])))[0]


def test_the_jacobian_equals_central_differences() -> None:
    tape = Tape(parse(FORMULA, NAMES))
    _, columns = tape.jacobian(POINTS, tape.start)
    for place in range(len(tape.start)):
        step = np.zeros_like(tape.start)
        step[place] = 1e-6
        difference = (tape.values(POINTS, tape.start + step) - tape.values(POINTS, tape.start - step)) / 2e-6
        np.testing.assert_allclose(columns[:, place], difference, rtol=1e-6, atol=1e-8)


def test_many_sets_of_constants_are_evaluated_together() -> None:
    formula = parse(FORMULA, NAMES)
    tape = Tape(formula)
    starts = np.stack([tape.start, tape.start * 1.1])
    together, slopes = tape.jacobian(POINTS, starts)
    for row, start in enumerate(starts):
        alone, slope = tape.jacobian(POINTS, start)
        np.testing.assert_allclose(together[row], alone)
        np.testing.assert_allclose(slopes[row], slope)
        np.testing.assert_allclose(formula.with_constants(start).evaluate(POINTS), alone)


def test_replacing_constants_keeps_labelled_ones() -> None:
    formula = parse("pi*x + 2.0*y + 3", NAMES).with_constants([5.0])
    assert formula == parse("pi*x + 5.0*y + 3", NAMES)


def test_variables_are_substituted_by_formulas() -> None:
    formula = parse("x + y", NAMES[:2]).substitute([parse("y*2", NAMES), whole(1)])
    assert same_values(formula, parse("2*y + 1", NAMES), POINTS)


def test_complexity_counts_nodes() -> None:
    assert parse("sin(x) + y", NAMES).complexity == 4
    assert parse("x**2", NAMES).complexity == 2


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("x**0.3", 3), ("2.5*x**0.3*y**0.7", 9), ("exp(0.3*log(x) + 0.7*log(y) + z)", 10), ("x**y", 3),
        ("exp(log(x)**2)", 4),
    ],
)  # fmt: skip
def test_powers_count_as_they_are_written(text: str, nodes: int) -> None:
    assert parse(text, NAMES).complexity == nodes


@settings(max_examples=150)
@given(expressions)
def test_torch_has_the_same_values(expression: Expression) -> None:
    values = to_torch(expression)(torch.tensor(POINTS)).detach().numpy()
    assert disagreement(expression, values) == ""


def test_the_torch_form_is_differentiable_in_its_constants() -> None:
    formula = parse(FORMULA, NAMES)
    module = to_torch(formula)
    module(torch.tensor(POINTS)).sum().backward()
    tape = Tape(formula)
    assert module.constants.grad is not None
    np.testing.assert_allclose(module.constants.grad.numpy(), tape.jacobian(POINTS, tape.start)[1].sum(axis=0))


@settings(max_examples=60)
@given(expressions)
def test_sympy_and_back_keeps_the_values(expression: Expression) -> None:
    try:
        read = from_sympy(to_sympy(expression, NAMES), NAMES)
    except FormulaError:
        # sympy found a complex number in it: then no row has a real value here either.
        assume(not any(np.isinf(node.evaluate(POINTS)).any() for node in expression.walk()))
        assert not np.isfinite(expression.evaluate(POINTS)).any()
        return
    assert disagreement(expression, read.evaluate(POINTS)) == ""


@pytest.mark.parametrize("name", ["N", "E", "lambda", "T [K]", "__import__('os').getpid()", "x y", "\\input{x}"])
def test_any_name_makes_a_symbol_and_comes_back(name: str) -> None:
    formula = multiply(Constant(2.0), raise_to(Variable(0), Fraction(3, 2)))
    assert from_sympy(to_sympy(formula, [name]), [name]) == formula


@pytest.mark.parametrize("foreign", [sympy.I, sympy.oo, sympy.nan, sympy.gamma(sympy.Symbol("x")), sympy.Symbol("q")])
def test_what_has_no_counterpart_is_refused(foreign: sympy.Expr) -> None:
    with pytest.raises(FormulaError):
        from_sympy(foreign, NAMES)


@pytest.mark.parametrize(
    ("label", "value"),
    [("2", 2.0), ("-3/2", -1.5), ("pi/2", np.pi / 2), ("sqrt(2)/2", np.sqrt(0.5)), ("1/pi", 1 / np.pi), ("E", np.e),
     ("3*pi/(2*E**2)", 1.5 * np.pi / np.e**2), ("4*pi**2", 4 * np.pi**2)],
)  # fmt: skip
def test_labels_are_exact_numbers(label: str, value: float) -> None:
    assert exact(label).value == pytest.approx(value, rel=1e-15)
    assert read_label(exact(label).label or "") == read_label(label)
    assert float(to_sympy(exact(label), ())) == pytest.approx(value, rel=1e-15)


@pytest.mark.parametrize(
    "label", ["", "x", "2.5", "pi pi", "2*", "/2", "__import__('os')", "9**9999", "1/0", "(2", "2)"]
)
def test_other_labels_are_refused(label: str) -> None:
    with pytest.raises(FormulaError):
        exact(label)


def test_simplify_finds_an_identity_in_its_child() -> None:
    formula = parse("sin(x)**2*y + cos(x)**2*y + z", NAMES)
    found = simplify_in_child(formula, 30.0)
    assert found is not None and found.complexity < formula.complexity and same_values(formula, found)


def test_simplify_gives_up_when_its_time_is_up() -> None:
    assert simplify_in_child(parse("sin(x)**2 + cos(x)**2", NAMES), 0.01) is None


def test_numbers_and_formulas_combine_on_either_side() -> None:
    x, rows = Variable(0), np.array([[0.5], [2.0]])
    for formula, expected in ((3.0 - x, 3 - rows), (-x, -rows), (6.0 / x, 6 / rows), (x - 1.0, rows - 1)):
        np.testing.assert_allclose(formula.evaluate(rows), expected[:, 0])
