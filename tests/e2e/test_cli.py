"""The command as its users meet it: what it prints, where, and with which exit code."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.config import Config
from kansym.data import Dataset
from kansym.errors import ModelFileError
from kansym.events import Note, Progress, StageFinished, StageStarted
from kansym.result import Points, Result, Table
from kansym.storage import load
from kansym.symbolic.expression import Call, Constant, Power, Product, Variable
from kansym.symbolic.formula import Errors, FittedConstant, Formula, ParetoFront
from kansym_cli import console, output
from kansym_cli.main import COMMANDS, main

ROOT = Path(__file__).parents[2]
PLANETS = "name,a [AU],P [yr]\n" + "".join(
    f"{name},{a},{P}\n"
    for name, a, P in (
        ("Mercury", 0.387, 0.241),
        ("Venus", 0.723, 0.615),
        ("Earth", 1.0, 1.0),
        ("Mars", 1.524, 1.881),
        ("Jupiter", 5.203, 11.862),
        ("Saturn", 9.539, 29.457),
        ("Uranus", 19.191, 84.019),
        ("Neptune", 30.061, 164.767),
    )
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory with planets.csv in it."""
    (tmp_path / "planets.csv").write_text(PLANETS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_result(data: Dataset, config: Config, stop_reason: str = "finished", exact: bool = True) -> Result:
    """A result as the engine would return it, for a table with one input."""
    power = Product((Constant(1.00021), Power(Variable(0), Fraction(3, 2))))
    wave = Product((Constant(2.5), Call("sin", Variable(0))))
    errors = {
        "train": Errors(data.rows, 0.01, 1e-4, 0.02, 0.99999999),
        "leave-one-out": Errors(8, 0.02, 2e-4, 0.03, 0.9),
    }

    def formula(expression: Any, constant: float) -> Formula:
        return Formula(
            expression,
            data.input_names,
            data.target_names[0],
            constants=(FittedConstant(constant, 0.00034), FittedConstant(1.5, None, "3/2")),
            errors=errors,
            box=((0.387, 30.061),),
            input_units=data.input_units,
            target_unit=data.target_units[0],
        )

    return Result(
        config=config,
        table=Table(
            data.source,
            data.digest,
            data.rows,
            data.input_names,
            data.target_names[0],
            data.input_units,
            data.target_units[0],
            data.notes,
        ),
        front=ParetoFront((formula(wave, 2.5), formula(power, 1.00021)), 1, (0,), exact),
        graph_before=None,
        graph=None,
        network=None,
        network_errors={},
        history=(),
        points=Points(data.inputs, data.targets[:, 0], data.targets[:, 0], ("train",) * data.rows),
        environment={},
        stop_reason=stop_reason,
    )


Engine = Callable[..., Result]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], None]:
    """Puts another function in the place of `kansym.pipeline.fit`."""

    def use(fit: Engine) -> None:
        module = types.ModuleType("kansym.pipeline")
        module.fit = fit  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "kansym.pipeline", module)

    return use


@pytest.fixture
def quick_engine(engine: Callable[[Engine], None]) -> None:
    engine(lambda data, config, listen, budget: made_result(data, config))


def fit_planets(*flags: str) -> int:
    return main(["fit", "planets.csv", "--features", "a", "--out", "run", *flags])


# Printing


def test_fit_prints_law_constants_errors_latex_and_front(
    folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]
):
    assert fit_planets() == 0
    page = capsys.readouterr().out
    assert page.startswith("P = 1.00021*a**(3/2)\n")
    for part in ("1.00021 ± 0.00034", "3/2 (exact)", "units: P in yr, a in AU", "leave-one-out", "LaTeX", "RMSE [yr]"):
        assert part in page
    assert "validation     (the table is too small for this part)" in page
    assert "cannot tell the chosen formula from\n  P = 2.5*sin(a)" in page
    assert page.rstrip().endswith("run folder: run")


def test_json_is_one_document_with_the_promised_fields(
    folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]
):
    assert fit_planets("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["formula"] == "1.00021*a**(3/2)"
    assert document["constants"][0] == {"value": 1.00021, "error": 0.00034, "label": None}
    assert document["errors"]["test"] is None and document["errors"]["train"]["rows"] == 8
    assert document["errors"]["leave-one-out"]["nrmse"] == 2e-4
    assert [set(item) for item in document["front"]] == [{"formula", "latex", "complexity", "errors", "constants"}] * 2
    assert (document["rivals"], document["exact"], document["stop_reason"]) == ([0], True, "finished")
    assert document["run"] == "run" and document["target"] == {"name": "P", "unit": "yr"}
    assert {"latex", "complexity", "noise", "columns", "notes"} <= set(document)


def test_show_prints_what_fit_printed(folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]):
    for flags in ([], ["--json"]):
        fit_planets(*flags)
        first = capsys.readouterr().out
        assert main(["show", "run", *flags]) == 0
        assert capsys.readouterr().out == first


def test_an_approximation_is_called_one(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    engine(lambda data, config, listen, budget: made_result(data, config, exact=False))
    assert fit_planets() == 0
    assert capsys.readouterr().out.startswith("no closed form found; best approximation is\nP = 1.00021*a**(3/2)\n")


def test_progress_goes_to_stderr_and_quiet_silences_it(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    def fit(data: Dataset, config: Config, listen: Any, budget: Budget) -> Result:
        listen(StageStarted("training"))
        listen(Progress("training", 0.5, 1e-3, 4, "P = a"))
        listen(StageFinished("training", 1.25, "loss 1e-9"))
        listen(Note("a\nstrange \x1b[31m note"))
        return made_result(data, config)

    engine(fit)
    fit_planets()
    printed = capsys.readouterr()
    assert "training: loss 1e-9 (1.2 s)" in printed.err and "training" not in printed.out
    assert "note: a\\nstrange \\x1b[31m note" in printed.err
    fit_planets("--quiet")
    assert capsys.readouterr().err == ""


def test_the_live_bar_shows_stage_loss_edges_and_formula_without_control_characters():
    from rich.console import Console

    bar = console._Bar(Budget(60.0))
    listen, written = [], io.StringIO()
    listen = bar.listener(lambda text: None)
    for event in (StageStarted("training", "3 of 8"), Progress("training", 0.5, 1e-3, 4, "P = \x1b[31ma [red]")):
        listen(event)
    Console(file=written, width=160, color_system=None).print(bar.render())
    shown = written.getvalue()
    for part in ("training 3 of 8", "ETA", "loss 0.001", "4 edges", "of at most 60 s", "P = \\x1b[31ma [red]"):
        assert part in shown


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.000213, 0.00034, "1.00021 ± 0.00034"),
        (-273.15, 1.25, "-273.1 ± 1.2"),
        (6.62607e-34, 1.2e-39, "(6.626070 ± 0.000012)e-34"),
        (1.5e300, 2e298, "(1.500 ± 0.020)e+300"),
        (5e-310, 1e-311, "(5.00 ± 0.10)e-310"),
        (0.0, 0.5, "0.00 ± 0.50"),
        (3.0, 0.0, "3"),
        (3.0, None, "3"),
        (3.0, float("nan"), "3"),
    ],
)
def test_a_constant_is_written_to_the_second_digit_of_its_error(value: float, error: float | None, text: str):
    assert output.constant_text(FittedConstant(value, error)) == text


# The run folder


def test_without_out_each_fit_gets_a_fresh_folder(folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]):
    for number in (1, 2):
        assert main(["fit", "planets.csv", "--features", "a"]) == 0
        printed = capsys.readouterr()
        assert f"runs/planets-{number}" in printed.err and f"run folder: runs/planets-{number}" in printed.out
        assert load(f"runs/planets-{number}").formula.target_name == "P"


def test_a_folder_that_holds_no_run_is_refused_before_the_fit(
    folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]
):
    engine(lambda *arguments: pytest.fail("the fit was started"))
    (folder / "run").mkdir()
    (folder / "run/thesis.tex").write_text("mine")
    assert fit_planets() == 2
    assert "holds other files and no run" in capsys.readouterr().err


def test_a_fit_that_fails_leaves_no_empty_folder(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    def fit(*arguments: Any) -> Result:
        raise ZeroDivisionError("oops")

    engine(fit)
    assert fit_planets() == 1
    assert not (folder / "run").exists()
    last = capsys.readouterr().err.splitlines()[-1]
    assert "unexpected ZeroDivisionError: oops" in last and "--traceback" in last


def test_a_full_disk_is_told_as_such(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    def fit(*arguments: Any) -> Result:
        raise OSError(28, "No space left on device")

    engine(fit)
    assert fit_planets() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "kansym: error: No space left on device"


def test_traceback_shows_where_an_error_came_from(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    def fit(*arguments: Any) -> Result:
        raise ZeroDivisionError("oops")

    engine(fit)
    assert fit_planets("--traceback") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_settings_reach_the_engine_and_the_run_folder(folder: Path, engine: Any):
    seen: list[tuple[Config, float | None]] = []

    def fit(data: Dataset, config: Config, listen: Any, budget: Budget) -> Result:
        seen.append((config, budget.seconds))
        return made_result(data, config)

    engine(fit)
    (folder / "mine.toml").write_text('seed = 5\nwidth = [4, 3]\npreset = "fast"\n')
    assert fit_planets("--config", "mine.toml", "--seed", "6", "--primitives", "sin,x^2", "--noise", "0.01") == 0
    config = Config(seed=6, width=(4, 3), preset="fast", primitives=("sin", "x^2"), noise=0.01)
    assert seen == [(config, 15.0)]
    assert Config.from_toml((folder / "run/config.toml").read_text()) == config


def test_units_and_columns_reach_the_data(folder: Path, engine: Any):
    seen: list[Dataset] = []

    def fit(data: Dataset, config: Config, listen: Any, budget: Budget) -> Result:
        seen.append(data)
        return made_result(data, config)

    engine(fit)
    (folder / "odd.csv").write_text('"x, y";E;t\n1,5;2;3\n2,5;3;4\n4;5;9\n9;2;1\n')
    assert main(["fit", "odd.csv", "--target", "E", "--features", '"x, y"', "--units", "E=m/s", "--decimal", ","]) == 0
    assert (seen[0].input_names, seen[0].target_names, seen[0].target_units) == (("x, y",), ("E",), ("m/s",))
    assert seen[0].inputs[0, 0] == 1.5


# Resuming


def test_resume_reuses_a_finished_run_of_the_same_data_and_settings(
    folder: Path, quick_engine: None, engine: Any, capsys: pytest.CaptureFixture[str]
):
    fit_planets()
    first = capsys.readouterr().out
    engine(lambda *arguments: pytest.fail("the fit was started again"))
    assert fit_planets("--resume") == 0
    printed = capsys.readouterr()
    assert printed.out == first and "nothing to do" in printed.err


@pytest.mark.parametrize("before", ["nothing", "cut", "damaged"])
def test_resume_starts_over_when_there_is_nothing_to_reuse(
    folder: Path, engine: Any, capsys: pytest.CaptureFixture[str], before: str
):
    engine(lambda data, config, listen, budget: made_result(data, config, stop_reason="time limit"))
    if before != "nothing":
        assert fit_planets() == 3
    if before == "damaged":
        (folder / "run/points.npz").write_bytes(b"")
    engine(lambda data, config, listen, budget: made_result(data, config))
    assert fit_planets("--resume") == 0
    said = {"nothing": "holds no run yet", "cut": "ended early (time limit)", "damaged": "points.npz is damaged"}
    assert said[before] in capsys.readouterr().err
    assert load("run").stop_reason == "finished"


def test_resume_never_overwrites_a_run_of_other_data_or_settings(
    folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]
):
    fit_planets()
    assert fit_planets("--resume", "--seed", "1") == 2
    assert "is of other data or settings" in capsys.readouterr().err
    assert load("run").config.seed == 0


def test_resume_without_out_is_a_usage_error(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["fit", "planets.csv", "--resume"]) == 2
    assert "--resume needs the run folder" in capsys.readouterr().err


# Time and interrupts


def test_time_was_up_gives_exit_code_3_and_a_saved_run(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    engine(lambda data, config, listen, budget: made_result(data, config, stop_reason="time limit"))
    assert fit_planets() == 3
    assert "the time was up" in capsys.readouterr().out
    assert load("run").stop_reason == "time limit"


def test_ctrl_c_once_saves_the_best_so_far_and_gives_130(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    def fit(data: Dataset, config: Config, listen: Any, budget: Budget) -> Result:
        signal.raise_signal(signal.SIGINT)
        assert budget.expired
        return made_result(data, config, stop_reason="interrupted")

    before = signal.getsignal(signal.SIGINT)
    engine(fit)
    assert fit_planets() == 130
    assert "P = 1.00021*a**(3/2)" in capsys.readouterr().out
    assert load("run").stop_reason == "interrupted"
    assert signal.getsignal(signal.SIGINT) == before


def test_ctrl_c_twice_stops_at_once(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]):
    def fit(data: Dataset, config: Config, listen: Any, budget: Budget) -> Result:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return pytest.fail("the second Ctrl-C was not heard")

    engine(fit)
    assert fit_planets() == 130
    assert capsys.readouterr().err.rstrip().endswith("kansym: interrupted")
    assert not (folder / "run").exists()


# The other commands


def test_predict_writes_inputs_and_prediction_and_counts_extrapolation(
    folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]
):
    fit_planets()
    (folder / "new.csv").write_text("a\n1\n4\n100\n-1\n")
    capsys.readouterr()
    assert main(["predict", "run", "new.csv"]) == 0
    printed = capsys.readouterr()
    rows = list(csv.reader(printed.out.splitlines()))
    assert rows[0] == ["a [AU]", "prediction"]
    assert [float(row[1]) for row in rows[1:3]] == pytest.approx([1.00021, 8 * 1.00021], rel=1e-15)
    assert rows[4] == ["-1.0", "nan"]
    assert "2 of 4 rows lie outside" in printed.err and "no real value in 1 of 4 rows" in printed.err


def test_predict_reads_back_what_it_wrote(folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]):
    fit_planets()
    assert main(["predict", "run", "planets.csv", "-o", "out.csv"]) == 0
    assert main(["predict", "run", "out.csv", "-o", "again.csv"]) == 0
    assert (folder / "out.csv").read_text() == (folder / "again.csv").read_text()


def test_export_writes_to_stdout_or_to_a_file(folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]):
    fit_planets()
    capsys.readouterr()
    assert main(["export", "run", "--format", "latex"]) == 0
    text = capsys.readouterr().out
    assert main(["export", "run", "--format", "latex", "-o", "law.tex"]) == 0
    assert (folder / "law.tex").read_text().rstrip("\n") == text.rstrip("\n") != ""


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [(["export", "run", "--format", "cobol"], "latex"), (["plot", "run", "--kind", "pie", "-o", "x.svg"], "pareto")],
)
def test_an_unknown_format_or_kind_lists_the_known_ones(
    folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str], arguments: list[str], listed: str
):
    fit_planets()
    assert main(arguments) == 2
    assert listed in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["svg", "png", "pdf"])
def test_plot_writes_the_same_picture_each_time(folder: Path, quick_engine: None, suffix: str):
    fit_planets()
    for name in ("one", "two"):
        assert main(["plot", "run", "--kind", "pareto", "-o", f"{name}.{suffix}"]) == 0
    assert (folder / f"one.{suffix}").read_bytes() == (folder / f"two.{suffix}").read_bytes() != b""


def test_report_writes_a_page_of_html(folder: Path, quick_engine: None):
    fit_planets()
    assert main(["report", "run", "-o", "page.html"]) == 0
    assert "<html" in (folder / "page.html").read_text()


def test_settings_are_read_from_the_working_folder(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "pyproject.toml").write_text('[project]\nname = "x"\n\n[tool.kansym]\nseed = 7\n')
    assert main(["config", "show"]) == 0
    assert "seed = 7" in capsys.readouterr().out
    (folder / "kansym.toml").write_text('seed = 8\npreset = "fast"\n')
    assert main(["config", "show", "--preset", "thorough"]) == 0
    shown = capsys.readouterr().out
    assert "seed = 8" in shown and 'preset = "thorough"' in shown
    (folder / "kansym.toml").write_text("sead = 8\n")
    assert main(["config", "show"]) == 2
    assert "settings file 'kansym.toml': unknown setting 'sead'" in capsys.readouterr().err


def test_a_command_that_is_misspelt_is_guessed(capsys: pytest.CaptureFixture[str]):
    assert main(["fitt"]) == 2
    assert "did you mean 'fit'" in capsys.readouterr().err


def test_a_graph_is_a_page_too(folder: Path, quick_engine: None):
    fit_planets()
    assert main(["plot", "run", "--kind", "graph", "-o", "net.html"]) == 0
    assert (folder / "net.html").read_text().startswith("<!DOCTYPE html>")
    assert main(["plot", "run", "--kind", "fit", "-o", "net.html"]) == 2


def test_runs_are_compared(folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]):
    fit_planets()
    (folder / "other.csv").write_text("t,h\n" + "".join(f"{t},{5 * t}\n" for t in range(1, 12)))
    assert main(["fit", "other.csv", "--out", "second", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["compare", "run", "run", "second"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and "the same law" in lines[2] and "other columns or ranges" in lines[3]
    assert main(["compare", "run", "run", "--json"]) == 0
    second = json.loads(capsys.readouterr().out)["runs"][1]
    assert second["distance"] == 0 and second["same_data"]


def test_a_file_that_cannot_be_written_is_one_line(
    folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]
):
    fit_planets()
    capsys.readouterr()
    assert main(["export", "run", "--format", "latex", "-o", "no/such/folder.tex"]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "law"), [("ode-lorenz", "dx/dt = "), ("odebench-1", "dx/dt = "), ("pde-burgers", "u_t = ")]
)
def test_a_system_of_equations_has_a_card_too(name: str, law: str, capsys: pytest.CaptureFixture[str]):
    assert main(["datasets", "list"]) == 0 and name in capsys.readouterr().out
    assert main(["datasets", "show", name]) == 0
    shown = capsys.readouterr().out
    assert law in shown and "licence" in shown and "(target)" in shown


def test_datasets_are_listed_shown_and_written(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["datasets", "list", "--json", "--kind", "strd"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 27
    assert main(["datasets", "show", "misra1a"]) == 0
    card = capsys.readouterr().out
    assert "public domain" in card and "pressure" in card
    assert main(["datasets", "write", "misra1a", "m.csv"]) == 0
    assert "kansym fit m.csv" in capsys.readouterr().err
    assert len((folder / "m.csv").read_text().splitlines()) == 15


def test_config_show_prints_toml_that_config_reads(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["config", "show", "--seed", "4", "--width", "4,3", "--drop", "tan"]) == 0
    (folder / "c.toml").write_text(capsys.readouterr().out)
    assert main(["config", "show", "--config", "c.toml"]) == 0
    assert Config.from_toml(capsys.readouterr().out) == Config(seed=4, width=(4, 3), drop=("tan",))


def test_doctor_knows_what_is_installed(capsys: pytest.CaptureFixture[str]):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["devices"][0].startswith("cpu")


# Wrong use


@pytest.mark.parametrize("command", ["", *COMMANDS, "datasets list", "datasets show", "datasets write", "config show"])
def test_every_command_has_help_that_documents_itself(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([*command.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: {' '.join(['kansym', *command.split()])}")


@pytest.mark.parametrize("command", [[], ["fit"]])
def test_exit_codes_are_documented(command: list[str], capsys: pytest.CaptureFixture[str]):
    main([*command, "--help"])
    text = capsys.readouterr().out
    assert all(code in text for code in ("0 ", "1 ", "2 ", "3 ", "130 "))


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["fit"],
        ["fit", "planets.csv", "--preset", "quick"],
        ["fit", "planets.csv", "--width", "four"],
        ["fit", "planets.csv", "--units", "T"],
        ["fit", "planets.csv", "--grid", "0"],
        ["plot", "run", "--kind", "graph", "-o", "x.gif"],
        ["datasets", "list", "--kind", "stars"],
        ["datasets", "write", "kepler", "a.csv", "-o", "b.csv"],
    ],
)
def test_wrong_usage_gives_exit_code_2(folder: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 2
    assert "Usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit", "nothing.csv"],
        ["fit", "planets.csv"],  # the column `name` is text
        ["fit", "planets.csv", "--features", "a", "--target", "T"],
        ["fit", "planets.csv", "--features", "a", "--noise", "-1"],
        ["fit", "planets.csv", "--features", "a", "--time-limit", "nan"],
        ["fit", "planets.csv", "--features", "a", "--config", "nothing.toml"],
        ["fit", "planets.csv", "--features", "a", "--config", "planets.csv"],
        ["fit", "planets.csv", "--features", "a", "--out", "planets.csv"],
        ["show", "nothing"],
        ["show", "."],
        ["predict", "nothing", "planets.csv"],
        ["export", "nothing", "--format", "latex"],
        ["datasets", "show", "nothing"],
    ],
)
def test_bad_input_is_one_line_on_stderr_and_exit_code_2(
    folder: Path, engine: Any, arguments: list[str], capsys: pytest.CaptureFixture[str]
):
    engine(lambda *arguments: pytest.fail("the fit was started"))
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1 and printed.err.startswith("kansym: error: ")


def test_a_damaged_run_is_one_line(folder: Path, quick_engine: None, capsys: pytest.CaptureFixture[str]):
    fit_planets()
    (folder / "run/result.json").write_bytes(b"{")
    capsys.readouterr()
    assert main(["show", "run"]) == ModelFileError.exit_code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# The real thing, in a process of its own


def kansym(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kansym_cli", *arguments],
        cwd=cwd,
        env=process_environment(),
        capture_output=True,
        text=True,
        timeout=240,
    )


def process_environment() -> dict[str, str]:
    paths = os.pathsep.join(str(ROOT / part) for part in ("", "cli", "datasets"))
    return os.environ | {"PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8"}


def fit_in_a_process(folder: Path, run: str) -> subprocess.CompletedProcess[str]:
    return kansym("fit", "exact.csv", "--out", run, "--json", cwd=folder)


def test_from_a_csv_file_to_latex_a_prediction_and_a_picture(folder: Path, capsys: pytest.CaptureFixture[str]):
    def said(*arguments: str) -> str:
        assert main(list(arguments)) == 0
        return capsys.readouterr().out

    axes = [0.387, 0.723, 1.0, 1.524, 5.203, 9.539, 19.191, 30.061]
    (folder / "exact.csv").write_text("a [AU],P [yr]\n" + "".join(f"{a!r},{a**1.5!r}\n" for a in axes))
    fitted = fit_in_a_process(folder, "run")
    assert fitted.returncode == 0, fitted.stderr
    report = json.loads(fitted.stdout)
    assert "3/2" in report["formula"] and "a" in report["formula"]
    assert json.loads(said("show", "run", "--json")) == report
    assert "3" in said("export", "run", "--format", "latex")
    values = [float(row["prediction"]) for row in csv.DictReader(said("predict", "run", "exact.csv").splitlines())]
    assert values == pytest.approx([a**1.5 for a in axes])
    said("plot", "run", "--kind", "fit", "-o", "fit.svg")
    assert "<svg" in (folder / "fit.svg").read_text()
    said("report", "run", "-o", "report.html")
    again = fit_in_a_process(folder, "again")
    assert again.returncode == 0, again.stderr
    assert (folder / "again/result.json").read_bytes() == (folder / "run/result.json").read_bytes()


def test_bad_input_shows_no_traceback_in_a_real_process(folder: Path):
    failed = kansym("fit", "nothing.csv", cwd=folder)
    assert (failed.returncode, failed.stdout, len(failed.stderr.splitlines())) == (2, "", 1)


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
def test_ctrl_c_in_a_real_fit_gives_130_and_a_saved_run(folder: Path):
    rows = np.random.default_rng(0).uniform(-1, 1, (400, 5))
    np.savetxt(folder / "hard.csv", rows, delimiter=",", header="a,b,c,d,y", comments="")
    process = subprocess.Popen(
        [sys.executable, "-m", "kansym_cli", "fit", "hard.csv", "--preset", "thorough", "--out", "run", "--json"],
        cwd=folder,
        env=process_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    watchdog = threading.Timer(200, process.kill)
    watchdog.start()
    try:
        assert process.stderr is not None
        assert any("Ctrl-C ends it" in line for line in process.stderr)
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate()
    finally:
        watchdog.cancel()
        process.kill()
    assert process.returncode == 130, error
    assert json.loads(out)["stop_reason"] == "interrupted"
    assert load(folder / "run").stop_reason == "interrupted"
