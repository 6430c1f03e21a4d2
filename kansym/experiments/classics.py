"""Measured tables with a law everyone knows; found when the formula belongs to the law's family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kansym.bench.tables import Column, duration
from kansym.config import Config
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.families import Family, member
from kansym.pipeline import fit

QUICK_SECONDS = 5.0
VAPOUR_WORDS = "exp(A - B/T), or Antoine exp(A - B/(T + C)), or exp(A - B/T) T^C; B above 1000 K"
VAPOUR = {"A": 17.0, "B": 5000.0, "C": 0.0}


def _boils(parameters: Mapping[str, float]) -> bool:
    return parameters["B"] > 1000.0  # a bare power of T has B = 0


def _four(parameters: Mapping[str, float]) -> bool:
    return round(parameters["c"], 3) == 4.0


CLAUSIUS = Family("A - B/T + C*log(T)", VAPOUR, logarithm=True, accepts=_boils)
ANTOINE = Family("A - B/(T + C)", VAPOUR, logarithm=True, accepts=_boils)
FAMILIES: dict[str, tuple[tuple[Family, ...], str]] = {
    "kepler": ((Family("k*a**(3/2)", {"k": 1.0}),), "k a^(3/2), the exponent exact"),
    "hubble1929": ((Family("K*r + c", {"K": 400.0, "c": 0.0}),), "a straight line"),
    "balmer": (
        (Family("B*n**2/(n**2 - c)", {"B": 364.0, "c": 4.0}, accepts=_four),),
        "B n^2/(n^2 - 4), the 4 to three decimals",
    ),
    "forbes": ((CLAUSIUS, ANTOINE), VAPOUR_WORDS),
    "mercury": ((CLAUSIUS, ANTOINE), VAPOUR_WORDS),
    "boyle": ((Family("k/V", {"k": 1400.0}),), "k/V"),
    "planets": ((Family("k*a**(3/2)", {"k": 1.0}),), "k a^(3/2), the exponent exact"),
    "firas": ((Family("a*nu**3/(exp(b*nu) - 1)", {"a": 39.7, "b": 0.528}),), "a nu^3/(exp(b nu) - 1)"),
}
TABLES = ("kepler", "hubble1929", "balmer", "forbes", "mercury", "boyle")
RULE = (
    "found: the formula belongs to the family of the law with free constants: the family, fitted to the formula on "
    "200 points of the data's range, leaves less than 1e-8 of its spread"
)
COLUMNS = (
    Column("found", "found", lambda value: "yes" if value else "no"),
    Column("seconds", "time", duration),
    Column("short", "formula", lambda text: text if len(text) <= 70 else text[:69] + "…"),
    Column("family", "wanted"),
)


def fitted(name: str, setting: Setting) -> dict[str, Any]:
    """Return the row of a measured table: whether its law came out, and with which parameters."""
    families, words = FAMILIES[name]
    data = setting.data(name)
    config = Config(seed=setting.seed, time_limit=QUICK_SECONDS if setting.quick else None)
    started = setting.clock()
    result = fit(data, config, budget=setting.budget(config.seconds))
    row = {"case": name, "seconds": setting.clock() - started, "family": words, "short": result.formula.text(6)}
    low, high = float(data.inputs.min()), float(data.inputs.max())
    matches = (member(family, result.formula, data.input_names[0], low, high) for family in families)
    parameters = next((match for match in matches if match is not None), None)
    return row | {"found": parameters is not None, "parameters": dict(parameters or {})}


EXPERIMENT = Experiment(
    name="classics",
    title="Measured tables and the laws they are known for",
    rule=RULE,
    columns=COLUMNS,
    bars=(
        Bar("found", 1.0, at_least=True, over="mean", beats="no tool for such networks reports this"),
        Bar("seconds", 60.0, over="most"),
    ),
    run=lambda setting: [fitted(name, setting) for name in TABLES[: 1 if setting.quick else None]],
)
