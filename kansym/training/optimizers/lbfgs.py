"""L-BFGS for a population: each member has its own curvature pairs and its own line search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from kansym.training.objective import Objective
from kansym.training.optimizers.base import Optimizer, State, no_members


@dataclass(frozen=True, eq=False)
class PairState(State):
    """Adds the gradient (E, P), past moves and gradient changes (E, m, P), and a bound on the step length (E,)."""

    slope: Tensor
    moves: Tensor
    changes: Tensor
    reach: Tensor


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Limited-memory quasi-Newton steps with a backtracking line search (Armijo).

    Args:
        memory: curvature pairs kept, >= 1.
        tries: how often a step is halved (or shortened by interpolation) before the member counts as stalled.

    Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 7.4 and 3.1.
    """

    memory: int = 20
    tries: int = 12

    def begin(self, objective: Objective, before: State | None = None) -> PairState:
        theta = objective.start
        value, slope = objective.gradient(theta)
        none = theta.new_zeros(theta.shape[0], 0, theta.shape[1])
        return PairState(theta, value, no_members(theta), slope, none, none, torch.ones_like(value))

    def step(self, objective: Objective, state: State) -> PairState:
        now = cast(PairState, state)
        direction = _direction(now)
        descent = (direction * now.slope).sum(1)
        uphill = descent >= 0
        direction = torch.where(uphill.unsqueeze(1), -now.slope, direction)
        descent = torch.where(uphill, -now.slope.square().sum(1), descent)
        theta, accepted = self._search(objective, now, direction, descent)
        value, slope = objective.gradient(theta)
        moves, changes = self._remember(now, theta - now.theta, slope - now.slope)
        stalled = now.stalled | ~accepted
        return PairState(theta, value, stalled, slope, moves, changes, torch.ones_like(value))

    def calm(self, state: State, members: Tensor) -> State:
        now = cast(PairState, state)
        keep = (~members).to(now.theta.dtype)[:, None, None]
        moves, changes = torch.nan_to_num(now.moves) * keep, torch.nan_to_num(now.changes) * keep
        return replace(now, moves=moves, changes=changes, reach=torch.where(members, now.reach / 10, now.reach))

    def _search(
        self, objective: Objective, now: PairState, direction: Tensor, descent: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Shorten every member's step until its value falls enough; return the points and who found one."""
        length = now.reach if now.moves.shape[1] else now.reach * (0.1 / direction.norm(dim=1).clamp_min(0.1))
        accepted, best = now.stalled.clone(), now.theta
        for _ in range(self.tries):
            trial = now.theta + length.unsqueeze(1) * direction
            value = objective.value(torch.where(accepted.unsqueeze(1), best, trial))
            good = ~accepted & (value <= now.value + 1e-4 * length * descent) & value.isfinite()
            best = torch.where(good.unsqueeze(1), trial, best)
            accepted = accepted | good
            if bool(accepted.all()):
                break
            length = torch.where(accepted, length, _shorter(length, now.value, value, descent))
        return best, accepted

    def _remember(self, now: PairState, move: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
        """Append the pairs; a pair without positive curvature is stored as zeros, which the recursion skips."""
        curved = (move * change).sum(1) > 1e-10 * move.norm(dim=1) * change.norm(dim=1)
        keep = curved.unsqueeze(1).to(move.dtype)
        moves = torch.cat([now.moves, (move * keep).unsqueeze(1)], 1)[:, -self.memory :]
        changes = torch.cat([now.changes, (change * keep).unsqueeze(1)], 1)[:, -self.memory :]
        return moves, changes


def _shorter(length: Tensor, before: Tensor, value: Tensor, descent: Tensor) -> Tensor:
    """Return the minimum of the parabola through both ends, between a tenth and a half of the length."""
    bend = 2 * (value - before - descent * length)
    best = -descent * length.square() / bend
    return torch.where(best.isfinite(), torch.minimum(torch.maximum(best, 0.1 * length), 0.5 * length), 0.1 * length)


def _direction(now: PairState) -> Tensor:
    """Return the two-loop recursion's descent direction of every member, (E, P)."""
    products = (now.moves * now.changes).sum(-1)  # (E, m)
    inverse = torch.where(products > 0, 1 / products, 0.0)
    direction, factors = -now.slope, []
    for index in reversed(range(now.moves.shape[1])):
        factors.append(inverse[:, index] * (now.moves[:, index] * direction).sum(1))
        direction = direction - factors[-1].unsqueeze(1) * now.changes[:, index]
    direction = direction * _first_scale(now, products).unsqueeze(1)
    for index, factor in enumerate(reversed(factors)):
        back = inverse[:, index] * (now.changes[:, index] * direction).sum(1)
        direction = direction + (factor - back).unsqueeze(1) * now.moves[:, index]
    return direction


def _first_scale(now: PairState, products: Tensor) -> Tensor:
    """Return the scale of the first inverse Hessian from the newest usable pair, 1 where there is none."""
    scale = torch.ones_like(now.value)
    for index in range(now.moves.shape[1]):
        square = now.changes[:, index].square().sum(1)
        scale = torch.where(products[:, index] > 0, products[:, index] / square.clamp_min(1e-300), scale)
    return scale
