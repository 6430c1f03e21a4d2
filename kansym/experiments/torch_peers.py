"""Peers for the experiments on differential equations: the usual physics-informed perceptron, and pykan's network."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kansym.bench.engine import quiet, why
from kansym.bench.peers import find
from kansym.errors import ConfigError
from kansym.events import Note
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
RATE = 1e-3


@dataclass(frozen=True)
class Recipe:
    """How a peer is trained: steps of Adam, then of L-BFGS, on each of its grids."""

    adam: int
    lbfgs: int


PERCEPTRON, PYKAN = "tanh perceptron (Adam, then L-BFGS)", "pykan [D, 5, T], grids 5 and 10 (L-BFGS)"
_RECIPE, _PYKAN_RECIPE = Recipe(3000, 1000), Recipe(0, 100)
PYKAN_GRIDS = (5, 10)


def peer_rows(problem: Problem, setting: Setting) -> list[dict[str, Any]]:
    """Train every peer that is installed on a problem with soft conditions and return their figures.

    Source: Raissi, Perdikaris and Karniadakis 2019 (the perceptron); pykan's tutorials on equations (its L-BFGS).
    """
    if problem.parameters:
        raise ConfigError("the peers solve problems without unknown parameters: leave --peers out")
    rows = [{"case": PERCEPTRON, **_figures(_trained_perceptron, problem, setting)}]
    found = next(found for found in find(None) if found.peer.name == "pykan")
    if found.module is None:
        setting.tell(Note(f"pykan: {found.source}"))
        return rows
    try:
        with quiet():
            return [*rows, {"case": PYKAN, **_figures(partial(_trained_pykan, found.module), problem, setting)}]
    except Exception as error:  # Programs of others fail in ways of their own.
        setting.tell(Note(f"pykan: {why(error)}"))
        return [*rows, {"case": PYKAN, "note": why(error)}]


def _figures(train: Callable[[Problem, Setting], nn.Module], problem: Problem, setting: Setting) -> dict[str, Any]:
    started, processor = time.monotonic(), time.process_time()
    model = train(problem, setting)
    times = {"seconds": time.monotonic() - started, "cpu_seconds": time.process_time() - processor}
    found = check(problem, partial(_derivative, model), ())
    residuals = [value for name, value in found.residuals.items() if name.startswith("equation")]
    count = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    return {**found.errors, "residual": max(residuals), "parameters": count, **times}


def _parts(problem: Problem, setting: Setting) -> list[_Part]:
    random = np.random.default_rng(setting.seed)
    points = interior(problem.where, POINTS // (20 if setting.quick else 1), "latin", random)
    stage = Stage(problem)
    conditions = [block.weighted(EDGE_WEIGHT) for block in stage.conditions(Trial(), EDGE)]
    return [_Part(block) for block in (*stage.equations(points), *conditions)]


def _trained_perceptron(problem: Problem, setting: Setting) -> nn.Module:
    torch.manual_seed(setting.seed)
    model = _Network(problem, _layers(problem))
    _train(model, _parts(problem, setting), Recipe(5, 5) if setting.quick else _RECIPE)
    return model


def _trained_pykan(module: Any, problem: Problem, setting: Setting) -> nn.Module:
    torch.manual_seed(setting.seed)
    parts = _parts(problem, setting)
    with TemporaryDirectory() as folder:  # pykan keeps a log of its fits in a folder
        widths = [len(problem.coordinates), 5, len(problem.fields)]
        settings = {"k": 3, "seed": setting.seed, "auto_save": False, "ckpt_path": folder}
        network = module.KAN(width=widths, grid=PYKAN_GRIDS[0], **settings).speed()
        network = network.double()
        model = _Network(problem, network)
        for grid in PYKAN_GRIDS[: 1 if setting.quick else None]:
            if grid != PYKAN_GRIDS[0]:
                model(parts[0].x.detach())  # pykan refines on what it saw last
                model.net = network = network.refine(grid).double()
            _train(model, parts, Recipe(0, 2) if setting.quick else _PYKAN_RECIPE)
    return model


class _Network(nn.Module):
    """Coordinates brought to [-1, 1], then a network, in float64."""

    middle: Tensor
    reach: Tensor

    def __init__(self, problem: Problem, net: nn.Module) -> None:
        super().__init__()
        box = problem.where.box
        self.register_buffer("middle", torch.as_tensor((box.high + box.low) / 2))
        self.register_buffer("reach", torch.as_tensor((box.high - box.low) / 2))
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net((x - self.middle) / self.reach)


def _layers(problem: Problem) -> nn.Module:
    sizes = [len(problem.coordinates), *[WIDTH] * DEPTH]
    hidden = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b).double(), nn.Tanh())]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, len(problem.fields)).double())


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


def _train(model: nn.Module, parts: list[_Part], recipe: Recipe) -> None:
    def loss() -> Tensor:
        return torch.stack([part(model) for part in parts]).sum()

    adam = torch.optim.Adam(model.parameters(), lr=RATE)
    for _ in range(recipe.adam):
        adam.zero_grad()
        loss().backward()
        adam.step()
    finish = torch.optim.LBFGS(
        model.parameters(), max_iter=recipe.lbfgs, history_size=50, line_search_fn="strong_wolfe",
        tolerance_grad=1e-12, tolerance_change=1e-14,
    )  # fmt: skip

    def closure() -> Tensor:
        finish.zero_grad()
        value = loss()
        value.backward()
        return value

    finish.step(closure)
