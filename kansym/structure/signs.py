"""Which columns give the target its sign."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
MOST = 10
AGREEING = 0.98  # of the target's absolute sum: noise turns the sign of small values


def sign_columns(inputs: Array, target: Array) -> tuple[int, ...]:
    """The columns whose product has the target's sign, or the opposite one, on all rows but for noise.

    Divided by this product the target keeps one sign, so that roots and logarithms of it can be looked at. Empty where
    the target has one sign already, or where no set of columns, none of them 0 anywhere, explains its sign.

    Args:
        inputs: columns (N, D).
        target: (N,).
    """
    total = float(np.sum(np.abs(target)))
    if not total > 0 or not np.isfinite(total) or abs(float(np.sum(target))) >= AGREEING * total:
        return ()
    signed = np.flatnonzero(np.any(inputs > 0, axis=0) & np.any(inputs < 0, axis=0) & np.all(inputs != 0, axis=0))
    signed = signed[:MOST]
    enter = (np.arange(2 ** len(signed))[:, None] >> np.arange(len(signed))) & 1
    odd = (enter @ (inputs[:, signed] < 0).T.astype(int)) % 2
    agreement = np.abs((1.0 - 2.0 * odd) @ target) / total
    best = int(np.argmax(agreement))
    return tuple(int(j) for j in signed[enter[best] > 0]) if agreement[best] >= AGREEING else ()
