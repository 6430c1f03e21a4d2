"""Formulas in the groups that units leave, and back: the same law in fewer columns."""

from __future__ import annotations

import numpy as np
import pytest

from kansym import Config, Dataset, fit
from kansym.data.dimensions import Dimensions, parse_unit
from kansym.structure.dimensions import measured_by, measuring
from kansym.symbolic.canonical import canonical
from kansym.symbolic.consistency import agrees
from kansym.symbolic.constants import Rows
from kansym.symbolic.edits import Groups
from kansym.symbolic.parser import parse

NAMES = ("v", "c", "m", "x", "t", "angle")
UNITS = ("m/s", "m/s", "kg", "m", "s", "1")
DIMENSIONS = Dimensions(tuple(map(parse_unit, UNITS)), parse_unit("J"))
LAWS = (
    "m*c**2/sqrt(1 - v**2/c**2)", "m*x**2/t**2*sin(angle)", "m*v**2*exp(-x/(c*t))/2 + m*c**2*angle",
    "0.3*m*sqrt(v*c**3)*tanh(x/(v*t)) - m*x*v/t",
)  # fmt: skip


def table(rows: int = 50) -> np.ndarray:
    return np.random.default_rng(0).uniform([0.5, 2.5, 1, 1, 1, 0.2], [2, 5, 4, 4, 4, 1.2], (rows, 6))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("columns", measuring(DIMENSIONS))
def test_a_law_in_groups_is_the_law(law: str, columns: tuple[int, ...]) -> None:
    formula, inputs = canonical(parse(law, NAMES)), table()
    scaling = measured_by(DIMENSIONS, columns)
    assert agrees(formula, DIMENSIONS) and scaling is not None
    groups = Groups(columns, scaling)
    lowered = groups.lowered(formula)
    assert max(lowered.variables) < len(NAMES) - len(columns)
    values = formula.evaluate(inputs)
    assert groups.lifted(lowered).evaluate(inputs) == pytest.approx(values, rel=1e-12)
    rows = groups.rows(Rows(inputs, values))
    assert rows is not None and lowered.evaluate(rows.inputs) == pytest.approx(rows.target, rel=1e-12)


def test_errors_weigh_in_groups_what_they_weigh_in_columns() -> None:
    inputs = table()
    clean = parse(LAWS[0], NAMES).evaluate(inputs)
    noisy = clean + np.random.default_rng(1).normal(size=len(clean))
    groups = Groups.of([canonical(parse(LAWS[0], NAMES))], DIMENSIONS, Rows(inputs, clean))
    assert groups is not None
    right, spoiled = groups.rows(Rows(inputs, clean)), groups.rows(Rows(inputs, noisy))
    assert right is not None and spoiled is not None
    errors = (spoiled.target - right.target) * np.asarray(right.roots)
    assert errors / errors[0] == pytest.approx((noisy - clean) / (noisy - clean)[0], rel=1e-9)


def test_measuring_columns_are_those_that_make_formulas_short() -> None:
    formula = canonical(parse("m*c**2*(1 + v/c + v**2/c**2)", NAMES))
    inputs = table()
    groups = Groups.of([formula], DIMENSIONS, Rows(inputs, formula.evaluate(inputs)))
    assert groups is not None
    assert groups.lowered(formula).complexity == min(
        Groups(columns, scaling).lowered(formula).complexity
        for columns in measuring(DIMENSIONS)
        if (scaling := measured_by(DIMENSIONS, columns)) is not None
    )


def test_columns_that_change_sign_measure_nothing() -> None:
    inputs = table()
    inputs[:, [0, 1]] *= -1.0
    formula = canonical(parse("m*c**2*exp(-v/c)", NAMES))
    groups = Groups.of([formula], DIMENSIONS, Rows(inputs, formula.evaluate(inputs)))
    assert groups is None or not {0, 1} & set(groups.measuring)


@pytest.mark.parametrize("formula", ["m*c**2 + x", "m*v**2*sin(x)", "v*c"])
def test_what_disagrees_is_seen(formula: str) -> None:
    assert not agrees(parse(formula, NAMES), DIMENSIONS)


def test_edits_of_a_table_with_units_lead_to_formulas_whose_units_agree() -> None:
    draws = np.random.default_rng(0)
    x = draws.uniform(0.5, 2.0, (300, 4))
    p, t, w, u = x.T
    clean = p * np.sin(t * (w - u) / 2) ** 2 / (1 + np.exp(-t * u))
    y = clean + 0.01 * np.sqrt(np.mean(clean**2)) * draws.normal(size=300)
    data = Dataset(x, y, ("p", "t", "w", "u"), ("y",), input_units=("J", "s", "1/s", "1/s"), target_units=("J",))
    result = fit(data, Config(preset="fast", time_limit=8))
    assert "edits" in result.timings
    dimensions = Dimensions(tuple(map(parse_unit, ("J", "s", "1/s", "1/s"))), parse_unit("J"))
    assert all(agrees(f.expression, dimensions) for f in result.front.formulas if f.origin == "edits")
