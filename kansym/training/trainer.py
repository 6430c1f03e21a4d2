"""Training of a whole population: phases on changing grids, best so far kept, early stop, recovery from overflow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from kansym.errors import ConfigError
from kansym.events import Event, Progress, ignore
from kansym.nn import KAN
from kansym.training.history import History, Record
from kansym.training.objective import Objective, Rows
from kansym.training.optimizers import LBFGS, OPTIMIZERS, Adam, LevenbergMarquardt, Optimizer, State
from kansym.training.penalties import Penalty

# Above this many parameters a Levenberg-Marquardt step costs more than the quasi-Newton steps that replace it.
MOST_FOR_NEWTON = 500
# Above this many rows a gradient over all of them is wasteful while the loss is still large.
MOST_FOR_FULL_BATCH = 50_000
# A population whose numbers overflow is set back this often before it counts as diverged.
RECOVERIES = 5


class BudgetLike(Protocol):
    """What training asks of a time budget."""

    @property
    def expired(self) -> bool: ...


@dataclass(frozen=True)
class TrainConfig:
    """How a population is trained.

    Args:
        optimizer: "levenberg_marquardt", "lbfgs", "adam" or "auto" (by the number of parameters and rows).
        steps: most steps in all, >= 1.
        l1: strength of the weight-L1 penalty, in units of the mean squared error.
        entropy: strength of the entropy penalty.
        smoothness: strength of the squared second differences of the coefficients.
        ridge: strength of the squared weights.
        learning_rate: of Adam.
        batch_size: rows per step of Adam; None for all rows, or 4096 when there are very many.
        validation: share of the rows held out for choosing the best step, 0 <= share < 1.
        validation_rows: which rows these are, instead of a random share.
        seed: of the random share and of the batches.
        grid_updates: how often the grids are refitted to what the nodes see, per grid size.
        grid_every: steps between two such updates.
        blend: how far the grids are even (1) or follow the quantiles (0).
        refine: grid sizes to go to, one after the other, when the steps of a size are used or its loss stands still.
        noise_floor: mean squared validation error at which there is nothing left to learn.
        tolerance: relative gain of the loss over `patience` steps below which a member stands still.
        patience: see tolerance.
    """

    optimizer: str = "auto"
    steps: int = 200
    l1: float = 0.0
    entropy: float = 0.0
    smoothness: float = 0.0
    ridge: float = 1e-12
    learning_rate: float = 0.02
    batch_size: int | None = None
    validation: float = 0.2
    validation_rows: tuple[int, ...] = ()
    seed: int = 0
    grid_updates: int = 5
    grid_every: int = 5
    blend: float = 0.5
    refine: tuple[int, ...] = ()
    noise_floor: float = 0.0
    tolerance: float = 1e-2
    patience: int = 10

    def __post_init__(self) -> None:
        if self.optimizer != "auto":
            OPTIMIZERS.get(self.optimizer)
        if not 0 <= self.validation < 1:
            raise ConfigError(f"validation is a share of the rows, 0 <= share < 1, not {self.validation}")


@dataclass(frozen=True)
class TrainOutcome:
    """What training gives back.

    Args:
        model: a new population, every member at its best validation loss.
        history: one record per step.
        reasons: why each member ended: "noise_floor", "plateau", "steps", "budget", "diverged" or
            "another_member" (which reached the noise floor first).
        losses: best (train, validation) mean squared errors of each member, without penalties.
    """

    model: KAN
    history: History
    reasons: tuple[str, ...]
    losses: tuple[tuple[float, float], ...]

    @property
    def best(self) -> int:
        """The member with the least validation loss."""
        return min(range(len(self.losses)), key=lambda member: self.losses[member][1])


@dataclass(frozen=True)
class Phase:
    """A run of steps on one grid: what is done to the grids before it, and how many steps follow."""

    steps: int
    adapt: bool = False
    refine: int | None = None


def train(
    model: KAN,
    x: Tensor,
    y: Tensor,
    weights: Tensor | None = None,
    config: TrainConfig | None = None,
    budget: BudgetLike | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> TrainOutcome:
    """Train a population and return a new one; the model given is not changed.

    Args:
        model: where to start; its masks are kept.
        x: inputs (N, D), finite, scaled to about [-1, 1].
        y: targets (N, T) or (N,), finite, scaled to about variance 1.
        weights: one per row (N,), >= 0; None for equal weights.
        config: how to train.
        budget: asked for `expired` between steps.
        on_event: receives a `Progress` per step.

    Raises:
        ValueError: when shapes do not fit or a number is not finite.
    """
    config = config or TrainConfig()
    rows = make_rows(model, x, y, weights)
    run = _Run(model.copy(), *split_rows(rows, config.validation, config.seed, config.validation_rows), config)
    for phase in _phases(config):
        if run.may_skip(phase):
            continue
        run.enter(phase)
        for step in range(phase.steps):
            run.advance()
            on_event(run.progress(config))
            if budget is not None and budget.expired:
                return run.outcome("budget")
            if run.over():
                return run.outcome("another_member")
            if run.stands_still(step):
                break
        run.leave()
    return run.outcome("plateau" if run.stands_still(config.steps) else "steps")


def make_rows(model: KAN, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Rows:
    """Check the data against the network and give it the network's dtype and device."""
    grid = model.stack[0].grid
    x, y = (tensor.to(dtype=grid.dtype, device=grid.device) for tensor in (x, y))
    y = y.unsqueeze(-1) if y.dim() == 1 else y
    inputs, targets = model.widths[0].nodes, model.widths[-1].nodes
    if x.dim() != 2 or x.shape[1] != inputs or y.shape != (x.shape[0], targets) or not len(x):
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; this network takes (N, {inputs}) and (N, {targets})"
        )
    given = torch.ones_like(x[:, 0]) if weights is None else weights.to(x)
    if not all(bool(tensor.isfinite().all()) for tensor in (x, y, given)) or bool(
        (given < 0).any() | ~(given > 0).any()
    ):
        raise ValueError("x, y and weights must be finite and weights >= 0 with a positive one: clean the rows first")
    return Rows(x, y, given / given.mean())


def choose_optimizer(model: KAN, rows: Rows, config: TrainConfig) -> Optimizer:
    """Return the method the configuration names, or the one that suits the size of the problem."""
    name = config.optimizer
    if name == "auto":
        size = int(model.active_edges().max()) * model.stack[0].features_per_input
        name = "levenberg_marquardt" if size <= MOST_FOR_NEWTON else "lbfgs"
        name = "adam" if len(rows) > MOST_FOR_FULL_BATCH else name
    if name == "levenberg_marquardt":
        return LevenbergMarquardt()
    if name == "lbfgs":
        return LBFGS()
    batch = config.batch_size or (4096 if len(rows) > MOST_FOR_FULL_BATCH else None)
    return Adam(config.learning_rate, config.steps, batch, config.seed)


class _Run:
    """The moving parts of one training: the current grids, the optimizer's state and the best of every member."""

    def __init__(self, model: KAN, rows: Rows, held_out: Rows, config: TrainConfig) -> None:
        self.rows, self.held_out, self.config = rows, held_out, config
        self.optimizer = choose_optimizer(model, rows, config)
        base = model.stack[0].base_weight is not None
        self.penalty = Penalty(config.l1, config.entropy, config.smoothness, config.ridge, base)
        self.records: list[Record] = []
        self._ends: list[Tensor] = []
        self.recoveries = torch.zeros(model.members, dtype=torch.long)
        self.best: list[KAN] = [model.member(member) for member in range(model.members)]
        self.losses = torch.full((model.members, 2), float("inf"), dtype=torch.float64)
        self.state: State | None = None
        self._place(model)

    def enter(self, phase: Phase) -> None:
        """Change the grids as a phase asks for; what was best before is kept."""
        if not phase.adapt and phase.refine is None:
            return
        self._flush()
        if phase.refine is not None:
            self._ends = []
        model = self._healthy()
        if phase.refine is not None:
            model = model.refine(phase.refine)
        if phase.adapt:
            model = model.adapt_grids(self.rows.x, self.config.blend)
        self._place(model)

    def advance(self) -> None:
        """Take one step with every member, measure it, and set back what overflowed."""
        before = self._now
        state = self.optimizer.step(self.objective, before)
        errors = torch.stack([self.objective.errors(state.theta), self.validator.errors(state.theta)], 1)
        broken = ~(errors.isfinite().all(1) & state.theta.isfinite().all(1))
        if bool(broken.any()):
            state = self._recover(state, before, broken)
        self.state = state
        self._note(errors.double(), state.theta, broken)

    def leave(self) -> None:
        """Remember where a phase ended."""
        self._ends.append(self.objective.errors(self._now.theta))

    def over(self) -> bool:
        """True when a member has reached the noise floor or all have diverged."""
        reached = bool((self.losses[:, 1] <= self.config.noise_floor).any())
        return reached or bool((self.recoveries > RECOVERIES).all())

    def stands_still(self, step: int) -> bool:
        """True when no member's loss has fallen enough over the last steps of this phase."""
        stalled = bool(self._now.stalled.all())
        if len(self._values) <= self.config.patience or step < self.config.patience:
            return stalled
        old, new = self._values[-1 - self.config.patience], self._values[-1]
        still = new > old * (1 - self.config.tolerance)
        return stalled or bool((still | self._now.stalled | ~new.isfinite()).all())

    def may_skip(self, phase: Phase) -> bool:
        """True when the last phase ended where the one before it did, so that more of the same grid brings nothing."""
        if phase.refine is not None or len(self._ends) < 2:
            return False
        return bool((self._ends[-1] > self._ends[-2] * (1 - self.config.tolerance)).all())

    def progress(self, config: TrainConfig) -> Progress:
        """Say where the run stands."""
        edges = int(self.objective.model.active_edges().max())
        done = min(1.0, len(self.records) / max(1, config.steps))
        return Progress("train", done, float(self.losses[:, 1].min()), edges, None)

    def outcome(self, reason: str) -> TrainOutcome:
        """Put the best of every member together."""
        self._flush()
        return TrainOutcome(
            _merge(self.best),
            History(tuple(self.records)),
            tuple(self._reason(member, reason) for member in range(len(self.best))),
            tuple((float(pair[0]), float(pair[1])) for pair in self.losses),
        )

    @property
    def _now(self) -> State:
        if self.state is None:
            raise RuntimeError("training has not begun")
        return self.state

    def _place(self, model: KAN) -> None:
        """Begin on a model's grids."""
        self.objective = Objective(model, self.rows, self.penalty)
        self.validator = Objective(model, self.held_out, self.penalty)
        self.state = self.optimizer.begin(self.objective, self.state)
        self.champions = self.state.theta.clone()
        self.improved = torch.zeros(model.members, dtype=torch.bool)
        self._values: list[Tensor] = []

    def _healthy(self) -> KAN:
        """Return the current population, or the best of a member whose current weights overflowed."""
        theta = self._now.theta
        bad = ~theta.isfinite().all(1)
        return self.objective.model_at(torch.where(bad.unsqueeze(1), self.champions, theta))

    def _recover(self, state: State, before: State, broken: Tensor) -> State:
        """Set overflowed members back to their best weights and shorten their steps."""
        self.recoveries += broken.cpu().long()
        column = broken.unsqueeze(1)
        theta = torch.where(column, self.champions, state.theta)
        value = torch.where(broken, self.objective.value(theta), state.value)
        stalled = state.stalled | (self.recoveries > RECOVERIES).to(state.stalled.device)
        return self.optimizer.calm(replace(state, theta=theta, value=value, stalled=stalled), broken)

    def _note(self, errors: Tensor, theta: Tensor, broken: Tensor) -> None:
        """Record a step and remember every member that is better than ever."""
        errors = torch.where(broken.unsqueeze(1), torch.inf, errors).cpu()
        better = errors[:, 1] < self.losses[:, 1]
        self.losses = torch.where(better.unsqueeze(1), errors, self.losses)
        self.champions = torch.where(better.to(theta.device).unsqueeze(1), theta, self.champions)
        self.improved |= better
        self._values.append(self._now.value)
        shown = torch.where(errors.isfinite(), errors, self.losses)
        intervals = self.objective.model.stack[0].basis.intervals
        self.records.append(
            Record(len(self.records), tuple(shown[:, 0].tolist()), tuple(shown[:, 1].tolist()), intervals)
        )

    def _flush(self) -> None:
        """Turn the best parameters found on the current grids into networks."""
        model = self.objective.model_at(self.champions)
        for member in self.improved.nonzero().flatten().tolist():
            self.best[member] = model.member(member)
        self.improved = torch.zeros_like(self.improved)

    def _reason(self, member: int, reason: str) -> str:
        if self.recoveries[member] > RECOVERIES:
            return "diverged"
        return "noise_floor" if self.losses[member, 1] <= self.config.noise_floor else reason


def _phases(config: TrainConfig) -> Iterator[Phase]:
    """Share the steps out: for every grid size some short phases that end in a grid update, then one long phase."""
    sizes = (None, *config.refine)
    share = max(1, config.steps // len(sizes))
    for size in sizes:
        short = min(config.grid_every, share // (config.grid_updates + 1)) if config.grid_updates else 0
        refine = size
        if short:
            for _ in range(config.grid_updates):
                yield Phase(short, True, refine)
                refine = None
        yield Phase(share - config.grid_updates * short, bool(short), refine)


def split_rows(rows: Rows, share: float, seed: int, chosen: Sequence[int] = ()) -> tuple[Rows, Rows]:
    """Return the rows to learn from and the rows held out; a table too small to spare any is judged on itself.

    Args:
        rows: all of them.
        share: how many are held out, 0 <= share < 1.
        seed: of the random choice.
        chosen: which rows are held out, instead of a random share.
    """
    total = len(rows)
    if chosen:
        keep = torch.ones(total, dtype=torch.bool)
        keep[list(chosen)] = False
        return _renormalised(rows.take(keep)), _renormalised(rows.take(~keep))
    held_out = int(share * total)
    if held_out < 5:
        return rows, rows
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).to(rows.x.device)
    return _renormalised(rows.take(order[held_out:])), _renormalised(rows.take(order[:held_out]))


def _renormalised(rows: Rows) -> Rows:
    mean = rows.weights.mean()
    return replace(rows, weights=rows.weights / mean) if bool(mean > 0) else rows


def _merge(members: list[KAN]) -> KAN:
    """Put populations of one together, on grids as fine as the finest of them."""
    finest = max(model.stack[0].basis.intervals for model in members)
    same = [model if model.stack[0].basis.intervals == finest else model.refine(finest) for model in members]
    merged = same[0].select([0] * len(same))
    states = [model.state_dict() for model in same]
    merged.load_state_dict({name: torch.cat([state[name] for state in states]) for name in states[0]})
    return merged
