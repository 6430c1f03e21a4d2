"""Several targets in one `kansym fit`: a run folder for each in one folder, and one summary of them all."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kansym.errors import ModelFileError, printable
from kansym_cli import output

if TYPE_CHECKING:
    from kansym.result import Result

INDEX = "targets.json"
FORMAT = "kansym targets"
LONGEST = 60


def folders(parent: Path, names: Sequence[str]) -> dict[str, Path]:
    """The run folder of every target, in the folder of all; any name becomes a plain, distinct folder name."""
    found: dict[str, Path] = {}
    taken: set[str] = set()
    for name in names:
        base = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._-")[:LONGEST] or "target"
        folder, number = base, 2
        while folder.casefold() in taken:
            folder, number = f"{base}_{number}", number + 1
        taken.add(folder.casefold())
        found[name] = parent / folder
    return found


def check_parent(parent: Path) -> None:
    """Raise ModelFileError unless runs of several targets may be written here: a new folder, or one that holds such."""
    if parent.exists() and not parent.is_dir():
        raise ModelFileError(f"'{parent}' is a file, not a folder: choose another --out")
    if parent.is_dir() and any(parent.iterdir()) and not (parent / INDEX).is_file():
        raise ModelFileError(
            f"folder '{parent}' holds other files and no runs of several targets: choose another --out"
        )


def index(runs: Mapping[str, Path]) -> str:
    """The contents of the folder of all: which target is where."""
    targets = [{"name": name, "folder": folder.name} for name, folder in runs.items()]
    return json.dumps({"format": FORMAT, "targets": targets}, indent=2) + "\n"


def document(results: Mapping[str, Result], runs: Mapping[str, Path], parent: Path) -> dict[str, Any]:
    """The JSON document of all targets: that of each run in a list, in the table's order."""
    return {"targets": [output.document(results[name], str(runs[name])) for name in results], "run": str(parent)}


def page(results: Mapping[str, Result], runs: Mapping[str, Path]) -> str:
    """All laws in few lines, then where each one's page can be seen."""
    laws = [printable(str(result.formula)) for result in results.values()]
    rows = [["target", "complexity", "NRMSE", "", "run folder"]]
    for name, result in results.items():
        rows.append([printable(name), *_figures(result), printable(str(runs[name]))])
    notes = list(dict.fromkeys(note for result in results.values() for note in result.table.notes))
    parts = ["\n".join(laws), output.columns(rows, indent=""), "\n".join(f"note: {printable(note)}" for note in notes)]
    parts.append("kansym show FOLDER prints all about one of them")
    return "\n\n".join(part for part in parts if part)


def _figures(result: Result) -> list[str]:
    finding = "law" if result.front.exact else "best approximation"
    cut = "" if result.stop_reason == "finished" else f" ({result.stop_reason})"
    return [str(result.formula.complexity), output.size_text(result.formula.held_out), finding + cut]
