"""Many short starts, few long runs: networks are begun in waves, and only the best of a wave go on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from kansym.events import Event, Progress, ignore
from kansym.nn import KAN, KANOptions
from kansym.training.grids import fit_grids
from kansym.training.objective import Objective, Rows
from kansym.training.optimizers import LevenbergMarquardt, State
from kansym.training.penalties import Penalty
from kansym.training.starts import start_from_data
from kansym.training.trainer import BudgetLike, make_rows, split_rows


@dataclass(frozen=True)
class Stage:
    """A part of a wave on grids of one size.

    Args:
        intervals: grid pieces, >= 1.
        steps: most steps after the last grid update.
        updates: how often the grids are fitted to the nodes, with `every` steps after each.
        every: see updates.
        keep: share of the members that go on to the next stage, at least one.
        rows: most rows it looks at; 0 for all.
    """

    intervals: int
    steps: int = 12
    updates: int = 1
    every: int = 4
    keep: float = 1.0
    rows: int = 0


STAGES = (Stage(5, 8, 2, 4, 0.3, 400), Stage(12, 10, 1, 4, 0.5), Stage(30, 30, 1, 5))


@dataclass(frozen=True)
class RestartConfig:
    """How long is looked for a good network.

    Args:
        goal: held-out mean squared error (with `validation` 0: on all rows) at which the search ends, >= 0.
        waves: members begun in every wave; the search ends after the last.
        stages: what every wave goes through.
        validation: share of the rows held out, 0 <= share < 1.
        blend: how far the grids are even (1) or follow the quantiles (0).
        ridge: strength of the squared weights.
        slow: a member whose loss falls less than by this share in four steps has nothing left to gain in its stage.
        seed: of the first weights and of the held-out rows.
    """

    goal: float = 0.0
    waves: tuple[int, ...] = (4, 8, 16, 16, 16, 16)
    stages: tuple[Stage, ...] = STAGES
    validation: float = 0.2
    blend: float = 0.5
    ridge: float = 1e-12
    slow: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class RestartOutcome:
    """What a search gives back.

    Args:
        model: the best network found, a population of one.
        train, validation: its mean squared errors.
        started: how many members were begun.
        steps: how many steps of a population were taken.
        reason: "goal", "waves" or "budget".
    """

    model: KAN
    train: float
    validation: float
    started: int
    steps: int
    reason: str


def train_with_restarts(
    widths: Sequence[int | Sequence[int]],
    x: Tensor,
    y: Tensor,
    options: KANOptions | None = None,
    config: RestartConfig | None = None,
    budget: BudgetLike | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> RestartOutcome:
    """Train networks of one shape from many starts until one is good enough; return the best.

    Every wave begins members from what the data suggest (see `start_from_data`), trains them on coarse grids and few
    rows by Levenberg-Marquardt, and goes on with the best share on finer grids and all rows (successive halving).

    Args:
        widths: as those of `KAN`.
        x: inputs (N, D), finite, scaled to about [-1, 1].
        y: targets (N, T) or (N,), finite, scaled to about variance 1.
        options: how the edges are made; the grid sizes come from the stages.
        config: how long is looked.
        budget: asked for `expired` between steps.
        on_event: receives a `Progress` after every stage.

    Source: Jamieson and Talwalkar 2016, algorithm 1 (successive halving).
    """
    config, options = config or RestartConfig(), options or KANOptions()
    search = _Search(widths, x, y, options, config, budget, on_event)
    for wave, members in enumerate(config.waves):
        search.wave(members, config.seed * 1009 + wave, project=wave % 2 == 1)
        if search.over:
            break
    return search.outcome()


class _Search:
    """The rows, the best network so far, and one wave after the other."""

    def __init__(
        self,
        widths: Sequence[int | Sequence[int]],
        x: Tensor,
        y: Tensor,
        options: KANOptions,
        config: RestartConfig,
        budget: BudgetLike | None,
        on_event: Callable[[Event], None],
    ) -> None:
        self.widths, self.options, self.config, self.budget, self.on_event = widths, options, config, budget, on_event
        first = KAN(widths, 1, config.seed, self._options(config.stages[0]))
        self.rows, self.held_out = split_rows(make_rows(first, x, y), config.validation, config.seed)
        self.penalty = Penalty(ridge=config.ridge, base=first.stack[0].has_base)
        self.losses = (float("inf"), float("inf"))
        self._champion: tuple[Objective, Tensor, int] = (Objective(first, self.rows, self.penalty), Tensor(), 0)
        self.started = self.steps = 0
        self.method = LevenbergMarquardt()

    @property
    def over(self) -> bool:
        return self.losses[1] <= self.config.goal or self._expired

    def wave(self, members: int, seed: int, project: bool) -> None:
        """Begin members and take the best of them through all stages, with or without projection."""
        self.method = LevenbergMarquardt(project=project)
        self.started += members
        stages = self.config.stages
        model = KAN(self.widths, members, seed, self._options(stages[0]))
        model = start_from_data(model, self._some(stages[0]), seed)
        state: State | None = None
        for index, stage in enumerate(stages):
            model = model.refine(stage.intervals) if index else model
            model, state = self._stage(model, stage, state)
            if self.over:
                return
            order = state.value.nan_to_num(nan=float("inf")).argsort(stable=True)
            chosen = order[: max(1, round(stage.keep * len(order)))].tolist()
            model, state = model.select(chosen), state.select(torch.tensor(chosen))
            self.on_event(Progress("train", None, self.losses[1], int(model.active_edges().max()), None))

    def outcome(self) -> RestartOutcome:
        """Return the best network and why the search ended."""
        reason = "goal" if self.losses[1] <= self.config.goal else "budget" if self._expired else "waves"
        objective, theta, member = self._champion
        model = objective.model_at(theta).member(member) if theta.numel() else objective.model
        return RestartOutcome(model, *self.losses, self.started, self.steps, reason)

    @property
    def _expired(self) -> bool:
        return self.budget is not None and self.budget.expired

    def _options(self, stage: Stage) -> KANOptions:
        return replace(self.options, layer=replace(self.options.layer, intervals=stage.intervals))

    def _some(self, stage: Stage) -> Rows:
        """Return the rows a stage looks at: the first ones, which the split has put into a random order."""
        return self.rows.take(slice(0, stage.rows)) if 0 < stage.rows < len(self.rows) else self.rows

    def _stage(self, model: KAN, stage: Stage, state: State | None) -> tuple[KAN, State]:
        """Take all steps of a stage; return the population where it ended."""
        rows, updates = self._some(stage), max(1, stage.updates)
        for update in range(updates):
            model = fit_grids(model, rows.x, self.config.blend)
            objective = Objective(model, rows, self.penalty)
            most = stage.every + (stage.steps if update == updates - 1 else 0)
            state = self._steps(objective, self.method.begin(objective, state), most)
            model = objective.model_at(state.theta)
            if self.over:
                break
        assert state is not None
        return model, state

    def _steps(self, objective: Objective, state: State, most: int) -> State:
        """Take up to `most` steps, until the goal is reached or nothing is gained any more."""
        judge = objective if self.held_out is self.rows else Objective(objective.model, self.held_out, Penalty())
        values = [state.value]
        for _ in range(most):
            state = self.method.step(objective, state)
            self.steps += 1
            self._note(objective, judge, state)
            values.append(state.value)
            still = len(values) > 4 and bool((values[-1] > (1 - self.config.slow) * values[-5]).all())
            if still or self.over or bool(state.stalled.all()):
                break
        return state

    def _note(self, objective: Objective, judge: Objective, state: State) -> None:
        """Remember the best member of all."""
        found = judge.errors(state.theta).nan_to_num(nan=float("inf"))
        member = int(found.argmin())
        if float(found[member]) < self.losses[1]:
            train = float(objective.errors(state.theta)[member])
            self.losses = (train, float(found[member]))
            self._champion = (objective, state.theta, member)
