"""The spectrum of the cosmic microwave background: Planck's law and a temperature out of 43 measured rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from kansym.bench.tables import Column
from kansym.experiments.classics import COLUMNS, RULE, fitted
from kansym.experiments.experiment import Bar, Experiment, Setting

SECOND_RADIATION_CONSTANT = 1.438776877  # h c / k in cm K, exact in the SI
TEMPERATURE, TOLERANCE = 2.7250, 0.0005


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return the one row of a seed."""
    row = fitted("firas", setting)
    if not row["found"]:
        return [row]
    kelvin = SECOND_RADIATION_CONSTANT / row["parameters"]["b"]
    data, law = setting.data("firas"), row["parameters"]
    nu = data.inputs[:, 0]
    left = (data.targets[:, 0] - law["a"] * nu**3 / np.expm1(law["b"] * nu)) / np.asarray(data.sigma)
    chi = float(left @ left) / (len(nu) - 2)
    return [row | {"temperature": kelvin, "off": abs(kelvin - TEMPERATURE), "chi2": chi}]


EXPERIMENT = Experiment(
    name="firas",
    title="The spectrum of the cosmic microwave background",
    rule=RULE + "; T = h c/(k b) with h c/k = 1.438776877 cm K; the table's standard errors are used as sigma",
    columns=(
        *COLUMNS[:3],
        Column("temperature", "T [K]", lambda value: f"{value:.6f}"),
        Column("chi2", "chi2 per degree of freedom", lambda value: f"{value:.3f}"),
    ),
    bars=(
        Bar("found", 1.0, at_least=True, over="mean", beats="PySR on EmpiricalBench: Planck's law in 0 of 5 runs"),
        Bar("off", TOLERANCE, over="most", beats="published: 2.72501 +- 0.00003 K from these rows"),
        Bar("chi2", 1.15, over="most"),
    ),
    run=run,
)
