"""`kansym solve` as its users meet it, and the experiments on differential equations, quickly."""

import json
from pathlib import Path

import pytest

from kansym.experiments import Setting, catalogue
from kansym.physics.solver import PROBLEMS, load_solution
from kansym_cli.main import main

QUICK = ("--hidden", "3", "--intervals", "4", "--points", "80", "--no-formula", "--quiet")
ROD = """
equation = "u_t = u_xx/10"
[domain]
x = [0, 1]
t = [0, 1]
[[conditions]]
where = "t = 0"
equation = "u = sin(pi*x)"
[[conditions]]
where = "boundary"
equation = "u = 0"
"""


def rod(tmp_path: Path, text: str = ROD) -> str:
    path = tmp_path / "rod.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_a_file_is_solved_saved_and_printed_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["solve", rod(tmp_path), *QUICK, "--json", "--out", str(tmp_path / "run")]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["problem"]["equations"] == ["u_t - 0.1*u_xx"]
    assert document["networks"]["residuals"]["equation 1"] < 1
    assert document["stop_reason"] == "finished"
    loaded = load_solution(tmp_path / "run")
    assert loaded.problem.name == "rod"
    assert loaded.check.residuals == document["networks"]["residuals"]


def test_a_known_problem_is_solved_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str],
                                               monkeypatch: pytest.MonkeyPatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["solve", "diffusion", *QUICK, "--hard"]) == 0
    printed = capsys.readouterr().out
    assert "relative_l2" in printed
    assert "saved in runs/diffusion-1" in printed
    assert main(["solve", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(PROBLEMS.names())


RING = """
equation = "u_t = k*u_xx"
periodic = "x"
[domain]
x = [0, 1]
t = [0, 1]
[parameters]
k = 0.2
[[conditions]]
where = "t = 0"
equation = "u = sin(2*pi*x)"
[[observations]]
points = [[0.2, 0.5], [0.3, 0.5], [0.7, 0.5], [0.8, 0.5], [0.25, 0.9]]
values = [0.118, 0.127, -0.123, -0.121, 0.029]
weight = 1e-3
"""


def test_a_ring_with_an_unknown_number_is_printed_with_its_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "run"
    assert main(["solve", rod(tmp_path, RING), *QUICK, "--out", str(out)]) == 0
    assert " ± " in capsys.readouterr().out.splitlines()[0]
    document = json.loads((out / "solution.json").read_text("utf-8"))
    assert document["problem"]["periodic"] == ["x"]
    assert 0 < document["standard_errors"]["k"] < 0.1
    loaded = load_solution(out)
    assert loaded.check.residuals["periodic x"] < 1e-12
    ends = loaded([[0.0, 0.4], [1.0, 0.4]])
    assert ends[0] == pytest.approx(ends[1], abs=1e-12)


def test_time_that_is_up_has_exit_code_3_and_is_saved(tmp_path: Path):
    out = tmp_path / "run"
    assert main(["solve", rod(tmp_path), *QUICK, "--time-limit", "0.001", "--out", str(out)]) == 3
    assert load_solution(out).stop_reason == "time limit"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["poison"], "did you mean 'poisson'?"),
        (["nothing.toml"], "cannot read 'nothing.toml'"),
        ([], "give a problem"),
        (["poisson", "--hidden", "0"], "hidden needs"),
        (["poisson", "--windows", "2"], "windows cut the range of t"),
        (["poisson", "--method", "newton"], "gauss_newton"),
    ],
)
def test_what_cannot_be_solved_is_refused_in_one_line(
    arguments, message, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert main(["solve", *arguments, "--quiet"]) == 2
    assert message in capsys.readouterr().err
    assert not any(tmp_path.glob("runs/*"))


def test_a_folder_with_other_files_is_refused_before_the_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    assert main(["solve", "poisson", "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err


def test_a_file_with_a_mistake_is_refused_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["solve", rod(tmp_path, ROD.replace("u_xx", "u_yy"))]) == 2
    assert "nothing is called 'u_yy'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["poisson", "helmholtz", "burgers", "allen-cahn", "diffusion"])
def test_an_experiment_runs_quickly_beside_a_perceptron(name: str):
    setting = Setting(0, lambda name: pytest.fail(name), quick=True, peers=True)
    found = catalogue.load(name).run(setting)
    assert len({row["case"] for row in found}) == len(found) >= 3
    assert any("perceptron" in row["case"] for row in found)
    assert all(0 < row["relative_l2"] < 1e9 and row["parameters"] > 10 for row in found)


def test_a_law_with_rough_numbers_is_told_from_another_law():
    from kansym.experiments.poisson import compared

    assert compared("sin(pi*x)*sin(pi*y^2)") == (True, 0.0)
    law, off = compared("sin(3.1416*x)*sin(3.14159*y^2)")
    assert law
    assert off == pytest.approx(7.3e-6, rel=0.02)
    assert not compared("sin(pi*x)*sin(pi*y)")[0]
    assert not compared("x*y")[0]
