"""The same seed in many processes: `result.json` must have the same bytes every time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import kansym_datasets
from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report, yes

ROOT = Path(__file__).parents[2]
DEFAULT = ("planets", "firas", "feynman-I.6.2")
RULE = (
    "every process runs `kansym fit FILE --seed 0 --out DIR --json` afresh; the SHA-256 of DIR/result.json is "
    "compared. Twice: the first two processes agree"
)


def run_process(problem: Problem) -> Record:
    """One process; problem.seed is the number of the process, the search itself has seed 0."""
    with tempfile.TemporaryDirectory() as folder:
        table = f"{problem.name}.csv"
        kansym_datasets.write(problem.name, Path(folder) / table)
        command = [sys.executable, "-m", "kansym_cli", "fit", table, "--seed", "0", "--out", "run", "--json", "--quiet"]
        if kansym_datasets.load(problem.name).sigma is not None:
            command += ["--sigma", "sigma"]
        if problem.time_limit is not None:
            command += ["--time-limit", f"{problem.time_limit:g}"]
        child = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=_paths())
        result = Path(folder) / "run/result.json"
        digest = hashlib.sha256(result.read_bytes()).hexdigest() if result.exists() else None
    return {"name": problem.name, "process": problem.seed, "code": child.returncode, "sha256": digest,
            "error": child.stderr.strip()[-200:] if digest is None else None}  # fmt: skip


def _paths() -> dict[str, str]:
    places = [str(ROOT), str(ROOT / "cli"), str(ROOT / "datasets")]
    return os.environ | {"PYTHONPATH": os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")])])}


def report(records: Sequence[Record]) -> Report:
    """The table of digests."""
    rows = []
    for name in dict.fromkeys(record["name"] for record in records):
        own = [record for record in records if record["name"] == name]
        found = {record["sha256"] for record in own}
        twice = len({record["sha256"] for record in own[:2]}) == 1 and None not in found
        same = len(found) == 1 and None not in found
        late = sum(record["code"] == 3 for record in own)
        rows.append((name, yes(twice), str(len(own)), str(len(found)), yes(same), str(late), own[0]["sha256"] or ""))
    header = ("data", "twice the same", "processes", "different results", "all the same", "out of time", "SHA-256")
    summary = (f"identical: {sum(row[4] == 'yes' for row in rows)} of {len(rows)} data sets",)
    title = "Determinism: the same seed in fresh processes"
    return Report("determinism", title, RULE, summary, header, tuple(rows), records)
