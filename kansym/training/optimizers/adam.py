"""Adam for a population, full batch or mini-batches, with the analytic gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from kansym.training.objective import Objective
from kansym.training.optimizers.base import Optimizer, State, no_members


@dataclass(frozen=True, eq=False)
class MomentState(State):
    """Adds the first and second moments (E, P), the rate (E,), and how many steps were taken."""

    first: Tensor
    second: Tensor
    rate: Tensor
    count: int


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam with a rate that falls to a hundredth along half a cosine.

    Args:
        rate: the first learning rate, > 0; one number, or one per member.
        horizon: the number of steps over which the rate falls, >= 1.
        batch: rows per step; None for all.
        seed: of the order of the rows.

    Source: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2017, eq. 5 (cosine).
    """

    rate: float | tuple[float, ...] = 0.02
    horizon: int = 1000
    batch: int | None = None
    seed: int = 0

    def begin(self, objective: Objective, before: State | None = None) -> MomentState:
        theta = objective.start
        value = objective.value(theta)
        rate = before.rate if isinstance(before, MomentState) else value * 0 + torch.tensor(self.rate).to(value)
        count = before.count if isinstance(before, MomentState) else 0
        zeros = torch.zeros_like(theta)
        return MomentState(theta, value, no_members(theta), zeros, zeros, rate, count)

    def step(self, objective: Objective, state: State) -> MomentState:
        now = cast(MomentState, state)
        value, slope = objective.gradient(now.theta, self._rows(objective, now.count))
        first, second = torch.lerp(slope, now.first, 0.9), torch.lerp(slope.square(), now.second, 0.999)
        age = now.count + 1
        mean, spread = first / (1 - 0.9**age), (second / (1 - 0.999**age)).sqrt() + 1e-8
        moved = now.theta - (now.rate * self._fall(now.count)).unsqueeze(1) * mean / spread
        theta = torch.where(now.stalled.unsqueeze(1), now.theta, moved)
        return replace(now, theta=theta, value=value, first=first, second=second, count=age)

    def calm(self, state: State, members: Tensor) -> State:
        now = cast(MomentState, state)
        keep = (~members).to(now.theta.dtype).unsqueeze(1)
        first, second = (torch.nan_to_num(moment) * keep for moment in (now.first, now.second))
        return replace(now, rate=torch.where(members, now.rate / 2, now.rate), first=first, second=second)

    def _fall(self, count: int) -> float:
        share = min(1.0, count / self.horizon)
        return 0.01 + 0.99 * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * share))))

    def _rows(self, objective: Objective, count: int) -> Tensor | None:
        """Return the rows of one step: slices of a fresh order of all rows in every epoch."""
        total = len(objective.rows)
        if self.batch is None or self.batch >= total:
            return None
        batches = total // self.batch
        generator = torch.Generator().manual_seed(self.seed + count // batches)
        order = torch.randperm(total, generator=generator)
        start = (count % batches) * self.batch
        return order[start : start + self.batch]
