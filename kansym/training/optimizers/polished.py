"""L-BFGS while it gains quickly, then Levenberg-Marquardt to the end."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from kansym.training.objective import Objective
from kansym.training.optimizers.base import Optimizer, State
from kansym.training.optimizers.lbfgs import LBFGS, PairState
from kansym.training.optimizers.levenberg_marquardt import DampedState, LevenbergMarquardt


@dataclass(frozen=True, eq=False)
class QuickState(PairState):
    """Adds the values a while ago (E,) and how many quasi-Newton steps were taken in all."""

    before: Tensor
    count: int


@dataclass(frozen=True)
class Polished(Optimizer):
    """Quasi-Newton steps until they gain little, second-order steps from then on.

    One step of this method is `pace` quasi-Newton steps, or one of Levenberg-Marquardt, which costs about as much.

    Args:
        first, second: the two methods.
        pace: quasi-Newton steps a step, >= 1.
        gain: the second method begins when the value of no member falls to less than this share in a step.
        most: quasi-Newton steps after which the second method begins in any case.
    """

    first: LBFGS = field(default_factory=LBFGS)
    second: LevenbergMarquardt = field(default_factory=LevenbergMarquardt)
    pace: int = 10
    gain: float = 0.8
    most: int = 500

    def begin(self, objective: Objective, before: State | None = None) -> State:
        if isinstance(before, DampedState):
            return self.second.begin(objective, before)
        return self._quick(self.first.begin(objective), before.count if isinstance(before, QuickState) else 0)

    def step(self, objective: Objective, state: State) -> State:
        if not isinstance(state, QuickState):
            return self.second.step(objective, state)
        if state.count >= self.most or bool((state.stalled | (state.value > self.gain * state.before)).all()):
            return self.second.step(objective, self._handed_over(state))
        now: PairState = state
        for _ in range(self.pace):
            now = self.first.step(objective, now)
        return self._quick(now, state.count + self.pace, state.value)

    def calm(self, state: State, members: Tensor) -> State:
        method = self.first if isinstance(state, PairState) else self.second
        return method.calm(state, members)

    def _handed_over(self, state: QuickState) -> DampedState:
        """Return the second method's state at the first one's parameters."""
        damping = torch.full_like(state.value, self.second.damping)
        nobody = torch.zeros_like(state.stalled)
        return DampedState(state.theta, state.value, nobody, damping, torch.full_like(damping, 2.0))

    @staticmethod
    def _quick(state: PairState, count: int, before: Tensor | None = None) -> QuickState:
        parts = (state.theta, state.value, state.stalled, state.slope, state.moves, state.changes, state.reach)
        return QuickState(*parts, torch.full_like(state.value, torch.inf) if before is None else before, count)
