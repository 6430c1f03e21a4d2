"""Steering and several targets through the command, as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from kansym.storage import load
from kansym_cli.main import main

ROWS = 200
QUICK = ("--time-limit", "40", "--quiet", "--json")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, **columns: np.ndarray) -> None:
    rows = np.column_stack(list(columns.values()))
    path.write_text("\n".join([",".join(columns), *(",".join(f"{v:.12g}" for v in row) for row in rows)]) + "\n")


def random(columns: int, low: float = 0.5, high: float = 3.0) -> np.ndarray:
    return np.random.default_rng(8).uniform(low, high, (columns, ROWS))


def fitted(capsys: pytest.CaptureFixture[str], *flags: str) -> dict:
    assert main(["fit", "table.csv", "--out", "run", *QUICK, *flags]) in (0, 3)  # 3: a slow machine was cut short
    return json.loads(capsys.readouterr().out)


def test_a_guess_leads_to_its_law(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = random(2)
    write(folder / "table.csv", x=x, y=y, u=1.3 * np.sin(4.1 * x * y + 0.7) / (x + 2.2 * y))
    found = fitted(capsys, "--guess", "sin(4*x*y)/(x + 2*y)", "--guess", "x + y")
    assert found["exact"] and found["errors"]["test"]["nrmse"] < 1e-7
    assert load("run").config.guess == ("sin(4*x*y)/(x + 2*y)", "x + y")
    assert "--guess 'sin(4*x*y)/(x + 2*y)' --guess 'x + y'" in (folder / "run/report.html").read_text().replace(
        "&#x27;", "'"
    )


def test_only_formulas_of_the_template_win(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = random(2)
    write(folder / "table.csv", x=x, y=y, u=np.exp(-(x**2)) * np.cos(3 * y))
    found = fitted(capsys, "--template", "f(x)*g(y)")
    assert found["exact"] and found["errors"]["test"]["nrmse"] < 1e-7
    assert {formula.origin for formula in load("run").front.formulas} == {"template"}


def test_a_statement_keeps_formulas_that_break_it_away(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (s,) = random(1, -2.0, 2.0)
    write(folder / "table.csv", s=s, u=1.7 * s - 0.4 * s**3 + 0.1 * s**2)
    found = fitted(capsys, "--assume", "odd(s)")
    points = np.linspace(-2, 2, 9)[:, None]
    for formula in load("run").front.formulas:
        assert formula(-points) == pytest.approx(-formula(points), abs=1e-5)
    assert any("breaks odd(s)" in note for note in found["notes"])


def test_a_known_constant_is_written_by_its_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (mass,) = random(1)
    write(folder / "table.csv", m=mass, E=mass * 299792458.0**2)
    found = fitted(capsys, "--known-constants", "c=299792458,k=1.380649e-23")
    assert found["formula"] in ("c**2*m", "m*c**2")
    assert main(["export", "run", "--format", "python"]) == 0
    code = capsys.readouterr().out
    assert "Known constant: c = 299792458.0" in code
    assert main(["show", "run"]) == 0 and "c**2*m" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (("--guess", "2*q"), "no column is called 'q'"),
        (("--template", "f(g(x))"), "an unknown function inside an unknown function"),
        (("--assume", "evn(x)"), "did you mean 'even'"),
        (("--known-constants", "c"), "write it as name=value"),
        (("--target", "u,v"), "no column 'v' for the target"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], reason: str
) -> None:
    write(folder / "table.csv", x=random(1)[0], u=random(1)[0])
    assert main(["fit", "table.csv", "--quiet", *flags]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and reason in lines[0]


def test_each_of_several_targets_gets_its_law_and_its_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = random(2)
    write(folder / "table.csv", x=x, y=y, dx=1.1 * x - 0.4 * x * y, dy=0.1 * x * y - 0.4 * y)
    found = fitted(capsys, "--target", "dx,dy")
    assert [each["target"]["name"] for each in found["targets"]] == ["dx", "dy"]
    assert all(each["errors"]["test"]["nrmse"] < 1e-7 for each in found["targets"])
    assert json.loads((folder / "run/targets.json").read_text())["targets"][1] == {"name": "dy", "folder": "dy"}
    assert main(["show", "run/dy"]) == 0 and capsys.readouterr().out.startswith("dy = ")
    assert load("run/dx").table.input_names == ("x", "y")


def test_a_folder_that_holds_something_else_is_refused_for_several_targets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = random(2)
    write(folder / "table.csv", x=x, u=y, v=x * y)
    (folder / "run").mkdir()
    (folder / "run/thesis.tex").write_text("mine")
    assert main(["fit", "table.csv", "--target", "u,v", "--out", "run"]) == 2
    assert "holds other files" in capsys.readouterr().err
