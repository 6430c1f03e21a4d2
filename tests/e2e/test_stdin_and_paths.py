"""A table through a pipe, and names of files and folders as other systems write them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = "x,y\n" + "".join(f"{x},{2 * x * x}\n" for x in range(1, 12))


def kansym(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(ROOT / room) for room in (".", "cli", "datasets"))
    return subprocess.run(
        [sys.executable, "-m", "kansym_cli", *arguments],
        cwd=folder, env=os.environ | {"PYTHONPATH": paths}, input=given, capture_output=True, encoding="utf-8",
        timeout=250, check=False,
    )  # fmt: skip


def test_a_table_comes_through_a_pipe(tmp_path: Path) -> None:
    run = kansym(tmp_path, "fit", "-", "--quiet", "--preset", "fast", given=TABLE)
    assert run.returncode == 0, run.stderr
    assert "y = 2*x**2" in run.stdout and (tmp_path / "runs" / "table-1" / "result.json").is_file()


@pytest.mark.parametrize("name", ["my data (1).csv", "Ångström 表.csv", "with.many.dots.csv"])
def test_file_names_with_blanks_and_other_scripts_make_run_folders(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(TABLE.replace("\n", "\r\n").encode())  # lines as Windows ends them
    run = kansym(tmp_path, "fit", name, "--quiet", "--preset", "fast")
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "runs" / f"{name.removesuffix('.csv')}-1"
    shown = kansym(tmp_path, "export", os.path.relpath(folder, tmp_path), "--format", "python")
    assert shown.returncode == 0 and "def formula(x):" in shown.stdout


def test_a_format_that_is_no_text_wants_a_file(tmp_path: Path) -> None:
    assert kansym(tmp_path, "fit", "-", "--quiet", "--preset", "fast", given=TABLE).returncode == 0
    run = kansym(tmp_path, "export", "runs/table-1", "--format", "network-torch")
    assert run.returncode == 2 and "network-torch is no text: name a file with -o" in run.stderr
    wrong = kansym(tmp_path, "export", "runs/table-1", "--format", "onyx")
    assert wrong.returncode == 2 and "onnx" in wrong.stderr and "graphml" in wrong.stderr
    graph = kansym(tmp_path, "export", "runs/table-1", "--format", "graph-json")
    assert graph.returncode == 0 and '"nodes"' in graph.stdout
