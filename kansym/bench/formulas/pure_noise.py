"""Tables in which there is nothing to find."""

from __future__ import annotations

import numpy as np

from kansym.bench.formulas.problems import Material
from kansym.data.dataset import Dataset

TABLES = 200
ROWS = (30, 50, 100, 200, 500, 1000, 2000)
MOST_COLUMNS = 6
TAILS = (1.5, 2.0, 3.0)  # degrees of freedom of Student's t


def names() -> list[str]:
    """Return the names of the 200 tables."""
    return [f"noise-{number:03d}" for number in range(1, TABLES + 1)]


def columns(name: str) -> int:
    """Return how many columns the table of a name has."""
    return 1 + (_number(name) - 1) % MOST_COLUMNS


def rows(name: str) -> int:
    """Return how many rows the table of a name has."""
    return ROWS[(_number(name) - 1) % len(ROWS)]


def material(name: str, count: int, seed: int) -> Material:
    """Draw a table: columns uniform, normal or log-uniform; a normal, uniform or heavy-tailed target of its own.

    Args:
        name: one of `names()`.
        count: rows.
        seed: at least 0.
    """
    generator = np.random.Generator(np.random.PCG64([seed, _number(name)]))
    inputs = np.column_stack([_column(generator, count) for _ in range(columns(name))])
    target = generator.uniform(-3, 3) + 10.0 ** generator.uniform(-2, 2) * _target(generator, count)
    data = Dataset.from_arrays(inputs, target)
    return Material(data, None, data.input_names, np.empty((0, data.columns)), 1.0)


def _number(name: str) -> int:
    return int(name.removeprefix("noise-"))


def _column(generator: np.random.Generator, count: int) -> np.ndarray:
    kind = generator.integers(4)
    if kind == 0:
        return generator.uniform(1, 5, count)
    if kind == 1:
        return generator.uniform(-1, 1, count)
    return generator.standard_normal(count) if kind == 2 else np.exp(generator.uniform(-2, 3, count))


def _target(generator: np.random.Generator, count: int) -> np.ndarray:
    kind = generator.integers(4)
    if kind == 0:
        return generator.standard_normal(count)
    if kind == 1:
        return generator.uniform(-1, 1, count)
    if kind == 2:
        return generator.standard_t(generator.choice(TAILS), count)
    return np.exp(generator.standard_normal(count))
