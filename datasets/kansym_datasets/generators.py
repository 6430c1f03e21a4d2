"""Seeded data for the laws of benchmarks: Feynman, Strogatz, Nguyen, SRSD, EmpiricalBench, toys, and our own sets."""

from __future__ import annotations

import zlib

import numpy as np

from kansym.data.dataset import Dataset
from kansym.errors import DataError, did_you_mean, quote
from kansym_datasets import laws
from kansym_datasets.formula import evaluate
from kansym_datasets.laws import Law
from kansym_datasets.sampling import by_name, draw_rows
from kansym_datasets.trajectories import simulate_rows


def names() -> list[str]:
    """Return the names of all laws, suite after suite, always in the same order."""
    return list(laws.all_laws())


def suites() -> list[str]:
    """Return the names of the suites, the levels of SRSD and of the everyday laws included."""
    return [*laws.SUITES, "srsd-easy", "srsd-medium", "srsd-hard", "everyday-view", "everyday-unseen"]


def suite(name: str) -> list[str]:
    """Return the names of the laws of one suite, in the order of its table.

    Args:
        name: feynman, bonus, strogatz, nguyen, srsd, srsd-easy, srsd-medium, srsd-hard, empirical, toys, everyday,
            everyday-view, everyday-unseen, textbook, field, workshop or handbook.

    Raises:
        DataError: if there is no such suite.
    """
    if name not in suites():
        raise DataError(f"no suite is called {quote(name)}: {did_you_mean(name, suites(), limit=10)}")
    table, _, level = name.partition("-")
    return [law.name for law in laws.all_laws().values() if law.suite == table and level in ("", law.level)]


def card(name: str) -> Law:
    """Return what is known about a law: formula, ranges, units, source.

    Raises:
        DataError: if no law has this name.
    """
    return laws.find(name)


def truth(name: str) -> str:
    """Return the formula of a law as text, in the names of its inputs.

    Raises:
        DataError: if no law has this name.
    """
    return laws.find(name).formula


def load(name: str, rows: int | None = None, noise: float = 0.0, seed: int = 0) -> Dataset:
    """Draw the data of a law; the same arguments give the same bytes.

    Args:
        name: one of `names()`.
        rows: how many rows, at least 2; the suite's own number if not given.
        noise: gamma, at least 0: Gaussian noise of gamma times the root mean square of the clean target is added to
            the target (La Cava et al., Contemporary Symbolic Regression Methods, arXiv:2107.14351).
        seed: at least 0. The inputs depend on it and not on the noise.

    Returns:
        Inputs and one target in raw units, with names and units.

    Raises:
        DataError: if the name is unknown or a number is out of range.
    """
    law = laws.find(name)
    count = law.rows if rows is None else rows
    _check(count, noise, seed)
    key = zlib.crc32(law.name.encode())  # laws with equal ranges must not share their random numbers
    inputs = _inputs(law, count, np.random.default_rng([seed, key, 0]))
    clean = np.broadcast_to(evaluate(law.formula, by_name(law, inputs)), count)
    target = add_noise(clean, noise, np.random.default_rng([seed, key, 1]))
    source = f"{law.name} (generated, seed {seed}, noise {noise:g})"
    units = tuple(variable.unit for variable in law.variables)
    return Dataset(inputs, target, law.input_names, (law.target,), units, (law.target_unit,), source=source)


def add_noise(clean: np.ndarray, noise: float, generator: np.random.Generator) -> np.ndarray:
    """Return (N,) targets with Gaussian noise of `noise` times their root mean square."""
    largest = np.abs(clean).max()  # squares of targets such as 1e-200 would be 0
    size = largest * np.sqrt(np.mean((clean / largest) ** 2)) if largest > 0 else 0.0
    return clean + noise * size * generator.standard_normal(len(clean))


def _inputs(law: Law, rows: int, generator: np.random.Generator) -> np.ndarray:
    simulated = law.variables[0].rate is not None
    return simulate_rows(law, rows, generator) if simulated else draw_rows(law, rows, generator)


def _check(rows: int, noise: float, seed: int) -> None:
    if rows < 2:
        raise DataError(f"rows is {rows}: ask for at least 2")
    if not (np.isfinite(noise) and noise >= 0):
        raise DataError(f"noise is {noise}: give 0 or a positive number such as 0.01")
    if seed < 0:
        raise DataError(f"seed is {seed}: give 0 or a positive whole number")
