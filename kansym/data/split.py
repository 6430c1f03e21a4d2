"""Which rows train, which choose, which judge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kansym.errors import ConfigError

SMALLEST_SPLIT = 30
"""Tables with fewer rows are not split: callers leave one row out at a time instead."""


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers (int64) of the three parts; no row is in two of them.

    Attributes:
        train: rows that fit the model.
        validation: rows that choose among models; empty for small tables.
        test: rows that judge the chosen model once; empty for small tables.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(rows: int, seed: int) -> Split:
    """Split rows at random: 60 % train, 20 % validation, 20 % test.

    Args:
        rows: how many rows there are, at least 0. Below 30 all rows train and the other parts are empty.
        seed: at least 0; the same seed gives the same split (numpy PCG64).

    Returns:
        The three parts, in shuffled order, so that the head of a part is a random sample of it.

    Raises:
        ConfigError: if rows or seed is negative.
    """
    if rows < 0 or seed < 0:
        raise ConfigError(f"rows and seed must not be negative, got rows {rows} and seed {seed}")
    if rows < SMALLEST_SPLIT:
        nothing = np.empty(0, dtype=np.int64)
        return Split(np.arange(rows, dtype=np.int64), nothing, nothing)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(rows).astype(np.int64)
    held_out = rows // 5
    return Split(order[2 * held_out :], order[:held_out], order[held_out : 2 * held_out])
