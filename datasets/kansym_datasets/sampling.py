"""Draw the input rows of a law from its ranges."""

from __future__ import annotations

import numpy as np

from kansym.errors import DataError, quote
from kansym_datasets.formula import evaluate
from kansym_datasets.laws import Law, Variable

_BATCHES = 1000  # a law whose rows are nearly all refused must end in a message, not in an endless loop


def draw_rows(law: Law, rows: int, generator: np.random.Generator) -> np.ndarray:
    """Draw rows until enough of them give a finite target.

    Args:
        law: a law whose variables have ranges.
        rows: how many rows to return, at least 1.
        generator: the random numbers to use.

    Returns:
        (rows, D) float64.

    Raises:
        DataError: if hardly any row of the ranges gives a finite target.
    """
    kept: list[np.ndarray] = []
    for _ in range(_BATCHES):
        drawn = np.column_stack([draw_variable(variable, rows, generator) for variable in law.variables])  # (rows, D)
        kept.append(drawn[accepted(law, drawn)])
        if sum(map(len, kept)) >= rows:
            return np.concatenate(kept)[:rows]
    raise DataError(f"law {quote(law.name)} gave {sum(map(len, kept))} usable rows, not {rows}: check its ranges")


def accepted(law: Law, inputs: np.ndarray) -> np.ndarray:
    """Return which rows (N, D) have a finite target and meet the law's requirement: (N,) booleans."""
    values = by_name(law, inputs)
    usable = np.isfinite(np.broadcast_to(evaluate(law.formula, values), len(inputs)))
    return usable if law.require is None else usable & (evaluate(law.require, values) > 0)


def by_name(law: Law, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """Return the columns of (N, D) inputs by variable name."""
    return dict(zip(law.input_names, inputs.T, strict=True))


def draw_variable(variable: Variable, rows: int, generator: np.random.Generator) -> np.ndarray:
    """Draw one column (rows,) by the variable's scale and sign."""
    size = _draw_size(variable, rows, generator)
    if variable.sign == "negative":
        return -size
    if variable.sign == "both":
        return np.where(generator.random(rows) < 0.5, -size, size)
    return size


def _draw_size(variable: Variable, rows: int, generator: np.random.Generator) -> np.ndarray:
    low, high = variable.low, variable.high
    match variable.scale:
        case "log":
            return np.exp(generator.uniform(np.log(low), np.log(high), rows))
        case "integer":
            return generator.integers(int(low), int(high) + 1, rows).astype(np.float64)
        case "sequence":
            return low + np.arange(rows) % (high - low + 1)
        case "uniform":
            return generator.uniform(low, high, rows)
    raise DataError(f"variable {quote(variable.name)} has scale {quote(variable.scale)}: use uniform, log, integer")
