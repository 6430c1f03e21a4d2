"""The units of a formula: what it measures, where it adds unlike things, and what that costs."""

import pytest

from kansym.data.dimensions import PURE, Dimensions, parse_unit
from kansym.symbolic.canonical import canonical
from kansym.symbolic.consistency import measured, unit_nats
from kansym.symbolic.parser import parse

NAMES = ["v", "c", "m", "x", "t", "angle"]
COLUMNS = tuple(parse_unit(unit) for unit in ("m/s", "km/s", "kg", "m", "s", "rad"))


@pytest.mark.parametrize(
    ("formula", "unit"),
    [
        ("m*c**2/sqrt(1 - v**2/c**2)", "J"),
        ("x - v*t", "m"),
        ("x*sin(angle)/t", "m/s"),
        ("exp(-x/(c*t))", "1"),
        ("sqrt(v*c)", "m/s"),
        ("abs(v - c)*m", "N*s"),
    ],
)
def test_a_formula_of_physics_has_its_unit_and_no_clash(formula: str, unit: str) -> None:
    found = measured(parse(formula, NAMES), COLUMNS, pure_constants=True)
    assert (found.dimension, found.clashes) == (parse_unit(unit), 0)


@pytest.mark.parametrize(
    ("formula", "clashes"), [("x + t", 1), ("sin(x)", 1), ("exp(v) + x + m", 3), ("1 + v/c + x", 1)]
)
def test_every_place_that_makes_no_sense_is_counted(formula: str, clashes: int) -> None:
    assert measured(parse(formula, NAMES), COLUMNS, pure_constants=True).clashes == clashes


def test_a_free_constant_may_carry_the_unit_that_is_missing() -> None:
    formula = parse("sin(1.37*x) + 2.5*t + 0.3", NAMES)
    assert measured(formula, COLUMNS).clashes == 0
    assert measured(formula, COLUMNS).dimension == PURE
    assert measured(formula, COLUMNS, pure_constants=True).clashes == 2


def test_consistent_formulas_are_cheaper_than_those_with_units_in_constants_and_these_than_nonsense() -> None:
    dimensions = Dimensions(COLUMNS, parse_unit("m"))
    costs = [unit_nats(parse(text, NAMES), dimensions) for text in ("x + v*t", "1.7*x + 2.3*t", "x + t")]
    assert costs[0] <= 0 < costs[1] < costs[2]


def test_a_formula_is_as_long_as_it_is_in_its_groups() -> None:
    dimensions = Dimensions(COLUMNS[:3], parse_unit("J"))  # the groups: v/c alone
    plain, lifted = parse("1/sqrt(1 - v**2)", NAMES), parse("m*c**2/sqrt(1 - v**2/c**2)", NAMES)
    length = 2 * lifted.complexity + unit_nats(lifted, dimensions)
    assert length == pytest.approx(2 * canonical(plain).complexity, abs=4)


def test_a_wave_of_a_ratio_of_speeds_is_unlikely() -> None:
    dimensions = Dimensions(COLUMNS, parse_unit("kg"))
    wave, decay = (unit_nats(parse(text, NAMES), dimensions) for text in ("m*cos(v/c)", "m*tanh(v/c)"))
    assert wave > decay + 3


def test_without_units_nothing_costs_anything() -> None:
    assert unit_nats(parse("sin(x) + t", NAMES), None) == 0
