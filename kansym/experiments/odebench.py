"""ODEBench: 63 systems, found from one trajectory each, judged on that trajectory, on a second one, and by their
formulas."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from kansym.bench.formulas.judge import SAME, Law, longest
from kansym.bench.tables import Column, duration, number
from kansym.data import Dataset
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.physics.discovery.equations import find_equations
from kansym.physics.discovery.found import Discovery
from kansym.physics.discovery.settings import Settings
from kansym.physics.discovery.simulating import simulate
from kansym.physics.discovery.trajectories import Trajectories, Trajectory

Array = np.ndarray
SYSTEMS, QUICK = 63, ("odebench-2", "odebench-24")
SECONDS = 15.0
GOOD = 0.9
POINTS = 300


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per system."""
    names = QUICK if setting.quick else [f"odebench-{number}" for number in range(1, SYSTEMS + 1)]
    return [_one(name, setting) for name in names]


def _one(name: str, setting: Setting) -> dict[str, Any]:
    data, system = setting.data(name), setting.card(name)
    first, second = _runs(data)
    started = time.perf_counter()
    measured = Trajectories((first,), data.target_names, source=name)
    found = find_equations(measured, Settings(seed=setting.seed, time_limit=SECONDS))
    seconds = time.perf_counter() - started
    r2, other = (least_r2(found, part) for part in (first, second))
    exact = is_law(found, system.rates, np.concatenate([first.states, second.states]), setting.seed)
    return {
        "case": name, "title": system.title, "r2": r2, "second": other, "reconstructed": r2 > GOOD,
        "generalises": other > GOOD, "exact": exact, "seconds": seconds, "short": "; ".join(map(str, found.equations)),
        "law": system.formula,
    }  # fmt: skip


def _runs(data: Dataset) -> tuple[Trajectory, Trajectory]:
    parts = [data.inputs[:, 0] == label for label in np.unique(data.inputs[:, 0])]
    first, second = (Trajectory(data.inputs[rows, 1], data.targets[rows]) for rows in parts)
    return first, second


def least_r2(found: Discovery, part: Trajectory) -> float:
    """Return the smallest R2 over the states of a solution from the first sample on; minus infinity if it ends
    early."""
    formulas = [equation.expression for equation in found.equations]
    solution = simulate(formulas, part.states[0], part.times, np.max(np.abs(part.states), axis=0))
    if not np.all(np.isfinite(solution)):
        return -np.inf
    gap = np.sum((solution - part.states) ** 2, axis=0)
    return float(np.min(1.0 - gap / np.maximum(np.sum((part.states - part.states.mean(axis=0)) ** 2, axis=0), 1e-300)))


def is_law(found: Discovery, rates: Sequence[str], states: Array, seed: int) -> bool:
    """Return whether every right-hand side is the law: equal in the box of the states, of the same states, and not
    long.

    Args:
        found: the equations.
        rates: the laws, formulas of the states.
        states: (N, D) whose box is looked at, at random points.
        seed: of the points.
    """
    low, high = states.min(axis=0), states.max(axis=0)
    points = np.random.default_rng([seed, 63]).uniform(low, high, (POINTS, states.shape[1]))
    for equation, text in zip(found.equations, rates, strict=True):
        law = Law.read(text, equation.names, points)
        real = np.isfinite(law.values)
        gap = equation(points)[real] - law.values[real]
        size = float(np.std(law.values[real])) or float(np.max(np.abs(law.values[real])))
        same = np.all(np.isfinite(gap)) and float(np.sqrt(np.mean(gap**2))) < SAME * size
        short = equation.expression.complexity <= longest(law)
        if not (same and short and equation.expression.variables == law.expression.variables):
            return False
    return True


def _yes(value: bool) -> str:
    return "yes" if value else "no"


EXPERIMENT = Experiment(
    name="odebench",
    title="63 systems of ordinary differential equations from one clean trajectory each",
    rule=(
        f"512 samples of one trajectory from time 0 to 10, no noise, {SECONDS:g} s for each system. R2 "
        f"is the smallest over "
        "the states, of the solution from the first sample on, on that trajectory and on the second one. Exact: every "
        f"right-hand side equals the law to {SAME:g} of its spread in the box of both trajectories, "
        f"reads the same states, "
        "and is not longer than three times the law and ten nodes"
    ),
    columns=(
        Column("exact", "exact", _yes),
        Column("r2", "R2", number),
        Column("second", "R2, second", number),
        Column("seconds", "time", duration),
        Column("title", "system"),
        Column("short", "found", lambda text: text if len(text) <= 90 else text[:89] + "…"),
    ),
    bars=(
        Bar("reconstructed", 0.75, at_least=True, over="mean", beats="ODEFormer, published: 0.664"),
        Bar("generalises", 0.45, at_least=True, over="mean", beats="ODEFormer, published: 0.328"),
        Bar("exact", 30 / SYSTEMS, at_least=True, over="mean", beats="30 of 63"),
    ),
    run=run,
)
