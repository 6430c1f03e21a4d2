"""`kansym.problem`: when a table is explained, so that the search may stop."""

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.config import Config
from kansym.data.dataset import Dataset
from kansym.problem import prepare
from kansym.symbolic.constants import Rows, polish
from kansym.symbolic.parser import parse
from kansym.symbolic.reading import has_whole_powers
from kansym.symbolic.search import solve_by_monomials
from kansym.symbolic.table import Table

NAMES = ("x", "y", "z")


def problem_of(law: str, noise: float, rows: int = 1500):
    generator = np.random.default_rng(3)
    inputs = generator.uniform(1.0, 3.0, (rows, len(NAMES)))
    clean = parse(law, NAMES).evaluate(inputs)
    target = clean + noise * np.sqrt(np.mean(clean**2)) * generator.standard_normal(rows)
    return prepare(Dataset(inputs, target, NAMES, ("f",)), Config())


def monomials_of(problem):
    return solve_by_monomials(Table(problem.train, problem.validation))


@pytest.mark.parametrize(("law", "noise"), [("2*x*y/z**2", 0.1), ("sqrt(x*y)", 0.03), ("x**3", 0.1)])
def test_a_product_of_whole_powers_explains_a_loud_table(law: str, noise: float):
    problem = problem_of(law, noise)
    assert problem.noise > 0.05 and problem.explained(monomials_of(problem))


@pytest.mark.parametrize("law", ["x*y/cos(x/4)", "x*(y + z)", "x**(4/3)*y", "x*y + 0.3*sin(8*z)"])
def test_a_product_that_leaves_a_pattern_or_has_odd_powers_does_not(law: str):
    problem = problem_of(law, 0.1)
    assert not problem.explained(monomials_of(problem))


def test_a_table_without_noise_is_not_believed_before_it_is_exact():
    problem = problem_of("x*y + 1e-6*z", 0.0)
    assert not problem.explained(monomials_of(problem))


@pytest.mark.parametrize(
    ("text", "whole"),
    [("2*x*y**2/z", True), ("3*sqrt(x)*y**(-1/2)", True), ("x**(3/2)", True), ("x*sqrt(y)", False), ("x + y", False),
     ("sin(x)*y", False), ("x**(1/3)", False)],
)  # fmt: skip
def test_whole_powers(text: str, whole: bool):
    assert has_whole_powers(parse(text, NAMES)) is whole


def test_even_errors_of_a_target_that_spans_decades_are_searched_as_they_are():
    generator = np.random.default_rng(4)
    inputs = generator.uniform(1.0, 2.5, (1500, 3))
    clean, errors = np.exp(-(inputs[:, 0] ** 2)) * inputs[:, 1], 0.003 * generator.standard_normal(1500)
    even, relative = clean + errors * np.sqrt(np.mean(clean**2)), clean * (1 + errors)
    shown = even > 0.001
    problem = prepare(Dataset(inputs[shown], even[shown], NAMES, ("f",)), Config())
    assert problem.growth < 0.5 and [view.weights for view in problem.views()] == [None]
    problem = prepare(Dataset(inputs, relative, NAMES, ("f",)), Config())
    assert problem.growth > 0.8 and len(list(problem.views())) == 2


def test_a_distance_that_noise_brings_below_0_is_found_by_its_square():
    generator = np.random.default_rng(6)
    inputs = generator.uniform(0.5, 3.0, (1200, 3))
    clean = np.sqrt((inputs[:, 0] - inputs[:, 1]) ** 2 + (inputs[:, 2] - 1.0) ** 2)
    target = clean + 0.1 * np.sqrt(np.mean(clean**2)) * generator.standard_normal(1200)
    assert target.min() < 0
    problem = prepare(Dataset(inputs, target, NAMES, ("f",)), Config())
    budget = Budget(30.0)
    found = problem.searched_views(budget.part(30.0), lambda event: None)
    left = min(polish(each.expression, Rows(inputs, clean)).mean_square for each in found)
    assert left < 1e-16 * np.var(clean)
