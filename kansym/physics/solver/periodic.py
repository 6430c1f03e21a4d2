"""Coordinates around which the solution repeats: a network reads their cosine and sine instead of themselves.

So the solution and all its derivatives agree at both ends, whatever the network says.

Source: Dong and Ni 2021, A method for representing periodic functions and enforcing exactly periodic boundary
conditions with deep neural networks (with one frequency: the network makes the others).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kansym.physics.solver.jets import Order, Orders
from kansym.physics.solver.problem import Problem
from kansym.physics.solver.sampling import even_grid

Array = np.ndarray


@dataclass(frozen=True)
class Lift:
    """What a network reads at a point.

    periods: per coordinate (start, length) where the solution repeats, else None; empty where it does so along none.
    """

    periods: tuple[tuple[float, float] | None, ...] = ()

    @classmethod
    def of(cls, problem: Problem) -> Lift:
        """Return what a problem's periodic coordinates ask for."""
        if not problem.periodic:
            return cls()
        box = problem.where.box
        ends = zip(box.names, box.low.tolist(), box.high.tolist(), strict=True)
        return cls(tuple((low, high - low) if name in problem.periodic else None for name, low, high in ends))

    def width(self, coordinates: int) -> int:
        """Return how many numbers the network reads for so many coordinates."""
        return coordinates + sum(period is not None for period in self.periods)

    def inputs(self, points: Array) -> Array:
        """Return what the network reads at points (n, D): (n, I)."""
        orders = Orders.closure([], points.shape[1])
        return points if not any(self.periods) else self.jets(orders, torch.as_tensor(points))[0].numpy()

    def jets(self, orders: Orders, x: Tensor) -> Tensor:
        """Return the jets of what the network reads at points (..., D): (A, ..., I)."""
        plain = orders.coordinates(x)
        if not any(self.periods):
            return plain
        columns: list[Tensor] = []
        for axis, period in enumerate(self.periods):
            if period is None:
                columns.append(plain[..., axis])
            else:
                columns += [_wave(orders, x[..., axis], axis, period, phase) for phase in (0.0, 0.5 * math.pi)]
        return torch.stack(columns, -1)


def _wave(orders: Orders, x: Tensor, axis: int, period: tuple[float, float], phase: float) -> Tensor:
    """Return the jets (A, ...) of cos(2 pi (x - start) / length - phase), x being one coordinate (...)."""
    start, length = period
    rate = 2 * math.pi / length
    jets = x.new_zeros(len(orders), *x.shape)
    for place, order in enumerate(orders.indices):
        times = order[axis]
        if sum(order) == times:
            turned = rate * (x - start) - phase + 0.5 * math.pi * times
            jets[place] = rate**times / math.factorial(times) * torch.cos(turned)
    return jets


@dataclass(frozen=True)
class Seam:
    """Where two ends meet: what a function must have in common there.

    name: for reports. low, high: points (n, D) of either side, row by row. orders: the derivatives.
    """

    name: str
    low: Array
    high: Array
    orders: tuple[Order, ...]


def seams(problem: Problem, count: int) -> tuple[Seam, ...]:
    """Return where a problem's periodic ends meet.

    Args:
        problem: each periodic coordinate makes one seam; the derivatives are those below the equations' highest.
        count: points per seam, about.
    """
    return tuple(_seam(problem, name, count) for name in problem.periodic)


def _seam(problem: Problem, name: str, count: int) -> Seam:
    box, axis = problem.where.box, problem.coordinates.index(name)
    places = even_grid(count, len(box.names) - 1, True)
    highest = max(order[axis] for residual in problem.residuals for order in residual.orders)
    orders = [tuple(times * (place == axis) for place in range(len(box.names))) for times in range(max(1, highest))]
    low, high = (box.face(axis, end).place(places) for end in (box.low, box.high))
    return Seam(f"periodic {name}", low, high, tuple(orders))
