"""Which basis? Fit, pruning, formulas and noise by the network alone, for every basis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kansym.bases import BASES
from kansym.bench.tables import Column, Record, duration, number, share
from kansym.experiments.experiment import Experiment, Setting
from kansym.experiments.networks import OTHERS, ROWS, TASKS, Kind, Task, explored
from kansym.nn import LayerOptions

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

NOISES = (0.0, 0.05)
INTERVALS = 6
TRUE_OR_NOT = ("right", "graph", "near", "found")
COLUMNS = (
    Column("network", "network, NRMSE", number),
    Column("right", "true columns", share),
    Column("graph", "true graph", share),
    Column("edges", "edges left", number),
    Column("formula", "formula, NRMSE", number),
    Column("near", "near", share),
    Column("found", "same", share),
    Column("seconds", "processor time", duration),
)
WORDS = (
    f"laws of 2 or 3 columns and {OTHERS} that does not matter, {ROWS} rows; errors on 1,000 clean fresh "
    "rows, over the spread; medians over laws. True columns: the pruned network reads the law's columns and no other; "
    "true graph: and has no more edges than the law needs. Same: the formula equals the law to 1e-6 of the spread; "
    "near: to 0.01. Laws: "
)


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per basis and noise, over all laws."""
    bases, noises = (BASES.names(), NOISES) if not setting.quick else (("bspline",), (0.0,))
    kinds = {basis: Kind(LayerOptions(intervals=INTERVALS, basis=basis)) for basis in bases}
    return over_laws(kinds, TASKS, noises, setting)


def over_laws(
    kinds: dict[str, Kind], tasks: Sequence[Task], noises: Sequence[float], setting: Setting
) -> list[dict[str, Any]]:
    """Return one row per kind of network and noise: medians of what is measured, means of what is true or not."""
    tasks = tasks[:1] if setting.quick else tasks
    return [
        {"case": f"{name}, noise {noise:g}"}
        | _over([explored(task, kind, noise, setting.seed, setting.quick) for task in tasks])
        for noise in noises
        for name, kind in kinds.items()
    ]


def _over(rows: list[dict[str, float]]) -> dict[str, float]:
    return {key: float((np.mean if key in TRUE_OR_NOT else np.median)([row[key] for row in rows])) for key in rows[0]}


def listed(tasks: Sequence[Task]) -> str:
    """The laws in words."""
    return "; ".join(task.law for task in tasks)


def picture(records: Sequence[Record]) -> Figure:
    """Errors, shares and times of every kind of network, with and without noise."""
    from kansym.report.pictures.dots import Panel, dots

    names = list(dict.fromkeys(str(row["case"]).partition(", noise ")[0] for row in records))
    noises = list(dict.fromkeys(str(row["case"]).partition(", noise ")[2] for row in records))
    panels = [
        Panel(title, logarithm, {f"noise {noise}": [middle(records, f"{name}, noise {noise}", key) for name in names]
                                 for noise in noises})
        for title, key, logarithm in (
            ("network, NRMSE", "network", True), ("near the law, share", "near", False),
            ("true columns, share", "right", False), ("true graph, share", "graph", False),
            ("processor time, s", "seconds", False),
        )
    ]  # fmt: skip
    return dots(names, panels)


def middle(records: Sequence[Record], case: str, key: str) -> float:
    """The median over seeds of one figure of a case; nan where there is none."""
    values = [float(row[key]) for row in records if row["case"] == case and row.get(key) is not None]
    return float(np.median(values)) if values else float("nan")


EXPERIMENT = Experiment(
    name="bases",
    title="Which basis: the network alone",
    rule=(
        f"networks [columns, 1, 1] of {INTERVALS} intervals, refined to twice as many, with a SiLU branch, four starts "
        f"of Levenberg-Marquardt, pruned and read edge by edge; {WORDS}{listed(TASKS)}"
    ),
    columns=COLUMNS,
    bars=(),  # the question is open: nobody has published such a table
    run=run,
    picture=picture,
)
