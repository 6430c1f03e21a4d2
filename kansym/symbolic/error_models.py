"""The kinds of errors that a table is believed to have: alike in all rows, or in proportion to the target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kansym.symbolic.constants import Rows

Array = np.ndarray
WIDE = 30.0  # a positive target that spans more than this factor may have errors in proportion to its size
DEEPEST = 1e-40  # of the largest value: tails of a bell reach any depth, where no error is in proportion to them
FARTHEST = 4.5  # standard errors beyond 0 that noise alone may bring a target of one sign
BEYOND = 0.02  # of the rows, which a smooth model sees beyond 0 by a standard error where the target has both signs
CLEAR = (2.0, 1.0)  # standard errors from 0 of rows that are searched, if that leaves enough of them
ENOUGH = 0.5  # of the rows
PROPORTIONAL_NATS = 8.0  # measurements over decades mostly have errors in proportion


@dataclass(frozen=True)
class ErrorModel:
    """Rows weighed as errors of one kind would be, and what that kind costs besides.

    Attributes:
        rows: N of them.
        nats: of the whole table.
        row_nats: of a row whose value is told by itself.
    """

    rows: Rows
    nats: float = 0.0
    row_nats: float = 0.0


def error_models(rows: Rows) -> list[ErrorModel]:
    """The rows with errors that are alike, or of the weights given; and, where these make sense, in proportion."""
    models = [ErrorModel(rows)]
    if rows.weights is None and proportional(rows.target):
        nats, typical = proportional_nats(rows.target), float(np.mean(np.log(rows.target)))
        models.append(ErrorModel(replace(rows, weights=1.0 / rows.target**2), nats, typical))
    return models


def proportional_nats(target: Array) -> float:
    """What errors in proportion to a target (N,) cost beside those that are alike: its logarithms, and how likely."""
    return float(np.sum(np.log(target))) - (PROPORTIONAL_NATS if spans_decades(target) else 0.0)


def proportional(target: Array) -> bool:
    """Whether errors in proportion to a target (N,) make sense: it is positive, and its inverse squares are floats."""
    return bool(np.all(target > DEEPEST * np.max(target)) and np.max(target) > 0)


def spans_decades(target: Array) -> bool:
    """Whether errors in proportion make sense for a target (N,) and are far from being alike."""
    return proportional(target) and bool(target.max() > WIDE * target.min())


def relative_weights(target: Array) -> Array:
    """Weights (N,) for errors in proportion to the target, with mean 1."""
    weights = 1.0 / target**2
    return weights / weights.mean()


def reaches_zero(target: Array, error: float) -> bool:
    """Whether a target (N,) seems to have one sign but for what noise of this standard deviation did to some rows."""
    return bool(-FARTHEST * error <= np.min(_upright(target)) <= 0)


def clear_of_zero(target: Array, values: Array, error: float) -> Array:
    """Which rows (N,) of a target of one sign its errors can hardly have brought near 0 or beyond it; else all.

    No root, logarithm or inverse is defined for a distance or a decay of which noise made -0.01, though nearly all rows
    lie far from there. Chosen by the target itself, rows near 0 would be those that noise made larger.

    Args:
        target: (N,) as it was measured.
        values: (N,) what a smooth model says of the rows, each by the others.
        error: standard deviation of the noise.
    """
    size = np.sign(np.sum(target)) * values
    for distance in CLEAR if np.mean(size < -error) <= BEYOND else ():
        clear = (_upright(target) > 0) & (size > distance * error)
        if np.mean(clear) > ENOUGH:
            return clear
    return np.ones(len(target), dtype=bool)


def _upright(target: Array) -> Array:
    return target if np.sum(target) >= 0 else -target
