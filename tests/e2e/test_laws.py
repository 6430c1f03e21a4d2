"""From a table to its law, through the whole pipeline: noise, odd names and units, small tables, repeatability."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from kansym.config import Config
from kansym.data import Dataset, split_rows
from kansym.errors import DataError, KansymError
from kansym.events import Event, StageFinished
from kansym.pipeline import fit
from kansym.result import Result
from kansym.storage import save
from kansym.symbolic.expression import Constant, Expression, Power

Array = np.ndarray
FAST = Config(preset="fast")


def table(inputs: Array, target: Array, names: Sequence[str] | None = None) -> Dataset:
    return Dataset.from_arrays(inputs, target, names)


def structure(expression: Expression) -> str:
    """A formula with every number but its exponents left out."""
    return re.sub(r"Constant\([^)]*\)", "C", repr(expression))


def exponents(expression: Expression) -> set[float]:
    return {float(node.exponent) for node in expression.walk() if isinstance(node, Power)}


def assert_sane(result: Result) -> None:
    """Every number of the result is a number."""
    assert np.all(np.isfinite(result.points.predicted))
    for formula in result.front.formulas:
        assert all(np.isfinite(node.value) for node in formula.expression.walk() if isinstance(node, Constant))
        assert np.isfinite(formula.description_length)
        assert "nan" not in formula.text() and "inf" not in formula.text()
        assert all(np.isfinite(errors.rmse) for errors in formula.errors.values())


def box(rows: int, columns: int, low: float = 0.5, high: float = 3.0, seed: int = 4) -> Array:
    return np.random.default_rng(seed).uniform(low, high, (rows, columns))


def test_a_noisy_monomial_is_found() -> None:
    x = box(300, 3)
    clean = 2.7 * x[:, 0] * x[:, 1] ** 2 / x[:, 2]
    noisy = clean + 0.02 * clean.std() * np.random.default_rng(1).normal(size=300)
    result = fit(table(x, noisy), FAST)
    assert_sane(result)
    assert result.front.exact
    assert result.formula.complexity <= 10
    assert result.formula(x) == pytest.approx(clean, rel=0.01)
    assert result.noise == pytest.approx(0.02, rel=0.3)


def test_a_constant_target_is_a_constant() -> None:
    events: list[Event] = []
    result = fit(table(box(40, 2), np.full(40, 7.3)), FAST, events.append)
    assert result.formula.complexity == 1
    assert result.formula(np.ones((1, 2))) == pytest.approx([7.3])
    assert result.front.exact
    assert {event.stage for event in events if isinstance(event, StageFinished)} == {"data", "select"}


def test_pure_noise_is_no_law() -> None:
    generator = np.random.default_rng(3)
    data = table(generator.uniform(size=(80, 2)), generator.normal(size=80))
    result = fit(data, Config(preset="fast", primitives=("x^2", "exp", "sin")))
    assert_sane(result)
    assert result.formula.complexity <= 3


@pytest.mark.parametrize("scale", [1e-34, 1e30])
def test_the_unit_of_the_target_does_not_change_the_law(scale: float) -> None:
    x = box(80, 2)
    law = 1.37 * np.sqrt(x[:, 0]) / x[:, 1]
    plain, odd = (fit(table(x, factor * law), FAST) for factor in (1.0, scale))
    assert_sane(odd)
    assert structure(odd.formula.expression) == structure(plain.formula.expression)
    assert odd.formula(x) == pytest.approx(scale * law, rel=1e-9)


def test_the_unit_of_a_column_does_not_change_the_law() -> None:
    x = box(80, 2)
    law = 1.37 * np.sqrt(x[:, 0]) / x[:, 1]
    result = fit(table(x * [1e-27, 1e22], law), FAST)
    assert exponents(result.formula.expression) == {0.5, -1.0}
    assert result.formula(x * [1e-27, 1e22]) == pytest.approx(law, rel=1e-9)


@pytest.mark.parametrize("names", [("E", "I", "lambda"), ("x y", "🙂", "__import__('os')")])
def test_names_are_only_names(names: tuple[str, ...], tmp_path: Path) -> None:
    x = box(60, 3)
    law = 3.2 * x[:, 0] ** 2 * x[:, 1] / x[:, 2]
    result = fit(table(x, law, names), FAST)
    assert result.formula.input_names == names
    assert result.formula(x) == pytest.approx(law, rel=1e-9)
    saved = (save(result, tmp_path / "run") / "result.json").read_text(encoding="utf-8")
    assert names[0] in saved


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(DataError, match="at least 3"):
        fit(table(np.array([1.0, 2.0]), np.array([1.0, 2.0])), FAST)


@pytest.mark.parametrize(("column", "scale"), [("y", 1e-200), ("y", 1e200), ("x1", 1e-150), ("x1", 1e150)])
def test_numbers_whose_squares_no_float_can_hold_are_refused(column: str, scale: float) -> None:
    x = box(40, 2)
    factors = {"x0": 1.0, "x1": 1.0, "y": 1.0, column: scale}
    data = table(x * [factors["x0"], factors["x1"]], factors["y"] * x[:, 0], ["x0", "x1"])
    with pytest.raises(DataError, match=f"column '{column}' reaches"):
        fit(data, FAST)


def test_several_targets_are_refused() -> None:
    data = Dataset.from_arrays(box(20, 2), box(20, 2), target=["u", "v"])
    with pytest.raises(KansymError, match="fit_all fits them together"):
        fit(data, FAST)


@pytest.mark.parametrize("rows", [3, 4, 5, 9])
def test_tiny_tables_are_sane(rows: int) -> None:
    x = np.linspace(1, 4, rows)
    result = fit(table(x, 2 * x), FAST)
    assert_sane(result)
    assert result.formula(x[:, None]) == pytest.approx(2 * x, rel=1e-6)
    assert result.formula.complexity <= 5


def test_a_column_that_never_changes_does_no_harm() -> None:
    x = box(60, 2)
    x[:, 1] = 5.0
    result = fit(table(x, 1.7 * np.sqrt(x[:, 0])), FAST)
    assert_sane(result)
    assert result.formula(x) == pytest.approx(1.7 * np.sqrt(x[:, 0]), rel=1e-9)


def test_rows_that_occur_twice_do_no_harm() -> None:
    x = np.repeat(box(30, 1), 2, axis=0)
    result = fit(table(x, 1.7 / x[:, 0]), FAST)
    assert result.formula(x) == pytest.approx(1.7 / x[:, 0], rel=1e-9)


def test_an_outlier_is_left_out_and_named() -> None:
    x = np.linspace(0.5, 4.0, 24)
    y = 2.5 * x**2 + 0.02 * np.random.default_rng(0).normal(size=24)
    y[9] += 15.0
    result = fit(table(x, y), Config(preset="fast", primitives=("x^2", "x^3", "exp", "sin")))
    assert exponents(result.formula.expression) == {2.0}
    assert any("row 10 " in note for note in result.table.notes)


def test_several_outliers_are_left_out_and_named_and_nothing_bends_to_them() -> None:
    draws = np.random.default_rng(0)
    x = draws.uniform(5, 900, (90, 1))
    y = 4.8 * x[:, 0] * np.exp(-x[:, 0] / 436) * (1 + 0.05 * draws.normal(size=90))
    first, second = sorted(split_rows(90, 0).train[:2])
    y[[first, second]] *= (2.5, 0.2)
    result = fit(table(x, y), Config(preset="fast", time_limit=8))
    fresh = np.linspace(5, 900, 200)[:, None]
    assert result.formula(fresh) == pytest.approx(4.8 * fresh[:, 0] * np.exp(-fresh[:, 0] / 436), rel=0.1)
    assert any(note.startswith(f"rows {first + 1}, {second + 1} are outliers") for note in result.table.notes)


def test_a_power_law_over_decades_with_errors_in_proportion_has_no_outliers() -> None:
    draws = np.random.default_rng(0)
    x = np.exp(draws.uniform(np.log([10, 1e-3, 0.05]), np.log([2000, 0.5, 0.6]), (200, 3)))
    clean = 10.67e-4 * x[:, 0] * x[:, 1] ** 1.852 / x[:, 2] ** 4.87
    result = fit(table(x, clean * (1 + 0.02 * draws.normal(size=200))), Config(preset="fast", time_limit=8))
    assert result.formula(x) == pytest.approx(clean, rel=0.05)
    assert not result.table.notes


def test_a_product_of_powers_with_errors_in_proportion_is_found_at_once() -> None:
    draws = np.random.default_rng(0)
    x = np.exp(draws.uniform(0, 5, (300, 3)))
    clean = 0.8 * x[:, 0] * x[:, 1] ** 2 / x[:, 2]
    result = fit(table(x, clean * (1 + 0.04 * draws.normal(size=300))), Config(time_limit=60))
    assert result.formula(x) == pytest.approx(clean, rel=0.02)
    assert "edits" not in result.timings and result.stop_reason == "finished"


def test_a_product_of_powers_is_not_believed_on_six_rows() -> None:
    x = np.linspace(0.5, 5.0, 6)
    result = fit(table(x[:, None], x**2 / (1 - x / 5.2)), Config(time_limit=10))
    fresh = np.linspace(0.6, 4.9, 50)
    assert result.formula(fresh[:, None]) == pytest.approx(fresh**2 / (1 - fresh / 5.2), rel=1e-6)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    x = box(60, 2)
    data = table(x, 0.8 * x[:, 0] * np.exp(-x[:, 1]))
    texts = [(save(fit(data, FAST), tmp_path / name) / "result.json").read_bytes() for name in ("one", "two")]
    assert texts[0] == texts[1]


def test_an_expired_budget_still_gives_a_result() -> None:
    x = box(60, 2)
    result = fit(table(x, np.sin(x[:, 0]) * x[:, 1]), Config(time_limit=1e-3))
    assert result.stop_reason == "time limit"
    assert_sane(result)


def test_a_law_that_needs_the_network_is_found() -> None:
    x = box(1000, 2, -2.5, 2.5)
    law = np.cos(x[:, 0] ** 2 + x[:, 1])
    result = fit(table(x, law), Config(preset="default"))
    assert_sane(result)
    fresh = box(200, 2, -2.5, 2.5, 9)
    assert result.formula(fresh) == pytest.approx(np.cos(fresh[:, 0] ** 2 + fresh[:, 1]), abs=1e-6)
    assert result.formula.complexity <= 9


def test_a_target_that_falls_to_nothing_does_no_harm() -> None:
    x = np.linspace(0.0, 25.0, 120)
    result = fit(table(x, 3 * np.exp(-(x**2))), FAST)  # down to 1e-271
    assert_sane(result)
    assert result.formula(x[:, None]) == pytest.approx(3 * np.exp(-(x**2)), abs=1e-9)
