"""Units in the header of a table take noise that the law alone would not."""

from pathlib import Path

import numpy as np
import pytest

from kansym.config import Config
from kansym.data import Dataset
from kansym.pipeline import fit
from kansym.storage import load
from kansym_cli.main import main

Array = np.ndarray


def oscillators(noise: float, rows: int = 400) -> tuple[Array, Array, Array]:
    """Frequency, temperature, and two constants that vary too; the mean energy with noise, and without."""
    random = np.random.default_rng(3)
    x = random.uniform((1, 1, 1, 1), (6, 5, 4, 4), (rows, 4))
    f, t, h, k = x.T
    clean = h * f / np.expm1(h * f / (k * t))
    return x, clean + noise * np.sqrt(np.mean(clean**2)) * random.standard_normal(rows), clean


def test_the_law_of_a_noisy_table_is_found_by_the_units_in_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, noisy, clean = oscillators(0.05)
    rows = np.column_stack([x, noisy]).tolist()
    lines = ["f [Hz],T [K],h [J*s],k [J/K],E [J]", *(",".join(map(repr, row)) for row in rows)]
    (tmp_path / "table.csv").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    code = main(["fit", "table.csv", "--preset", "fast", "--time-limit", "10", "--out", "run"])
    assert code in (0, 3)  # 3: found, but the time was up before every other way was tried
    formula = load(tmp_path / "run").formula
    assert np.max(np.abs(formula(x) - clean)) < 0.02 * clean.std()
    assert formula.complexity <= 20


def test_units_that_cannot_be_used_are_said_and_change_nothing() -> None:
    f = np.linspace(1, 4, 40)
    plain = Dataset(f, 3 * f**2, ("f",), ("E",))
    odd = Dataset(f, 3 * f**2, ("f",), ("E",), ("Hz//",), ("J",))
    hidden = Dataset(f, 3 * f**2, ("f",), ("E",), ("Hz",), ("J",))
    results = [fit(data, Config(preset="fast")) for data in (plain, odd, hidden)]
    assert results[0].formula.expression == results[1].formula.expression == results[2].formula.expression
    assert not results[0].table.notes
    assert "units are not used" in results[1].table.notes[0]
    assert "constant with a unit" in results[2].table.notes[0]
