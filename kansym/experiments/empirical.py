"""Nine laws of the history of science, from tables as small and as badly scaled as they were (EmpiricalBench)."""

from __future__ import annotations

from kansym.experiments.experiment import Bar, Experiment
from kansym.experiments.recovery import COLUMNS, RULE, Known, recover

NAMES = ("hubble", "kepler", "newton", "planck", "leavitt", "schechter", "bode", "ideal_gas", "rydberg")
SECONDS = 600.0
# As in the benchmark: noise of the order of what was measured, where there was any.
LAWS = tuple(Known(f"empirical-{name}", seconds=SECONDS) for name in NAMES)

EXPERIMENT = Experiment(
    name="empirical",
    title="Nine laws of the history of science",
    rule=(
        f"the tables of EmpiricalBench from their generators, no noise, at most {SECONDS:.0f} s a law; {RULE}. The "
        "bars count what is the same: EmpiricalBench has no rule, its authors looked at the formulas, and by the "
        "letter of SRBench 365.25*a**(3/2) is not 365.25*sqrt(a**3)"
    ),
    columns=COLUMNS,
    bars=(
        Bar("same", 0.8, at_least=True, over="mean", beats="PySR: 35 of 45 (0.78), 1 hour on 8 cores each"),
        Bar("same", 1, at_least=True, case="planck", over="most", beats="PySR: 0 of 5"),
    ),
    run=lambda setting: recover(LAWS, setting),
)
