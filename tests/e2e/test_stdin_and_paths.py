"""A table through a pipe, and names of files and folders as other systems write them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kansym_cli.main import main

ROOT = Path(__file__).parents[2]
TABLE = "x,y\n" + "".join(f"{x},{2 * x * x}\n" for x in range(1, 12))
FIT = ("--quiet", "--primitives", "x^2")


def test_a_table_comes_through_a_pipe(tmp_path: Path) -> None:
    paths = os.pathsep.join(str(ROOT / room) for room in (".", "cli", "datasets"))
    command = [sys.executable, "-m", "kansym_cli", "fit", "-", *FIT]
    run = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": paths}, input=TABLE, capture_output=True,
        encoding="utf-8", timeout=250, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "y = 2*x**2" in run.stdout and (tmp_path / "runs" / "table-1" / "result.json").is_file()


@pytest.mark.parametrize("name", ["my data (1).csv", "Ångström 表.csv", "with.many.dots.csv"])
def test_file_names_with_blanks_and_other_scripts_make_run_folders(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(TABLE.replace("\n", "\r\n").encode())  # lines as Windows ends them
    assert main(["fit", name, *FIT]) == 0
    capsys.readouterr()
    folder = Path("runs") / f"{name.removesuffix('.csv')}-1"
    assert main(["export", str(folder), "--format", "python"]) == 0
    assert "def formula(x):" in capsys.readouterr().out


def test_a_format_that_is_no_text_wants_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    assert main(["fit", "table.csv", *FIT]) == 0
    capsys.readouterr()
    assert main(["export", "runs/table-1", "--format", "network-torch"]) == 2
    assert "network-torch is no text: name a file with -o" in capsys.readouterr().err
    assert main(["export", "runs/table-1", "--format", "onyx"]) == 2
    error = capsys.readouterr().err
    assert "onnx" in error and "graphml" in error
    assert main(["export", "runs/table-1", "--format", "graph-json"]) == 0
    assert '"nodes"' in capsys.readouterr().out
