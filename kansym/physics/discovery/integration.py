"""Many short pieces of trajectories integrated at once, with the derivatives of where they lead.

Dormand and Prince's method of order 8 with the steps of the samples, or equal parts of them: explicit, so that all
pieces
are one array. Derivatives follow the variational equations, so that they are those of the numbers that come out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.integrate import DOP853

from kansym.physics.discovery.rates import Rates

Array = np.ndarray
STAGES = 12
A, B = DOP853.A[:STAGES, :STAGES], DOP853.B
LARGEST = 1e8  # times the start's size: a piece that runs away is given up


@dataclass(frozen=True, eq=False)
class Flow:
    """Where S pieces lead.

    Attributes:
        states: (S, L + 1, D), the start first.
        by_start: (S, L + 1, D, D) derivatives by the starts.
        by_constant: (S, L + 1, D, P) derivatives by the constants.
    """

    states: Array
    by_start: Array
    by_constant: Array


def flow(rates: Rates, theta: Array, starts: Array, times: Array, parts: int) -> Flow:
    """Integrate with derivatives.

    Args:
        rates: the right-hand side.
        theta: (P,) its constants.
        starts: (S, D).
        times: (S, L + 1); a time that repeats is no step.
        parts: equal steps from one time to the next.
    """
    pieces, d = starts.shape
    p, length = len(theta), times.shape[1]
    states = np.empty((pieces, length, d))
    sensitivity = np.zeros((pieces, length, d, d + p))
    states[:, 0] = starts
    sensitivity[:, 0, :, :d] = np.eye(d)
    at, slope = starts, sensitivity[:, 0]
    with np.errstate(all="ignore"):
        for step in range(1, length):
            h = (times[:, step] - times[:, step - 1]) / parts
            for _ in range(parts):
                at, slope = _step_with_slopes(rates, theta, at, slope, h)
            states[:, step], sensitivity[:, step] = at, slope
    return Flow(states, sensitivity[..., :d], sensitivity[..., d:])


def _step_with_slopes(rates: Rates, theta: Array, x: Array, s: Array, h: Array) -> tuple[Array, Array]:
    k, ks = np.empty((STAGES, *x.shape)), np.empty((STAGES, *s.shape))
    d = x.shape[1]
    for stage in range(STAGES):
        inner = x + h[:, None] * np.tensordot(A[stage, :stage], k[:stage], 1)
        slopes = s + h[:, None, None] * np.tensordot(A[stage, :stage], ks[:stage], 1)
        k[stage], by_state, by_constant = rates.slopes(inner, theta)
        ks[stage] = by_state @ slopes
        ks[stage][:, :, d:] += by_constant
    return x + h[:, None] * np.tensordot(B, k, 1), s + h[:, None, None] * np.tensordot(B, ks, 1)


def states_along(rates: Rates, theta: Array, starts: Array, times: Array, parts: int) -> Array:
    """States (S, L + 1, D) without derivatives; arguments as for `flow`."""
    states = np.empty((len(starts), times.shape[1], starts.shape[1]))
    states[:, 0] = at = starts
    with np.errstate(all="ignore"):
        for step in range(1, times.shape[1]):
            h = (times[:, step] - times[:, step - 1]) / parts
            for _ in range(parts):
                at = _step(rates, theta, at, h)
            states[:, step] = at
    return states


def _step(rates: Rates, theta: Array, x: Array, h: Array) -> Array:
    k = np.empty((STAGES, *x.shape))
    for stage in range(STAGES):
        k[stage] = rates.values(x + h[:, None] * np.tensordot(A[stage, :stage], k[:stage], 1), theta)
    return x + h[:, None] * np.tensordot(B, k, 1)
