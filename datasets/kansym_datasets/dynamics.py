"""Trajectories of systems of ordinary differential equations: ODEBench's 63, and textbook ones."""

from __future__ import annotations

import tomllib
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from kansym.data.dataset import Dataset
from kansym.errors import DataError, did_you_mean, quote
from kansym_datasets.formula import evaluate

TABLES = ("systems", "odebench")
END, SAMPLES = 10.0, 512
ACCURACY = 1e-11


@dataclass(frozen=True)
class System:
    """One system x' = f(x).

    Attributes:
        name: stable and unique, such as `odebench-24`.
        title: what it is about.
        suite: the table it belongs to.
        origin: where it comes from.
        source: where the table comes from.
        licence: why it may be shipped.
        states: names of the states.
        rates: f, one formula of the states for each.
        starts: one start for each trajectory.
        end: the last time; the first is 0.
        samples: of a trajectory, when the caller names no number.
        about: what holds for the whole table.
    """

    name: str
    title: str
    suite: str
    origin: str
    source: str
    licence: str
    states: tuple[str, ...]
    rates: tuple[str, ...]
    starts: tuple[tuple[float, ...], ...]
    end: float = END
    samples: int = SAMPLES
    about: str | None = None

    @property
    def target(self) -> str:
        """The states in one word, for lists."""
        return ", ".join(self.states)

    @property
    def formula(self) -> str:
        """All equations in one line."""
        return "; ".join(f"d{state}/dt = {rate}" for state, rate in zip(self.states, self.rates, strict=True))


@cache
def all_systems() -> dict[str, System]:
    """Return every system by name, in the order of the tables."""
    return {system.name: system for table in TABLES for system in _read(table)}


def names() -> list[str]:
    """Return the names of all systems."""
    return list(all_systems())


def card(name: str) -> System:
    """Return what is known about a system.

    Raises:
        DataError: if no system has this name.
    """
    if name not in all_systems():
        raise DataError(f"no system is called {quote(name)}: {did_you_mean(name, all_systems())}")
    return all_systems()[name]


def load(name: str, rows: int | None = None, noise: float = 0.0, seed: int = 0) -> Dataset:
    """Integrate a system from all its starts.

    Args:
        name: one of `names()`.
        rows: samples of each trajectory, evenly spaced; the table's own number if not given.
        noise: Gaussian noise on every state, as a multiple of its root mean square.
        seed: of the noise.

    Returns:
        Inputs `trajectory` (only where there are several) and `t`; the states as targets.

    Raises:
        DataError: if the name is unknown, a number is out of range, or a trajectory does not reach its end.
    """
    system = card(name)
    count = system.samples if rows is None else rows
    if count < 2 or not noise >= 0 or seed < 0:
        raise DataError(f"rows {count}, noise {noise:g}, seed {seed}: ask for 2 rows or more, and nothing below 0")
    times = np.linspace(0.0, system.end, count)
    states = np.concatenate([simulate(system, start, times) for start in system.starts])  # (S * N, D)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    states = states + noise * np.sqrt(np.mean(states**2, axis=0)) * generator.standard_normal(states.shape)
    labels = np.repeat(np.arange(1.0, len(system.starts) + 1), count)
    several = len(system.starts) > 1
    columns = [labels] * several + [np.tile(times, len(system.starts))]
    source = f"{name} (generated, seed {seed}, noise {noise:g})"
    return Dataset(np.column_stack(columns), states, ("trajectory",) * several + ("t",), system.states, source=source)


def simulate(system: System, start: tuple[float, ...], times: np.ndarray) -> np.ndarray:
    """Return the states (N, D) of a system at times (N,) from a start (D,) at the first of them.

    Raises:
        DataError: if the solution does not reach the last time.
    """
    from scipy.integrate import solve_ivp  # scipy takes long to load, and lists of names need none of it

    def rates(_time: float, state: np.ndarray) -> np.ndarray:
        values = dict(zip(system.states, state, strict=True))
        return np.array([float(evaluate(rate, values)) for rate in system.rates])

    span = (float(times[0]), float(times[-1]))
    found = solve_ivp(rates, span, start, "LSODA", t_eval=times, rtol=ACCURACY, atol=1e-13)
    if found.status != 0 or not np.all(np.isfinite(found.y)):
        raise DataError(f"{system.name}: the solution from {start} does not reach time {times[-1]:g}")
    return found.y.T


def _read(table: str) -> list[System]:
    raw = tomllib.loads(files("kansym_datasets").joinpath(f"equations/{table}.toml").read_text(encoding="utf-8"))
    head = raw["suite"]
    shared = {"suite": head["name"], "source": head["source"], "licence": head["licence"], "about": head.get("note")}
    return [_system({**shared, **row}) for row in raw["system"]]


def _system(row: dict[str, Any]) -> System:
    starts = tuple(tuple(float(value) for value in start) for start in row["starts"])
    return System(**{**row, "states": tuple(row["states"]), "rates": tuple(row["rates"]), "starts": starts})
