"""Headers with units, and cells that are or are not numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.data.numbers import explain_text, parse_cell, parse_column
from kansym.data.units import join_unit_tokens, split_header, split_headers

PLAIN = st.text(st.characters(exclude_characters="[]()", exclude_categories=("Cs",)), min_size=1).filter(
    lambda text: text.strip() == text
)


@pytest.mark.parametrize(
    ("header", "name", "unit"),
    [
        ("T [K]", "T", "K"),
        ("T[K]", "T", "K"),
        ("v (m/s)", "v", "m/s"),
        (" v  ( m / s ) ", "v", "m / s"),
        ("k [W/(m K)]", "k", "W/(m K)"),
        ("k (W/(m K))", "k", "W/(m K)"),
        ("y (%)", "y", "%"),
        ("n [-]", "n", "-"),
        ("n [1]", "n", "1"),
        ("x y", "x y", None),
        ("f(x)", "f(x)", None),
        ("f(x) [m]", "f(x)", "m"),
        ("f (x)", "f", "x"),
        ("x[0]", "x[0]", None),
        ("[K]", "[K]", None),
        ("(m)", "(m)", None),
        ("x []", "x []", None),
        ("x ]", "x ]", None),
        ("a) (b", "a) (b", None),
        ("E", "E", None),
        ("lambda", "lambda", None),
        ("λ [µm]", "λ", "µm"),
        ("🍎 (kg)", "🍎", "kg"),
        ("", "", None),
    ],
)
def test_a_header_splits_into_name_and_unit(header, name, unit):
    assert split_header(header) == (name, unit)


@given(name=PLAIN, unit=PLAIN)
def test_any_name_and_unit_come_back_from_square_and_round_brackets(name, unit):
    assert split_header(f"{name} [{unit}]") == (name, unit)
    assert split_header(f"{name} ({unit})") == (name, unit)


@given(PLAIN)
def test_a_name_without_brackets_has_no_unit(name):
    assert split_header(name) == (name, None)


@given(st.text())
def test_splitting_never_loses_or_invents_a_name(header):
    name, unit = split_header(header)
    assert header.strip().startswith(name)
    assert bool(name) == bool(header.strip())
    assert unit is None or (unit and unit in header)


@given(st.lists(st.text(min_size=1).filter(str.strip), unique_by=str.strip, min_size=1))
def test_split_headers_stay_distinct(headers):
    names, units = split_headers(headers)
    assert len(set(names)) == len(headers) == len(units)


def test_names_that_would_collide_keep_their_units():
    assert split_headers(["T [K]", "T [C]", "v [m]"]) == (("T [K]", "T [C]", "v"), ("K", "C", "m"))
    assert split_headers(["T", "T [K]"]) == (("T", "T [K]"), (None, "K"))


def test_units_split_off_by_blanks_are_glued_to_their_names():
    assert join_unit_tokens(["T", "[K]", "v", "(m", "/", "s)", "z"]) == ["T [K]", "v (m / s)", "z"]
    assert join_unit_tokens(["[K]", "a"]) == ["[K]", "a"]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", 1.0),
        ("+3", 3.0),
        ("-0.5", -0.5),
        (" 1e5 ", 1e5),
        ("1E-34", 1e-34),
        (".5", 0.5),
        ("5.", 5.0),
        ("\u22125", -5.0),
        ("inf", math.inf),
        ("-Infinity", -math.inf),
        ("1e999", math.inf),
    ],
)
def test_numbers_are_read(cell, value):
    assert parse_cell(cell) == value
    assert parse_column([cell])[0].tolist() == [value]


@pytest.mark.parametrize("cell", ["", " ", "NA", "n/a", "NaN", "null", "None", "-", "--", "?", "#N/A"])
def test_missing_numbers_are_recognised(cell):
    value = parse_cell(cell)
    assert value is not None
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("1,234.5", "thousands"),
        ("1 234", "thousands"),
        ("1'234'567", "thousands"),
        ("1_000", "thousands"),
        ("1.234.567,8", "thousands"),
        ("1,5", "decimal comma"),
        ("true", "truth value"),
        ("FALSE", "truth value"),
        ("2024-01-31", "a date"),
        ("31.1.2024", "a date"),
        ("2024-01-31T10:00", "a date"),
        ("10:30", "time of day"),
        ("1+2j", "complex"),
        ("1.0D+03", "Fortran"),
        ("12 %", "percentage"),
        ("12 kg", "unit"),
        ("0x10", "unit"),
        ("#DIV/0!", "spreadsheet error"),
        ("1e", "a number with a unit"),
    ],
)
def test_text_is_not_a_number_and_the_reason_is_given(cell, said):
    assert parse_cell(cell) is None
    assert parse_column(["1", cell])[1] == [1]
    assert said in (explain_text(cell) or "")


@pytest.mark.parametrize("cell", ["Mercury", "\u0661", "--5", "e5", ".x", "x1"])
def test_other_text_is_no_number_in_disguise(cell):
    assert parse_cell(cell) is None
    assert explain_text(cell) is None


def test_with_a_decimal_comma_a_point_is_refused():
    assert parse_cell("1,5", ",") == 1.5
    assert parse_cell("1.5", ",") is None
    assert parse_cell("1.234,5", ",") is None
    assert "--decimal ." in (explain_text("1.5", ",") or "")
    assert "thousands" in (explain_text("1.234,5", ",") or "")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_that_python_writes_is_read_back_exactly(number):
    assert parse_cell(repr(number)) == number
    assert parse_column([repr(number).replace(".", ",")], ",")[0][0] == number


@given(st.text())
def test_no_cell_breaks_the_parser(cell):
    assert isinstance(parse_cell(cell), float | None)
    assert isinstance(explain_text(cell), str | None)
