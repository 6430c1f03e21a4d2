"""Laws in few variables: every check finds what it is made for, and says nothing where it does not apply."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.symbolic.additive import additive, combined, separable
from kansym.symbolic.algebraic import fractions_of_functions, linear, monomials, polynomials, power_laws
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.expression import Constant, Expression, Variable, add, call, multiply
from kansym.symbolic.links import LINKS
from kansym.symbolic.lowdim import one_variable, solve, sparse
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import PRIMITIVES
from kansym.symbolic.table import EXACT, Candidate, Table, divided, ranked, reached, settled

Array = np.ndarray
X, Y = Variable(0), Variable(1)


def rows_of(law: Callable[..., Array], columns: int, low: float = 0.5, high: float = 3.0, rows: int = 200) -> Rows:
    inputs = np.random.default_rng(1).uniform(low, high, (rows, columns))
    return Rows(inputs, law(*inputs.T))


def table_of(rows: Rows, goal: float = EXACT) -> Table:
    held = np.arange(len(rows)) % 4 == 0
    return Table(rows.take(~held), rows.take(held), goal)


def misfit(expressions: list[Expression], rows: Rows) -> float:
    """The least RMS error over the target's spread."""
    return min(np.sqrt(mean_square(expression, rows)) for expression in expressions) / np.std(rows.target)


def test_monomials_have_exact_exponents() -> None:
    rows = rows_of(lambda a, b: -3.0 * a**1.5 / b, 2)
    found = monomials(rows)
    assert misfit(found, rows) < 1e-12
    assert all(len(expression.free_constants) == 1 for expression in found)


def test_monomials_of_columns_that_change_sign_are_even_in_them() -> None:
    rows = rows_of(lambda a, b: 2.0 * a**2 / b**4, 2, -1.0, 1.0)
    assert misfit(monomials(rows), rows) < 1e-12
    assert monomials(rows_of(lambda a, b: a * b, 2, -1.0, 1.0)) == []


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_power_laws_have_the_exponents_of_the_law(noise: float) -> None:
    rows = rows_of(lambda a, b: 1.3 * a**0.3 * b**-0.72, 2, rows=400)
    noisy = Rows(rows.inputs, rows.target * (1.0 + noise * np.random.default_rng(2).normal(size=400)))
    fits = [polish(each, noisy).expression for each in power_laws(noisy)]
    assert misfit(fits, rows) < max(0.2 * noise, 1e-12)
    assert all(each.complexity == 9 for each in fits)


def test_an_exponent_near_a_fraction_is_tried_as_it() -> None:
    rows = rows_of(lambda a, b: 2.0 * a**0.504 * b**0.85, 2)
    assert sorted(len(each.free_constants) for each in power_laws(rows)) == [2, 3]


def test_a_product_of_whole_powers_is_no_power_law() -> None:
    assert power_laws(rows_of(lambda a, b: 3.0 * a**2 / b, 2))[1:] == []
    assert power_laws(rows_of(lambda a, b: a * b, 2, -1.0, 1.0)) == []


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_a_linear_law_is_found_at_any_scale(scale: float) -> None:
    rows = rows_of(lambda a, b: scale * (2.0 * a - 0.5 * b + 4.0), 2)
    coefficients = [constant.value for constant in linear(rows).free_constants]
    assert coefficients == pytest.approx([2.0 * scale, -0.5 * scale, 4.0 * scale], rel=1e-9)


def test_a_polynomial_keeps_only_its_terms() -> None:
    rows = rows_of(lambda a, b: 1.5 * a**3 * b - 2.0 * b**2 + a, 2, -2.0, 2.0)
    found = list(polynomials(rows))
    best = min(found, key=lambda expression: mean_square(expression, rows))
    assert misfit([best], rows) < 1e-10
    assert len(best.free_constants) == 3


def test_a_polynomial_under_a_link_is_found() -> None:
    rows = rows_of(lambda a, b: np.sqrt(1 + a**2 + 3 * b), 2)
    assert misfit(list(polynomials(rows)), rows) < 1e-10


def test_a_ratio_of_polynomials_of_inverse_columns_is_found() -> None:
    rows = rows_of(lambda p, n: (p - 0.4 / n + 0.1) ** 2 / (p + 1.6 / n - 0.4), 2, rows=400)
    found = [each.expression for each in solve(table_of(rows), Budget(60.0))]
    assert misfit(found, rows) < 1e-10


def test_a_parabola_does_not_stand_for_a_noisy_curve_that_looks_like_it() -> None:
    rows = rows_of(lambda z: 0.4 * z / np.expm1(0.4 * z), 1, 0.2, 3.0, 800)
    noisy = Rows(rows.inputs, rows.target + 0.03 * np.random.default_rng(4).normal(size=800))
    table = table_of(noisy)
    table = replace(table, goal=1.01 * table.error(linear(table.fit)))  # the noise was taken for a little too much
    found = solve(table, Budget(60))
    assert min(mean_square(polish(each.expression, rows).expression, rows) for each in found) < 1e-20


def test_a_product_of_curves_with_free_exponents_is_found() -> None:
    rows = rows_of(lambda a, b: (792.0 + 510.0 * a**0.26) * (1.0 - 0.1 * np.exp(0.7 * b)), 2, rows=300)
    assert misfit(list(separable(table_of(rows), PRIMITIVES)), rows) < 1e-10


def test_a_product_of_curves_of_which_one_oscillates_is_found() -> None:
    rows = rows_of(lambda a, b: np.exp(-0.5 * a) * np.cos(9.0 * b), 2, rows=400)
    assert misfit(list(separable(table_of(rows), PRIMITIVES)), rows) < 1e-10


def test_a_fraction_of_functions_is_found() -> None:
    inputs = np.random.default_rng(1).uniform((0.5, -1e8), (3.0, 1e8), (200, 2))
    wave, small = np.cos(inputs[:, 0]), 3e-9 * inputs[:, 1]
    rows = Rows(inputs, (wave - small) / (1 - small * wave))
    assert misfit(list(fractions_of_functions(rows)), rows) < 1e-10


@pytest.mark.parametrize("noise", [0.01, 0.1])
def test_curves_are_found_in_noise(noise: float) -> None:
    for law, find in (
        (lambda a, b: 2.0 * np.log(a) + 3.0 / b, lambda table: additive(table, PRIMITIVES, LINKS[:1])),
        (lambda a, b: np.exp(-a) * np.sin(2.0 * b), lambda table: separable(table, PRIMITIVES)),
    ):
        clean = rows_of(law, 2, rows=800)
        errors = noise * np.std(clean.target) * np.random.default_rng(3).normal(size=800)
        found = find(table_of(Rows(clean.inputs, clean.target + errors), 1.03 * noise))
        assert min(polish(each, clean).mean_square for each in found) < 1e-20 * np.var(clean.target)


def test_a_sum_of_curves_is_found() -> None:
    rows = rows_of(lambda a, b: np.exp(-1.3 * a) + np.sin(2.1 * b), 2)
    assert misfit(list(additive(table_of(rows), PRIMITIVES.only("exp", "sin"), LINKS[:1])), rows) < 1e-8


def test_a_sum_of_curves_under_a_link_is_found() -> None:
    rows = rows_of(lambda a, b: 1 / (1.0 + np.exp(0.7 * a) + b**2), 2)
    assert misfit(list(additive(table_of(rows), PRIMITIVES.only("exp", "x^2"), LINKS[1:2])), rows) < 1e-8


def test_a_sum_of_curves_that_oscillate_is_found() -> None:
    rows = rows_of(lambda a, b: np.exp(np.sin(14.0 * a) + b**2), 2, -1.0, 1.0, rows=800)
    assert misfit(list(additive(table_of(rows), PRIMITIVES.only("sin", "x^2"), LINKS)), rows) < 1e-8


def test_a_product_of_curves_that_change_sign_is_found() -> None:
    rows = rows_of(lambda a, b: np.cos(1.4 * a) * np.tanh(0.8 * b), 2, -2.0, 2.0)
    assert misfit(list(separable(table_of(rows), PRIMITIVES.only("cos", "sin", "tanh"))), rows) < 1e-7


@pytest.mark.parametrize(
    ("law", "low"),
    [
        (lambda a, b: np.sqrt(1 + a) * np.tanh(a * b), 0.2),
        (lambda a, b: np.cos(2 * a) / (1 + a * b) ** 2, 0.1),  # changes sign
        (lambda a, b: a**2 + np.exp(-a / b), 0.5),
        (lambda a, b: 1 / (b + np.exp(a * b / 3)), 0.2),
        (lambda a, b: (1 - np.exp(-2 * a)) / (1 - np.exp(-4 * a * b)), 0.02),  # steep over decades
    ],
)
def test_a_function_of_a_product_beside_one_of_a_column_is_found(law: Callable[..., Array], low: float) -> None:
    rows = rows_of(law, 2, low, 2.0, rows=800)
    assert misfit(list(combined(table_of(rows), PRIMITIVES)), rows) < 1e-8


def test_no_product_stands_beside_a_column_where_none_does() -> None:
    rows = rows_of(lambda a, b: np.sin(3 * a * b) + np.sin(5 * (a - b)), 2, -2.0, 2.0, rows=800)
    assert list(combined(table_of(rows), PRIMITIVES)) == []


def test_few_rows_are_not_split_into_curves() -> None:
    rows = rows_of(lambda a, b: np.exp(a) + b, 2, rows=18)
    assert list(additive(table_of(rows), PRIMITIVES, LINKS)) == []


def test_a_product_of_two_curves_comes_out_of_few_rows_with_errors_in_proportion() -> None:
    draws = np.random.default_rng(0)
    angle, head = draws.uniform(30, 110, 36), np.exp(draws.uniform(-3, -1, 36))
    clean = 1.38 * np.tan(0.0087 * angle) * head**2.5
    rows = Rows(np.column_stack([angle, head]), clean * (1 + 0.01 * draws.normal(size=36)), 1 / clean**2)
    found = list(separable(table_of(rows), PRIMITIVES))
    best = min(found, key=lambda each: mean_square(each, rows))
    assert mean_square(best, rows) < 0.02**2
    assert any("tan" in repr(each) for each in found)


def test_dictionary_terms_under_a_link_are_found() -> None:
    rows = rows_of(lambda a, b: np.exp(0.4 * np.sin(a) - 0.9 * b**2), 2, 0.3, 1.5, 120)
    found = {name: misfit(expressions, rows) for name, expressions in sparse(rows)}
    assert found["dictionary, log y"] < 1e-9


@pytest.mark.parametrize(
    "law",
    [
        lambda x: x / (2.3 + x),
        lambda x: 4.1 * np.sin(2.7 * x + 0.4),
        lambda x: 1.0 / (1.0 + np.exp(2.2 * x - 3.0)),
    ],
)
def test_laws_in_one_variable_are_solved(law: Callable[[Array], Array]) -> None:
    found = solve(table_of(rows_of(law, 1, rows=100)), Budget(60))
    assert found[0].error < 1e-9
    assert found[0].expression.complexity <= 14


def test_powers_of_a_logarithm_are_found_under_a_link() -> None:
    rows = rows_of(lambda x: 1.0 / (0.7 + 0.3 * np.log(x) + 0.05 * np.log(x) ** 3), 1, 0.8, 30.0)
    assert misfit(one_variable(rows, PRIMITIVES), rows) < 1e-10


def test_the_best_comes_first_and_nothing_infinite_is_kept() -> None:
    rough = Candidate(X, 0.5, "a")
    sharp = Candidate(multiply(Constant(2.0), X), 1e-9, "b")
    broken = Candidate(call("log", X), np.inf, "c")
    assert ranked([rough, broken, sharp], 0.01) == [sharp, rough]


def test_a_shorter_formula_of_equal_error_ranks_first() -> None:
    long = Candidate(add(X, Constant(1e-20)), 1e-3, "a")
    short = Candidate(X, 1e-3, "b")
    assert ranked([long, short], 0.01)[0] is short


def test_only_plain_laws_settle_the_search_by_reaching_the_noise() -> None:
    assert settled([Candidate(X, 0.01, "scaling law; monomial")], 0.02)
    assert not settled([Candidate(X, 0.01, "dictionary, y")], 0.02)
    assert not settled([Candidate(X, 1e-4, "scaling law; monomial")], 0.02)  # then the noise was taken for too high
    assert settled([Candidate(X, 1e-10, "dictionary, y")], 0.02)
    assert not settled([], 1.0)


@pytest.mark.parametrize(
    ("text", "enough"),
    [
        ("1.02*x*sin(y)", True), ("x/sqrt(1 - y**2)", True), ("3*x/(pi - y)", False), ("x*exp(0.31*y)", False),
        ("sin(cos(x))", False), ("x*sin(y) + y*sin(x) + x**2*y + 1/x", False),
    ],
)  # fmt: skip
def test_in_loud_noise_only_the_shortest_formulas_of_plain_numbers_end_the_search(text: str, enough: bool) -> None:
    found = [Candidate(parse(text, ("x", "y")), 0.1, "sum of products")]
    assert reached(found, 0.05, 0.11) is enough
    assert not reached(found, 0.05, 0.09)
    rival = Candidate(parse("x + 1.3*y + 0.7", ("x", "y")), 0.099, "linear")
    assert reached([*found, rival], 0.05, 0.11, 100) is enough
    assert not reached([*found, rival], 0.05, 0.11, 400)


def test_a_divided_target_has_weights_goal_and_noise_that_say_the_same() -> None:
    draws = np.random.default_rng(0)
    inputs = draws.uniform(0.5, 4.0, (300, 2))
    target = inputs[:, 0] ** 2 * np.sin(inputs[:, 1])
    error = 0.1 * draws.normal(size=300)
    table = Table(Rows(inputs[:200], target[:200]), Rows(inputs[200:], target[200:]), 0.05, noise=0.1)
    size = inputs[:, 0] ** 2
    fit, held = (Rows(inputs[some], target[some] / size[some]) for some in (slice(200), slice(200, 300)))
    inner = divided(table, fit, held, (size[:200] ** 2, size[200:] ** 2))
    assert inner is not None and inner.held.weights is not None
    before = np.sqrt(np.mean(error[200:] ** 2)) / table.held.spread
    after = np.sqrt(np.mean((error[200:] / size[200:] * inner.held.roots) ** 2)) / inner.held.spread
    assert after / before == pytest.approx(inner.goal / table.goal) == pytest.approx(inner.noise / table.noise)
    assert divided(table, fit, held, (np.full(200, np.inf), size[200:] ** 2)) is None


def test_the_error_of_a_table_is_that_of_its_held_rows() -> None:
    fitted = Rows(np.array([[1.0], [2.0]]), np.array([1.0, 2.0]))
    held = Rows(np.array([[0.0], [2.0]]), np.array([1.0, 3.0]))
    assert Table(fitted, held).error(X) == pytest.approx(1.0)
    assert Table(fitted, held).error(call("log", X)) == np.inf


def test_a_table_without_columns_has_a_constant() -> None:
    rows = Rows(np.empty((10, 0)), np.full(10, 2.5) + np.linspace(-1e-12, 1e-12, 10))
    found = solve(Table(rows, rows), Budget(10))
    assert [candidate.origin for candidate in found] == ["constant"]
    assert found[0].expression.evaluate(rows.inputs)[0] == pytest.approx(2.5)


def test_only_allowed_primitives_come_back() -> None:
    library = PRIMITIVES.only("x^2", "x^-1")
    table = table_of(rows_of(lambda x: np.sin(3 * x), 1, rows=60))
    for candidate in solve(table, Budget(4), library):
        assert "Call" not in repr(candidate.expression)


def test_no_time_gives_the_first_check_only() -> None:
    found = solve(table_of(rows_of(lambda a, b: a * np.sin(b), 2)), Budget(0.0))
    assert [candidate.origin for candidate in found] == ["constant"]


def test_powers_that_no_law_has_are_not_rounded() -> None:
    x = np.linspace(1, 3, 40)[:, None]
    assert monomials(Rows(x, x[:, 0] ** 12)) == []
    assert Fraction(5, 2) in {
        getattr(node, "exponent", None) for found in monomials(Rows(x, x[:, 0] ** 2.5)) for node in found.walk()
    }


def test_a_few_terms_of_the_dictionary_are_tried_before_the_long_listing(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*_: object) -> None:
        raise AssertionError("all short expressions were listed")

    monkeypatch.setattr("kansym.symbolic.lowdim.halves", listed)
    rows = rows_of(lambda p, d, h: np.arcsin(np.sin(p) * np.sin(d) + np.cos(p) * np.cos(d) * np.cos(h)), 3, 0.1, 1.4)
    found = solve(table_of(rows), Budget(60))
    assert found[0].error < 1e-12 and found[0].origin == "dictionary, sin y"
