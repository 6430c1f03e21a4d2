"""The frame of experiments: bars, verdicts, pages."""

import pytest

from kansym.bench.tables import Column
from kansym.experiments import Bar, Experiment, Findings, Setting, document, latex, run
from kansym.experiments.findings import summary

RECORDS = ({"case": "ours", "seed": 0, "error": 0.1, "found": True},
           {"case": "ours", "seed": 1, "error": 0.3, "found": False},
           {"case": "theirs", "seed": 0, "error": 9.0})  # fmt: skip


@pytest.mark.parametrize(
    ("bar", "figure", "reached"),
    [
        (Bar("error", 0.2, case="ours"), 0.2, True),
        (Bar("error", 0.2, case="ours", over="most"), 0.3, False),
        (Bar("error", 1.0), 0.3, True),
        (Bar("found", 1, at_least=True, over="total"), 1.0, True),
        (Bar("found", 2, at_least=True, over="total"), 1.0, False),
        (Bar("found", 0.5, at_least=True, over="mean"), 0.5, True),
    ],
)
def test_a_bar_takes_one_figure_from_all_seeds(bar: Bar, figure: float, reached: bool):
    assert bar.figure(RECORDS) == pytest.approx(figure)
    assert bar.reached(RECORDS) is reached


def test_a_figure_that_nobody_measured_misses_its_bar():
    assert Bar("speed", 1.0).figure(RECORDS) is None
    assert not Bar("speed", 1.0).reached(RECORDS)


def experiment(*bars: Bar) -> Experiment:
    def rows(setting: Setting):
        return [{"case": "50 % of a & b", "error": 0.5 + setting.seed}]

    return Experiment("sample", "A sample", "as told", (Column("error", "error"),), bars, rows)


def found(*bars: Bar, quick: bool = False) -> Findings:
    setting = Setting(0, data=lambda name: pytest.fail(name), quick=quick)
    return run(experiment(*bars), setting, (0, 1), lambda line: None)


def test_every_seed_runs_and_is_named_in_its_rows():
    assert [(row["seed"], row["error"]) for row in found().records] == [(0, 0.5), (1, 1.5)]


def test_a_missed_bar_fails_and_a_quick_run_is_not_judged():
    missed = Bar("error", 0.9)
    assert not found(missed).passed and found(Bar("error", 1.0)).passed
    assert found(missed, quick=True).passed
    assert [verdict.passed for verdict in found(missed, quick=True).verdicts] == [None]


def test_the_page_says_what_was_wanted_and_what_was_reached():
    page = document(
        found(Bar("error", 0.9, beats="somebody, 0.9 in an hour")), "kansym experiment run sample --seeds 2"
    )
    text = page.screen()
    assert "at most 0.9" in text and "MISSED" in text and "somebody, 0.9 in an hour" in text and "1.5" in text
    assert summary([page.plain()]).records[0]["passed"] is False


def test_latex_escapes_what_would_break_a_table():
    text = latex(document(found(), "kansym experiment run sample"))
    assert r"50 \% of a \& b & 0 & 0.5 \\" in text and text.count(r"\toprule") == 1
