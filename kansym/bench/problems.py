"""The functions that the training benchmark learns, on the ranges of the Feynman set where they come from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

ROWS = 1000


@dataclass(frozen=True)
class Problem:
    """One function and the networks that learn it.

    Args:
        name: of the case.
        formula: for the table.
        widths: nodes per layer; the function is a composition of that shape.
        intervals: grid pieces of a single run.
        law: rows (N, D) -> values (N,).
        ranges: low and high end of every input.
    """

    name: str
    formula: str
    widths: tuple[int, ...]
    intervals: int
    law: Callable[[Tensor], Tensor]
    ranges: tuple[tuple[float, float], ...]

    def rows(self, seed: int, count: int = ROWS) -> Data:
        """Return rows drawn evenly: inputs brought to [-1, 1], targets to mean 0 and variance 1, in float64.

        Args:
            seed: of the draw.
            count: rows to learn from, and as many again that nobody sees before the end.
        """
        generator = torch.Generator().manual_seed(seed)
        unit = torch.rand(2 * count, len(self.ranges), generator=generator, dtype=torch.float64)
        low, high = torch.tensor(self.ranges, dtype=torch.float64).T
        y = self.law(low + (high - low) * unit)
        y = (y - y[:count].mean()) / y[:count].std()
        x = 2 * unit - 1
        return Data(x[:count], y[:count].unsqueeze(1), x[count:], y[count:].unsqueeze(1))


@dataclass(frozen=True)
class Data:
    """Rows to learn from, x (N, D) and y (N, 1), and rows to be judged on."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor

    def nrmse(self, outputs: Tensor) -> float:
        """Return the root mean square error of outputs (N, 1) on the held-out rows, over the spread of the targets."""
        return float((outputs - self.y_test).square().mean().sqrt() / self.y_test.std())


def _ratio(x: Tensor) -> Tensor:
    return (x[:, 0] + 1.5) * (x[:, 1] + 1.5) / ((x[:, 2] + 2) * (x[:, 3] + 2))


def _bell(x: Tensor) -> Tensor:
    t, s = x.unbind(1)
    return torch.exp(-(t**2) / (2 * s**2)) / (math.sqrt(2 * math.pi) * s)


def _mass(x: Tensor) -> Tensor:
    m, v, c = x.unbind(1)
    return m / torch.sqrt(1 - (v / c) ** 2)


def _distance(x: Tensor) -> Tensor:
    return torch.hypot(x[:, 0] - x[:, 1], x[:, 2] - x[:, 3])


UNIT = (-1.0, 1.0)
RATIO = Problem("ratio", "(x1 + 1.5)(x2 + 1.5)/((x3 + 2)(x4 + 2))", (4, 1, 1), 20, _ratio, (UNIT,) * 4)
WAVE = Problem(
    "wave", "exp(sin(pi x) + y^2)", (2, 1, 1), 30,
    lambda x: torch.exp(torch.sin(torch.pi * x[:, 0]) + x[:, 1] ** 2), (UNIT,) * 2,
)  # fmt: skip
TIMED = (RATIO, WAVE)

_DISTANCE = "sqrt((x1 - x2)^2 + (y1 - y2)^2)"
HELD_OUT = (
    Problem("product", "x y", (2, 2, 1), 20, lambda x: x[:, 0] * x[:, 1], (UNIT,) * 2),
    Problem("bell", "exp(-t^2/(2 s^2))/sqrt(2 pi s^2)", (2, 2, 1, 1), 20, _bell, ((1, 3), (1, 3))),
    Problem("mass", "m/sqrt(1 - v^2/c^2)", (3, 2, 1, 1), 20, _mass, ((1, 5), (1, 2), (3, 10))),
    # Over the same ranges for both points the distance has a kink where they meet, which no smooth network holds.
    Problem("distance", f"{_DISTANCE}, anywhere", (4, 2, 1, 1), 20, _distance, ((1, 5),) * 4),
    Problem("apart", f"{_DISTANCE}, points apart", (4, 2, 1, 1), 20, _distance, ((1, 2), (3, 5), (1, 2), (3, 5))),
)
