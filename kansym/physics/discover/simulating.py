"""Solutions of found equations from a start, over any time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.integrate import solve_ivp

from kansym.physics.discover.rates import FormulaRates, Rates
from kansym.symbolic.expression import Expression

Array = np.ndarray
RUNAWAY = 1e4  # times the largest sample: a solution that goes beyond is given up
MOST_CALLS = 100_000


def simulate(formulas: Sequence[Expression] | Rates, start: Array, times: Array, largest: Array) -> Array:
    """Return the states (N, D) at rising times (N,); nan from where the solution leaves the formulas' domain.

    Args:
        formulas: right-hand sides of the states, or anything that gives rates.
        start: (D,) at the first of the times.
        times: (N,).
        largest: (D,) how large the states of the data are: far beyond, the solution is given up.
    """
    rates = FormulaRates(formulas) if isinstance(formulas, Sequence) else formulas
    theta, calls = rates.start, 0

    def right(_time: float, state: Array) -> Array:
        nonlocal calls
        calls += 1
        return rates.values(state[None], theta)[0]

    def runs_away(_time: float, state: Array) -> float:
        inside = np.all(np.isfinite(state)) and np.all(np.abs(state) < RUNAWAY * largest) and calls < MOST_CALLS
        return 1.0 if inside else -1.0

    runs_away.terminal = True  # type: ignore[attr-defined]
    found = np.full((len(times), len(start)), np.nan)
    with np.errstate(all="ignore"):
        if not np.all(np.isfinite(right(0.0, start))):
            return found
        solution = solve_ivp(right, (times[0], times[-1]), start, "LSODA", t_eval=times, events=runs_away, rtol=1e-9,
                             atol=1e-11 * np.maximum(largest, 1e-300))  # fmt: skip
    found[: solution.y.shape[1]] = solution.y.T
    return found
