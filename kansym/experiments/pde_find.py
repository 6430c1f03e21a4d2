"""Partial differential equations found in fields of our own making, clean and noisy."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from kansym.bench.tables import Column, duration, number
from kansym.data import Dataset
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.physics.discovery.fields.equations import find_field_equations
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.found import Equation
from kansym.physics.discovery.settings import Settings
from kansym.symbolic.expression import Sum
from kansym.symbolic.terms import split
from kansym.symbolic.text import to_text

CASES = (
    ("pde-burgers", 0.0), ("pde-burgers", 0.2), ("pde-kdv", 0.0), ("pde-kdv", 0.1), ("pde-ks", 0.0), ("pde-ks", 0.5),
    ("pde-reaction-diffusion", 0.0), ("pde-reaction-diffusion", 0.1),
)  # fmt: skip
TRUTHS: dict[str, dict[str, dict[str, float]]] = {
    "pde-burgers": {"u": {"u*u_x": -1.0, "u_xx": 0.1}},
    "pde-kdv": {"u": {"u*u_x": -6.0, "u_xxx": -1.0}},
    "pde-ks": {"u": {"u*u_x": -1.0, "u_xx": -1.0, "u_xxxx": -1.0}},
    "pde-reaction-diffusion": {
        "u": {"u_xx": 0.1, "u_yy": 0.1, "u": 1.0, "u**3": -1.0, "u*v**2": -1.0, "u**2*v": 1.0, "v**3": 1.0},
        "v": {"v_xx": 0.1, "v_yy": 0.1, "v": 1.0, "v**3": -1.0, "u**2*v": -1.0, "u*v**2": -1.0, "u**3": -1.0},
    },
}


def field_of(data: Dataset) -> Field:
    """Return the field in a long table: the inputs are the axes of a full grid, in its order."""
    axes = {name: np.unique(column) for name, column in zip(data.input_names, data.inputs.T, strict=True)}
    shape = tuple(len(axis) for axis in axes.values())
    values = zip(data.target_names, data.targets.T, strict=True)
    return Field(axes, {name: column.reshape(shape) for name, column in values}, data.source)


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per field and noise."""
    return [_one(name, noise, setting) for name, noise in (CASES[:1] if setting.quick else CASES)]


def _one(name: str, noise: float, setting: Setting) -> dict[str, Any]:
    field = field_of(setting.data(name, None, noise, setting.seed))
    started = time.perf_counter()
    found = find_field_equations(field, Settings(seed=setting.seed))
    seconds = time.perf_counter() - started
    pairs = list(zip(found.equations, TRUTHS[name].values(), strict=True))
    support = all(set(coefficients(equation)) == set(truth) for equation, truth in pairs)
    worst = max((_worst(equation, truth) for equation, truth in pairs), default=1.0)
    case = f"{name.removeprefix('pde-')}, {f'noise {100 * noise:g} %' if noise else 'clean'}"
    return {"case": case, "clean": noise == 0, "support": support, "worst": worst, "seconds": seconds,
            "worst_clean": worst if noise == 0 else None,
            "short": "; ".join(equation.text(4) for equation in found.equations)}  # fmt: skip


def coefficients(equation: Equation) -> dict[str, float]:
    """Return the number before every term, by the term's text in alphabetical order of its factors."""
    terms = equation.expression.children if isinstance(equation.expression, Sum) else (equation.expression,)
    found = {}
    for term in terms:
        coefficient, rest = split(term)
        found["*".join(sorted(to_text(rest, equation.names).replace("**", "^").split("*"))).replace("^", "**")] = (
            coefficient.value
        )
    return found


def _worst(equation: Equation, truth: dict[str, float]) -> float:
    """The largest relative error of a coefficient; a term that is missing counts as 1."""
    found = coefficients(equation)
    return max(abs(found.get(term, 0.0) - value) / abs(value) for term, value in truth.items())


EXPERIMENT = Experiment(
    name="pde-find",
    title="Partial differential equations found in fields",
    rule=(
        "fields of 25,000 to 400,000 samples, integrated by exponential time differencing; noise as a "
        "share of a field's "
        "standard deviation on every sample, no smoothing before; terms: derivatives up to the fourth "
        "(the second in two "
        "dimensions) of products of fields. Support: exactly the terms of the law. Error: the worst "
        "coefficient's, relative"
    ),
    columns=(
        Column("support", "right terms", lambda value: "yes" if value else "no"),
        Column("worst", "worst coefficient", number),
        Column("seconds", "time", duration),
        Column("short", "found"),
    ),
    bars=(
        Bar("worst_clean", 0.005, over="most", beats="PySINDy's notebooks: 0.5 to 2 %"),
        Bar("worst", 0.10, case="burgers, noise 20 %", over="most", beats="PySINDy's notebook: 14 %"),
        Bar("support", 1.0, at_least=True, case="ks, noise 50 %", over="mean", beats="PySINDy's notebook: extra terms"),
        Bar("support", 1.0, at_least=True, over="mean"),
    ),
    run=run,
)
