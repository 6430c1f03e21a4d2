"""Families of known laws, and the benchmarks of tests/benchmarks: resumed runs and pages."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kansym.experiments.classics import FAMILIES
from kansym.experiments.families import Family, member
from tests.benchmarks import tables
from tests.benchmarks.__main__ import main
from tests.benchmarks.runs import Problem, Record, run_all
from tests.benchmarks.tables import Report, finite


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


def test_the_command_runs_a_benchmark_and_writes_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "DOCS", tmp_path)
    lines = str(tmp_path / "lines.jsonl")
    names = ["linear-8", "linear-16"]
    assert main(["conditioning", "--names", *names, "--results", lines, "--resume", "--write", "some"]) == 0
    assert "Parameterisations" in capsys.readouterr().out
    page = (tmp_path / "some.md").read_text()
    assert "`python -m tests.benchmarks conditioning --names linear-8 linear-16 --write some`" in page
    assert json.loads((tmp_path / "some.json").read_text())["records"][1]["name"] == "linear-16"


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
