"""`kansym discover` as its users meet it."""

import json
from pathlib import Path

import numpy as np
import pytest

from kansym_cli.main import main
from kansym_datasets import fields


def decay(path: Path, header: str = "run,t [s],q [C]") -> Path:
    lines = [header]
    for run, start in (("a", 3.0), ("b", 1.0)):
        for time in np.linspace(0, 4, 40):
            value = 0.5 + (start - 0.5) * np.exp(-0.8 * time)
            lines.append(f"{run},{float(time)!r},{'' if abs(time - 2) < 0.06 else repr(float(value))}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_table_gives_equations_a_folder_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table, out = decay(tmp_path / "q.csv"), tmp_path / "found"
    code = main(["discover", str(table), "--trajectory", "run", "--out", str(out), "--json", "--quiet"])
    told = json.loads(capsys.readouterr().out)
    assert code == 0 and told["exact"] and told["equations"][0]["unit"] == "C/s"
    assert {each["unit"] for each in told["equations"][0]["constants"]} == {"s^-1", "C*s^-1"}
    assert told["equations"][0]["left"] == "dq/dt" and len(told["starts"]) == 2
    assert {"discovery.json", "equations.tex"} <= {path.name for path in out.iterdir()}
    assert json.loads((out / "discovery.json").read_text())["equations"] == told["equations"]


def test_a_field_gives_a_partial_equation(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    axes, values = fields.grid("pde-burgers")
    np.savez(tmp_path / "u.npz", **{"t [s]": axes["t"], "x [m]": axes["x"], "u [m/s]": values["u"]})
    assert main(["discover", str(tmp_path / "u.npz"), "--pde", "--out", str(tmp_path / "found")]) == 0
    told = capsys.readouterr().out
    assert "u_t = 0.1*u_xx - u*u_x   [m*s^-2]" in told and "m^2*s^-1" in told
    assert "solution from the first moment on, of the field's spread: u within" in told
    assert {"solution.svg", "balance.svg"} <= {path.name for path in (tmp_path / "found").iterdir()}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--time", "time"], "no column 'time' for the time"),
        (["--states", "p"], "no column 'p' for the states"),
        (["--trajectory", "run", "--states", "run"], "cannot be a state too"),
        (["--trajectory", "run", "--libraries", "poly"], "unknown library 'poly'"),
        ([], "run"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str):
    assert main(["discover", str(decay(tmp_path / "q.csv")), *arguments, "--quiet"]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == ""


def test_a_foreign_folder_is_not_written_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mine").write_text("x")
    assert main(["discover", str(decay(tmp_path / "q.csv")), "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err
