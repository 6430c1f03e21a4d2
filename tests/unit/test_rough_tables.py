"""The tables of tests/benchmarks/rough: what they promise is what is drawn, and verdicts on results made by hand."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from kansym.data.dimensions import parse_unit, read_dimensions
from kansym.errors import DataError
from kansym.symbolic.consistency import measured
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.parser import parse
from tests.benchmarks.rough import running
from tests.benchmarks.rough.columns import Sheet, column, constant, decimals, digits, follows, levels, multiples, steps
from tests.benchmarks.rough.drawing import FRESH_ROWS, Drawn, Table, draw, fresh
from tests.benchmarks.rough.laws import FIELDS, TABLES
from tests.benchmarks.runs import Record

EVERY = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
# Designs without a random number: every seed gives the same rows.
DESIGNED = {"wave-speed", "tight-binding", "gap-vs-temp", "refractive-index", "thermistor"}
# Laws that are as they are used, although their units do not agree.
UNLIKE = {
    "pipe-headloss": "decimal powers",
    "herschel-bulkley": "a decimal power",
    "thermistor": "the logarithm of a resistance",
    "peukert": "a capacity whose unit is no unit of the header",
    "room-acoustics": "the logarithm of an inverse area",
}
# Units that kansym refuses, and says so.
UNREADABLE = {"learning-curve": {"k€"}}


@cache
def drawn(name: str, seed: int = 0) -> Drawn:
    return draw(TABLES[name], seed)


def judged(name: str, chosen: Expression, front: list[Expression] | None = None) -> Record:
    rows = fresh(TABLES[name], 0)
    return running.judged(chosen, [chosen] if front is None else front, TABLES[name], drawn(name), rows)


def refused(*units: str | None) -> set[str]:
    """The units that are no powers of base units."""
    found = set()
    for unit in filter(None, units):
        try:
            parse_unit(unit)
        except DataError:
            found.add(unit)
    return found


def test_there_are_seventy_tables_of_distinct_names() -> None:
    assert len(TABLES) == sum(len(field.TABLES) for field in FIELDS) == 70


@EVERY
def test_a_table_has_the_rows_and_columns_that_it_promises_all_finite(table: Table) -> None:
    data, rows = drawn(table.name).data, fresh(table, 0)
    assert data.inputs.shape == (table.rows, len(table.visible)) and data.targets.shape == (table.rows, 1)
    assert np.isfinite(data.inputs).all() and np.isfinite(data.targets).all()
    assert rows.inputs.shape == (FRESH_ROWS, len(table.visible)) and np.isfinite(rows.target).all()
    assert data.input_names == table.names and len({*data.input_names, *data.target_names}) == len(table.names) + 1


@EVERY
def test_a_law_reads_all_columns_that_are_not_idle_and_its_copies_are_of_columns_that_it_reads(table: Table) -> None:
    read = {table.names[place] for place in table.expression.variables}
    assert read == set(table.names) - set(table.idle)
    assert {each.like for each in table.visible if each.like} <= read


@EVERY
def test_the_clean_target_is_the_law_and_the_measured_one_is_as_far_as_its_noise(table: Table) -> None:
    got = drawn(table.name)
    target, law = got.data.targets[:, 0], table.expression.evaluate(got.data.inputs)
    assert np.array_equal(law, got.true)
    if table.noise.kind == "exact":
        assert np.array_equal(target, law)
    elif table.noise.kind == "rounded":
        assert np.array_equal(target, table.noise.written(law)) and not np.array_equal(target, law)
    else:
        kept = np.delete((target - law) / got.deviation, got.outliers)
        assert abs(np.sqrt(np.mean(kept**2)) - 1) < 0.05 + 3 / np.sqrt(2 * len(kept))


@EVERY
def test_outliers_are_the_promised_number_of_rows_and_no_others_are_far_off(table: Table) -> None:
    got = drawn(table.name)
    count = table.outliers.count if table.outliers else 0
    assert len(got.outliers) == len(set(got.outliers.tolist())) == count
    if table.noise.kind == "noisy":
        gaps = np.abs(got.data.targets[:, 0] - got.true) / got.deviation
        assert np.flatnonzero(gaps > 5.5).tolist() == got.outliers.tolist()


@EVERY
def test_a_seed_gives_the_same_bytes_again_and_another_seed_others(table: Table) -> None:
    first = drawn(table.name).data
    assert draw(table, 0).data.digest == first.digest
    assert (drawn(table.name, 1).data.digest == first.digest) == (table.name in DESIGNED)
    assert not np.array_equal(fresh(table, 0).inputs[:20], first.inputs[:20])


@EVERY
def test_units_can_be_read_and_agree_with_the_law_where_they_do_in_practice(table: Table) -> None:
    data = drawn(table.name).data
    assert refused(*data.input_units, *data.target_units) == UNREADABLE.get(table.name, set())
    found, _ = read_dimensions(data.input_names, data.input_units, data.target_names[0], data.target_units[0])
    if "units in header" in table.condition:
        assert None not in (*data.input_units, *data.target_units)
    if found is not None:
        law = measured(table.expression, found.inputs)
        agree = law.clashes == 0 and law.dimension in (None, found.target)
        assert agree == (table.name not in UNLIKE)


def test_rows_are_repeated_where_it_is_promised() -> None:
    inputs = drawn("activity-coeff").data.inputs
    assert len(np.unique(inputs, axis=0)) <= len(inputs) - TABLES["activity-coeff"].repeated


def test_designs_repeat_their_levels_and_fresh_rows_lie_between_them() -> None:
    draw_column = levels(1, 10, 100, each=2)
    assert draw_column(Sheet(np.random.default_rng(0), 9)).tolist() == [1, 1, 10, 10, 100, 100, 1, 1, 10]
    between = draw_column(Sheet(np.random.default_rng(0), 100, fresh=True))
    assert between.min() >= 1 and between.max() <= 100 and len(np.unique(between)) == 100
    assert steps(0, 3)(Sheet(np.random.default_rng(0), 4)).tolist() == [0, 1, 2, 3]


def test_a_column_follows_a_formula_of_others_within_its_ends_and_is_written_with_its_digits() -> None:
    sheet = Sheet(np.random.default_rng(0), 2, columns={"a b": np.array([1.0, 4.0])})
    assert follows("3*`a b`", high=10)(sheet).tolist() == [3, 10]
    assert column("T (K)", constant(1)).name == "T"
    values = np.array([1234.567, 0.0123456])
    assert digits(3)(values).tolist() == [1230, 0.0123]
    assert decimals(1)(values).tolist() == [1234.6, 0.0]
    assert multiples(5)(values).tolist() == [1235, 0]


@EVERY
def test_the_law_itself_passes_every_verdict_and_a_constant_none(table: Table) -> None:
    assert judged(table.name, table.expression) == dict.fromkeys(running.VERDICTS, True)
    mean = Constant(float(fresh(table, 0).target.mean()))
    assert judged(table.name, mean) == dict.fromkeys(running.VERDICTS, False)


def test_a_form_counts_with_other_constants_but_is_only_near_where_they_are() -> None:
    names = TABLES["tensile-grain"].names
    close, far = (parse(text, names) for text in ("47.1+261.8*grain_um**(-0.5)", "40.0+290.0/sqrt(grain_um)"))
    assert judged("tensile-grain", close) == {"form": True, "near": True, "columns": True, "shown": True}
    assert judged("tensile-grain", far) == {"form": True, "near": False, "columns": True, "shown": True}
    assert not judged("tensile-grain", parse("47.1+261.8*grain_um**(-1/3)", names))["form"]
    assert judged("tensile-grain", parse("100-grain_um", names), [close])["shown"]


@pytest.mark.parametrize(
    ("name", "text", "right"),
    [
        ("policy-rate", "1.0+1.5*`CPI inflation %`+0.5*`output gap (real-time) %`", True),
        ("policy-rate", "1.0+1.5*`CPI inflation %`", False),
        ("policy-rate", "1.0+1.5*`CPI inflation %`+0.5*`output gap (final) %`+0.001*`unemployment %`", False),
        ("short-cantilever",
         "4*load*span**3/(`E modulus`*width*height**3)+3.12*load*span/(`E modulus`*width*height)", True),
        ("smile", "0.012+0.11*(-0.45*(log(strike/4200)-0.03)+sqrt((log(strike/4200)-0.03)**2+0.09**2))", True),
    ],
)  # fmt: skip
def test_a_copy_of_a_column_counts_as_that_column(name: str, text: str, right: bool) -> None:
    assert judged(name, parse(text, TABLES[name].names))["columns"] == right


def test_an_exact_function_of_a_column_in_its_place_is_still_the_law() -> None:
    text = "0.012+0.11*(-0.45*(log(strike/4200)-0.03)+sqrt((log(strike/4200)-0.03)**2+0.09**2))"
    assert judged("smile", parse(text, TABLES["smile"].names)) == dict.fromkeys(running.VERDICTS, True)


def records(change: Callable[[Record], Record]) -> list[Record]:
    return [change(running.facts(table) | {"seconds": 1.0}) for table in TABLES.values()]


def test_the_report_counts_every_table_in_its_classes_and_tells_of_crashes() -> None:
    solved = running.report(records(lambda record: record | dict.fromkeys(running.VERDICTS, True) | {"short": "x"}))
    assert solved.summary[-1] == "in all, 70 tables: form 70, near 70, columns 70, shown 70"
    assert len(solved.rows) == 70 and all(len(row) == len(solved.header) for row in solved.rows)
    counted = [int(line.split(", ")[1].split()[0]) for line in solved.summary]
    assert sum(counted[:3]) == 70 and min(counted) > 0
    crashed = running.report(records(lambda record: record | {"error": "ValueError: no"}))
    assert crashed.summary[-1] == "in all, 70 tables: form 0, near 0, columns 0, shown 0"
    assert crashed.rows[0][-1] == "ValueError: no" and "ValueError" in crashed.markdown("command")


def test_problems_are_all_tables_for_every_seed_or_those_that_are_named() -> None:
    assert len(running.problems(None, 2, None)) == 140
    (only,) = running.problems(["peukert"], None, 5.0)
    assert (only.name, only.seed, only.time_limit) == ("peukert", 0, 5.0)


def test_a_crash_of_the_fit_is_told_in_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr("kansym.pipeline.fit", fails)
    record = running.run_table(running.problems(["peukert"], None, 1.0)[0])
    assert record["error"] == "ValueError: no" and not record["form"]
