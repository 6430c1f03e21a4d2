"""The search on groups: laws come back in the columns, with the units taken out first."""

from collections.abc import Callable

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.data.dimensions import Dimensions, parse_unit
from kansym.structure.dimensions import Analysis, scalings
from kansym.symbolic.canonical import canonical
from kansym.symbolic.consistency import measured
from kansym.symbolic.constants import Rows, mean_square, polish
from kansym.symbolic.dimensional import cleared, finished, search_groups, search_with_units
from kansym.symbolic.expression import Variable
from kansym.symbolic.parser import parse
from kansym.symbolic.search import search
from kansym.symbolic.table import EXACT, Candidate, Table

Array = np.ndarray
Box = tuple[tuple[float, float], ...]


def units(target: str, *inputs: str) -> Analysis:
    dimensions = Dimensions(tuple(parse_unit(unit) for unit in inputs), parse_unit(target))
    return Analysis(dimensions, tuple(scalings(dimensions)))


def table_of(law: Callable[..., Array], box: Box, noise: float = 0.0, rows: int = 400) -> Table:
    random = np.random.default_rng(2)
    low, high = np.array(box, dtype=float).T
    x = random.uniform(low, high, (rows, len(box)))
    y = law(*x.T)
    size = float(np.sqrt(np.mean(y**2)))
    y = y + noise * size * random.standard_normal(rows)
    cut = rows * 3 // 4
    goal = 1.2 * noise * size / float(y.std()) if noise else EXACT
    return Table(Rows(x[:cut], y[:cut]), Rows(x[cut:], y[cut:]), goal)


def test_a_law_of_no_group_is_one_number_whatever_the_noise() -> None:
    table = table_of(lambda m, v, r: 3.1 * m * v**2 / r, ((1, 5), (1, 5), (1, 5)), noise=0.3)
    found = search_with_units(table, units("N", "kg", "m/s", "m"), Budget(30))
    x = Variable(0) * Variable(1) ** 2 / Variable(2)
    ratio = found[0].expression.evaluate(table.fit.inputs) / x.evaluate(table.fit.inputs)
    assert np.ptp(ratio) < 1e-9 * ratio.mean()
    assert ratio.mean() == pytest.approx(3.1, rel=0.05)


@pytest.mark.parametrize(
    ("law", "box", "analysis"),
    [
        (lambda m, v, c: m * v / np.sqrt(1 - v**2 / c**2), ((1, 5), (1, 2), (3, 9)), ("N*s", "kg", "m/s", "m/s")),
        (lambda a, b, n: a * b / (n * a + b), ((1, 4), (2, 7), (1, 3)), ("m", "m", "m", "1")),
        (lambda e, q, d, a: q * d * np.cos(a) / e, ((1, 5), (1, 5), (1, 5), (0, 3)), ("V*m", "F/m", "C/m", "m", "rad")),
    ],
)
def test_a_law_of_groups_is_found_in_its_own_columns(
    law: Callable[..., Array], box: Box, analysis: tuple[str, ...]
) -> None:
    table = table_of(law, box)
    analysed = units(*analysis)
    found = search_groups(table, analysed, Budget(60))
    assert finished(found, EXACT), f"the best error is {min(candidate.error for candidate in found):.2g}"
    best = min(found, key=lambda candidate: candidate.error)
    measure = measured(best.expression, analysed.dimensions.inputs, pure_constants=True)
    assert (measure.dimension, measure.clashes) == (analysed.dimensions.target, 0)


def test_a_root_of_groups_is_found_in_noise() -> None:
    """The energy of a charge in a field: no link of the target lays its root open."""

    def law(m: Array, c: Array, p: Array, q: Array, a: Array, v: Array) -> Array:
        return np.sqrt((p - q * a) ** 2 * c**2 + m**2 * c**4) + q * v

    analysis = units("J", "kg", "m/s", "kg*m/s", "C", "kg*m/s/C", "V")
    table = table_of(law, ((1, 5),) * 6, noise=0.01, rows=1600)
    found = search_groups(table, analysis, Budget(60))
    clean = Rows(table.fit.inputs, law(*table.fit.inputs.T))
    assert min(polish(each.expression, clean).mean_square for each in found) < 1e-12 * clean.spread**2


def test_units_that_hide_a_constant_do_not_stop_the_search() -> None:
    """The law holds a speed of 3 m/s that is no column, so no function of the groups follows it."""
    table = table_of(lambda m, v: m * 9 / np.sqrt(1 - v**2 / 9), ((1, 5), (1, 2)))
    found = search_with_units(table, units("J", "kg", "m/s"), Budget(60))
    assert min(candidate.error for candidate in found) < 1e-6


def test_without_units_the_search_is_the_plain_one() -> None:
    table = table_of(lambda a, b: a * b / (a + b), ((1, 4), (2, 7)), rows=200)
    plain, same = search(table, Budget(60)), search_with_units(table, None, Budget(60))
    assert [candidate.expression for candidate in plain] == [candidate.expression for candidate in same]


def test_errors_of_groups_are_weighed_as_those_of_the_target() -> None:
    """Small values of the target must not speak with the voice of large ones once divided by the product in front."""
    law = lambda m, v, c: m**3 * np.exp(-v / c)  # noqa: E731
    table = table_of(law, ((0.1, 5), (1, 5), (1, 5)), noise=0.05, rows=300)
    found = search_groups(table, units("kg^3", "kg", "m/s", "m/s"), Budget(15))
    clean = Rows(table.fit.inputs, law(*table.fit.inputs.T))
    assert mean_square(found[0].expression, clean) < (0.02 * clean.target.std()) ** 2


def test_finished_means_exact_or_one_number_at_the_noise() -> None:
    single, other = Candidate(Variable(0), 0.05, "units leave one monomial"), Candidate(Variable(0), 0.05, "curve")
    assert finished([single], 0.06)
    assert not finished([other], 0.06)
    assert not finished([single], EXACT)


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("x*(y/x - x/y)", 9),
        ("y*z/(x*(y/x + z/x))", 7),
        ("y/(x + z)", 5),
        ("2*(x + y)*(x + z)", 9),
        ("(x/(y + z) + 1)*(y + z)", 5),
    ],
)
def test_fractions_of_fractions_are_cleared_where_that_is_shorter(text: str, most: int) -> None:
    formula = parse(text, ["x", "y", "z"])
    shorter = cleared(canonical(formula))
    points = np.random.default_rng(1).uniform(0.5, 2, (40, 3))
    np.testing.assert_allclose(shorter.evaluate(points), formula.evaluate(points), rtol=1e-12)
    assert shorter.complexity <= most
