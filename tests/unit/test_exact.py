"""Exact numbers: known ones are found, chance does not make any, and terms that do nothing are dropped."""

import math
from fractions import Fraction

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.symbolic.constants import Rows
from kansym.symbolic.exact import exact_form, logarithmic_form, tidy
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply, raise_to
from kansym.symbolic.likely import likely_form
from kansym.symbolic.parser import parse
from kansym.symbolic.text import to_text

X = Variable(0)
KNOWN = {
    "2": 2.0,
    "-3": -3.0,
    "1/2": 0.5,
    "3/4": 0.75,
    "pi": math.pi,
    "2*pi": 2 * math.pi,
    "4*pi**2": 4 * math.pi**2,
    "1/(2*pi)": 1 / (2 * math.pi),
    "sqrt(2)": math.sqrt(2),
    "sqrt(3)/2": math.sqrt(3) / 2,
    "E": math.e,
}


@pytest.mark.parametrize(("label", "value"), KNOWN.items())
def test_a_known_number_with_a_small_error_is_recognised(label: str, value: float) -> None:
    found = exact_form(value * (1 + 1e-9), 1e-8 * abs(value))
    assert found is not None
    assert found.label == label


@pytest.mark.parametrize("value", KNOWN.values())
def test_a_number_well_outside_its_error_is_left_alone(value: float) -> None:
    found = exact_form(value * (1 + 1e-5), 1e-7 * abs(value))
    assert found is None or abs(found.value - value) > 1e-6 * abs(value)


def test_fewer_than_one_in_a_hundred_random_numbers_is_taken_for_a_known_one() -> None:
    generator = np.random.default_rng(0)
    values = 10 ** generator.uniform(-2, 2, 1000) * generator.choice([-1, 1], 1000)
    found = [exact_form(value, 1e-6 * abs(value)) for value in values]
    assert sum(form is not None for form in found) < 10


def test_rough_numbers_are_rarely_taken_for_known_ones() -> None:
    generator = np.random.default_rng(1)
    values = generator.uniform(0.1, 10, 1000)
    found = [exact_form(value, 1e-2 * abs(value)) for value in values]
    assert sum(form is not None for form in found) < 10


def test_the_form_lies_within_four_standard_errors() -> None:
    generator = np.random.default_rng(2)
    for value in generator.uniform(0.9, 3.2, 300):
        error = 10 ** generator.uniform(-4, -2)
        form = exact_form(value, error)
        assert form is None or abs(form.value - value) <= 4 * error


@pytest.mark.parametrize(
    ("value", "error"), [(0.0, 0.1), (1.0, math.inf), (1.0, math.nan), (2.0, 5.0), (math.nan, 0.1)]
)
def test_numbers_without_information_have_no_form(value: float, error: float) -> None:
    assert exact_form(value, error) is None


def test_tidying_makes_known_constants_exact() -> None:
    x = np.linspace(0.3, 5, 60)
    rows = Rows(x[:, None], 2 * np.pi * np.sqrt(x) + 0.5)
    start = add(multiply(Constant(6.0), raise_to(X, Fraction(1, 2))), Constant(0.4))
    found = tidy(start, rows)
    labels = {node.label for node in found.expression.walk() if isinstance(node, Constant)}
    assert labels == {"2*pi", "1/2"}
    assert len(found.standard_errors) == 0


def test_tidying_keeps_constants_that_are_not_known() -> None:
    x = np.linspace(0.3, 5, 60)
    rows = Rows(x[:, None], 1.37213 * np.exp(-0.4567 * x))
    found = tidy(multiply(Constant(1.0), call("exp", multiply(Constant(-0.5), X))), rows)
    assert sorted(constant.value for constant in found.expression.free_constants) == pytest.approx([-0.4567, 1.37213])


@pytest.mark.parametrize(
    ("text", "columns", "shorter"),
    [
        ("{c}*x/sqrt({cc} - y**2)", 1e8, "x/sqrt(1 - 1.11265e-17*y**2)"),
        ("{cc}*(x + y)/(x*y + {cc})", 1e8, "(x + y)/(1.11265e-17*x*y + 1)"),
        ("2.3172468*sqrt(x + 1.7391357*y)", 3.0, "sqrt(9.33852*y + 5.36963*x)"),
        ("2.3172*sqrt(x + 1.7391*y)", 3.0, "2.3172*sqrt(1.7391*y + x)"),
        ("1.5271*sqrt(x + y)", 3.0, "1.5271*sqrt(x + y)"),
    ],
)
def test_numbers_stand_where_fewest_are_needed(text: str, columns: float, shorter: str) -> None:
    formula = parse(text.format(c=299792458.0, cc=299792458.0**2), ("x", "y"))
    loose = formula.map(lambda node: Constant(node.value) if isinstance(node, Constant) and node.value > 1 else node)
    x = columns * np.random.default_rng(0).uniform(0.3, 1.0, (200, 2))
    found = tidy(loose, Rows(x, loose.evaluate(x))).expression
    assert to_text(found, ("x", "y"), 6) == shorter


def test_terms_that_do_nothing_are_dropped() -> None:
    x = np.linspace(0.3, 5, 60)
    noise = 0.01 * np.random.default_rng(0).normal(size=60)
    rows = Rows(x[:, None], 1.37213 * x**2 + noise)
    start = add(multiply(Constant(1.0), raise_to(X, Fraction(2))), multiply(Constant(0.1), X), Constant(0.2))
    found = tidy(start, rows).expression
    assert len(found.free_constants) == 1
    assert found.free_constants[0].value == pytest.approx(1.37213, abs=1e-3)


def test_terms_that_matter_stay() -> None:
    x = np.linspace(0.3, 5, 60)
    noise = 0.01 * np.random.default_rng(0).normal(size=60)
    rows = Rows(x[:, None], 1.37213 * x**2 + 0.0817 * x + 0.2311 + noise)
    start = add(multiply(Constant(1.0), raise_to(X, Fraction(2))), multiply(Constant(0.1), X), Constant(0.2))
    assert len(tidy(start, rows).expression.free_constants) == 3


def test_tidying_does_not_worsen_the_fit() -> None:
    generator = np.random.default_rng(3)
    x = np.linspace(0.3, 5, 80)
    rows = Rows(x[:, None], np.sin(1.3 * x) + 0.7 + 0.05 * generator.normal(size=80))
    start = add(multiply(Constant(0.9), call("sin", multiply(Constant(1.2), X))), Constant(0.6))
    found = tidy(start, rows)
    from kansym.symbolic.constants import polish

    assert found.mean_square <= polish(start, rows).mean_square * 1.3


def test_without_time_the_formula_is_only_fitted() -> None:
    x = np.linspace(0.3, 5, 60)
    rows = Rows(x[:, None], 2.0 * x)
    found = tidy(multiply(Constant(1.5), X), rows, Budget(0.0))
    assert found.expression.free_constants[0].value == pytest.approx(2.0)


def hidden_pole(front: float, rate: float, shift: float, seed: int) -> tuple[Expression, Rows]:
    """front/(1 - rate*x) + shift with noise, where the three constants hang together, and the form with others."""
    random = np.random.default_rng(seed)
    x = random.uniform(0.05, 1.0, 1600)
    clean = front / (1 - rate * x) + shift
    noisy = clean + 0.01 * np.sqrt(np.mean(clean**2)) * random.normal(size=len(x))
    return parse("1.1/(1 - 0.3*x) + 0.2", ("x",)), Rows(x[:, None], noisy)


def test_constants_that_hang_together_are_seen_to_be_exact_together() -> None:
    for seed in range(3):
        form, rows = hidden_pole(3.0, 1 / 3, -2.0, seed)
        found = tidy(form, rows).expression
        assert not found.free_constants
        assert found.evaluate(np.array([[0.0], [1.0]])) == pytest.approx([1.0, 2.5])


def test_constants_that_are_no_plain_numbers_stay_free() -> None:
    random = np.random.default_rng(0)
    exact = 0
    for seed in range(20):
        front, rate, shift = random.uniform(1, 4), random.uniform(0.2, 0.6), random.uniform(-3, 3)
        form, rows = hidden_pole(front, rate, shift, seed)
        exact += not tidy(form, rows).expression.free_constants
    assert exact <= 1


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("log(10)", math.log(10)),
        ("-log(2)", -math.log(2)),
        ("1/log(10)", 1 / math.log(10)),
        ("10/log(10)", 10 / math.log(10)),
        ("3*log(2)/2", 1.5 * math.log(2)),
    ],
)
def test_the_scales_of_tens_and_of_halves_are_recognised(text: str, value: float) -> None:
    found = logarithmic_form(value * (1 + 1e-9), 1e-8 * abs(value))
    assert found is not None and to_text(found, []) == text
    assert logarithmic_form(value * (1 + 1e-5), 1e-7 * abs(value)) is None


def test_hardly_any_random_number_is_taken_for_a_logarithm() -> None:
    values = 10 ** np.random.default_rng(1).uniform(-2, 2, 3000)
    assert sum(logarithmic_form(float(value), 1e-5 * float(value)) is not None for value in values) <= 30


def test_a_decay_by_halves_is_written_as_one() -> None:
    draws = np.random.default_rng(2)
    time = draws.uniform(0, 5, 200)
    law = call("exp", multiply(Constant(-0.693), X))
    fit = tidy(law, Rows(time[:, None], 0.5**time))
    assert not fit.expression.free_constants and to_text(fit.expression, ["t"]) == "2**(-t)"


@pytest.mark.parametrize(
    ("value", "error", "label"),
    [(0.33352, 3e-4, "1/3"), (2.0004, 1e-3, "2"), (0.15919, 4e-5, "1/(2*pi)"), (9.8693, 9e-4, "pi**2")],
)
def test_a_number_with_an_error_is_recognised_where_few_plain_ones_are_near(
    value: float, error: float, label: str
) -> None:
    found = exact_form(value, error)
    assert found is not None and found.label == label


@pytest.mark.parametrize("share", [1e-2, 3e-3, 1e-3, 3e-4, 1e-4])
def test_few_random_numbers_with_errors_are_taken_for_known_ones(share: float) -> None:
    values = 10 ** np.random.default_rng(4).uniform(-1.3, 1.3, 3000)
    likely = [likely_form(float(value), share * float(value)) is not None for value in values]
    known = [exact_form(float(value), share * float(value)) is not None for value in values]
    assert sum(likely) < 0.03 * len(values)
    assert sum(known) < 0.05 * len(values)


def test_a_number_too_rough_to_tell_plain_ones_apart_is_left_alone() -> None:
    assert likely_form(9.77, 0.06) is None
    assert likely_form(-6.37, 0.02) is None
    assert likely_form(2.0, 0.0) is None


@pytest.mark.parametrize(
    ("exponent", "exact"), [(-1 / math.pi, False), (math.sqrt(2), False), (math.log(2), False), (0.375, True)]
)
def test_exponents_are_fractions_or_stay_free(exponent: float, exact: bool) -> None:
    x = np.linspace(1.0, 9.0, 60)
    power = call("exp", multiply(Constant(exponent + 1e-3), call("log", X)))
    fit = tidy(multiply(Constant(3.1), power), Rows(x[:, None], 3.1234 * x**exponent * (1 + 1e-6 * np.sin(40 * x))))
    text = to_text(fit.expression, ["x"], 4)
    assert not any(name in text for name in ("pi", "sqrt", "log"))
    assert ("3/8" in text) == exact
