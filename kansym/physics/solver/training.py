"""A network trained on residuals: from a coarse grid to a fine one, on points that follow the residual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from kansym.budget import Budget, Part
from kansym.events import Listener, Progress
from kansym.nn import KAN, KANOptions, LayerOptions
from kansym.physics.solver.blocks import Stage, balanced
from kansym.physics.solver.config import SolveConfig
from kansym.physics.solver.knots import leaves_grids, refined, spread_grids
from kansym.physics.solver.objective import Block, ResidualObjective
from kansym.physics.solver.sampling import interior, where_large
from kansym.physics.solver.trial import Trial
from kansym.physics.solver.uncertainty import standard_errors
from kansym.training.optimizers.base import State

Array = np.ndarray
# A round ends when this many steps in a row gain less than this share of the loss.
PATIENCE, GAIN = 6, 1e-3
# Candidates per point when points follow the residual.
CANDIDATES = 10
# A refitted grid that makes the loss this many times as large is not taken.
WORSE = 10.0


@dataclass(frozen=True, eq=False)
class Trained:
    """A network of one member, the unknown parameters (Q,) and their standard errors, the loss reached and one record
    per round."""

    model: KAN
    unknowns: Tensor
    errors: Array
    loss: float
    history: tuple[dict[str, float], ...]


@dataclass(frozen=True, eq=False)
class Trainer:
    """Trains a network on one window.

    Args:
        stage: the problem there.
        trial: how a network becomes the solution.
        config: choices.
        budget: looked at after every step.
        listen: hears the progress.
        share: (first, last) share of the whole work that this window is, for the progress.
    """

    stage: Stage
    trial: Trial
    config: SolveConfig
    budget: Budget | Part
    listen: Listener
    share: tuple[float, float] = (0.0, 1.0)

    def train(self, unknowns: Tensor, first: KAN | None = None) -> Trained:
        """Return the trained network.

        Args:
            unknowns: first values of the unknown parameters, (Q,).
            first: a network to begin with, instead of a random one on the coarsest grid.
        """
        random = np.random.default_rng(self.config.seed)
        points = self._points(random)
        model = self._fresh(points) if first is None else first
        run = _Run(self, random, points, model, unknowns, [])
        for place, intervals in enumerate(self.config.intervals):
            if place and not self.budget.expired:
                run.refine(intervals)
            for number in range(self.config.rounds):
                if self.budget.expired and run.history:
                    return run.result()
                run.round(place, number)
        return run.result()

    def _fresh(self, points: Array) -> KAN:
        config, problem = self.config, self.stage.problem
        layer = LayerOptions(config.intervals[0], config.degree, config.basis, base="none")
        lift = self.trial.lift
        widths = [lift.width(len(problem.coordinates)), *config.hidden, len(problem.fields)]
        return spread_grids(KAN(widths, config.starts, config.seed, KANOptions(layer)), lift.inputs(points))

    def _points(self, random: np.random.Generator) -> Array:
        return interior(self.stage.problem.where, self.config.points, self.config.sampling, random)


@dataclass
class _Run:
    """What changes while a network is trained."""

    trainer: Trainer
    random: np.random.Generator
    points: Array
    model: KAN
    unknowns: Tensor
    history: list[dict[str, float]]
    loss: float = float("inf")
    state: State | None = None
    even: Array | None = None

    @property
    def config(self) -> SolveConfig:
        return self.trainer.config

    def result(self) -> Trained:
        unknowns = self.unknowns[0]
        many = self.points if self.even is None else self.even  # between few points the network would be free
        errors = standard_errors(self.objective(many)) if len(unknowns) else np.zeros(0)
        return Trained(self.model, unknowns, errors, self.loss, tuple(self.history))

    def objective(self, points: Array, model: KAN | None = None) -> ResidualObjective:
        """Return the loss on points, its conditions weighed anew."""
        stage, trial = self.trainer.stage, self.trainer.trial
        equations = stage.equations(points)
        conditions = stage.conditions(trial, self.config.edge_points)
        blocks: Sequence[Block] = [*equations, *(b.weighted(b.weight * self._fixed) for b in conditions)]
        chosen = self.model if model is None else model
        plain = ResidualObjective(chosen, blocks, trial, self.unknowns)
        if self.config.balance == "fixed" or not conditions:
            return plain
        return ResidualObjective(chosen, balanced(plain, len(equations), self.config.edge_weight), trial, self.unknowns)

    @property
    def _fixed(self) -> float:
        return self.config.edge_weight if self.config.balance == "fixed" else 1.0

    def round(self, place: int, number: int) -> None:
        """Take steps on fixed points and grids, then draw new points."""
        objective = self.objective(self.points)
        state = self._steps(objective, place, number)
        best = int(torch.argmin(torch.nan_to_num(state.value, nan=float("inf"))))
        self.model, self.loss = objective.model_at(state.theta).member(best), float(state.value[best])
        self.unknowns = objective.unknowns_at(state.theta)[best].unsqueeze(0)
        self.state = state.select(torch.tensor([best]))
        self._record(objective, state.theta, best)
        self._follow()
        if (place == 0 and number < self.config.rounds - 1) or leaves_grids(self.model, self._read(self.points)):
            self._respread(careful=place > 0)

    def _steps(self, objective: ResidualObjective, place: int, number: int) -> State:
        optimizer = self.config.optimizer()
        before = self.state if self.state is None or self.state.theta.shape[0] == self.model.members else None
        state = optimizer.begin(objective, before)
        idle = 0
        for step in range(self.config.steps):
            if self.trainer.budget.expired:
                break
            earlier = float(state.value.min())
            state = optimizer.step(objective, state)
            best = float(state.value.min())
            self._tell(place, number, step, best)
            idle = idle + 1 if not best < (1 - GAIN) * earlier else 0
            if bool(state.stalled.all()) or (self.config.method != "adam" and idle >= PATIENCE):
                break
        return state

    def _tell(self, place: int, number: int, step: int, loss: float) -> None:
        config, (low, high) = self.config, self.trainer.share
        per_grid = config.rounds * config.steps
        done = (place * per_grid + number * config.steps + step + 1) / (per_grid * len(config.intervals))
        self.trainer.listen(Progress("solve", low + (high - low) * done, loss, int(self.model.active_edges()[0])))

    def _record(self, objective: ResidualObjective, theta: Tensor, best: int) -> None:
        names = zip(self.trainer.stage.problem.parameters, self.unknowns[0].tolist(), strict=True)
        single = ResidualObjective(self.model, objective.blocks, objective.trial, self.unknowns)
        squares = single.mean_squares(single.start)
        facts = {f"rms of {name}": value**0.5 for name, value in squares.items()}
        intervals = self.model.stack[0].basis.intervals
        self.history.append({"intervals": intervals, "loss": self.loss, **facts, **dict(names)})

    def _follow(self) -> None:
        """Draw new points, half of them where the residual is large."""
        if self.config.sampling == "grid":
            self.even = self.points
            return
        domain = self.trainer.stage.problem.where
        count = self.config.points
        if not self.config.adaptive:
            self.points = self.even = interior(domain, count, "latin", self.random)
            return
        self.even = interior(domain, CANDIDATES * count, "latin", self.random)
        self.points = self.even[where_large(self.even, self.size(self.even), count, self.random)]

    def size(self, points: Array) -> Array:
        """Return how large the equations' residuals are at points, (n,)."""
        objective = ResidualObjective(
            self.model, self.trainer.stage.equations(points), self.trainer.trial, self.unknowns
        )
        return torch.stack(objective.sizes(objective.start)).square().sum(0).sqrt().numpy()

    def _read(self, points: Array) -> Array:
        """Return what the network reads at points."""
        return self.trainer.trial.lift.inputs(points)

    def _respread(self, careful: bool) -> None:
        moved = spread_grids(self.model, self._read(self.points))
        if careful:
            before, after = self.objective(self.points), self.objective(self.points, moved)
            if not float(after.value(after.start)[0]) <= WORSE * float(before.value(before.start)[0]):
                return
        self.model, self.state = moved, None

    def refine(self, intervals: int) -> None:
        """Go to a finer grid; the function stays."""
        even = self.points if self.even is None else self.even
        self.model = refined(self.model, self._read(even), self.size(even), intervals)
