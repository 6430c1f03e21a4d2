"""Helmholtz with four waves across: the equation on which plain KANs diverge."""

from __future__ import annotations

from typing import Any

from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.solving import COLUMNS, HARD, SOFT, Way, picture_of, rows

WAYS = (Way(SOFT, {"formula": False}), Way(HARD, {"hard": True, "formula": False}))


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way of solving it."""
    return rows("helmholtz", setting, WAYS)


EXPERIMENT = Experiment(
    name="helmholtz",
    title="Helmholtz: u = sin(pi x) sin(4 pi y), k = 1",
    rule="from the right-hand side and u = 0 on the edge; errors on an even 101 x 101 grid; one thread",
    columns=COLUMNS,
    bars=(
        Bar("relative_l2", 1e-3, case=SOFT, beats="jaxKAN: 0.10 % in 1,828 s on a GPU; pykan diverges"),
        Bar("cpu_seconds", 300.0, case=SOFT),
        Bar("relative_l2", 1e-3, case=HARD),
    ),
    run=run,
    picture=picture_of("helmholtz"),
)
