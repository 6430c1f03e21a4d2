"""The NIST StRD sets with the form unknown: as good a fit as the certified model with as few constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from kansym.bench.tables import Column, duration, number
from kansym.config import Config
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.strd import NAMES
from kansym.pipeline import fit

SECONDS, QUICK_SECONDS = 60.0, 3.0
ROOM = 1.05  # times the certified sum of squares
LEVEL = 1e-9  # of the target's own: what rounding leaves of a sum of squares that is nothing
# One constant more than the certificate has.
MORE = 1


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per set."""
    return [_free(name, setting) for name in NAMES[: 1 if setting.quick else None]]


def _free(name: str, setting: Setting) -> dict[str, Any]:
    """The best formula of the front that has few enough constants."""
    card, data = setting.card(name), setting.data(name)
    config = Config(seed=setting.seed, time_limit=QUICK_SECONDS if setting.quick else SECONDS)
    started = setting.clock()
    result = fit(data, config, budget=setting.budget(config.seconds))
    seconds, allowed = setting.clock() - started, len(card.strd.certified) + MORE
    target = data.targets[:, 0]
    floor = LEVEL * float(np.sum((target - target.mean()) ** 2))
    listed = [formula for formula in result.front.formulas if len(formula.expression.free_constants) <= allowed]
    sums = [float(np.nansum((formula(data.inputs) - target) ** 2)) for formula in listed]
    best = int(np.argmin(sums)) if sums else None
    row = {"case": name, "seconds": seconds, "allowed": allowed, "certified": card.strd.rss}
    if best is None:
        return row | {"reached": False}
    facts = {"ratio": sums[best] / max(card.strd.rss, floor), "constants": len(listed[best].expression.free_constants)}
    return row | facts | {"reached": facts["ratio"] <= ROOM, "short": listed[best].text(5)}


EXPERIMENT = Experiment(
    name="strd-free",
    title="NIST StRD nonlinear regression, form unknown",
    rule=(
        f"kansym gets the table alone, {SECONDS:.0f} s; reached: a formula of its front leaves at most {ROOM} times "
        f"the certified sum of squares (or 1e-9 of the target's) with at most {MORE} fitted constant more than the "
        f"certificate"
    ),
    columns=(
        Column("ratio", "sum of squares over certified", number),
        Column("constants", "constants"),
        Column("allowed", "allowed"),
        Column("seconds", "time", duration),
        Column("reached", "reached", lambda value: "yes" if value else "no"),
        Column("short", "formula", lambda text: text if len(text) <= 70 else text[:69] + "…"),
    ),
    bars=(Bar("reached", 18 / 27, at_least=True, over="mean", beats="nobody has published this"),),
    run=run,
)
