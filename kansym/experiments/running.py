"""Run an experiment for several seeds, and write what it found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from kansym.bench.tables import Document
from kansym.experiments.experiment import Experiment, Setting
from kansym.experiments.findings import Findings, latex


def run(experiment: Experiment, setting: Setting, seeds: Sequence[int], tell: Callable[[str], None]) -> Findings:
    """Run every seed.

    Args:
        experiment: what to run.
        setting: shared by all seeds, but for the seed; other programs run beside the first seed only.
        seeds: one after the other.
        tell: hears one line per seed.

    Returns:
        All records, with their seeds.
    """
    records: list[dict[str, object]] = []
    for seed in seeds:
        started = time.perf_counter()
        found = experiment.run(replace(setting, seed=seed, peers=setting.peers and seed == seeds[0]))
        records += [{"case": row["case"], "seed": seed, **row} for row in found]
        tell(f"{experiment.name}, seed {seed}: {len(found)} rows in {time.perf_counter() - started:.1f} s")
    return Findings(experiment, tuple(seeds), tuple(records), setting.quick)


def write(findings: Findings, page: Document, folder: Path) -> list[Path]:
    """Write NAME.md, NAME.json, NAME.tex and, where matplotlib is installed and there is something to draw, NAME.svg.

    Args:
        findings: of a run.
        page: as `document` gives it.
        folder: where to; made if it is not there.

    Returns:
        The files, the page first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, picture = [folder / f"{page.stem}{suffix}" for suffix in (".md", ".json", ".tex")], ""
    if findings.experiment.picture is not None and find_spec("matplotlib"):
        from kansym.report.canvas import save

        picture = f"{page.stem}.svg"
        save(findings.experiment.picture(findings.records), folder / picture)
    page.write(folder, picture)
    written[-1].write_text(latex(page), encoding="utf-8")
    return [*written, *([folder / picture] if picture else [])]
