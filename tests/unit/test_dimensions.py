"""Unit texts are read as dimensions, and what cannot be read for sure is refused."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.data.dimensions import PURE, Dimension, parse_unit, read_dimensions
from kansym.errors import DataError


def dim(**powers: int | Fraction) -> Dimension:
    return Dimension.of({base: Fraction(power) for base, power in powers.items()})


ENERGY = dim(kg=1, m=2, s=-2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("m/s", dim(m=1, s=-1)),
        ("kg*m^2*s^-2", ENERGY),
        ("J", ENERGY),
        ("kWh", ENERGY),
        ("meV", ENERGY),
        ("N.m", ENERGY),
        ("kg·m²/s²", ENERGY),
        ("kg m2 s-2", ENERGY),
        ("V*C", ENERGY),
        ("Pa m^3", ENERGY),
        ("kg * ( m / s )**2", ENERGY),
        ("km", dim(m=1)),
        ("min", dim(s=1)),
        ("h", dim(s=1)),
        ("mmol/L", dim(mol=1, m=-3)),
        ("W/(m² K)", dim(kg=1, s=-3, K=-1)),
        ("kHz", dim(s=-1)),
        ("1/s", dim(s=-1)),
        ("10^3 m", dim(m=1)),
        ("s⁻¹", dim(s=-1)),
        ("m^(1/2)", dim(m=Fraction(1, 2))),
        ("m^0.5", dim(m=Fraction(1, 2))),
        ("daN", dim(kg=1, m=1, s=-2)),
        ("Ohm", dim(kg=1, m=2, s=-3, A=-2)),
        ("apples", dim(apples=1)),
        ("apples/day", dim(apples=1, s=-1)),
        ("T", dim(kg=1, s=-2, A=-1)),
        ("W/(m^2*Hz*sr)", dim(kg=1, s=-2)),
        *((text, PURE) for text in ("1", "-", "", "%", "rad", "deg", "m/km", " none ")),
    ],
)
def test_a_unit_is_read_as_its_dimension(text: str, expected: Dimension) -> None:
    assert parse_unit(text) == expected


@pytest.mark.parametrize(
    "text", ["m//s", "^2", "m^", "m^(1/0)", "log(K)", "kg(m", "m)", "a.u.", "m^1/2", "m^1000", "$"]
)
def test_a_text_that_is_no_unit_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(DataError) as error:
        parse_unit(text)
    assert "\n" not in str(error.value)


def test_a_unit_that_can_be_read_in_two_ways_is_refused() -> None:
    with pytest.raises(DataError, match="two ways"):
        parse_unit("J/kg K")


def test_a_unit_that_does_not_start_at_nothing_is_refused() -> None:
    with pytest.raises(DataError, match="give the column in K"):
        parse_unit("°C")


def test_nested_brackets_and_long_texts_are_refused_and_not_followed() -> None:
    for text in ("(" * 150 + "m" + ")" * 150, "m*" * 500 + "m"):
        with pytest.raises(DataError):
            parse_unit(text)


WORDS = st.sampled_from(["m", "kg", "s", "A", "K", "mol", "cd", "N", "J", "V", "apples", "µm"])
POWERS = st.fractions(-4, 4, max_denominator=3)
PARTS = st.lists(st.tuples(WORDS, POWERS), max_size=4)


@given(PARTS)
def test_what_is_written_is_read(parts: list[tuple[str, Fraction]]) -> None:
    text = "*".join(f"{word}^({power})" for word, power in parts)
    expected = PURE
    for word, power in parts:
        expected = expected * parse_unit(word) ** power
    assert parse_unit(text) == expected
    assert parse_unit(str(expected)) == expected


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_unit(text)
    except DataError as error:
        assert "\n" not in str(error)


def test_dimensions_of_a_table_need_the_unit_of_its_target() -> None:
    dimensions, notes = read_dimensions(("v", "m"), ("m/s", "kg"), "E", None)
    assert dimensions is None
    assert len(notes) == 1 and "'E'" in notes[0]


def test_without_units_nothing_is_assumed_and_nothing_said() -> None:
    assert read_dimensions(("v", "m"), (None, None), "E", "J") == (None, ())


def test_an_input_without_a_unit_beside_others_is_a_pure_number_and_said_to_be() -> None:
    dimensions, notes = read_dimensions(("v", "angle"), ("m/s", None), "u", "km/h")
    assert dimensions is not None and dimensions.inputs == (dim(m=1, s=-1), PURE)
    assert notes == ("no unit, so taken as pure numbers: 'angle'",)


def test_one_unreadable_unit_makes_all_useless_with_one_note() -> None:
    dimensions, notes = read_dimensions(("v", "T"), ("m/s", "°C"), "u", "m/s")
    assert dimensions is None
    assert len(notes) == 1 and "'T'" in notes[0]
