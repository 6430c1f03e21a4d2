"""`kansym watch`, several tables, and JSON from every command."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kansym.events import Note, Progress, StageFinished, StageStarted
from kansym_cli import progress
from kansym_cli.main import COMMANDS, main

TABLE = "x,y\n" + "".join(f"{x},{3 * x * x}\n" for x in range(1, 40))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder of two tables."""
    folder = tmp_path_factory.mktemp("several")
    head, *rows = TABLE.splitlines(keepends=True)
    (folder / "a.csv").write_text("".join([head, *rows[:20]]))
    (folder / "b.csv").write_text("".join([head, *rows[20:]]))
    names = [str(folder / "a.csv"), str(folder / "b.csv")]
    assert main(["fit", *names, "--out", str(folder / "run"), "--quiet"]) == 0
    return folder / "run"


def test_several_files_are_one_table_and_the_report_repeats_them(run: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(run), "--format", "md"]) == 0
    text = capsys.readouterr().out
    assert "| rows | `39` |" in text and "$$\ny = 3 \\, x^{2}\n$$" in text
    assert f"kansym fit {run.parent}/a.csv {run.parent}/b.csv --target y --features x" in text


def test_tables_of_other_columns_are_refused_before_any_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "a.csv").write_text(TABLE)
    (tmp_path / "b.csv").write_text(TABLE.replace("x,y", "z,y"))
    assert main(["fit", str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]) == 2
    assert "cannot be joined" in capsys.readouterr().err


def test_what_a_fit_tells_can_be_followed(tmp_path: Path):
    events = [StageStarted("search"), Progress("search", 0.5, formula="x"), StageFinished("search", 1.0), Note("done")]
    with progress.recorded(tmp_path) as record:
        for event in events:
            record(event)
        followed = progress.follow(tmp_path, pause=0.01)
        assert [next(followed) for _ in events] == events
    assert list(followed) == [] and not list(tmp_path.iterdir())


def test_a_line_of_progress_that_is_damaged_or_foreign_is_passed_over(tmp_path: Path):
    lines = ["{", '{"event": "__import__"}', '{"event": "Note", "text": "kept"}', "[]", '{"event": "Note", "odd": 1}']
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    path = tmp_path / progress.FILE
    path.write_text("\n".join([*lines, json.dumps({"process": int(gone.stdout)}), ""]))
    assert list(progress.follow(tmp_path, pause=0.01)) == [Note("kept")]


def test_a_running_fit_is_watched_until_its_result(tmp_path: Path):
    (tmp_path / "data.csv").write_text(TABLE)
    command = [sys.executable, "-m", "kansym_cli"]
    folder = tmp_path / "here"
    fit = subprocess.Popen([*command, "fit", "data.csv", "--out", "here", "--quiet"], cwd=tmp_path, env=os.environ,
                           stdout=subprocess.DEVNULL)  # fmt: skip
    while not (folder / progress.FILE).exists() and fit.poll() is None:
        time.sleep(0.02)
    watched = subprocess.run([*command, "watch", "here"], cwd=tmp_path, capture_output=True, text=True)
    assert fit.wait() == 0
    assert watched.returncode == 0, watched.stderr
    assert "y = 3*x**2" in watched.stdout
    assert not (folder / progress.FILE).exists()


def test_a_folder_without_a_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["watch", str(tmp_path)]) == 2
    assert "nothing runs in" in capsys.readouterr().err


def test_a_killed_fit_leaves_a_folder_that_the_next_one_takes(tmp_path: Path):
    (tmp_path / "data.csv").write_text(TABLE)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / progress.FILE).write_text('{"process": 1}\n')
    assert main(["fit", str(tmp_path / "data.csv"), "--out", str(tmp_path / "run"), "--quiet"]) == 0


JSON = {
    "show": ["RUN"], "watch": ["RUN"], "compare": ["RUN"], "predict": ["RUN", "DATA"], "report": ["RUN"],
    "export": ["RUN", "--format", "c"], "plot": ["RUN", "--kind", "graph", "-o", "OUT.svg"],
    "datasets": ["write", "forbes", "OUT.csv"], "config": ["show"], "doctor": [], "experiment": ["list"],
}  # fmt: skip


@pytest.mark.parametrize("name", JSON)
def test_every_command_prints_json(name: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    places: dict[str, str] = {"RUN": str(run), "DATA": str(run.parent / "a.csv")}
    words = [places[word] if word in places else word.replace("OUT", str(tmp_path / "out")) for word in JSON[name]]
    assert main([name, *words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) is not None


def test_no_command_was_forgotten():
    assert set(COMMANDS) <= {*JSON, "fit", "bench", "solve", "discover"}  # these have tests of their own
