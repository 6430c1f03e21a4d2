"""The judge of recovered laws: what counts as the law, what does not, and where a law was lost."""

from collections.abc import Iterator

import numpy as np
import pytest
import sympy

from kansym.bench.formulas import judge as judging
from kansym.bench.formulas.diagnosis import Evidence, form, loss, separations
from kansym.bench.formulas.judge import Law, Sympy, Verdict, compare, judge, longest
from kansym.bench.formulas.rule import answer, built, definition, letter, rounded
from kansym.bench.formulas.scaling import scaled, vanishes
from kansym.problem import power_of_ten
from kansym.symbolic.parser import parse
from kansym.symbolic.serial import expression_to_json

X, Y = sympy.symbols("x y")
DRAWS = np.random.default_rng(0)
FRESH = DRAWS.uniform(1, 3, (400, 2))
NAMES = ("x", "y")


@pytest.fixture(scope="module")
def child() -> Iterator[Sympy]:
    with Sympy() as process:
        yield process


def law(text: str, names: tuple[str, ...] = NAMES, fresh: np.ndarray = FRESH) -> Law:
    return Law.read(text, names, fresh)


RIGHT = [
    (X * Y, X * Y),
    (X * Y + 3, X * Y),  # an additive constant may be wrong
    (5 * X * Y, X * Y),  # a multiplicative one too
    (X * (X + Y), X**2 + X * Y),
    (sympy.sin(sympy.Float(1.0000001) * X), sympy.sin(sympy.Float(1.0) * X)),  # inner constants, to 3 decimals
    (sympy.cos(X) * sympy.sin(Y) + 1e-6 * X, sympy.cos(X) * sympy.sin(Y)),  # below 1e-4 is 0
    (sympy.cos(X) ** 2 + Y, 1 - sympy.sin(X) ** 2 + Y),
    (sympy.Float(0.0795774) * X, X / sympy.Float(12.566370614)),
]
WRONG = [
    (X * Y + 0.01 * X, X * Y),
    (sympy.sin(sympy.Float(1.01) * X), sympy.sin(sympy.Float(1.0) * X)),  # an inner constant may not be wrong
    (2 * X * Y + 3, X * Y),  # an additive and a multiplicative one together may not
    (sympy.Integer(0), X),
    (sympy.Integer(7), X),
    (sympy.nan, X),
    (X, X**2),
]


@pytest.mark.parametrize(("found", "truth"), RIGHT)
def test_a_law_up_to_one_outer_constant_is_found(found: sympy.Expr, truth: sympy.Expr):
    assert letter(found, truth)[0]
    assert definition(found, truth)[0]


@pytest.mark.parametrize(("found", "truth"), WRONG)
def test_another_formula_is_not_found(found: sympy.Expr, truth: sympy.Expr):
    assert not letter(found, truth)[0]
    assert not definition(found, truth)[0]


def test_the_letter_misses_a_factor_where_the_two_are_written_differently_and_the_definition_does_not():
    found, truth = sympy.Float(1.5) * X * (X + Y), X**2 + X * Y
    assert not letter(found, truth)[0]
    assert definition(found, truth)[0]


@pytest.mark.parametrize(("fitted", "exact"), [(0.9998, 1), (2.0003, 2), (0.33331, sympy.Rational(1, 3))])
def test_for_the_letter_a_fitted_number_inside_a_function_is_never_exact(fitted: float, exact: sympy.Expr):
    found, truth = sympy.cos(sympy.Float(fitted) * X) / sympy.sqrt(Y), sympy.cos(exact * X) / sympy.sqrt(Y)
    assert not letter(found, truth)[0]
    assert definition(found, truth)[0]
    assert not definition(sympy.cos(sympy.Float(fitted + 0.01) * X) / sympy.sqrt(Y), truth)[0]


def test_symbols_are_not_taken_for_positive():
    assert not letter(sympy.sqrt(X**2) * Y, X * Y)[0]


def test_floats_are_rounded_to_three_decimals_and_small_ones_vanish():
    assert rounded(sympy.Float(0.12349) * X + sympy.Float(0.00009) * Y) == sympy.Float(0.123, 3) * X


def test_pi_is_a_float_from_the_start():
    # sympy would take sqrt(2 pi) apart, and rounding would then give 2.503.
    assert rounded(built(parse("sqrt(2*pi)", ()), ())) == sympy.Float(2.507, 3)
    assert built(parse("sqrt(2)*x", ("x",)), ("x",)) == sympy.sqrt(2) * sympy.Symbol("x")


def test_a_formula_that_sympy_cannot_handle_gets_no_verdict():
    plain = expression_to_json(parse("x", ("x",)))
    assert next(answer(("letter", plain, ["nonsense"])))[0] is None


def test_the_rule_is_applied_in_a_child_process(child: Sympy):
    assert judge(parse("1.1*x*y", NAMES), law("x*y"), child).rule is True
    assert judge(parse("x*y*1.01**y", NAMES), law("x*y"), child).rule is False


def test_a_child_that_takes_too_long_is_killed_and_the_next_question_is_answered():
    with Sympy() as own:
        verdict, reason = own.ask("letter", parse("x", NAMES), parse("x", NAMES), 1e-6)
        assert verdict is None
        assert "more than 1e-06 s" in reason
        assert own.ask("letter", parse("x", NAMES), parse("x", NAMES), 60)[0] is True


class Silent(Sympy):
    """No answer in time."""

    def ask(self, rule: str, formula: object, law: object, seconds: float) -> tuple[None, str]:
        return None, "no time"


def test_numbers_decide_when_sympy_gives_no_answer():
    same = judge(parse("1.2*x*y", NAMES), law("a*b", ("a", "b")), Silent())
    assert same.rule is None and same.numeric and same.found
    assert not judge(parse("1.2*x*y + 0.1*y", NAMES), law("x*y"), Silent()).found


def test_a_long_interpolation_is_not_the_law_by_numbers():
    found = judge(parse("x" + " + sin(y) - sin(y)" * 10, NAMES), law("x"), Silent())
    assert found.distance < 1e-12 and not found.numeric


def test_sympy_is_not_asked_about_a_formula_that_does_not_fit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(judging.Sympy, "ask", lambda *_: pytest.fail("sympy was asked"))
    verdict = judge(parse("-x", NAMES), law("x"), Sympy())
    assert verdict.rule is False and verdict.r2 < 0.5


@pytest.mark.parametrize("scale", [1e-200, 1e-34, 1.0, 1e30, 1e200])
def test_comparing_works_at_any_scale(scale: float):
    values = scale * FRESH[:, 0]
    distance, r2 = compare(values * (1 + 1e-9), values)
    assert distance < 1e-8 and r2 == pytest.approx(1)
    assert compare(values**0 * scale, values)[0] > 0.1


def test_a_formula_that_is_not_finite_somewhere_is_infinitely_far():
    assert compare(np.array([1.0, np.nan]), np.array([1.0, 2.0])) == (np.inf, -np.inf)


# --- SI units --------------------------------------------------------------------------------------------------------

PLANCK = "2*6.62607e-34*f**3/299792458**2/(exp(6.62607e-34*f/(1.380649e-23*T)) - 1)"
HOT = np.column_stack([DRAWS.uniform(1e13, 1e15, 400), DRAWS.uniform(1e3, 6e3, 400)])


def test_a_law_in_si_units_is_judged_in_units_that_suit_it(child: Sympy):
    planck = law(PLANCK, ("f", "T"), HOT)
    assert vanishes(planck.expression)
    other = "1.47450e-50*f**3/(exp(4.799243e-11*f/T) - 1)"
    assert judge(parse(other, ("f", "T")), planck, child).rule is True
    wrong = "1.47450e-50*f**3/(exp(4.7e-11*f/T) - 1)"
    assert judge(parse(wrong, ("f", "T")), planck, child).rule is False


def test_scaling_changes_no_quotient_of_formula_and_law():
    planck = law(PLANCK, ("f", "T"), HOT)
    found, truth = scaled(parse("1e-50*f**3*T", ("f", "T")), planck.expression, HOT)
    rows = HOT / power_of_ten(HOT)
    ratio = found.evaluate(rows) / truth.evaluate(rows)
    assert ratio == pytest.approx(parse("1e-50*f**3*T", ("f", "T")).evaluate(HOT) / planck.values, rel=1e-9)


def test_ordinary_laws_are_left_as_they_are():
    assert not vanishes(parse("0.5*x + 300*y", NAMES))


# --- where a law was lost --------------------------------------------------------------------------------------------


def evidence(found: str, truth: str, *front: str, fresh: np.ndarray = FRESH, noise: float | None = 0.0,
             true_noise: float = 0.0, columns: frozenset[int] = frozenset()) -> Evidence:  # fmt: skip
    names = tuple(f"x{column}" for column in range(fresh.shape[1]))
    known, chosen = law(truth, names, fresh), parse(found, names)
    distance, r2 = compare(chosen.evaluate(fresh), known.values)
    numeric = distance < 1e-6 and chosen.complexity <= longest(known)
    verdict = Verdict(False, "", numeric, distance, r2, chosen.complexity)
    shown = (chosen, *(parse(text, names) for text in front))
    return Evidence(known, chosen, verdict, shown, columns, noise, true_noise)


THREE = DRAWS.uniform(1, 3, (400, 3))


@pytest.mark.parametrize(
    ("case", "stage", "words"),
    [
        (evidence("1.1*x0*x1", "x0*x1"), "simplification", "not by the rule"),
        (evidence("x0" + " + x1 - x1" * 20, "x0"), "simplification", "too long"),
        (evidence("x0*sin(1.01*x1)", "x0*sin(x1)"), "constants", "3 decimals"),
        (evidence("1.01*x0*x1 + 0.01*x1", "x0*x1"), "selection", "more terms"),
        (evidence("x0 + x1", "x0*x1", "1.1*x0*x1"), "selection", "on the front"),
        (evidence("x0 + x1", "x0*sin(x1)", "x0*sin(1.1*x1)"), "selection", "on the front"),
        (evidence("x0 + x1", "x0*x1*x2**0.1", fresh=THREE), "screening", "x2"),
        (evidence("x0 + x1", "x0*x1", noise=0.2), "surrogate", "0.2"),
        (evidence("x0 + x1", "x0*x1", noise=0.0, true_noise=0.1), "surrogate", "is 0.1"),
        (evidence("x0**2*exp(x1)", "x0**1.5*sin(x1)**2"), "matching", "splits the columns as the law"),
        (evidence("x0 + x1", "x0*x1"), "structure", "no formula"),
        (evidence("x0 + x1", "sin(x0*x1)"), "structure or matching", "splits nowhere"),
        (evidence("x0", "sin(x0)", fresh=FRESH[:, :1]), "matching", "one column"),
    ],
)
def test_where_a_law_was_lost_is_told_apart(case: Evidence, stage: str, words: str):
    found = loss(case)
    assert (found.stage, words in found.detail) == (stage, True), found


def test_a_column_that_the_network_kept_was_not_screened_out():
    kept = evidence("x0 + x1", "x0*x1*x2**0.1", fresh=THREE, columns=frozenset({0, 1, 2}))
    assert loss(kept).stage == "structure"


def test_the_form_of_a_law_is_seen_through_its_constants():
    case = evidence("x0", "x0*sin(2*x1)")
    names = ("x0", "x1")
    assert form(parse("1.02*x0*sin(1.98*x1)", names), case) == "law"
    assert form(parse("1.02*x0*sin(1.98*x1) + 0.02*x0", names), case) == "more"
    assert form(parse("x0*x1", names), case) == ""


def test_pairs_of_columns_that_add_or_multiply_are_seen():
    found = separations(parse("x0*x1 + exp(x2)", ("x0", "x1", "x2")), THREE)
    assert found == {(0, 1): "", (0, 2): "+", (1, 2): "+"}
    assert separations(parse("x0**2*x1", ("x0", "x1")), FRESH) == {(0, 1): "*"}
    # Where mixtures leave the domain nothing is said.
    assert separations(parse("sqrt(x0 - x1)*x0", ("x0", "x1")), FRESH - [[0, 5]]) == {(0, 1): ""}
