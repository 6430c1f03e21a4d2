"""Four ways to hold a law against samples: weak form, integral form, slopes of a spline and of a Gaussian process."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from kansym.physics.discovery.candidates import from_library
from kansym.physics.discovery.forms import Form, form_of
from kansym.physics.discovery.libraries import LIBRARIES, evaluated, polynomial
from kansym.physics.discovery.smoothing import SmoothPath, smooth_path
from kansym.physics.discovery.trajectories import Trajectories, Trajectory
from kansym.structure.surrogate import Surrogate, fit_surrogate
from kansym.symbolic.expression import Expression
from kansym.symbolic.parser import parse
from kansym_datasets import dynamics
from tests.benchmarks.runs import Problem, Record
from tests.benchmarks.tables import Report

RULE = (
    "300 even samples of one trajectory up to time 5 or the system's own end, Gaussian noise as a share of every "
    "state's root mean square. Before the stroke: root mean square error of the rates, over the law's, at the clean "
    "states, the worst state, when the law is known but for its constants. After it: of how many states the first "
    "choice among sums of polynomials up to degree 3 has the law's terms and no others. All ways share one selection; "
    "weak, integral and spline derivative share one regression spline; the Gaussian process (one length scale by "
    "marginal likelihood, at least 2.4 % of the time) holds every fifth sample out, and its errors above 1 are states "
    "that its likelihood took for noise"
)
SYSTEMS = (
    "ode-linear2", "ode-linear3", "ode-cubic2", "ode-lotka-volterra", "ode-van-der-pol", "ode-lorenz", "ode-roessler",
    "ode-logistic",
)  # fmt: skip
NOISES = (0.0, 0.01, 0.05)
WAYS = {"weak form": "weak", "integral form": "integral", "spline derivative": "derivative"}
PROCESS = "Gaussian-process derivative"
SAMPLES, END, HELD_OUT = 300, 5.0, 5
DEGREE, NOTHING = 3, 1e-9  # of the sums; of the largest coefficient


def problems(names: Sequence[str] | None, seeds: int | None) -> list[Problem]:
    """Every system at every noise."""
    return [Problem(name, seed, noise=noise) for name in names or SYSTEMS for noise in NOISES
            for seed in range(seeds or 1)]  # fmt: skip


def run_system(problem: Problem) -> Record:
    """All ways on one system at one noise."""
    system = dynamics.card(problem.name)
    times = np.linspace(0.0, min(END, system.end), SAMPLES)
    clean = dynamics.simulate(system, system.starts[0], times)
    spread = problem.noise * np.sqrt(np.mean(clean**2, axis=0))
    states = clean + spread * np.random.default_rng(problem.seed).standard_normal(clean.shape)
    data = Trajectories((Trajectory(times, states),), system.states)
    laws = [parse(rate, system.states) for rate in system.rates]
    spline, process = smooth_path(data.parts[0]), gaussian_path(data.parts[0], problem.seed)
    record: Record = {"name": problem.name, "noise": problem.noise, "seed": problem.seed, "ways": {}}
    for label, path, form in (
        *((label, spline, form) for label, form in WAYS.items()),
        (PROCESS, process, "derivative"),
    ):
        started = time.perf_counter()
        record["ways"][label] = judged(form_of(data, [path], form), laws, clean)
        record["ways"][label]["seconds"] = round(time.perf_counter() - started, 3)
    return record


def gaussian_path(part: Trajectory, seed: int) -> SmoothPath:
    """A path whose slopes are those of one Gaussian process for each state."""
    t, held = part.times[:, None], np.arange(len(part.times)) % HELD_OUT == HELD_OUT - 1
    fits: list[Surrogate] = []
    for column in part.states.T:
        fit = fit_surrogate(t[~held], column[~held], t[held], column[held], seed)
        assert fit is not None, "a state that never changes"
        fits.append(fit)
    spacing = np.full(len(fits), (t[-1, 0] - t[0, 0]) / len(t))
    return SmoothPath(
        lambda times: np.column_stack([fit.predict(times[:, None]) for fit in fits]),
        lambda times: np.column_stack([fit.gradient(times[:, None])[:, 0] for fit in fits]),
        np.array([fit.noise * fit.size for fit in fits]),
        spacing,
    )


def judged(form: Form, laws: Sequence[Expression], clean: np.ndarray) -> Record:
    """The error of the rates with the law known, and the states whose terms are found."""
    errors, right = [], 0
    for state, law in enumerate(laws):
        law_terms, truth = terms(law, clean.shape[1]), law.evaluate(clean)
        inputs = form.applied(polynomial_values(form.states)[:, law_terms])
        weights = np.linalg.lstsq(inputs, form.target[:, state], rcond=None)[0]
        fitted = polynomial_values(clean)[:, law_terms] @ weights
        errors.append(float(np.sqrt(np.mean((fitted - truth) ** 2) / np.mean(truth**2))))
        found = from_library(form, state, LIBRARIES.get("polynomial"), "polynomial")
        right += bool(found) and terms(found[0].formula, clean.shape[1]) == law_terms
    return {"error": max(errors), "right": right, "states": len(laws)}


def polynomial_values(states: np.ndarray) -> np.ndarray:
    """The terms (N, F) that sums are made of."""
    return evaluated(polynomial(states.shape[1], DEGREE), states)[1]


def terms(formula: Expression, dimension: int) -> list[int]:
    """The columns of the terms in a polynomial, whichever way it is written: projected at random points."""
    points = np.random.default_rng(0).uniform(-2, 2, (20 * 4**dimension, dimension))
    values = np.broadcast_to(formula.evaluate(points), (len(points),))
    weights = np.linalg.lstsq(polynomial_values(points), values, rcond=None)[0]
    return np.flatnonzero(np.abs(weights) > NOTHING * np.abs(weights).max()).tolist()


def report(records: Sequence[Record]) -> Report:
    """One row a system and noise."""
    labels = [*WAYS, PROCESS]
    rows = [(r["name"], f"{100 * r['noise']:g} %", *(_cell(r["ways"][label]) for label in labels)) for r in records]
    return Report(
        "derivatives",
        "Weak form, integral form and derivatives",
        RULE,
        tuple(_summary(records, labels)),
        ("system", "noise", *labels),
        tuple(rows),
        records,
    )


def _cell(way: Record) -> str:
    return f"{way['error']:.1e} / {way['right']} of {way['states']}"


def _summary(records: Sequence[Record], labels: Sequence[str]) -> list[str]:
    found = []
    for noise in sorted({r["noise"] for r in records}):
        rows = [r["ways"] for r in records if r["noise"] == noise]
        words = []
        for label in labels:
            median = float(np.median([row[label]["error"] for row in rows]))
            right, states = (sum(row[label][what] for row in rows) for what in ("right", "states"))
            words.append(f"{label} {median:.1e}, terms of {right} of {states} states")
        found.append(f"noise {100 * noise:g} %, median error and terms found: {'; '.join(words)}")
    return found
