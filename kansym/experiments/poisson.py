"""The KAN paper's Poisson equation: how small the error, with how many parameters, how fast; then the formula."""

from __future__ import annotations

from typing import Any

import numpy as np

from kansym.bench.tables import Column, number
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.solving import COLUMNS, HARD, METHODS, SOFT, Way, picture_of, rows
from kansym.physics.solver.known import poisson
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.parser import parse

WAYS = (
    Way(SOFT, {"formula": True, "formula_time": 300.0}),
    Way(HARD, {"hard": True, "formula": False}),
    *(Way(way.case, {**way.changes, "formula": False}) for way in METHODS),
)
LARGE, CLOSE = 1e-3, 1e-6


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way of solving it."""
    found = rows("poisson", setting, WAYS[:2] if setting.quick else WAYS)
    text = found[0].get("formula")
    if text is not None:
        found[0]["law"], found[0]["constants"] = compared(str(text))
    return found


def compared(text: str) -> tuple[bool, float]:
    """Return whether a formula is sin(pi x) sin(pi y^2) with other numbers, and how far its numbers are off."""
    found = parse(text, ("x", "y"))
    truth = poisson().exact[0]
    random = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    missed = float(np.max(np.abs(found.evaluate(random) - truth.evaluate(random))))
    numbers = [node.value for node in found.walk() if isinstance(node, Constant)]
    off = max((min(abs(value - known) for known in (1.0, -1.0, np.pi, -np.pi, 2.0)) for value in numbers), default=0.0)
    return missed < LARGE and _calls(found) == ["sin", "sin"], max(off, 0.0)


def _calls(expression: Expression) -> list[str]:
    return sorted(node.name for node in expression.walk() if hasattr(node, "argument"))  # type: ignore[attr-defined]


EXPERIMENT = Experiment(
    name="poisson",
    title="Poisson: u = sin(pi x) sin(pi y^2) on a square",
    rule=(
        "the equation of the KAN paper (section 3.4) from its right-hand side and u = 0 on the edge; errors on an even "
        "101 x 101 grid that is not trained on; H1^2 is the integral of error^2 + |gradient of error|^2; one thread, "
        "the bar of time is for the processor's seconds; the formula is searched afterwards in a table of the network "
        "and refitted to the equation. A finite-difference solver is faster than all of these"
    ),
    columns=(*COLUMNS, Column("h1", "H1^2 error", number), Column("formula", "formula"),
             Column("constants", "largest error of a constant", number)),
    bars=(
        Bar("mse", 1e-7, case=SOFT, beats="KAN paper: 1e-7, time not given"),
        Bar("h1", 1e-4, case=SOFT),
        Bar("parameters", 1000, case=SOFT),
        Bar("cpu_seconds", 120.0, case=SOFT, beats="pykan, an easier u: 1.74e-4 in 105 s on CUDA"),
        Bar("law", 1, True, SOFT, "least"),
        Bar("constants", CLOSE, case=SOFT, over="most"),
    ),
    run=run,
    picture=picture_of("poisson"),
)  # fmt: skip
