"""Several targets: what is shared between them, how time is shared, and what stays the same."""

from pathlib import Path

import numpy as np
import pytest

from kansym.budget import Budget, Inner
from kansym.config import Config
from kansym.data import Dataset, TableOptions, read_table
from kansym.errors import DataError
from kansym.storage import save
from kansym.symbolic.parser import parse
from kansym.vector import _leading_columns, _swapped, fit_all, single

Array = np.ndarray


def orbit(rows: int = 200) -> tuple[Array, Array]:
    """Places, a mass, and the acceleration towards the origin."""
    random = np.random.default_rng(3)
    angle, radius, mass = random.uniform(0, 6.28, rows), random.uniform(0.7, 2, rows), random.uniform(1, 5, rows)
    x, y = radius * np.cos(angle), radius * np.sin(angle)
    return np.column_stack([x, y, mass]), np.column_stack([-mass * x / radius**3, -mass * y / radius**3])


def test_the_columns_in_front_of_a_shared_factor_are_seen() -> None:
    inputs, targets = orbit()
    assert _leading_columns(targets[:, 0], targets[:, 1], inputs) == (0, 1)
    assert _leading_columns(targets[:, 0], np.cos(inputs[:, 2]), inputs) is None


def test_a_law_with_two_columns_exchanged_is_a_hint() -> None:
    inputs, targets = orbit()
    law = parse("-m*x/(x**2 + y**2)**(3/2)", ("x", "y", "m"))
    assert np.allclose(_swapped(law, inputs, targets[:, 1])[0].evaluate(inputs), targets[:, 1])


def test_both_components_of_a_central_force_are_found() -> None:
    inputs, targets = orbit()
    table = Dataset.from_arrays(inputs, targets, ("x", "y", "m"), ("ax", "ay"))
    for name, result in fit_all(table, Config(time_limit=120.0)).items():
        assert result.table.target_name == name
        assert result.formula(inputs) == pytest.approx(single(table, name).targets[:, 0], rel=1e-6)
        assert result.formula.complexity <= 16


def test_two_runs_of_one_seed_are_the_same_to_the_byte(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(0.5, 3, (60, 2))
    targets = np.column_stack([1.1 * x[:, 0] - 0.4 * x[:, 0] * x[:, 1], 0.1 * x[:, 0] * x[:, 1] - 0.4 * x[:, 1]])
    table = Dataset.from_arrays(x, targets, ("x", "y"), ("dx", "dy"))
    for run in ("one", "two"):
        for name, result in fit_all(table, Config(time_limit=600.0, without=("network",))).items():
            assert result.stop_reason == "finished" and result.front.exact
            save(result, tmp_path / run / name)
    for name in ("dx", "dy"):
        assert (tmp_path / "one" / name / "result.json").read_bytes() == (
            tmp_path / "two" / name / "result.json"
        ).read_bytes()


def test_a_share_of_the_time_ends_with_the_whole() -> None:
    whole = Budget(100.0)
    share = Inner(50.0, whole=whole)
    assert 0 < share.remaining <= 50 and not share.expired
    whole.interrupt()
    assert share.expired and share.interrupted


def test_targets_are_chosen_by_names_with_commas_between(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,"b, c",vx [m/s],vy\n1,2,3,4\n2,3,4,6\n4,1,0,5\n7,7,2,1\n')
    both = read_table(path, TableOptions(target="vy,vx"))
    assert (both.target_names, both.target_units) == (("vy", "vx"), (None, "m/s"))
    assert both.input_names == ("a", "b, c")
    assert read_table(path, TableOptions(target="b, c")).target_names == ("b, c",)
    with pytest.raises(DataError, match="given twice as the target"):
        read_table(path, TableOptions(target="vx,vx"))
