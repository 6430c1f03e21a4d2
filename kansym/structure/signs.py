"""Which columns give the target its sign."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
MOST = 10
AGREEING = 0.98  # of the rows, of the target's absolute sum, or of its square's: noise turns the sign of small values
FEWEST = 12  # rows that must agree


def sign_columns(inputs: Array, target: Array) -> tuple[int, ...]:
    """The columns whose product has the target's sign, or the opposite one, on all rows but for noise.

    Divided by this product the target keeps one sign, so that roots and logarithms of it can be looked at. Empty where
    the target has one sign already, or where no set of columns, none of them 0 anywhere, explains its sign.

    Args:
        inputs: columns (N, D).
        target: (N,).
    """
    size = float(np.max(np.abs(target), initial=0.0))
    if not 0 < size < np.inf or abs(float(np.sum(target))) >= AGREEING * float(np.sum(np.abs(target))):
        return ()
    signed = np.flatnonzero(np.any(inputs > 0, axis=0) & np.any(inputs < 0, axis=0) & np.all(inputs != 0, axis=0))
    signed = signed[:MOST]
    enter = (np.arange(2 ** len(signed))[:, None] >> np.arange(len(signed))) & 1
    odd = (enter @ (inputs[:, signed] < 0).T.astype(int)) % 2
    for power in (0, 1, 2):
        weight = np.abs(target / size) ** power
        agreement = np.abs((1.0 - 2.0 * odd) @ (weight * np.sign(target))) / np.sum(weight)
        best = int(np.argmax(agreement))
        rows = float(np.sum(weight) ** 2 / np.sum(weight**2))  # that decide, so to say
        if agreement[best] >= AGREEING and rows >= FEWEST + len(signed):
            return tuple(int(j) for j in signed[enter[best] > 0])
    return ()
