"""Levenberg-Marquardt for a population: each member has its own damping and accepts or refuses its own step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, cast

import torch
from torch import Tensor

from kansym.training.linear import damped_move
from kansym.training.objective import Objective
from kansym.training.optimizers.base import Optimizer, State, no_members

LEAST, MOST = 1e-14, 1e10
# A step is as good as promised above GOOD of the promise, poor below POOR, and refused below WORST.
GOOD, POOR, WORST = 0.75, 0.25, 1e-4
# Most damping that a new grid of the same population begins with.
RENEWED = 1.0
# Damping of the last layer relative to that of the others when it is solved for anyway.
FREE = 1e-6


@dataclass(frozen=True, eq=False)
class DampedState(State):
    """Adds the damping (E,) and the factor by which the next refusal raises it (E,)."""

    damping: Tensor
    factor: Tensor


class Local(NamedTuple):
    """The quadratic around a point: slope (E, P), Gauss-Newton matrix (E, P, P), scale of the damping (E, P)."""

    slope: Tensor
    matrix: Tensor
    scale: Tensor


@dataclass(frozen=True)
class LevenbergMarquardt(Optimizer):
    """Damped Gauss-Newton steps from batched Cholesky factors.

    With `project`, the last layer is hardly damped, and after every move it is solved for exactly (variable projection
    in Kaufman's approximation): a step costs little more and far fewer are needed.

    Args:
        damping: the first damping, relative to the diagonal of the Gauss-Newton matrix, > 0.
        floor: the least diagonal entry, relative to the largest, so that directions no row touches stay where they are.
        tries: how often a refused step is repeated with more damping before the matrix is made anew.
        project: solve for the last layer, where the output is linear in it.

    Source: Marquardt 1963; Golub and Pereyra 1973 and Kaufman 1975 (projection).
    """

    damping: float = 1e-2
    floor: float = 1e-6
    tries: int = 4
    project: bool = False

    def begin(self, objective: Objective, before: State | None = None) -> DampedState:
        theta = objective.start
        value = objective.value(theta)
        damping = torch.full_like(value, self.damping)
        if isinstance(before, DampedState):
            damping = before.damping.clamp(max=RENEWED)
        return DampedState(theta, value, no_members(theta), damping, torch.full_like(value, 2.0))

    def step(self, objective: Objective, state: State) -> DampedState:
        now = cast(DampedState, state)
        _, slope, matrix = objective.normal_equations(now.theta)
        local = Local(slope, matrix, self._scale(objective, matrix))
        waiting = ~now.stalled
        for _ in range(self.tries):
            now, accepted = self._attempt(objective, now, waiting, local)
            waiting = waiting & ~accepted
            if not bool(waiting.any()):
                break
        return replace(now, stalled=now.stalled | (waiting & (now.damping >= MOST)))

    def calm(self, state: State, members: Tensor) -> State:
        now = cast(DampedState, state)
        return replace(now, damping=torch.where(members, now.damping * 10, now.damping))

    def _scale(self, objective: Objective, matrix: Tensor) -> Tensor:
        """Return what the damping of every parameter is multiplied with, (E, P)."""
        diagonal = matrix.diagonal(dim1=1, dim2=2)
        scale = torch.maximum(diagonal, self.floor * diagonal.amax(1, keepdim=True)).clamp_min(1e-30)
        if self.project and objective.separable:
            scale[:, scale.shape[1] - objective.packing.sizes[-1] :] *= FREE
        return scale

    def _attempt(
        self, objective: Objective, now: DampedState, waiting: Tensor, local: Local
    ) -> tuple[DampedState, Tensor]:
        """Try one step of the waiting members; return the new state and which of them accepted."""
        damping = now.damping.unsqueeze(1) * local.scale
        move, failed = damped_move(local.matrix, local.slope, damping)
        trial = torch.where(waiting.unsqueeze(1), now.theta + move, now.theta)
        trial, value = self._evaluate(objective, trial)
        promised = -0.5 * (move * (local.slope - damping * move)).sum(1)
        gain = (now.value - value) / promised.clamp_min(torch.finfo(value.dtype).tiny)
        accepted = waiting & ~failed & (gain > WORST) & value.isfinite()
        return _settle(now, trial, value, accepted, waiting & ~accepted, gain), accepted

    def _evaluate(self, objective: Objective, trial: Tensor) -> tuple[Tensor, Tensor]:
        """Return the trial points, with the last layer solved for where that helps, and their values."""
        value = objective.value(trial)
        if not (self.project and objective.separable):
            return trial, value
        settled = objective.settle(trial)
        lower = objective.value(settled)
        better = (lower < value) | ~value.isfinite() & lower.isfinite()
        return torch.where(better.unsqueeze(1), settled, trial), torch.where(better, lower, value)


def _settle(
    now: DampedState, trial: Tensor, value: Tensor, accepted: Tensor, refused: Tensor, gain: Tensor
) -> DampedState:
    """Take over what was accepted and change the damping of every member that moved or was refused."""
    ease = torch.where(gain > GOOD, 1 / 4, torch.where(gain < POOR, 2.0, 1 / 2))
    change = torch.where(accepted, ease, torch.where(refused, 1.5 * now.factor, 1.0))
    factor = torch.where(accepted, 2.0, torch.where(refused, 2 * now.factor, now.factor))
    return replace(
        now,
        theta=torch.where(accepted.unsqueeze(1), trial, now.theta),
        value=torch.where(accepted, value, now.value),
        damping=(now.damping * change.to(now.damping)).clamp(LEAST, MOST),
        factor=factor.to(now.factor),
    )
