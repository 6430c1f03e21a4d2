"""Laws of special relativity: how velocities add, and what a moving observer measures (KAN 2.0, section 5)."""

from __future__ import annotations

import numpy as np

from kansym.experiments.drawn import Drawn, recover_drawn
from kansym.experiments.experiment import Bar, Experiment
from kansym.experiments.recovery import COLUMNS, RULE

ROWS, SECONDS, FASTEST = 1000, 60.0, 0.9


def _velocities(generator: np.random.Generator, rows: int) -> np.ndarray:
    return generator.uniform(-FASTEST, FASTEST, (rows, 2))


def _boosted(generator: np.random.Generator, rows: int) -> np.ndarray:
    return np.column_stack([generator.uniform(-2, 2, (rows, 2)), generator.uniform(-FASTEST, FASTEST, rows)])


LAWS = (
    Drawn("sum of velocities", "(u + v)/(1 + u*v)", ("u", "v"), "w", _velocities),
    Drawn("boosted time", "(t - v*x)/sqrt(1 - v**2)", ("t", "x", "v"), "s", _boosted),
    Drawn("difference of rapidities", "atanh(u) - atanh(v)", ("u", "v"), "r", _velocities),
)

EXPERIMENT = Experiment(
    name="relativity",
    title="Special relativity: velocities, rapidities, boosts",
    rule=f"{ROWS:,} rows, no noise, velocities up to {FASTEST:g} c, at most {SECONDS:.0f} s a law; {RULE}",
    columns=COLUMNS,
    bars=(
        Bar("found", 1.0, at_least=True, over="mean"),
        Bar("distance", 2.0e-6, case="sum of velocities", over="most", beats="KAN 2.0: RMSE 2.0e-6, one run by hand"),
    ),
    run=lambda setting: recover_drawn(LAWS, ROWS, SECONDS, setting),
)
