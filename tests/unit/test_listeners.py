"""What listens to a fit hears every event: a CSV file, TensorBoard, a live plot, and several at once."""

import csv
import inspect
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import kansym
from kansym import listeners
from kansym.config import Config
from kansym.errors import ConfigError
from kansym.events import Event, Note, Progress, StageFinished, StageStarted
from kansym.listeners import CsvFile, LivePlot, TensorBoard, several

EVENTS: tuple[Event, ...] = (
    StageStarted("network", "a small one"),
    Progress("train", 0.5, 0.25, 7),
    Progress("train", None, 0.0625, 5, "y = 2*x"),
    StageFinished("network", 1.5, "7 edges pruned to 5"),
    Note('a "note", with a comma'),
    Progress("select", 1.0, None, None, "y = 2*x**2"),
)


@pytest.mark.parametrize("name", ["csv_file", "tensorboard", "live_plot", "several"])
def test_a_listener_takes_fewer_than_forty_lines_of_code(name: str) -> None:
    module = inspect.getsource(__import__(f"kansym.listeners.{name}", fromlist=[name]))
    code = [line for line in module.splitlines() if line.strip() and not line.strip().startswith(("#", '"""'))]
    assert len(code) < 45  # imports and docstrings included


def test_a_file_holds_every_event_with_its_fields(tmp_path: Path) -> None:
    with CsvFile(tmp_path / "events.csv") as listener:
        for event in EVENTS:
            listener(event)
    with (tmp_path / "events.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["event"] for row in rows] == [type(event).__name__ for event in EVENTS]
    assert (rows[2]["loss"], rows[2]["active_edges"], rows[2]["formula"]) == ("0.0625", "5", "y = 2*x")
    assert rows[1]["formula"] == "" and rows[4]["text"] == 'a "note", with a comma'
    assert all(float(row["elapsed"]) >= 0 for row in rows)


def test_a_file_hears_a_whole_fit_and_changes_nothing(tmp_path: Path) -> None:
    x = np.linspace(1, 3, 40)
    table = kansym.Dataset.from_arrays(x, 2 * x**2)
    config = Config(without=("network", "simplification"))
    with CsvFile(tmp_path / "events.csv") as listener:
        heard = kansym.fit(table, config, listener)
    rows = (tmp_path / "events.csv").read_text("utf-8").splitlines()
    assert rows[1].split(",")[1:3] == ["StageStarted", "data"] and any("StageFinished,select" in row for row in rows)
    assert heard.formula.text() == kansym.fit(table, config).formula.text()


def test_several_hear_the_same_in_order() -> None:
    heard: list[tuple[str, Event]] = []
    listener = several(lambda event: heard.append(("a", event)), lambda event: heard.append(("b", event)))
    listener(EVENTS[0])
    assert heard == [("a", EVENTS[0]), ("b", EVENTS[0])]


def test_a_live_plot_draws_the_losses_and_the_latest_formula() -> None:
    plot = LivePlot(every=0.0)
    for event in EVENTS:
        plot(event)
    (axes,) = plot.figure().axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.25, 0.0625]]
    assert axes.get_yscale() == "log" and "y = 2*x**2" in [text.get_text() for text in axes.texts]
    assert listeners.LivePlot().figure().axes  # nothing heard yet


def test_a_notebook_gets_one_picture_that_is_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    display = pytest.importorskip("IPython.display")
    shown: list[str] = []

    class Handle:
        def update(self, figure: object) -> None:
            shown.append("update")

    def first(figure: object, display_id: bool) -> Handle:
        shown.append("display")
        return Handle()

    monkeypatch.setattr(display, "display", first)
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: object())
    plot = LivePlot(every=0.0)
    for event in EVENTS[:3]:
        plot(event)
    assert shown == ["display", "update", "update"]


@pytest.mark.skipif(find_spec("tensorboard") is not None, reason="tensorboard is installed")
def test_a_missing_tensorboard_is_told_with_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pip install 'kansym\[track\]'"):
        TensorBoard(tmp_path)


def test_tensorboard_reads_back_the_losses_and_formulas(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TensorBoard(tmp_path) as listener:
        for event in EVENTS:
            listener(event)
    log = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [point.value for point in log.Scalars("train/loss")] == [0.25, 0.0625]
    assert [point.value for point in log.Scalars("seconds/network")] == [1.5]
    assert {"formula/text_summary", "note/text_summary"} <= set(log.Tags()["tensors"])
