"""Known laws drawn as tables, fitted and judged: what several experiments do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kansym.bench.formulas.problems import OWN, Identity, Material
from kansym.bench.formulas.work import solve
from kansym.bench.tables import Column, duration, number
from kansym.data import Dataset
from kansym.experiments.experiment import Setting

FRESH_ROWS, FRESH_SEED = 1000, 10_007
QUICK_SECONDS = 5.0
RULE = (
    "found: the rule of SRBench to the letter, or equal on 1,000 fresh rows to 1e-6 of the spread where sympy gives no "
    "answer; same: equal on fresh rows"
)


@dataclass(frozen=True)
class Known:
    """A law of the generated data sets and how it is asked for.

    Args:
        name: of the data set.
        rows: None for as many as its card says.
        noise: of the targets over their RMS.
        units: whether the fit is told the units.
        seconds: limit of the fit.
    """

    name: str
    rows: int | None = None
    noise: float = 0.0
    units: bool = False
    seconds: float = 60.0


COLUMNS = (
    Column("found", "found", lambda value: "yes" if value else "no"),
    Column("same", "same", lambda value: "yes" if value else "no"),
    Column("seconds", "time", duration),
    Column("complexity", "nodes"),
    Column("distance", "distance", number),
    Column("short", "formula", lambda text: text if len(text) <= 70 else text[:69] + "…"),
    Column("lost", "lost in"),
)


def recover(laws: Sequence[Known], setting: Setting) -> list[dict[str, Any]]:
    """Return one row per law."""
    return [
        {"case": law.name.partition("-")[2], **_recovered(law, setting)} for law in laws[: 1 if setting.quick else None]
    ]


def _recovered(law: Known, setting: Setting) -> dict[str, Any]:
    data = setting.data(law.name, law.rows, law.noise, setting.seed)
    fresh = setting.data(law.name, FRESH_ROWS, 0.0, FRESH_SEED + setting.seed).inputs
    return judged(law, data, setting.card(law.name).formula, fresh, setting)


def judged(law: Known, data: Dataset, truth: str, fresh: np.ndarray, setting: Setting) -> dict[str, Any]:
    """Fit a table whose law is known, and judge the formula.

    Args:
        law: how it is asked for.
        data: the table.
        truth: the law in the table's column names; columns that it does not read do not matter.
        fresh: (M, D) rows that the fit does not see.
        setting: of the run.
    """
    limit = QUICK_SECONDS if setting.quick else law.seconds
    asked = Identity(OWN, "", law.name, law.noise, data.rows, "0", setting.seed, law.units, True, limit)
    record = list(solve((asked, Material(data, truth, data.input_names, np.array(fresh), law.noise)), setting.clock))[
        -1
    ]
    kept = ("found", "seconds", "complexity", "distance", "short", "lost", "error", "truth", "formula")
    return {name: record.get(name) for name in kept} | {"same": record.get("numeric")}
