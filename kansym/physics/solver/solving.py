"""`solve`: from a problem to networks that solve it, and to a formula."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from kansym.bases import BASES
from kansym.budget import Budget
from kansym.errors import ConfigError
from kansym.events import Listener, Note, StageFinished, StageStarted, ignore
from kansym.physics.solver.blocks import Earlier, Stage, window_of
from kansym.physics.solver.checking import check
from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.domain import TIME, Box
from kansym.physics.solver.jets import Order
from kansym.physics.solver.problem import Problem
from kansym.physics.solver.sampling import windows
from kansym.physics.solver.solution import Piece, Solution, evaluate
from kansym.physics.solver.training import Trained, Trainer
from kansym.physics.solver.trial import Trial, trial_of
from kansym.threads import one_thread

Array = np.ndarray
FORMULA_SECONDS = 120.0


@one_thread()
def solve(
    problem: Problem | str,
    config: SolveConfig | None = None,
    on_event: Listener = ignore,
    budget: Budget | None = None,
    **choices: Any,
) -> Solution:
    """Solve a differential equation by a Kolmogorov-Arnold network, and look for the solution's formula.

    Args:
        problem: a problem, or the name of a known one.
        config: choices; a known problem's own by default.
        on_event: receives typed events, see `kansym.events`.
        budget: a running time limit to share; a new one of `config.time_limit` otherwise.
        choices: fields of `SolveConfig`, in place of those of `config`.

    Returns:
        The solution; its `stop_reason` tells whether time or the user cut it short.

    Raises:
        ConfigError: when the choices do not suit the problem.
    """
    task, chosen = _resolved(problem, config, choices)
    _check(task, chosen)
    return _solved(task, chosen, on_event, budget or Budget(chosen.time_limit))


def _solved(problem: Problem, config: SolveConfig, on_event: Listener, budget: Budget) -> Solution:
    started, processor = time.monotonic(), time.process_time()
    on_event(StageStarted("solve", problem.name))
    trial = trial_of(problem, config)
    pieces, history, unknowns, errors = _marched(problem, config, trial, budget, on_event)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - processor
    found = dict(zip(problem.parameters, unknowns, strict=True))
    verdict = check(problem, partial(evaluate, pieces, trial, problem), unknowns)
    on_event(StageFinished("solve", seconds, _summary(verdict.residuals)))
    solution = Solution(
        problem, config, pieces, trial, found, verdict, history, seconds, cpu_seconds, "finished",
        notes=_notes(pieces, config, on_event), standard_errors=dict(zip(problem.parameters, errors, strict=True)),
    )  # fmt: skip
    if config.formula and not budget.expired:
        solution = _with_formula(solution, budget, on_event)
    return replace(solution, stop_reason=_stop_reason(budget))


def _resolved(
    problem: Problem | str, config: SolveConfig | None, choices: Mapping[str, Any]
) -> tuple[Problem, SolveConfig]:
    if isinstance(problem, str):
        from kansym.physics.solver.known import PROBLEMS

        known = PROBLEMS.get(problem)
        problem, config = known.problem(), config or known.config
    return problem, SolveConfig.from_dict((config or SolveConfig()).to_dict() | dict(choices))


def _check(problem: Problem, config: SolveConfig) -> None:
    highest = max(sum(order) for residual in problem.residuals for order in residual.orders)
    if config.basis == "bspline" and config.degree <= highest:
        raise ConfigError(
            f"degree is {config.degree}, but the equations have derivatives of order {highest}: take at least "
            f"{highest + 1}"
        )
    low, high = torch.tensor([0.0, 1.0], dtype=torch.float64)
    basis = BASES.get(config.basis).create(low, high, config.intervals[0], config.degree)
    if not bool(basis.derivative(basis.even_points(4), highest).any()):
        raise ConfigError(
            f"the equations have derivatives of order {highest}, and those of the basis {config.basis} are zero: "
            "take a smoother one, such as bspline"
        )
    if config.windows == 1:
        return
    if TIME not in problem.coordinates or not isinstance(problem.where, Box):
        raise ConfigError(f"windows cut the range of {TIME}: the domain must be a box with a coordinate {TIME}")
    if TIME in problem.periodic:
        raise ConfigError(f"windows cut the range of {TIME}, but it is periodic: choose one of the two")
    if problem.parameters:
        raise ConfigError("windows and unknown parameters do not go together: choose one of the two")


def _marched(
    problem: Problem, config: SolveConfig, trial: Trial, budget: Budget, listen: Listener
) -> tuple[tuple[Piece, ...], tuple[dict[str, Any], ...], list[float], list[float]]:
    """Train one network per window of time, each going on where the one before ended."""
    pieces: list[Piece] = []
    history: list[dict[str, Any]] = []
    unknowns = torch.tensor(list(problem.parameters.values()), dtype=torch.float64)
    errors: list[float] = []
    cuts = _cuts(problem, config.windows)
    for number, (low, high) in enumerate(cuts):
        share = number / len(cuts), (number + 1) / len(cuts)
        trained = _window(problem, config, trial, budget, listen, (low, high), pieces, share, unknowns)
        pieces.append(Piece(low, high, trained.model))
        unknowns, errors = trained.unknowns, trained.errors.tolist()
        history += [{"window": number + 1, **record} for record in trained.history]
    return tuple(pieces), tuple(history), unknowns.tolist(), errors


def _window(problem: Problem, config: SolveConfig, trial: Trial, budget: Budget, listen: Listener,
            ends: tuple[float, float], pieces: list[Piece], share: tuple[float, float], unknowns: torch.Tensor
            ) -> Trained:  # fmt: skip
    part = problem if config.windows == 1 else window_of(problem, *ends)
    stage = Stage(part, _earlier(pieces, trial, problem) if pieces else None)
    left = 1.0 - share[0]
    allowed = budget if config.time_limit is None else budget.part(budget.remaining * (share[1] - share[0]) / left)
    return Trainer(stage, trial, config, allowed, listen, share).train(unknowns)


def _earlier(pieces: list[Piece], trial: Trial, problem: Problem) -> Earlier:
    last = (pieces[-1],)

    def values(which: int, order: Order, points: Array) -> Array:
        return evaluate(last, trial, problem, points, order)[:, which]

    return values


def _cuts(problem: Problem, count: int) -> tuple[tuple[float, float], ...]:
    if count == 1:
        return ((-np.inf, np.inf),)
    axis = problem.coordinates.index(TIME)
    return windows(float(problem.where.box.low[axis]), float(problem.where.box.high[axis]), count)


def _with_formula(solution: Solution, budget: Budget, listen: Listener) -> Solution:
    from kansym.physics.solver.closed_form import closed_form

    started = time.monotonic()
    listen(StageStarted("formula", "from the networks' table"))
    limit = solution.config.formula_time or FORMULA_SECONDS
    formula = closed_form(solution, budget.part(limit), listen)
    told = "none was found" if formula is None else str(formula)
    listen(StageFinished("formula", time.monotonic() - started, told))
    return replace(solution, formula=formula)


def _notes(pieces: tuple[Piece, ...], config: SolveConfig, listen: Listener) -> tuple[str, ...]:
    finest = {piece.model.stack[0].basis.intervals for piece in pieces}
    if min(finest) == config.intervals[-1]:
        return ()
    note = f"the time was up before the grid had {config.intervals[-1]} intervals (reached: {min(finest)})"
    listen(Note(note))
    return (note,)


def _summary(residuals: Mapping[str, float]) -> str:
    return ", ".join(f"rms of {name} {value:.2g}" for name, value in residuals.items())


def _stop_reason(budget: Budget) -> str:
    if budget.interrupted:
        return "interrupted"
    return "time limit" if budget.hit and budget.expired else "finished"
