"""Laws of physics as text with the ranges of their columns: drawn as tables, fitted and judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kansym.data import Dataset
from kansym.experiments.experiment import Setting
from kansym.experiments.recovery import FRESH_ROWS, FRESH_SEED, Known, judged
from kansym.symbolic.parser import parse

Array = np.ndarray


@dataclass(frozen=True)
class Drawn:
    """A law and how its rows are drawn.

    Args:
        case: its name in the table.
        law: formula of the columns.
        names: of all columns, also of those that the law does not read.
        target: name of the target.
        draw: (generator, rows) -> (rows, D).
    """

    case: str
    law: str
    names: tuple[str, ...]
    target: str
    draw: Callable[[np.random.Generator, int], Array]


def recover_drawn(laws: Sequence[Drawn], rows: int, seconds: float, setting: Setting) -> list[dict[str, Any]]:
    """Return one row per law, as `recover` does for the laws of the data sets."""
    return [{"case": law.case, **_judged(law, rows, seconds, setting)} for law in laws[: 1 if setting.quick else None]]


def _judged(law: Drawn, rows: int, seconds: float, setting: Setting) -> dict[str, Any]:
    inputs = law.draw(np.random.default_rng(setting.seed), rows)
    values = parse(law.law, law.names).evaluate(inputs)
    fresh = law.draw(np.random.default_rng(FRESH_SEED + setting.seed), FRESH_ROWS)
    table = Dataset(inputs, values, law.names, (law.target,), source=law.case)
    return judged(Known(law.case, rows, seconds=seconds), table, law.law, fresh, setting)
