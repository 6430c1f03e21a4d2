"""A peer for the experiments on differential equations: the usual physics-informed perceptron, in torch alone."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kansym.errors import ConfigError
from kansym.experiments.experiment import Setting
from kansym.physics.solver import Problem
from kansym.physics.solver.blocks import Stage
from kansym.physics.solver.checking import check
from kansym.physics.solver.jets import Order
from kansym.physics.solver.objective import Block
from kansym.physics.solver.sampling import interior
from kansym.physics.solver.trial import Trial
from kansym.symbolic.torch_form import to_torch

WIDTH, DEPTH = 32, 3
POINTS, EDGE, EDGE_WEIGHT = 2000, 400, 100.0
ADAM_STEPS, LBFGS_STEPS, RATE = 3000, 1000, 1e-3


def perceptron_row(problem: Problem, setting: Setting) -> dict[str, Any]:
    """Train a tanh perceptron on a problem with soft conditions and return its figures.

    Source: Raissi, Perdikaris and Karniadakis 2019.
    """
    if problem.parameters:
        raise ConfigError("the perceptron solves problems without unknown parameters: leave --peers out")
    started, processor = time.monotonic(), time.process_time()
    torch.manual_seed(setting.seed)
    model = _Perceptron(problem)
    random = np.random.default_rng(setting.seed)
    points = interior(problem.where, POINTS // (20 if setting.quick else 1), "latin", random)
    stage = Stage(problem)
    blocks = [
        *stage.equations(points),
        *(block.weighted(EDGE_WEIGHT) for block in stage.conditions(Trial(), EDGE)),
    ]
    _train(model, [_Part(block) for block in blocks], 5 if setting.quick else None)
    seconds, cpu_seconds = time.monotonic() - started, time.process_time() - processor
    found = check(problem, partial(_derivative, model), ())
    residuals = [value for name, value in found.residuals.items() if name.startswith("equation")]
    count = sum(parameter.numel() for parameter in model.parameters())
    times = {"seconds": seconds, "cpu_seconds": cpu_seconds}
    return {**found.errors, "residual": max(residuals), "parameters": count, **times}


class _Perceptron(nn.Module):
    """Coordinates brought to [-1, 1], then tanh layers, in float64."""

    middle: Tensor
    reach: Tensor

    def __init__(self, problem: Problem) -> None:
        super().__init__()
        box = problem.where.box
        self.register_buffer("middle", torch.as_tensor((box.high + box.low) / 2))
        self.register_buffer("reach", torch.as_tensor((box.high - box.low) / 2))
        sizes = [len(problem.coordinates), *[WIDTH] * DEPTH]
        hidden = [
            part for a, b in zip(sizes, sizes[1:], strict=False) for part in (nn.Linear(a, b).double(), nn.Tanh())
        ]
        self.net = nn.Sequential(*hidden, nn.Linear(WIDTH, len(problem.fields)).double())

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x - self.middle) / self.reach)


class _Part:
    """The mean square of one kind of residual, by automatic differentiation."""

    def __init__(self, block: Block) -> None:
        self.block, self.formula = block, to_torch(block.residual.expression)
        self.formula.constants.requires_grad_(False)
        self.x = torch.as_tensor(block.points).requires_grad_()

    def __call__(self, model: nn.Module) -> Tensor:
        values = model(self.x)
        slots = [derivative(values[:, which], self.x, order) for which, order in self.block.residual.slots]
        residual = self.formula(torch.cat([self.x, torch.stack(slots, 1)], 1))
        if self.block.shift is not None:
            residual = residual - torch.as_tensor(self.block.shift)
        return self.block.weight * residual.square().mean()


def derivative(values: Tensor, x: Tensor, order: Order) -> Tensor:
    """Return one derivative of values (n,) by x (n, D), differentiable again."""
    for axis, times in enumerate(order):
        for _ in range(times):
            values = torch.autograd.grad(values.sum(), x, create_graph=True)[0][:, axis]
    return values


def _derivative(model: nn.Module, points: np.ndarray, order: Order) -> np.ndarray:
    x = torch.as_tensor(points).requires_grad_()
    return derivative(model(x)[:, 0], x, order).detach().numpy()[:, None]


def _train(model: nn.Module, parts: list[_Part], quick: int | None) -> None:
    def loss() -> Tensor:
        return torch.stack([part(model) for part in parts]).sum()

    steps = quick or ADAM_STEPS
    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(steps):
        adam.zero_grad()
        loss().backward()
        adam.step()
    finish = torch.optim.LBFGS(
        model.parameters(), max_iter=quick or LBFGS_STEPS, history_size=50, line_search_fn="strong_wolfe",
        tolerance_grad=1e-12, tolerance_change=1e-14,
    )  # fmt: skip

    def closure() -> Tensor:
        finish.zero_grad()
        value = loss()
        value.backward()
        return value

    finish.step(closure)
