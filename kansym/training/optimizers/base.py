"""What a training method is: it moves every member of a population by one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from kansym.training.objective import Objective


@dataclass(frozen=True, eq=False)
class State(ABC):
    """Where a method stands: parameters theta (E, P), loss value (E,), and whether it can go on, stalled (E,) bool."""

    theta: Tensor
    value: Tensor
    stalled: Tensor

    def select(self, members: Tensor) -> Self:
        """Return the state of some members; every tensor has the members first."""
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if isinstance(getattr(self, f.name), Tensor)}
        return replace(self, **{name: tensor[members] for name, tensor in tensors.items()})

    def put(self, members: Tensor, part: State) -> Self:
        """Return the state with some members' tensors taken from their own state, where the shapes agree.

        Args:
            members: which ones `part` holds, (e,).
            part: a state of the same method.
        """
        changed = {}
        for name in (f.name for f in fields(self)):
            old, new = getattr(self, name), getattr(part, name, None)
            if isinstance(old, Tensor) and isinstance(new, Tensor) and old.shape[1:] == new.shape[1:]:
                changed[name] = old.index_copy(0, members, new)
        return replace(self, **changed)


class Optimizer(ABC):
    """A training method without memory of its own: all that changes is in its state."""

    @abstractmethod
    def begin(self, objective: Objective, before: State | None = None) -> State:
        """Return the first state at the objective's own weights.

        Args:
            objective: what is minimised.
            before: the last state on another grid of the same population, whose damping or rate may be taken over.
        """

    @abstractmethod
    def step(self, objective: Objective, state: State) -> State:
        """Return the state after one step of every member."""

    @abstractmethod
    def calm(self, state: State, members: Tensor) -> State:
        """Return the state with smaller steps for the members (E,) bool, after numbers overflowed."""


def no_members(theta: Tensor) -> Tensor:
    """Return False for every member, (E,)."""
    return torch.zeros(theta.shape[0], dtype=torch.bool, device=theta.device)
