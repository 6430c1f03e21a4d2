"""Problems with known solutions, by name: to try the solver on, and to start a problem of one's own from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.domain import Box, Union
from kansym.physics.solver.problem import Observations, Problem
from kansym.physics.solver.reference import allen_cahn, burgers
from kansym.registry import Registry


@dataclass(frozen=True)
class KnownProblem:
    """A row of the table: what it is, the problem, and choices that suit it."""

    title: str
    problem: Callable[[], Problem]
    config: SolveConfig


PROBLEMS: Registry[KnownProblem] = Registry("problem")
SQUARE = {"x": (-1.0, 1.0), "y": (-1.0, 1.0)}
STRIP = {"x": (-1.0, 1.0), "t": (0.0, 1.0)}


def poisson() -> Problem:
    """The KAN paper's Poisson equation (Liu et al. 2024, section 3.4)."""
    return Problem(
        "poisson",
        ("u_xx + u_yy = -pi^2*(1 + 4*y^2)*sin(pi*x)*sin(pi*y^2) + 2*pi*sin(pi*x)*cos(pi*y^2)",),
        SQUARE,
        (("boundary", "u = 0"),),
        exact="sin(pi*x)*sin(pi*y^2)",
    )


def helmholtz() -> Problem:
    """Helmholtz with four waves across, a1 = 1, a2 = 4, k = 1."""
    return Problem(
        "helmholtz",
        ("u_xx + u_yy + u = (1 - 17*pi^2)*sin(pi*x)*sin(4*pi*y)",),
        SQUARE,
        (("boundary", "u = 0"),),
        exact="sin(pi*x)*sin(4*pi*y)",
    )


def burgers_equation() -> Problem:
    """Burgers with viscosity 0.01/pi: a shock forms in the middle."""
    return Problem(
        "burgers",
        ("u_t + u*u_x = 0.01/pi*u_xx",),
        STRIP,
        (("t = 0", "u = -sin(pi*x)"), ("boundary", "u = 0")),
        reference=burgers,
    )


def allen_cahn_equation() -> Problem:
    """Allen-Cahn with D = 0.001: the solution falls apart into two phases."""
    return Problem(
        "allen-cahn",
        ("u_t = 0.001*u_xx - 5*(u^3 - u)",),
        STRIP,
        (("t = 0", "u = x^2*cos(pi*x)"), ("boundary", "u = -1")),
        reference=allen_cahn,
    )


def diffusion() -> Problem:
    """Diffusion with a source that decays."""
    return Problem(
        "diffusion",
        ("u_t = u_xx + exp(-t)*(pi^2 - 1)*sin(pi*x)",),
        STRIP,
        (("t = 0", "u = sin(pi*x)"), ("boundary", "u = 0")),
        exact="exp(-t)*sin(pi*x)",
    )


TRUE_DIFFUSIVITY = 0.25
# Of values with errors: a network must not bend the equation to follow each of them.
NOISY_WEIGHT = 0.01
MEASURED, MEASUREMENT_SEED = 60, 7


def inverse_diffusion(noise: float = 0.0) -> Problem:
    """Diffusion with unknown diffusivity k (true: 0.25), from 60 values of the solution inside.

    Args:
        noise: standard deviation of the values' errors, >= 0.
    """
    random = np.random.default_rng(MEASUREMENT_SEED)
    points = random.uniform((-1, 0), (1, 1), (MEASURED, 2))
    values = np.exp(-points[:, 1]) * np.sin(np.pi * points[:, 0]) + noise * random.standard_normal(MEASURED)
    return Problem(
        "inverse-diffusion",
        ("u_t = k*u_xx + exp(-t)*(pi^2/4 - 1)*sin(pi*x)",),
        STRIP,
        (("t = 0", "u = sin(pi*x)"), ("boundary", "u = 0")),
        parameters={"k": 1.0},
        observations=(Observations(points, values, weight=NOISY_WEIGHT if noise else 1.0),),
        exact="exp(-t)*sin(pi*x)",
    )


def heat() -> Problem:
    """The heat equation, whose solution is one decaying wave."""
    return Problem(
        "heat",
        ("u_t = u_xx/10",),
        {"x": (0.0, 1.0), "t": (0.0, 1.0)},
        (("t = 0", "u = sin(pi*x)"), ("boundary", "u = 0")),
        exact="exp(-pi^2*t/10)*sin(pi*x)",
    )


def advection() -> Problem:
    """A wave that travels around: x is periodic."""
    return Problem(
        "advection",
        ("u_t + u_x = 0",),
        STRIP,
        (("t = 0", "u = sin(pi*x)"),),
        exact="sin(pi*x - pi*t)",
        periodic=("x",),
    )


def wave() -> Problem:
    """A string that swings: second order in time, so that displacement and velocity are given at the start."""
    return Problem(
        "wave",
        ("u_tt = u_xx",),
        {"x": (0.0, 1.0), "t": (0.0, 1.0)},
        (("t = 0", "u = sin(pi*x)"), ("t = 0", "u_t = 0"), ("boundary", "u = 0")),
        exact="sin(pi*x)*cos(pi*t)",
    )


def l_shape() -> Problem:
    """Laplace on an L, a union of two boxes, with a harmonic function given on its edge."""
    domain = Union((Box({"x": (-1.0, 0.0), "y": (-1.0, 1.0)}), Box({"x": (0.0, 1.0), "y": (-1.0, 0.0)})))
    return Problem(
        "l-shape",
        ("u_xx + u_yy = 0",),
        domain,
        (("boundary", "u = exp(x)*sin(y)"),),
        exact="exp(x)*sin(y)",
    )


def oscillators() -> Problem:
    """Two functions of time that drive each other: a system."""
    return Problem(
        "oscillators",
        ("u_t = v", "v_t = -u"),
        {"t": (0.0, 3.0)},
        (("t = 0", "u = 0"), ("t = 0", "v = 1")),
        fields=("u", "v"),
        exact=("sin(t)", "cos(t)"),
    )


_TWO = SolveConfig(hidden=(6,), intervals=(5, 8, 12), points=1200)
_SHARP = SolveConfig(hidden=(5, 5), degree=4, intervals=(8, 12, 16), steps=15, windows=5, formula=False)
PROBLEMS.add("poisson", KnownProblem("Poisson on a square, u = sin(pi x) sin(pi y^2)", poisson, _TWO))
PROBLEMS.add(
    "helmholtz",
    KnownProblem("Helmholtz on a square, u = sin(pi x) sin(4 pi y)", helmholtz,
                 SolveConfig(hidden=(6,), intervals=(8, 12, 18, 24), points=1600)),
)  # fmt: skip
PROBLEMS.add("burgers", KnownProblem("Burgers with a shock, viscosity 0.01/pi", burgers_equation, _SHARP))
PROBLEMS.add(
    "allen-cahn",
    KnownProblem("Allen-Cahn with two phases, D = 0.001", allen_cahn_equation,
                 SolveConfig(hidden=(6,), degree=4, intervals=(8, 12), points=800, windows=5, formula=False)),
)  # fmt: skip
PROBLEMS.add("diffusion", KnownProblem("Diffusion with a source, u = exp(-t) sin(pi x)", diffusion, _TWO))
PROBLEMS.add(
    "inverse-diffusion", KnownProblem("Diffusion with unknown diffusivity, from 60 values", inverse_diffusion, _TWO)
)
PROBLEMS.add(
    "inverse-diffusion-noisy",
    KnownProblem("The same from 60 values with errors of 0.01", partial(inverse_diffusion, 0.01), _TWO),
)
PROBLEMS.add("heat", KnownProblem("Heat in a rod", heat, _TWO))
PROBLEMS.add("advection", KnownProblem("A wave that travels around, x periodic", advection, _TWO))
PROBLEMS.add("wave", KnownProblem("A string that swings, second order in time", wave, _TWO))
PROBLEMS.add("l-shape", KnownProblem("Laplace on an L-shaped domain", l_shape, _TWO))
PROBLEMS.add(
    "oscillators",
    KnownProblem("Two coupled functions of time", oscillators, SolveConfig(hidden=(3,), intervals=(5, 8), points=60)),
)
