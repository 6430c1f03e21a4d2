"""What a run folder is made of, and which folders may become one."""

from __future__ import annotations

import os
from pathlib import Path

from kansym.errors import ModelFileError

FORMAT = "kansym run"
VERSION = 1
RESULT = "result.json"
SUMS = "SHA256SUMS"
# What a part may hold at most, in bytes; a folder from elsewhere must not fill the memory.
LIMITS = {
    RESULT: 32 << 20,
    SUMS: 1 << 16,
    "config.toml": 1 << 20,
    "history.jsonl": 64 << 20,
    "timings.json": 1 << 20,
    "points.npz": 64 << 20,
    "model.safetensors": 512 << 20,
}
PICTURES = ("formulas.json", "formula.tex", "graph.svg", "report.html")
LEFTOVERS = ("progress.jsonl",)  # of a fit that was killed
STOP_REASONS = ("finished", "time limit", "interrupted")
MAX_POINTS = 100_000
MAX_SAMPLES = 200


def is_run(folder: str | os.PathLike[str]) -> bool:
    """True when the folder holds a run, whole or damaged."""
    return (Path(folder) / RESULT).is_file()


def check_target(folder: str | os.PathLike[str]) -> None:
    """Raise ModelFileError unless a run may be written here: a new folder, an empty one, or one that holds a run."""
    target = Path(folder)
    if target.is_symlink() and not target.exists():
        raise ModelFileError(f"{quoted(target)} is a link to nowhere: choose another --out")
    if target.exists() and not target.is_dir():
        raise ModelFileError(f"{quoted(target)} is a file, not a run folder: choose another --out")
    others = (path for path in target.iterdir() if path.name not in LEFTOVERS) if target.is_dir() else iter(())
    if not is_run(target) and any(others):
        raise ModelFileError(f"folder {quoted(target)} holds other files and no run: choose another --out")


def quoted(path: Path) -> str:
    """The path for a message."""
    return f"'{path}'"
