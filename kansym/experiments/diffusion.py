"""Diffusion with a source, and the same with a diffusivity that is found from measured values."""

from __future__ import annotations

from typing import Any

from kansym.bench.tables import Column, number
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.solving import COLUMNS, HARD, SOFT, Way, picture_of, rows
from kansym.physics.solver.known import TRUE_DIFFUSIVITY

INVERSE = "inverse, from 60 values"
NOISY = "inverse, values with errors of 0.01"
WAYS = (Way(SOFT, {"formula": False}), Way(HARD, {"hard": True, "formula": False}))


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way of solving it, and one of the inverse problem."""
    inverse = Setting(setting.seed, setting.data, setting.tell, setting.quick)
    found = rows("inverse-diffusion", inverse, (Way(INVERSE, {"formula": False}),), shown=False)
    found += rows("inverse-diffusion-noisy", inverse, (Way(NOISY, {"formula": False}),), shown=False)
    for row in found:
        row["off"] = abs(row["k"] / TRUE_DIFFUSIVITY - 1)
    return [*rows("diffusion", setting, WAYS), *found]


EXPERIMENT = Experiment(
    name="diffusion",
    title="Diffusion with a source: u = exp(-t) sin(pi x); inverse: the diffusivity from values",
    rule=(
        "from u(x, 0) and u = 0 at both ends; errors on an even 101 x 101 grid; the inverse problem starts at k = 1 "
        f"(true: {TRUE_DIFFUSIVITY}) and has 60 values inside, exact or with errors of 0.01; one thread"
    ),
    columns=(*COLUMNS, Column("k", "diffusivity found", number), Column("off", "relative error of it", number)),
    bars=(
        Bar("relative_l2", 2e-4, case=SOFT, beats="jaxKAN: 0.021 % in 1,241 s on a GPU"),
        Bar("off", 0.005, case=INVERSE, over="most", beats="jaxKAN's tutorial: 3.6 %"),
    ),
    run=run,
    picture=picture_of("diffusion"),
)
