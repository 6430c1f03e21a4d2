"""`kansym bench` as its users meet it."""

import json
from pathlib import Path

import pytest

from kansym_cli.main import main

SUITES = ("layers", "training", "scaling")


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_has_help(suite: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", suite, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"Usage: kansym bench {suite}") and "--peers" in text and "--quick" in text


def test_a_quick_run_of_the_layers_shows_every_case(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "layers", "--quick", "--no-memory"]) == 0
    output = capsys.readouterr()
    assert "[16, 16, 10], 32 rows" in output.out and "3 networks [4, 8, 8, 1]" in output.out
    assert "kansym auto" in output.out and "MLP, same parameters" in output.out
    assert "efficient-kan: " in output.out
    assert "population-32: " in output.err


def test_json_is_all_that_stdout_gets_and_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    peer = tmp_path / "peers" / "efficient-kan" / "src" / "efficient_kan"
    peer.mkdir(parents=True)
    (peer / "__init__.py").write_text(
        "from torch import nn\n"
        "print('loading')\n"
        "def KAN(widths, grid_size, spline_order):\n"
        "    return nn.Linear(widths[0], widths[-1])\n"
    )
    options = ["--quick", "--case", "small", "--peers", str(tmp_path / "peers"), "--out", str(tmp_path / "out")]
    assert main(["bench", "layers", "--json", "--no-memory", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    table = document["tables"][0]
    rows = {record["name"]: record for record in table["records"]}
    assert table["reference"] == "efficient-kan" and rows["efficient-kan"]["ratio"] == 1
    assert rows["kansym auto"]["median_s"] > 0 and rows["kansym auto"]["parameters"] == 936
    assert "efficient-kan: check-out" in document["peers"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["layers.json", "layers.md", "layers.svg"]
    page = (tmp_path / "out" / "layers.md").read_text()
    assert "--peers DIR" in page and str(tmp_path) not in page


def test_a_quick_run_of_the_training_reports_shares_and_times(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "training", "--quick", "--case", "goal", "--seeds", "1", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)["tables"][0]["records"]
    assert {record["way"] for record in records} == {"kansym, single run", "kansym, with restarts"}
    assert all(record["median_s"] > 0 and 0 <= record["reached"] <= 1 for record in records)


def test_the_accuracy_of_the_paths_is_within_rounding(capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "scaling", "--quick", "--case", "accuracy", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)["tables"][0]["records"]
    measured = [record for record in records if "values" in record]
    assert {"reference", "tiled"} <= {record["path"] for record in measured}
    assert all(record[part] < 100 for record in measured for part in ("values", "input gradient", "weight gradient"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--case", "wid"], "unknown case 'wid'"),
        (["--device", "cuda:7"], "no device 'cuda:7'"),
        (["--rounds", "0"], "0"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["bench", "layers", *arguments]) == 2
    assert message in capsys.readouterr().err
