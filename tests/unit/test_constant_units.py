"""Units of constants follow from those of the columns."""

import pytest

from kansym.symbolic.constant_units import constant_units, user_unit
from kansym.symbolic.parser import parse


@pytest.mark.parametrize(
    ("law", "units", "target", "wanted"),
    [
        ("2.5*x", ("m",), "s", ("m^-1*s",)),
        ("2.5*exp(-5017.0*x)", ("K",), "inHg", ("inHg", "K^-1")),
        ("2.5*exp(-5017.5/x)", ("K",), "inHg", ("inHg", "K")),
        ("1.5*x/(2.5 + x)", ("mM",), "nM/s", ("nM*s^-1", "mM")),
        ("1.5*x + 0.25", ("m/s",), "m", ("s", "m")),
        ("1.5*(2.5 + 0.5*x)", ("m",), "m", (None, None, None)),
        ("log(2.5*x)", ("m",), "1", ("m^-1",)),
        ("log(x) + 2.5", ("m",), "1", (None,)),
        ("2.5*x", (None,), "s", (None,)),
    ],
)
def test_a_constant_takes_the_unit_that_makes_the_law_agree(law: str, units, target: str, wanted):
    assert constant_units(parse(law, ("x",)), units, target) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("m/s^2", "m*s^-2"),
        ("kg*m", "kg*m"),
        ("kg m2", "kg*m^2"),
        ("1", "1"),
        ("W/(m K)", "(W/(m K))"),
        ("inHg", "inHg"),
    ],
)
def test_a_unit_keeps_the_words_of_its_user(text: str, wanted: str):
    assert str(user_unit(text)) == wanted
