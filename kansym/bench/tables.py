"""Tables of measurements, for the screen, for a page of Markdown and as JSON, with what is needed to compare them."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import kansym
from kansym.bench.engine import Row
from kansym.errors import printable

Record = Mapping[str, Any]
PACKAGES = ("torch", "numpy", "numba", "triton")
NOTHING = "-"


@dataclass(frozen=True)
class Column:
    """One column: the key of a record, its heading, and how a value becomes a cell."""

    key: str
    heading: str
    show: Callable[[Any], str] = str


@dataclass(frozen=True)
class Table:
    """Records under a title.

    Args:
        name: short, for --case and file formats.
        title: what was done.
        columns: what to show of each record; JSON holds all of it.
        records: one mapping per row.
        reference: the row that ratios refer to.
        axis: the number that a sweep varies, such as ("intervals", 32); nothing for a table that stands alone.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    records: tuple[Record, ...]
    reference: str = ""
    axis: tuple[str, float] | None = None

    def cells(self) -> list[list[str]]:
        """Return the heading and the rows as text; a value that is missing is a dash."""
        rows = [[_cell(column, record.get(column.key)) for column in self.columns] for record in self.records]
        return [[column.heading for column in self.columns], *rows]


@dataclass(frozen=True)
class Document:
    """Everything one command measured.

    Args:
        suite: "layers", "training" or "scaling".
        title: of the page.
        command: that makes it again.
        rule: how it was measured.
        tables: what was measured.
        peers: one line per peer, found or not.
        device: where it ran, in words.
        threads: of torch.
    """

    suite: str
    title: str
    command: str
    rule: str
    tables: tuple[Table, ...]
    peers: tuple[str, ...] = ()
    device: str = "cpu"
    threads: int = 1
    environment: Mapping[str, str] = field(default_factory=lambda: environment())

    def plain(self) -> dict[str, Any]:
        """Return the document in JSON's own types; numbers that are not finite are None."""
        return {
            **{name: getattr(self, name) for name in ("suite", "title", "command", "rule", "device", "threads")},
            "peers": list(self.peers),
            "environment": dict(self.environment),
            "tables": [_plain_table(table) for table in self.tables],
        }

    def json(self) -> str:
        """Return the document as JSON, in ASCII."""
        return json.dumps(self.plain(), indent=1, allow_nan=False)

    def screen(self) -> str:
        """Return the document for a terminal."""
        parts = [f"{self.title} ({self._machine()})"]
        parts += [f"{table.title}\n{_aligned(table.cells())}" for table in self.tables]
        return "\n\n".join([*parts, "\n".join(self.peers)]).rstrip() + "\n"

    def markdown(self, picture: str = "") -> str:
        """Return the document as a page; `picture` is the name of a file beside it."""
        head = [f"# {self.title}", "", f"Command: `{self.command}`", "", f"Measured: {self.rule}", ""]
        head += [f"![{self.title}]({picture})", ""] if picture else []
        body = [line for table in self.tables for line in _section(table)]
        found = ["## Peers", "", *(f"- {_escaped(line)}" for line in self.peers), ""] if self.peers else []
        made = ", ".join(f"{name} {value}" for name, value in self.environment.items())
        return "\n".join([*head, *body, *found, f"Made on {self._machine()} with {made}.", ""])

    def write(self, folder: Path, picture: str = "") -> Path:
        """Write <suite>.md and <suite>.json, with "-cuda" after the suite's name where that ran; returns the first."""
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / f"{self.stem}.md"
        page.write_text(self.markdown(picture), encoding="utf-8")
        page.with_suffix(".json").write_text(self.json() + "\n", encoding="utf-8")
        return page

    @property
    def stem(self) -> str:
        """The name of the files, without an ending."""
        return self.suite if self.device == "cpu" else f"{self.suite}-cuda"

    def _machine(self) -> str:
        return f"{self.device}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def race_table(
    name: str, title: str, rows: Sequence[Row], references: Sequence[str], axis: tuple[str, float] | None = None
) -> Table:
    """Return the table of a race.

    Args:
        name, title: see `Table`.
        rows: as `race` gives them.
        references: names of the rows that ratios may refer to; the first that has numbers is taken.
        axis: see `Table`.
    """
    timed = {row.name: row for row in rows if row.seconds}
    reference = next((timed[each] for each in references if each in timed), None)
    records = tuple(_race_record(row, reference) for row in rows)
    heading = f"x {reference.name}" if reference else "ratio"
    columns = tuple(Column("ratio", heading, number) if each.key == "ratio" else each for each in _RACE)
    shown = tuple(each for each in columns if any(record[each.key] is not None for record in records))
    return Table(name, title, shown, records, reference.name if reference else "", axis)


def _race_record(row: Row, reference: Row | None) -> Record:
    return {
        "name": row.name,
        "parameters": row.parameters,
        "median_s": row.median if row.seconds else None,
        "minimum_s": row.minimum if row.seconds else None,
        "ratio": row.ratio(reference) if reference and row.seconds else None,
        "ratio_of_minima": row.minimum / reference.minimum if reference and row.seconds else None,
        "peak_bytes": row.peak_bytes,
        "kernels": row.kernels,
        "note": row.note or None,
        "rounds_s": list(row.seconds),
        "repeats": row.repeats,
    }


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, size in (("us", 1e-6), ("ms", 1e-3)):
        if seconds < 999.5 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds < 999.5 else f"{seconds:.0f} s"


def number(value: float) -> str:
    """Return three digits, without a power of ten where that is readable."""
    return (
        f"{value:.3g}" if not value or 1e-4 <= abs(value) < 1000 else f"{value:.2e}" if value < 1 else f"{value:,.0f}"
    )


def megabytes(count: float) -> str:
    """Return bytes as MB (a million bytes)."""
    return f"{count / 1e6:.3g}"


def whole(value: int) -> str:
    """Return a whole number with commas."""
    return f"{value:,}"


def share(value: float) -> str:
    """Return a share in per cent."""
    return f"{100 * value:.0f} %"


_RACE = (
    Column("name", "program"),
    Column("parameters", "parameters", whole),
    Column("median_s", "median", duration),
    Column("minimum_s", "minimum", duration),
    Column("ratio", "ratio", number),
    Column("peak_bytes", "peak MB", megabytes),
    Column("kernels", "kernels", whole),
    Column("note", "note"),
)


def environment() -> dict[str, str]:
    """Return the processor, its cores and the versions: what a reader needs to compare numbers."""
    found = {"processor": _processor(), "cores": str(os.cpu_count()), "Python": platform.python_version()}
    versions = {name: _version(name) for name in PACKAGES}
    return found | {"kansym": kansym.__version__} | {name: value for name, value in versions.items() if value}


def device_name(device: str) -> str:
    """Return "cpu", or the name of a CUDA device."""
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else "cpu"


def _processor() -> str:
    listed = Path("/proc/cpuinfo")
    lines = listed.read_text().splitlines() if listed.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _cell(column: Column, value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return NOTHING if missing else printable(column.show(value))


def _plain_table(table: Table) -> dict[str, Any]:
    facts = {"name": table.name, "title": table.title, "reference": table.reference or None}
    axis = {"name": table.axis[0], "value": table.axis[1]} if table.axis else None
    return facts | {"axis": axis, "records": [_plain(record) for record in table.records]}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _section(table: Table) -> list[str]:
    head, *rows = table.cells()
    bar = ["---" if place == 0 or column.key == "note" else "--:" for place, column in enumerate(table.columns)]
    return [f"## {table.title}", "", *(_line(row) for row in (head, bar, *rows)), ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(map(_escaped, cells)) + " |"


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"  {line.rstrip()}" for line in lines)
