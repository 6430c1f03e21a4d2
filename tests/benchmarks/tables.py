"""Tables for the screen and for docs/benchmarks, with the command and the versions that made them."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from kansym.bench.formulas.records import finite

DOCS = Path(__file__).parents[2] / "docs/benchmarks"
PACKAGES = ("torch", "numpy", "scipy", "sympy")
WIDEST = 60


@dataclass(frozen=True)
class Report:
    """What a benchmark found: a summary in sentences, a table, and the full records for the JSON file."""

    name: str
    title: str
    rule: str
    summary: tuple[str, ...]
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    records: Sequence[Any] = field(default_factory=tuple)

    def screen(self) -> str:
        """The table for a terminal."""
        rows = [[_cut(cell) for cell in row] for row in (self.header, *self.rows)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.header))]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self.title, *lines, *self.summary]) + "\n"

    def markdown(self, command: str) -> str:
        """The page for docs/benchmarks."""
        bar = "| " + " | ".join("---" for _ in self.header) + " |"
        table = ["| " + " | ".join(map(_escaped, row)) + " |" for row in (self.header, *self.rows)]
        head = [f"# {self.title}", "", f"Command: `{command}`", "", f"Rule: {self.rule}", ""]
        listed = [f"- {sentence}" for sentence in self.summary]
        made = ", ".join(f"{name} {value}" for name, value in environment().items())
        return "\n".join([*head, *listed, "", table[0], bar, *table[1:], "", f"Made with {made}.", ""])

    def write(self, command: str, name: str | None = None) -> Path:
        """Write docs/benchmarks/<name>.md and .json; returns the first."""
        DOCS.mkdir(parents=True, exist_ok=True)
        page = DOCS / f"{name or self.name}.md"
        page.write_text(self.markdown(command), encoding="utf-8")
        document = {"command": command, "rule": self.rule, "environment": environment(), "summary": list(self.summary),
                    "records": finite(list(self.records))}  # fmt: skip
        page.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return page


def environment() -> dict[str, str]:
    """CPU count and versions: what a reader needs to compare numbers."""
    found = {"CPUs": str(os.cpu_count()), "Python": platform.python_version(), "kansym": _version("kansym")}
    return found | {name: _version(name) for name in PACKAGES}


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "from source"


def say(text: str) -> None:
    """Write a line of progress to standard error."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def yes(value: bool) -> str:
    """A cell for true or false."""
    return "yes" if value else "no"


def number(value: Any, digits: int = 3) -> str:
    """A cell for a number that may be missing."""
    return "" if value is None else f"{value:.{digits}g}"


def _cut(cell: str) -> str:
    return cell if len(cell) <= WIDEST else cell[: WIDEST - 3] + "..."


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ").replace("*", "\\*")
