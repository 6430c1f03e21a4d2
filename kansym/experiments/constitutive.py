"""The stress of a stretched body: laws of elasticity from deformation gradients and stresses (KAN 2.0, section 6.3)."""

from __future__ import annotations

import numpy as np

from kansym.experiments.drawn import Drawn, recover_drawn
from kansym.experiments.experiment import Bar, Experiment
from kansym.experiments.recovery import COLUMNS, RULE

ROWS, SECONDS, STRETCH = 1000, 60.0, 0.2
# Young's modulus 1 and Poisson's ratio 1/5: mu = 1/(2 (1 + 1/5)), lambda = 1/5/((1 + 1/5)(1 - 2/5)).
MU, LAMBDA = "5/12", "5/18"
NAMES = (*(f"F{row}{column}" for row in (1, 2, 3) for column in (1, 2, 3)), "J")


def draw(generator: np.random.Generator, rows: int) -> np.ndarray:
    """Deformation gradients near 1, entry by entry, and their determinants: (rows, 10)."""
    gradients = np.eye(3) + STRETCH * generator.uniform(-1, 1, (rows, 3, 3))
    return np.column_stack([gradients.reshape(rows, 9), np.linalg.det(gradients)])


LAWS = (
    Drawn("linear, P11", f"2*{MU}*(F11 - 1) + {LAMBDA}*(F11 + F22 + F33 - 3)", NAMES, "P11", draw),
    Drawn("linear, P12", f"{MU}*(F12 + F21)", NAMES, "P12", draw),
    Drawn("neo-Hookean, P11", f"{MU}*(F11**2 + F21**2 + F31**2 - 1) + {LAMBDA}*log(J)", NAMES, "P11", draw),
    Drawn("neo-Hookean, P12", f"{MU}*(F11*F12 + F21*F22 + F31*F32)", NAMES, "P12", draw),
)

EXPERIMENT = Experiment(
    name="constitutive",
    title="The stress of a stretched body",
    rule=(
        f"{ROWS:,} deformation gradients F = 1 + {STRETCH:g} U(-1, 1), their nine entries and J = det F; Young's "
        f"modulus 1, Poisson's ratio 0.2; at most {SECONDS:.0f} s a law, nothing told beforehand; {RULE}"
    ),
    columns=COLUMNS,
    bars=(
        Bar("found", 1.0, at_least=True, over="mean", beats="KAN 2.0: P12 right in 1 of 2 runs"),
        Bar("distance", 2.9e-11, case="neo-Hookean, P11", over="most", beats="KAN 2.0: RMSE 2.9e-11"),
    ),
    run=lambda setting: recover_drawn(LAWS, ROWS, SECONDS, setting),
)
