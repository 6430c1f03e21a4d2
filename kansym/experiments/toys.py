"""The toy functions of the KAN papers: the exact form wanted, from every seed."""

from __future__ import annotations

from kansym.experiments.experiment import Bar, Experiment
from kansym.experiments.recovery import COLUMNS, RULE, Known, recover

NAMES = ("product", "quotient", "bessel", "shell", "distance", "sine-exponential", "wave", "fm")
LAWS = tuple(Known(f"toy-{name}", rows=2000) for name in NAMES)

EXPERIMENT = Experiment(
    name="toys",
    title="The toy functions of the KAN papers",
    rule=f"2,000 rows, no noise, at most 60 s a law; {RULE}",
    columns=COLUMNS,
    bars=(Bar("found", 28 / 30, at_least=True, over="mean", beats="the KAN paper: one seed, shapes set by hand"),),
    run=lambda setting: recover(LAWS, setting),
)
