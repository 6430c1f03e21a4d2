"""Predator and prey from a quarter of the time: a KAN as right-hand side in two designs, and the equations
themselves."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kansym.bench.tables import Column, Record, duration, number
from kansym.budget import Budget
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.experiments.sindy_kan import compared
from kansym.physics.discovery.equations import find_equations
from kansym.physics.discovery.network import collocated, shot_from
from kansym.physics.discovery.rates import FormulaRates, Rates
from kansym.physics.discovery.settings import Settings
from kansym.physics.discovery.shooting import cut
from kansym.physics.discovery.simulating import simulate
from kansym.physics.discovery.smoothing import smooth_paths
from kansym.physics.discovery.trajectories import Trajectories, Trajectory

if TYPE_CHECKING:
    from kansym.report.canvas import Figure

Array = np.ndarray
NAME, TRAINED = "ode-lotka-volterra", 3.5
HIDDEN, INTERVALS = 6, 3
SECONDS = 60.0
TARGET = 1e-4  # of a state, what the network is asked to follow the samples to


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per way."""
    data, system = setting.data(NAME), setting.card(NAME)
    times, states = data.inputs[:, 0], data.targets
    seen = times <= TRAINED + 1e-9
    measured = Trajectories((Trajectory(times[seen], states[seen]),), data.target_names, source=NAME)
    rows = [] if setting.quick else _networks(measured, times, states, setting.seed)
    started = time.perf_counter()
    found = find_equations(measured, Settings(seed=setting.seed, time_limit=SECONDS))
    formulas = [each.expression for each in found.equations]
    exact, _ = compared(formulas, system.rates, system.states, states)
    numbers = sum(len(formula.free_constants) for formula in formulas)
    row = _row("equations", FormulaRates(formulas), times, states, time.perf_counter() - started)
    return [*rows, row | {"parameters": numbers, "exact": exact, "short": "; ".join(map(str, found.equations))}]


def _networks(measured: Trajectories, times: Array, states: Array, seed: int) -> list[dict[str, Any]]:
    """The network fitted to slopes, and the same one then fitted to the trajectory."""
    started = time.perf_counter()
    paths = smooth_paths(measured)
    rates = collocated(measured, paths, HIDDEN, INTERVALS, seed)
    rows = [_row("KAN, collocation", rates, times, states, time.perf_counter() - started)]
    pieces = cut(measured, paths, TARGET * measured.size)
    rates = shot_from(rates, pieces, Budget(SECONDS)).rates
    rows.append(_row("KAN, shooting", rates, times, states, time.perf_counter() - started))
    return rows


def _row(case: str, rates: Rates, times: Array, states: Array, seconds: float) -> dict[str, Any]:
    """Mean squared errors of the solution from the first sample on: on the trained part, and on the rest."""
    solution = simulate(rates, states[0], times, np.max(np.abs(states), axis=0))
    square = np.mean((solution - states) ** 2, axis=1)
    seen = times <= TRAINED + 1e-9
    return {"case": case, "loss": float(np.mean(square[seen])), "beyond": float(np.mean(square[~seen])),
            "parameters": len(rates.start), "seconds": seconds, "curve": np.round(solution, 4).tolist(),
            "samples": np.round(states, 4).tolist(), "times": times.tolist()}  # fmt: skip


def picture(records: Sequence[Record]) -> Figure:
    """Samples, and the solutions of all ways for the first seed."""
    from kansym.report.pictures.trajectories import trajectories

    first = [row for row in records if row["seed"] == records[0]["seed"]]
    panels = {}
    for row in first:
        times, samples, curve = (np.array(row[name], dtype=float) for name in ("times", "samples", "curve"))
        for state, name in enumerate("xy"):
            panels[f"{row['case']}: {name}"] = (times, samples[:, state], times, curve[:, state])
    return trajectories(panels)


EXPERIMENT = Experiment(
    name="lotka-volterra",
    title="Predator and prey, from the first quarter of the time",
    rule=(
        f"x' = 1.5 x - x y, y' = x y - 3 y from (1, 1); 36 clean samples up to time {TRAINED:g} of 14; "
        f"losses are mean squared "
        "errors of the solution from the first sample on, there and beyond. Six KANs [2, 6, 2] are fitted to slopes of "
        "a spline (collocation); the one whose solution misses the samples least is fitted to them by multiple "
        "shooting, by Levenberg-Marquardt both times"
    ),
    columns=(
        Column("loss", "loss", number),
        Column("beyond", "loss beyond", number),
        Column("parameters", "numbers"),
        Column("exact", "exact", lambda value: "–" if value is None else "yes" if value else "no"),
        Column("seconds", "time", duration),
        Column("short", "found"),
    ),
    bars=(
        Bar("loss", 8.3e-7, case="KAN, shooting", beats="KAN-ODEs: 8.3e-7 with 240 numbers"),
        Bar("parameters", 240, case="KAN, shooting", over="most"),
        Bar("exact", 1.0, at_least=True, over="mean", beats="KAN-ODEs: symbolic step by hand"),
    ),
    run=run,
    picture=picture,
)
