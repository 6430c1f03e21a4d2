"""`kansym bench formulas` as its users meet it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kansym_cli.main import main

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "sympy", "scipy", "numpy", "matplotlib"}


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("", "cli", "datasets"))}


def test_help_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", "-m", "kansym_cli", "bench", "formulas", "--help"]
    run = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=60)
    assert "--distractors" in run.stdout
    assert not set(re.findall(r"^import time:.*\|\s*(\w+)", run.stderr, flags=re.MULTILINE)) & HEAVY


def test_a_law_is_recovered_recorded_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = tmp_path / "lines.jsonl"
    command = ["bench", "formulas", "--law", "feynman-I.12.1", "--rows", "60", "--time-limit", "20",
               "--clock", "processor", "--results", str(lines)]  # fmt: skip
    assert main([*command, "--out", str(tmp_path / "page"), "--commit", "abc"]) == 0
    output = capsys.readouterr()
    assert "[1/1] feynman-I.12.1 noise 0 seed 0: found" in output.err and "x0*x1" in output.out
    record = json.loads(lines.read_text())
    assert record["rule"] is True and record["lost"] is None and record["r2"] > 0.999999
    assert {"seconds", "complexity", "origin", "stop_reason", "definition", "numeric", "distance"} <= set(record)
    page = (tmp_path / "page" / "formulas.md").read_text()
    assert "`kansym bench formulas --law feynman-I.12.1 --rows 60 --time-limit 20 --clock processor`" in page
    assert "commit abc" in page and str(tmp_path) not in page
    assert main([*command, "--json"]) == 0
    output = capsys.readouterr()
    assert "[1/1]" not in output.err
    assert json.loads(output.out)["tables"][0]["records"][0]["found"] == 1


def test_a_run_that_is_killed_leaves_no_process_and_goes_on_later(tmp_path: Path):
    lines = tmp_path / "lines.jsonl"
    command = [sys.executable, "-m", "kansym_cli", "bench", "formulas", "--set", "noise", "--rows", "30",
               "--time-limit", "5", "--results", str(lines)]  # fmt: skip
    run = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (lines.exists() and lines.read_text().count("\n")) and time.monotonic() < deadline:
        time.sleep(0.2)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "give the same command again to go on" in err and "noise-001" in out
    assert len(lines.read_text().splitlines()) < 200


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "feyman"], "no set is called 'feyman': did you mean 'feynman'"),
        (["--law", "feynman-1.12.1"], "no law of the chosen sets is called"),
        (["--peer", "eureqa"], "no peer is called 'eureqa'"),
        (["--noise", "a"], "give numbers such as 0,0.01"),
        (["--noise", "-1"], "noise must be 0 or more"),
        (["--distractors", "few"], "give a whole number up to 100, or srsd"),
        (["--results", "."], "is a directory"),
        (["--seeds", "0"], "0"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "formulas", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    from kansym.bench.formulas import peers

    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    assert main(["bench", "formulas", "--peer", "gplearn"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
