"""Solutions of found equations from a start, over any time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.integrate import LSODA

from kansym.physics.discovery.rates import FormulaRates, Rates
from kansym.symbolic.expression import Expression

Array = np.ndarray
RUNAWAY = 1e4  # times the largest sample: a solution that goes beyond is given up
MOST_STEPS = 100_000


def simulate(formulas: Sequence[Expression] | Rates, start: Array, times: Array, largest: Array) -> Array:
    """Return the states (N, D) at rising times (N,); nan from where the solution leaves the formulas' domain.

    Args:
        formulas: right-hand sides of the states, or anything that gives rates.
        start: (D,) at the first of the times.
        times: (N,).
        largest: (D,) how large the states of the data are: far beyond, the solution is given up.
    """
    rates = FormulaRates(formulas) if isinstance(formulas, Sequence) else formulas
    theta = rates.start

    def right(_time: float, state: Array) -> Array:
        return rates.values(state[None], theta)[0]

    found = np.full((len(times), len(start)), np.nan)
    found[0] = start
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the solver's words on steps that fail; its status says it too
        if not np.all(np.isfinite(right(0.0, start))):
            return found
        floor: Any = 1e-11 * np.maximum(largest, 1e-300)
        solver = LSODA(right, times[0], np.asarray(start, float), times[-1], rtol=1e-9, atol=floor)
        for _ in range(MOST_STEPS):
            solver.step()
            inside = np.all(np.isfinite(solver.y)) and np.all(np.abs(solver.y) < RUNAWAY * largest + RUNAWAY * floor)
            if solver.status == "failed" or not inside or not solver.t > solver.t_old:
                break
            rows = (times > solver.t_old) & (times <= solver.t)
            if rows.any():
                found[rows] = solver.dense_output()(times[rows]).T
            if solver.status == "finished":
                break
    return found
