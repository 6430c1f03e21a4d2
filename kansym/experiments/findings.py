"""What an experiment found, held against its bars: for the screen, as a page, as JSON and as a LaTeX table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kansym.bench.tables import NOTHING, Column, Document, Record, Table, number
from kansym.experiments.experiment import Bar, Experiment
from kansym.export.latex_form import latex_text

_BARS = (
    Column("figure", "figure"),
    Column("wanted", "wanted"),
    Column("reached", "reached", lambda value: NOTHING if value is None else number(value)),
    Column("verdict", "verdict"),
    Column("beats", "whose figure that is"),
)


@dataclass(frozen=True)
class Verdict:
    """A bar and what was reached; `passed` is None for a quick run, which proves nothing."""

    bar: Bar
    reached: float | None
    passed: bool | None


@dataclass(frozen=True)
class Findings:
    """The records of all seeds and the verdicts on them."""

    experiment: Experiment
    seeds: tuple[int, ...]
    records: tuple[Record, ...]
    quick: bool = False

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One verdict per bar."""
        judge: Callable[[Bar], bool | None] = lambda bar: None if self.quick else bar.reached(self.records)  # noqa: E731
        return tuple(Verdict(bar, bar.figure(self.records), judge(bar)) for bar in self.experiment.bars)

    @property
    def passed(self) -> bool:
        """Whether no bar was missed."""
        return all(verdict.passed is not False for verdict in self.verdicts)


def document(findings: Findings, command: str) -> Document:
    """Return the page of an experiment: bars first, then every row.

    Args:
        findings: of all seeds.
        command: that makes them again.
    """
    experiment = findings.experiment
    bars = Table("bars", "Bars", _BARS, tuple(_bar(verdict) for verdict in findings.verdicts))
    columns = (Column("case", "case"), Column("seed", "seed"), *experiment.columns)
    rows = Table("rows", "Every run", columns, findings.records)
    tables = (bars, rows) if experiment.bars else (rows,)
    return Document(experiment.name, experiment.title, command, experiment.rule, tables)


def _bar(verdict: Verdict) -> dict[str, Any]:
    bar = verdict.bar
    sense = "at least" if bar.at_least else "at most"
    words = {None: "not judged", True: "reached", False: "MISSED"}
    where = f" of {bar.case}" if bar.case else ""
    facts = {"key": bar.key, "limit": bar.limit, "case": bar.case or None, "passed": verdict.passed}
    return {
        **facts, "figure": f"{bar.over} {bar.key}{where}", "wanted": f"{sense} {number(bar.limit)}",
        "reached": verdict.reached, "verdict": words[verdict.passed], "beats": bar.beats or None,
    }  # fmt: skip


def latex(page: Document) -> str:
    """Return the tables of a page for LaTeX with booktabs."""
    return "\n".join(_latex_table(page, table) for table in page.tables)


def _latex_table(page: Document, table: Table) -> str:
    head, *rows = table.cells()
    lines = [" & ".join(map(latex_text, row)) + r" \\" for row in (head, *rows)]
    return "\n".join([
        f"% {page.title}: {table.title}. {page.command}",
        r"\begin{tabular}{@{}" + "l" * len(head) + "@{}}", r"\toprule", lines[0], r"\midrule", *lines[1:],
        r"\bottomrule", r"\end{tabular}", "",
    ])  # fmt: skip


def summary(pages: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row per saved experiment and bar.

    Args:
        pages: JSON documents as `write` left them.
    """
    rows = [{"experiment": page["suite"], **bar} for page in pages for bar in _saved_bars(page)]
    return Table("experiments", "Experiments", (Column("experiment", "experiment"), *_BARS), tuple(rows))


def _saved_bars(page: Mapping[str, Any]) -> list[Record]:
    return next((table["records"] for table in page["tables"] if table["name"] == "bars"), [])
