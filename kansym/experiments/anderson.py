"""Localised or extended? The law of the mobility edge in two quasiperiodic chains (KAN paper, section 5.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import eigh_tridiagonal

from kansym.bench.tables import Column, duration, share
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.physics.boundaries import Boundary, boundary
from kansym.physics.mechanics import terms
from kansym.symbolic.expression import Expression
from kansym.symbolic.parser import parse

Array = np.ndarray
GOLDEN = (np.sqrt(5) - 1) / 2
HALF = 0.5  # fractal dimension between localised (0) and extended (1) states
STATES = 60
SAME = 1e-9


@dataclass(frozen=True)
class Chain:
    """A chain whose states are extended on one side of an energy and localised on the other.

    Args:
        names: energy and two parameters.
        ranges: of the two parameters.
        states: (parameters, phase, sites) -> energies (L,) and states as columns (L, L).
        sites: L.
        draws: chains that are drawn.
        law: positive where states are localised.
    """

    names: tuple[str, str, str]
    ranges: tuple[tuple[float, float], tuple[float, float]]
    states: Callable[[tuple[float, float], float, int], tuple[Array, Array]]
    sites: int
    draws: int
    law: str


def _generalised(parameters: tuple[float, float], phase: float, sites: int) -> tuple[Array, Array]:
    """Generalised Aubry-Andre model: neighbours hop with 1, potential 2 lam cos/(1 - alpha cos)."""
    strength, alpha = parameters
    wave = np.cos(2 * np.pi * GOLDEN * np.arange(sites) + phase)
    energies, states = eigh_tridiagonal(2 * strength * wave / (1 - alpha * wave), np.ones(sites - 1))
    return np.asarray(energies), np.asarray(states)


def _modified(parameters: tuple[float, float], phase: float, sites: int) -> tuple[Array, Array]:
    """Modified Aubry-Andre model: hopping exp(p (1 - distance)), potential lam cos."""
    strength, decay = parameters
    places = np.arange(sites)
    matrix = np.exp(decay * (1 - np.abs(places[:, None] - places)))
    matrix[places, places] = strength * np.cos(2 * np.pi * GOLDEN * places + phase)
    return np.linalg.eigh(matrix)


CHAINS = {
    "GAAM": Chain(("E", "lam", "alpha"), ((0.3, 1.7), (0.0, 0.8)), _generalised, 987, 120, "alpha*E + 2*lam - 2"),
    "MAAM": Chain(("E", "lam", "p"), ((0.5, 3.5), (0.8, 2.5)), _modified, 377, 120, "lam*cosh(p) - E - exp(p)"),
}


def drawn(chain: Chain, seed: int, draws: int) -> tuple[Array, Array]:
    """Energies and parameters (N, 3) of states, and whether they are localised (N,).

    A state is localised when its fractal dimension -log(sum |psi|^4)/log L is below one half; no noise is added.
    """
    generator = np.random.default_rng(seed)
    rows, dimensions = [], []
    for _ in range(draws):
        first, second = (float(generator.uniform(*ends)) for ends in chain.ranges)
        energies, states = chain.states((first, second), float(generator.uniform(0, 2 * np.pi)), chain.sites)
        kept = generator.choice(chain.sites, STATES, replace=False)
        rows.append(np.column_stack([energies[kept], np.full(STATES, first), np.full(STATES, second)]))
        dimensions.append(-np.log(np.sum(states[:, kept] ** 4, axis=0)) / np.log(chain.sites))
    return np.concatenate(rows), np.concatenate(dimensions) < HALF


def candidates(names: Sequence[str]) -> tuple[Expression, ...]:
    """Products of up to two of the columns, their exponentials and their hyperbolic cosines."""
    return terms(names, 2, tuple(f"{name}({column})" for column in names for name in ("exp", "cosh")))


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per chain."""
    chains = {"MAAM": CHAINS["MAAM"]} if setting.quick else CHAINS
    return [{"case": name, **_row(chain, setting)} for name, chain in chains.items()]


def _row(chain: Chain, setting: Setting) -> dict[str, Any]:
    inputs, labels = drawn(chain, setting.seed, 6 if setting.quick else chain.draws)
    train = np.random.default_rng((setting.seed, 3)).permutation(len(inputs))
    fitted, held = train[len(train) // 5 :], train[: len(train) // 5]
    started = setting.clock()
    best = boundary(inputs[fitted], labels[fitted], chain.names, candidates(chain.names))[0]
    law = parse(chain.law, chain.names)
    return {
        "found": _same(best, law, inputs), "accuracy": _accuracy(best.formula.expression, inputs[held], labels[held]),
        "law": _accuracy(law, inputs[held], labels[held]), "rows": len(inputs), "seconds": setting.clock() - started,
        "short": f"{best.formula.text(5)} = 0",
    }  # fmt: skip


def _accuracy(expression: Expression, inputs: Array, labels: Array) -> float:
    return float(np.mean((expression.evaluate(inputs) > 0) == labels))


def _same(found: Boundary, law: Expression, inputs: Array) -> bool:
    """Whether the formula is the law times a positive number."""
    own, true = found.formula.expression.evaluate(inputs), law.evaluate(inputs)
    factor = float(own @ true / (true @ true))
    return factor > 0 and float(np.linalg.norm(own - factor * true)) < SAME * float(np.linalg.norm(own))


EXPERIMENT = Experiment(
    name="anderson",
    title="The mobility edge of two quasiperiodic chains",
    rule=(
        f"{STATES} states of each of 120 chains with random parameters, four fifths to fit; localised: fractal "
        f"dimension below {HALF:g}. Found: the boundary is the law times a number, all its numbers exact; accuracy on "
        "the other rows. law: accuracy of the law itself, which finite chains keep below 1"
    ),
    columns=(
        Column("found", "found", lambda value: "yes" if value else "no"),
        Column("accuracy", "accuracy", share),
        Column("law", "accuracy of the law", share),
        Column("rows", "rows"),
        Column("seconds", "time", duration),
        Column("short", "boundary"),
    ),
    bars=(
        Bar("found", 0.6, at_least=True, case="GAAM", over="mean", beats="KAN paper: not found"),
        Bar("found", 0.6, at_least=True, case="MAAM", over="mean", beats="KAN paper: not found"),
        Bar("accuracy", 0.990, at_least=True, case="GAAM", beats="KAN paper: 99.0 %"),
        Bar("accuracy", 0.980, at_least=True, case="MAAM", beats="KAN paper: 97.1 %"),
    ),
    run=run,
)
