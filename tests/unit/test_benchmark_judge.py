"""The benchmarks' judge: what counts as the law, what does not, and that nothing can hold it up."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sympy

from kansym.symbolic.parser import parse
from tests.benchmarks import judge as judging
from tests.benchmarks import tables
from tests.benchmarks.__main__ import main
from tests.benchmarks.classics import FAMILIES
from tests.benchmarks.families import Family, member
from tests.benchmarks.judge import Verdict, compare, judge, rounded, rule, srbench
from tests.benchmarks.laws import lost
from tests.benchmarks.runs import Problem, Record, run_all
from tests.benchmarks.tables import Report, finite

X, Y = sympy.symbols("x y")
DRAWS = np.random.default_rng(0)
FRESH = DRAWS.uniform(1, 3, (400, 2))
NAMES = ("x", "y")


def solved(found: sympy.Expr, truth: sympy.Expr) -> bool:
    return rule(found, truth)[0]


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        (X * Y, X * Y),
        (X * Y + 3, X * Y),  # an additive constant may be wrong
        (5 * X * Y, X * Y),  # a multiplicative one too
        (X * (X + Y), X**2 + X * Y),
        (sympy.sin(sympy.Float(1.0000001) * X), sympy.sin(sympy.Float(1.0) * X)),  # inner constants, to 3 decimals
        (sympy.Float(0.07957747) * X, X / (4 * sympy.pi)),
        (sympy.exp(-(X**2) / 2) / sympy.sqrt(2 * sympy.pi), sympy.Float(0.39894) * sympy.exp(-(X**2) / 2)),
        (sympy.cos(X) * sympy.sin(Y) + 1e-6 * X, sympy.cos(X) * sympy.sin(Y)),  # below 1e-4 is 0
        (sympy.cos(X) ** 2 + Y, 1 - sympy.sin(X) ** 2 + Y),
    ],
)
def test_a_law_up_to_one_outer_constant_is_found(found: sympy.Expr, truth: sympy.Expr) -> None:
    assert solved(found, truth)


@pytest.mark.parametrize(
    ("found", "truth"),
    [
        (X * Y + 0.01 * X, X * Y),
        (sympy.sin(sympy.Float(1.01) * X), sympy.sin(sympy.Float(1.0) * X)),  # an inner constant may not be wrong
        (2 * X * Y + 3, X * Y),  # an additive and a multiplicative one together may not
        (sympy.Integer(0), X),
        (sympy.Integer(7), X),
        (sympy.nan, X),
        (X, X**2),
    ],
)
def test_another_formula_is_not_found(found: sympy.Expr, truth: sympy.Expr) -> None:
    assert not solved(found, truth)


def test_floats_are_rounded_to_three_decimals_and_small_ones_vanish() -> None:
    found = rounded(sympy.Float(0.12349) * X + sympy.Float(0.00009) * Y)
    assert found == sympy.Float(0.123, 3) * X


def test_the_rule_is_applied_in_a_child_process() -> None:
    assert srbench(parse("x*y/2", NAMES), parse("x*y", NAMES), 60)[0] is True
    assert srbench(parse("x*y**2", NAMES), parse("x*y", NAMES), 60)[0] is False


def test_a_child_that_takes_too_long_is_killed_and_gives_no_verdict() -> None:
    verdict, reason = srbench(parse("x", NAMES), parse("x", NAMES), 0.001)
    assert verdict is None
    assert "more than 0.001 s" in reason


def test_numbers_decide_when_sympy_gives_no_answer() -> None:
    same = judge("1.2*x*y", "a*b", NAMES, ("a", "b"), FRESH, seconds=0.001)
    assert same.symbolic is None and same.numeric and same.solved
    # The column names need not agree, only the order.
    other = judge("1.2*x*y + 0.1*y", "a*b", NAMES, ("a", "b"), FRESH, seconds=0.001)
    assert not other.solved


def test_a_long_interpolation_is_not_the_law_by_numbers() -> None:
    long = "x" + " + sin(y) - sin(y)" * 10
    found = judge(long, "x", NAMES, NAMES, FRESH, seconds=0.001)
    assert found.distance < 1e-12
    assert not found.numeric


def test_sympy_is_not_asked_about_a_formula_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "srbench", lambda *_: pytest.fail("sympy was asked"))
    verdict = judge("-x", "x", NAMES, NAMES, FRESH)
    assert verdict.symbolic is False and verdict.r2 < 0.5


@pytest.mark.parametrize("scale", [1e-200, 1e-34, 1.0, 1e30, 1e200])
def test_comparing_works_at_any_scale(scale: float) -> None:
    law = scale * FRESH[:, 0]
    distance, r2 = compare(law * (1 + 1e-9), law)
    assert distance < 1e-8 and r2 == pytest.approx(1)
    assert compare(law**0 * scale, law)[0] > 0.1


def test_a_formula_that_is_not_finite_somewhere_is_infinitely_far() -> None:
    assert compare(np.array([1.0, np.nan]), np.array([1.0, 2.0])) == (np.inf, -np.inf)


def test_kepler_with_any_factor_is_a_member_and_a_near_exponent_is_not() -> None:
    family = Family("k*a**(3/2)", {"k": 1.0})
    found = member(family, lambda points: 365.2 * points[:, 0] ** 1.5, "a", 0.3, 10.0)
    assert found is not None and found["k"] == pytest.approx(365.2)
    assert member(family, lambda points: 365.2 * points[:, 0] ** 1.5003, "a", 0.3, 10.0) is None
    assert member(family, lambda points: 365.2 * points[:, 0] ** 1.5 + 0.01, "a", 0.3, 10.0) is None


def test_a_family_may_be_of_the_logarithm_and_may_ask_for_a_parameter() -> None:
    family = Family("A - B/T", {"A": 1.0, "B": 1.0}, logarithm=True, accepts=lambda found: found["B"] > 0)
    assert member(family, lambda points: np.exp(17 - 5000 / points[:, 0]), "T", 300.0, 400.0) is not None
    assert member(family, lambda points: np.exp(17 + 5000 / points[:, 0]), "T", 300.0, 400.0) is None
    assert member(family, lambda points: -np.exp(-points[:, 0]), "T", 300.0, 400.0) is None


@pytest.mark.parametrize(
    ("pressure", "known"),
    [
        (lambda t: np.exp(16.9 - 5042.7 / t), True),
        (lambda t: 10 ** (7.73 - 3005.4 / (t - 10.5)), True),
        (lambda t: np.exp(60 - 6800 / t) / t**5, True),
        (lambda t: 3e-34 * t**13.6, False),  # fits Forbes well, but is no law of vapour pressure
        (lambda t: np.exp(0.05 * t - 16), False),
    ],
)
def test_a_vapour_pressure_needs_its_heat_of_vaporisation(pressure: Callable, known: bool) -> None:
    families, _ = FAMILIES["forbes"]
    found = [member(family, lambda points: pressure(points[:, 0]), "T", 363.4, 373.2) for family in families]
    assert any(parameters is not None for parameters in found) == known


@pytest.mark.parametrize(("constant", "known"), [(4.0, True), (4.0004, True), (3.998, False)])
def test_balmer_needs_the_four_to_three_decimals(constant: float, known: bool) -> None:
    families, _ = FAMILIES["balmer"]
    found = member(families[0], lambda n: 364.6 * n[:, 0] ** 2 / (n[:, 0] ** 2 - constant), "n", 3.0, 20.0)
    assert (found is not None) == known


def test_where_a_law_was_lost_is_told_apart() -> None:
    record = {"stop_reason": "time limit"}
    assert lost(Verdict(False, "", True, 1e-9, 1.0, 5), True, record) == "equal in numbers, not by the rule"
    assert lost(Verdict(False, "", False, 1e-9, 1.0, 500), True, record) == "equal in numbers, but too long"
    assert lost(Verdict(False, "", False, 0.1, 0.99, 5), True, record) == "on the front, not chosen"
    assert lost(Verdict(False, "", False, 1e-5, 1 - 1e-9, 5), False, record).startswith("accurate, another form")
    assert lost(Verdict(False, "", False, 0.1, 0.99, 5), False, record) == "not accurate (1-R2 0.01), time limit"


def test_the_command_runs_a_benchmark_and_writes_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    lines = str(tmp_path / "lines.jsonl")
    assert main(["strd", "--names", "misra1a", "boxbod", "--results", lines, "--resume", "--write", "some"]) == 0
    assert "reached 2 of 2" in capsys.readouterr().out
    page = (tmp_path / "some.md").read_text()
    assert "`python -m tests.benchmarks strd --names misra1a boxbod --write some`" in page
    assert json.loads((tmp_path / "some.json").read_text())["records"][1]["name"] == "boxbod"


def double(problem: Problem) -> Record:
    return {"name": problem.name, "twice": 2 * problem.seed}


def test_a_resumed_run_does_only_what_is_missing(tmp_path: Path) -> None:
    problems, told, lines = [Problem("a", seed) for seed in range(3)], [], tmp_path / "lines.jsonl"
    run_all(double, problems[:2], 1, lines, False, told.append)
    records = run_all(double, problems, 1, lines, True, told.append)
    assert [record["twice"] for record in records] == [0, 2, 4]
    assert len(told) == len(lines.read_text().splitlines()) == 3
    run_all(double, problems[:1], 1, lines, False, told.append)
    assert len(lines.read_text().splitlines()) == 1


def test_a_page_keeps_formulas_apart_from_markdown_and_json_valid() -> None:
    report = Report("page", "Title", "a rule", ("one",), ("law", "formula"), (("a", "x**2 | y"),), [{"d": np.inf}])
    assert r"x\*\*2 \| y" in report.markdown("command")
    assert json.dumps(finite(list(report.records)), allow_nan=False) == '[{"d": null}]'
