"""The kinds of errors that a table is believed to have: alike in all rows, or in proportion to the target."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kansym.symbolic.constants import Rows

Array = np.ndarray
WIDE = 30.0  # a positive target that spans more than this factor may have errors in proportion to its size
DEEPEST = 1e-40  # of the largest value: tails of a bell reach any depth, where no error is in proportion to them
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
