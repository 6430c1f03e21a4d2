"""Partial differential equations that are no sum of library terms, found in fields of our own making."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from kansym.bench.tables import Column, duration, number
from kansym.experiments.experiment import Bar, Experiment, Setting
from kansym.physics.discovery.fields.equations import find_field_equations
from kansym.physics.discovery.fields.grid import Field
from kansym.physics.discovery.found import Equation
from kansym.physics.discovery.settings import Settings
from kansym.symbolic.expression import Expression, Variable
from kansym.symbolic.parser import parse

Array = np.ndarray
COLUMNS = ("u", "u_x", "u_xx", "u_xxx", "u_xxxx", "x")
PLACES, MOMENTS = 128, 101
X = np.arange(PLACES) * 2 * np.pi / PLACES  # one period
NOISES = (0.0, 0.01)
SECONDS = 120.0
NEAR = {0.0: 1e-3, 0.01: 0.05}  # relative error of a right-hand side that counts as the law's, by noise


@dataclass(frozen=True)
class Law:
    """An equation u_t = rate on a period of 2 pi, its first moment, and how long it runs."""

    case: str
    rate: str
    first: str
    end: float


LAWS = (
    Law("curve shortening", "u_xx/(1 + u_x^2)", "sin(x) + cos(2*x)/2", 1.0),
    Law("conductivity exp(u)", "exp(u)*(u_xx + u_x^2)", "sin(x) + 0.3*cos(2*x)", 0.5),
    Law("saturating growth", "0.1*u_xx + u/(1 + u)", "1.2 + sin(x) + 0.1*cos(3*x)", 2.0),
    Law("uneven conductivity", "(1 + cos(x)/2)*u_xx", "sin(x) + cos(2*x + 1)/2", 1.0),
    Law("sine reaction", "0.05*u_xx - sin(u)", "2*sin(x) + cos(2*x)", 3.0),
    Law("growing front", "0.2*u_xx - sqrt(1 + u_x^2)", "sin(x) + cos(2*x)/2", 1.5),
    Law("mean curvature", "u_xx/(1 + u_x^2)^1.5", "sin(x) + cos(2*x)/2", 1.0),
    Law("exponential source", "0.1*u_xx + exp(-u)", "1 + sin(x) + 0.3*cos(2*x)", 2.0),
    Law("stream in a cell", "0.05*u_xx - sin(x)*u_x", "cos(x) + 0.5*sin(2*x)", 1.5),
    Law("power-law fluid", "(0.1 + 3*u_x^2)*u_xx", "sin(x) + 0.3*cos(2*x)", 0.4),
    Law("driven decay", "0.1*u_xx + cos(x) - u", "sin(x) + 0.5*cos(3*x)", 2.0),
    Law("budworm", "0.05*u_xx + u*(1 - u/4) - u^2/(1 + u^2)", "1.5 + sin(x) + 0.3*cos(2*x)", 3.0),
)


def field_of(law: Law, noise: float, seed: int) -> Field:
    """Return the solution on its grid, by derivatives in Fourier space; noise over its spread."""
    rate, first = parse(law.rate, COLUMNS), parse(law.first, ("x",)).evaluate(X[:, None])
    times = np.linspace(0, law.end, MOMENTS)
    path = solve_ivp(
        lambda _, u: rate.evaluate(columns(u)), (0, law.end), first, "LSODA", times, rtol=1e-10, atol=1e-12
    )
    u = path.y.T
    return Field(
        {"t": times, "x": X}, {"u": u + noise * np.std(u) * np.random.default_rng(seed).standard_normal(u.shape)}
    )


def columns(u: Array) -> Array:
    """(N, 6) what right-hand sides may read at one moment: u, its derivatives and x."""
    waves = np.fft.rfftfreq(PLACES, 1 / PLACES)
    slopes = [np.fft.irfft((1j * waves) ** order * np.fft.rfft(u), PLACES) for order in range(1, 5)]
    return np.column_stack([u, *slopes, X])


def run(setting: Setting) -> list[dict[str, Any]]:
    """Return one row per law and noise."""
    cases = [(law, noise) for noise in NOISES for law in LAWS]
    return [_one(law, noise, setting) for law, noise in (cases[:1] if setting.quick else cases)]


def _one(law: Law, noise: float, setting: Setting) -> dict[str, Any]:
    field, clean = field_of(law, noise, setting.seed), field_of(law, 0.0, 0)
    budget = setting.budget(SECONDS)
    found = find_field_equations(field, Settings(seed=setting.seed), setting.tell, budget)
    seconds = budget.elapsed
    (equation,) = found.equations
    error = distance(equation, parse(law.rate, COLUMNS), clean)
    right = error < NEAR[noise]
    return {"case": f"{law.case}, {f'noise {100 * noise:g} %' if noise else 'clean'}", "right": right,
            "right_clean": None if noise else right, "right_noisy": right if noise else None, "error": error,
            "solution": found.facts["solution's error of u"], "says": found.exact, "seconds": seconds,
            "short": equation.text(4)}  # fmt: skip


def distance(equation: Equation, truth: Expression, clean: Field) -> float:
    """Return how far a right-hand side is from the truth along the clean solution, root mean square and relative."""
    table = np.concatenate([columns(u) for u in clean.values["u"][::5]])
    wanted = truth.evaluate(table)
    if not set(equation.names) <= set(COLUMNS):
        return 1.0  # a term such as (u^2)_xx: a sum of the library that imitates the law
    places = [Variable(COLUMNS.index(name)) for name in equation.names]
    gap = equation.expression.substitute(places).evaluate(table) - wanted
    return float(np.sqrt(np.mean(gap**2) / np.mean(wanted**2)))


EXPERIMENT = Experiment(
    name="pde-free",
    title="Partial differential equations of any form",
    rule=(
        f"{len(LAWS)} equations with fractions, roots, functions of the field or coefficients that vary in space; "
        f"{MOMENTS} moments of {PLACES} points over one period, clean and with noise of 1 % of the spread on every "
        f"sample; at most {SECONDS:g} s each. Near the law: the right-hand side along the clean solution is within "
        f"{NEAR[0.0]:g} of the law's (clean) or {NEAR[0.01]:g} (noisy). The first six laws were looked at while the "
        "search was written, the others were not"
    ),
    columns=(
        Column("right", "near the law", lambda value: "yes" if value else "no"),
        Column("error", "error of the rate", number),
        Column("solution", "solution's error", number),
        Column("says", "called exact", lambda value: "yes" if value else "no"),
        Column("seconds", "time", duration),
        Column("short", "found"),
    ),
    bars=(
        Bar("right_clean", 0.9, at_least=True, over="mean"),
        Bar("right_noisy", 0.5, at_least=True, over="mean"),
    ),
    run=run,
)  # fmt: skip
