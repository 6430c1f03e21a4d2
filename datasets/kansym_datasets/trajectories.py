"""Simulate the two-state systems behind the Strogatz laws."""

from __future__ import annotations

import numpy as np

from kansym.errors import DataError, quote
from kansym_datasets.formula import evaluate
from kansym_datasets.laws import Law, Variable

TRAJECTORIES = 4
END_TIME = 10.0
_ATTEMPTS = 50  # starts to try for one trajectory before giving up
_FASTEST = 1e6  # a rate above this means that the start runs into a singularity


def simulate_rows(law: Law, rows: int, generator: np.random.Generator) -> np.ndarray:
    """Return states (rows, D) on four trajectories from time 0 to 10, evenly sampled, one trajectory after the other.

    Args:
        law: a law whose variables are states with rates and starts.
        rows: how many states to return, at least 1.
        generator: the random numbers that choose the starts.

    Raises:
        DataError: if no start leads to a finite trajectory.
    """
    points = -(-rows // TRAJECTORIES)
    paths = [_one_path(law, number, points, generator) for number in range(TRAJECTORIES)]
    return np.concatenate(paths)[:rows]


def _one_path(law: Law, number: int, points: int, generator: np.random.Generator) -> np.ndarray:
    for _ in range(_ATTEMPTS):
        start = [_draw_start(variable, number, generator) for variable in law.variables]
        path = _integrate(law, np.array(start), points)
        if path is not None:
            return path
    raise DataError(f"law {quote(law.name)}: {_ATTEMPTS} starts gave no finite trajectory: use another seed")


def _draw_start(variable: Variable, number: int, generator: np.random.Generator) -> float:
    values = variable.start_values
    match variable.start:
        case "normal":
            return float(generator.normal(values[0], values[1]))
        case "uniform":
            return float(generator.uniform(values[0], values[1]))
        case "listed":
            return values[number]
    raise DataError(f"state {quote(variable.name)} has start {variable.start}: use normal, uniform or listed")


def _integrate(law: Law, start: np.ndarray, points: int) -> np.ndarray | None:
    """Return the states (points, D), or None if the path meets a singularity or leaves the law's domain."""
    from scipy.integrate import solve_ivp  # scipy takes long to load and most laws need no simulation

    def rates(_time: float, state: np.ndarray) -> np.ndarray:
        values = dict(zip(law.input_names, state, strict=True))
        return np.array([float(evaluate(variable.rate or "", values)) for variable in law.variables])

    def blows_up(time: float, state: np.ndarray) -> float:
        return _FASTEST - float(np.nan_to_num(np.abs(rates(time, state)).max(), nan=np.inf, posinf=2 * _FASTEST))

    blows_up.terminal = True  # type: ignore[attr-defined]
    times = np.linspace(0.0, END_TIME, points, endpoint=False)
    solution = solve_ivp(rates, (0.0, END_TIME), start, "DOP853", t_eval=times, events=blows_up, rtol=1e-9, atol=1e-12)
    path = solution.y.T  # (points, D)
    usable = solution.status == 0 and path.shape == (points, len(start)) and np.isfinite(path).all()
    values = dict(zip(law.input_names, path.T, strict=True)) if usable else {}
    return path if usable and np.isfinite(evaluate(law.formula, values)).all() else None
