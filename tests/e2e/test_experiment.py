"""`kansym experiment` as its users meet it."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kansym.bench.tables import Column
from kansym.experiments import EXPERIMENTS, Bar, Experiment, Setting, catalogue
from kansym_cli.main import main


def rows(setting: Setting):
    return [{"case": "forbes", "rows": setting.data("forbes").rows}]


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment that counts rows and wants more than there are."""
    made = Experiment("rows", "Rows", "counted", (Column("rows", "rows"),), (Bar("rows", 1000, at_least=True),), rows)
    monkeypatch.setitem(EXPERIMENTS, "rows", ("rows", "How many rows are there?"))
    monkeypatch.setattr(catalogue, "import_module", lambda name: SimpleNamespace(EXPERIMENT=made))


@pytest.mark.usefixtures("counting")
def test_a_missed_bar_gives_exit_code_1_and_everything_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "run", "rows", "--out", str(tmp_path)]) == 1
    assert "MISSED" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.json", "rows.md", "rows.tex"]
    assert main(["experiment", "table", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["reached"] == 17


@pytest.mark.usefixtures("counting")
def test_a_quick_run_is_not_judged_and_json_is_all_that_stdout_gets(capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "run", "rows", "--quick", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tables"][0]["records"][0]["verdict"] == "not judged"


@pytest.mark.usefixtures("counting")
def test_an_unknown_experiment_is_guessed(capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "run", "row"]) == 2
    assert "did you mean 'rows'?" in capsys.readouterr().err


def test_every_listed_experiment_can_be_loaded_and_has_a_question(capsys: pytest.CaptureFixture[str]):
    assert main(["experiment", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in listed] == list(EXPERIMENTS)
    for name in EXPERIMENTS:
        loaded = catalogue.load(name)
        assert loaded.name == name and loaded.columns


def test_a_damaged_result_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "broken.json").write_text("{")
    assert main(["experiment", "table", str(tmp_path)]) == 2
    assert "broken.json" in capsys.readouterr().err
