"""Pictures of documents, where matplotlib is installed."""

from __future__ import annotations

from collections import defaultdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kansym.bench.tables import Document, Table

if TYPE_CHECKING:
    from kansym.report.bench_figure import Bars, Figure, Lines

OWN = "kansym"
SUFFIX = ".svg"
SHOWN = (f"{OWN} auto", f"{OWN} whole step")


def write_page(document: Document, folder: Path) -> list[Path]:
    """Write page, JSON and, where matplotlib is installed and there is something to draw, a picture.

    Args:
        document: what was measured.
        folder: where to; made if it is not there.

    Returns:
        The files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawn = figure(document) if find_spec("matplotlib") else None
    picture = folder / f"{document.stem}{SUFFIX}"
    if drawn is not None:
        from kansym.report.canvas import save

        save(drawn, picture)
    page = document.write(folder, picture.name if drawn is not None else "")
    return [page, page.with_suffix(".json"), *([picture] if drawn is not None else [])]


def figure(document: Document) -> Figure | None:
    """Draw sweeps as lines, and without any the races as dots; None when there are neither."""
    from kansym.report.bench_figure import bars_figure, lines_figure

    sweeps = defaultdict[str, list[Table]](list)
    for table in document.tables:
        if table.axis is not None:
            sweeps[table.axis[0]].append(table)
    drawn = [panel for panel in (_lines(axis, tables) for axis, tables in sweeps.items()) if panel.lines]
    if drawn:
        return lines_figure(drawn)
    bars = [panel for panel in map(_bars, document.tables) if panel.names]
    return bars_figure(bars) if bars else None


def _bars(table: Table) -> Bars:
    """Return the rows of a table that have a time."""
    from kansym.report.bench_figure import Bars

    timed = [record for record in table.records if record.get("median_s")]
    names = tuple(str(record.get("name") or f"{record['case']}: {record['way']}") for record in timed)
    unit = "seconds" if any("way" in record for record in timed) else "seconds a step"
    values, own = tuple(each["median_s"] for each in timed), tuple(OWN in name for name in names)
    return Bars(table.title, names, values, own, unit)


def _lines(axis: str, tables: list[Table]) -> Lines:
    """Return who took part at two places or more; of kansym what it picks by itself and its whole-step forms."""
    from kansym.report.bench_figure import Line, Lines

    points = defaultdict[str, list[tuple[float, float]]](list)
    for table in tables:
        for record in table.records:
            if table.axis is not None and record.get("minimum_s"):
                points[record["name"]].append((table.axis[1], record["minimum_s"]))
    lines = tuple(
        Line(name, tuple(x for x, _ in found), tuple(y for _, y in found), OWN in name)
        for name, found in points.items()
        if len(found) > 1 and (OWN not in name or name.startswith(SHOWN))
    )
    return Lines(f"Time of a step against {axis}", axis, lines)
