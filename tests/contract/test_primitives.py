"""Every primitive keeps the same contract: one function in numpy, torch, sympy, text and LaTeX, and its true slope."""

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch

from kansym.errors import ConfigError, FormulaError
from kansym.symbolic.code.python import PYTHON
from kansym.symbolic.expression import Call, Expression, Variable, raise_to
from kansym.symbolic.formula import Formula
from kansym.symbolic.latex import to_latex
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import CALLS, PRIMITIVES, Primitive, library, power, register
from kansym.symbolic.serial import expression_from_json, expression_to_json
from kansym.symbolic.sympy_form import from_sympy, to_sympy
from kansym.symbolic.text import to_text
from kansym.symbolic.torch_form import to_torch

ROWS = pytest.mark.parametrize("primitive", list(PRIMITIVES), ids=lambda row: row.name)


def points(primitive: Primitive) -> np.ndarray:
    """40 points inside the domain, a little away from its ends."""
    low, high = primitive.domain
    low, high = max(low, -4.0), min(high, 4.0 if low < 1 else low + 4.0)
    inset = 0.02 * (high - low)
    return np.linspace(low + inset, high - inset, 40)


def node(primitive: Primitive) -> Expression:
    x = Variable(0)
    return Call(primitive.name, x) if primitive.exponent is None else raise_to(x, primitive.exponent)


def test_the_library_has_at_least_35_primitives_with_distinct_names() -> None:
    assert len(set(PRIMITIVES.names)) == len(PRIMITIVES) >= 35


@ROWS
def test_values_are_real_and_finite_inside_the_domain(primitive: Primitive) -> None:
    assert np.isfinite(primitive.value(points(primitive))).all()
    assert primitive.complexity >= 0


@ROWS
def test_a_formula_node_has_the_values_of_its_primitive(primitive: Primitive) -> None:
    x = points(primitive)
    np.testing.assert_allclose(node(primitive).evaluate(x[:, None]), primitive.value(x), rtol=1e-13)


@ROWS
def test_the_sympy_form_has_the_same_values(primitive: Primitive) -> None:
    x = points(primitive)
    form = to_sympy(node(primitive), ["x"])
    found = [complex(form.subs("x", value).evalf(20)) if form.free_symbols else complex(form) for value in x]
    np.testing.assert_allclose(found, primitive.value(x), rtol=1e-9, atol=1e-12)


@ROWS
def test_the_sympy_form_reads_back_as_the_same_function(primitive: Primitive) -> None:
    x = points(primitive)
    read = from_sympy(to_sympy(node(primitive), ["x"]), ["x"])
    np.testing.assert_allclose(read.evaluate(x[:, None]), primitive.value(x), rtol=1e-9, atol=1e-12)


@ROWS
def test_the_torch_form_has_the_same_values_and_slope(primitive: Primitive) -> None:
    x = points(primitive)
    inputs = torch.tensor(x[:, None], requires_grad=True)
    values = to_torch(node(primitive))(inputs)
    np.testing.assert_allclose(values.detach().numpy(), primitive.value(x), rtol=1e-9, atol=1e-12)
    # J0 has no automatic derivative in torch; a constant has none by nature.
    if primitive.name not in ("besselj0", "1"):
        (slope,) = torch.autograd.grad(values.sum(), inputs)
        np.testing.assert_allclose(slope[:, 0].numpy(), primitive.derivative(x), rtol=1e-6, atol=1e-9)


@ROWS
def test_the_derivative_is_the_limit_of_differences(primitive: Primitive) -> None:
    x = points(primitive)
    step = 1e-3 * np.minimum(1.0, np.minimum(x - primitive.domain[0], primitive.domain[1] - x))
    # Central differences of sixth order: their own error is far below the tolerance.
    weights = ((1, 3 / 4), (2, -3 / 20), (3, 1 / 60))
    differences = sum(w * (primitive.value(x + k * step) - primitive.value(x - k * step)) for k, w in weights) / step
    np.testing.assert_allclose(primitive.derivative(x), differences, rtol=1e-7, atol=1e-9)


@ROWS
def test_the_text_reads_back_as_the_same_function(primitive: Primitive) -> None:
    x = points(primitive)
    read = parse(to_text(node(primitive), ["x"]), ["x"])
    np.testing.assert_allclose(read.evaluate(x[:, None]), primitive.value(x), rtol=1e-12, atol=1e-14)


@ROWS
def test_there_is_a_latex_form_with_balanced_braces(primitive: Primitive) -> None:
    latex = to_latex(node(primitive), ["x"])
    assert latex and latex.count("{") == latex.count("}")
    assert latex.count(r"\left") == latex.count(r"\right")


@pytest.mark.parametrize("exponent", [Fraction(1, 3), Fraction(2, 3), Fraction(-1, 3), Fraction(5, 3), Fraction(3)])
def test_odd_roots_of_negative_numbers_are_real(exponent: Fraction) -> None:
    sign = -1.0 if exponent.numerator % 2 else 1.0
    expected = sign * 8.0 ** float(exponent)
    assert math.isclose(float(power(exponent).value(np.array(-8.0))), expected)
    assert math.isclose(float(raise_to(Variable(0), exponent).evaluate(np.array([[-8.0]]))[0]), expected)


def test_a_library_can_be_chosen_from_and_drop_rows() -> None:
    assert "sin" in PRIMITIVES.only("sin") and "cos" not in PRIMITIVES.only("sin")
    assert "sin" not in PRIMITIVES.without("sin")


def test_a_users_primitive_joins_the_library_and_replaces_its_namesake() -> None:
    mine = Primitive("sin", np.sin, np.cos, complexity=7)
    assert (PRIMITIVES + mine)["sin"].complexity == 7
    assert len(PRIMITIVES + mine) == len(PRIMITIVES)


def test_an_unknown_primitive_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="arcsine"):
        PRIMITIVES.without("arcsine")


@pytest.fixture
def cube_sine() -> Iterator[Primitive]:
    """A user's own primitive, registered for one test."""
    mine = Primitive("cubesine", lambda x: np.sin(x) ** 3, lambda x: 3 * np.sin(x) ** 2 * np.cos(x), complexity=4,
                     sympy=lambda m, x: m.sin(x) ** 3, torch=lambda m, x: m.sin(x) ** 3)  # fmt: skip
    yield register(mine)
    del CALLS["cubesine"]


def test_a_registered_primitive_works_in_every_form_of_a_formula(cube_sine: Primitive) -> None:
    formula, x = 2.5 * Call("cubesine", Variable(0)), np.linspace(-2, 2, 9)[:, None]
    expected = 2.5 * np.sin(x[:, 0]) ** 3
    assert formula.complexity == 4 + 3
    np.testing.assert_allclose(formula.evaluate(x), expected)
    np.testing.assert_allclose(to_torch(formula)(torch.tensor(x)).detach().numpy(), expected)
    assert to_text(formula, ["t"]) == "2.5*cubesine(t)"
    assert parse("2.5*cubesine(t)", ["t"]) == formula
    assert to_latex(formula, ["t"]) == r"2.5 \, \operatorname{cubesine}\left(t\right)"
    assert str(to_sympy(formula, ["t"])) == "2.5*sin(t)**3"
    assert expression_from_json(expression_to_json(formula), 1) == formula


def test_a_registered_primitive_can_be_chosen_and_dropped(cube_sine: Primitive) -> None:
    assert cube_sine.name in library() and cube_sine.name in library(only=["cubesine"])
    assert cube_sine.name not in library(drop=["cubesine"])


def test_without_a_registration_the_whole_library_is_searched() -> None:
    assert library() is PRIMITIVES
    assert library(["sin"], ["sin"]).names == ("1", "x")


def test_a_primitive_without_other_forms_still_reads_and_writes_as_a_name() -> None:
    register(Primitive("bare", np.sin, np.cos))
    try:
        formula = Call("bare", Variable(0))
        assert from_sympy(to_sympy(formula, ["t"]), ["t"]) == formula
        with pytest.raises(FormulaError, match="'bare' has no torch form"):
            to_torch(formula)(torch.zeros(1, 1))
        with pytest.raises(FormulaError, match="'bare': export as latex or json"):
            PYTHON.write(Formula(formula, ("t",), "y"))
    finally:
        del CALLS["bare"]


@pytest.mark.parametrize("name", ["sin", "sqrt", "x", "pi", "arcsin", "two words", "", "f(x)"])
def test_a_name_that_means_something_already_cannot_be_registered(name: str) -> None:
    with pytest.raises(ConfigError):
        register(Primitive(name, np.sin, np.cos))
    assert CALLS.get(name) is PRIMITIVES["sin"] or name not in CALLS
