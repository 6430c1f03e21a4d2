"""Levenberg-Marquardt for a population: each member has its own damping and accepts or refuses its own step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from kansym.training.objective import Objective
from kansym.training.optimizers.base import Optimizer, State, no_members

LEAST, MOST = 1e-14, 1e10


@dataclass(frozen=True, eq=False)
class DampedState(State):
    """Adds the damping (E,) and the factor by which the next refusal raises it (E,)."""

    damping: Tensor
    factor: Tensor


@dataclass(frozen=True)
class LevenbergMarquardt(Optimizer):
    """Damped Gauss-Newton steps from batched Cholesky factors.

    Args:
        damping: the first damping, relative to the diagonal of the Gauss-Newton matrix, > 0.
        floor: the least diagonal entry, relative to the largest, so that directions no row touches stay where they are.
        tries: how often a refused step is repeated with more damping before the matrix is made anew.

    Source: Marquardt 1963; damping rule of Nielsen 1999, IMM-REP-1999-05, eq. 2.4.
    """

    damping: float = 1e-2
    floor: float = 1e-6
    tries: int = 4

    def begin(self, objective: Objective, before: State | None = None) -> DampedState:
        theta = objective.start
        value = objective.value(theta)
        damping = torch.full_like(value, self.damping)
        if isinstance(before, DampedState):
            damping = before.damping.clamp(max=self.damping)
        return DampedState(theta, value, no_members(theta), damping, torch.full_like(value, 2.0))

    def step(self, objective: Objective, state: State) -> DampedState:
        now = cast(DampedState, state)
        _, slope, matrix = objective.normal_equations(now.theta)
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        scale = torch.maximum(diagonal, self.floor * diagonal.amax(1, keepdim=True)).clamp_min(1e-30)
        waiting = ~now.stalled
        for _ in range(self.tries):
            now, accepted = _attempt(objective, now, waiting, (slope, matrix, scale))
            waiting = waiting & ~accepted
            if not bool(waiting.any()):
                break
        return replace(now, stalled=now.stalled | (waiting & (now.damping >= MOST)))

    def calm(self, state: State, members: Tensor) -> State:
        now = cast(DampedState, state)
        return replace(now, damping=torch.where(members, now.damping * 100, now.damping))


def _attempt(
    objective: Objective, now: DampedState, waiting: Tensor, local: tuple[Tensor, Tensor, Tensor]
) -> tuple[DampedState, Tensor]:
    """Try one step of the waiting members; return the new state and which of them accepted."""
    slope, matrix, scale = local
    move, failed = _solve(matrix, slope, now.damping.unsqueeze(1) * scale)
    trial = torch.where(waiting.unsqueeze(1), now.theta + move, now.theta)
    value = objective.value(trial)
    promised = -0.5 * (move * (slope - now.damping.unsqueeze(1) * scale * move)).sum(1)
    gain = (now.value - value) / promised.clamp_min(torch.finfo(value.dtype).tiny)
    accepted = waiting & ~failed & (gain > 1e-4) & value.isfinite()
    return _settle(now, trial, value, accepted, waiting & ~accepted, gain), accepted


def _solve(matrix: Tensor, slope: Tensor, damping: Tensor) -> tuple[Tensor, Tensor]:
    """Solve (matrix + diag(damping)) move = -slope by Cholesky; say which members' matrix was not positive."""
    factor, info = torch.linalg.cholesky_ex(matrix + torch.diag_embed(damping))
    failed = (info != 0) | ~factor.diagonal(dim1=1, dim2=2).isfinite().all(1)
    factor = torch.where(
        failed[:, None, None], torch.eye(factor.shape[-1], dtype=factor.dtype, device=factor.device), factor
    )
    move = -torch.cholesky_solve(slope.unsqueeze(-1), factor).squeeze(-1)
    return torch.where(failed.unsqueeze(1), 0.0, move), failed


def _settle(
    now: DampedState, trial: Tensor, value: Tensor, accepted: Tensor, refused: Tensor, gain: Tensor
) -> DampedState:
    """Take over what was accepted and change the damping of every member that moved or was refused."""
    eased = now.damping * torch.clamp(1 - (2 * gain.clamp(-1, 2) - 1) ** 3, min=1 / 5)
    damping = torch.where(accepted, eased, torch.where(refused, now.damping * now.factor, now.damping))
    factor = torch.where(accepted, torch.full_like(now.factor, 2.0), torch.where(refused, 2 * now.factor, now.factor))
    return replace(
        now,
        theta=torch.where(accepted.unsqueeze(1), trial, now.theta),
        value=torch.where(accepted, value, now.value),
        damping=damping.clamp(LEAST, MOST),
        factor=factor,
    )
