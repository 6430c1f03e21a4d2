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
from kansym.training.choice import MOST_FOR_FULL_BATCH, MOST_FOR_NEWTON, Choice, choose
from kansym.training.grids import fit_grids
from kansym.training.history import History, Record
from kansym.training.learnt_grids import GridObjective
from kansym.training.objective import Objective, Rows
from kansym.training.optimizers import OPTIMIZERS, Adam, Optimizer, State
from kansym.training.penalties import Penalty, Strength

# A population whose numbers overflow is set back this often before it counts as diverged.
RECOVERIES = 5
# Members that have ended leave the batch when they are at least this share of it.
LEAVING = 0.25

__all__ = [
    "MOST_FOR_NEWTON",
    "BudgetLike",
    "TrainConfig",
    "TrainOutcome",
    "choose_optimizer",
    "make_rows",
    "split_rows",
    "train",
]

# One number for all members, or one for each.
PerMember = float | tuple[float, ...]


class BudgetLike(Protocol):
    """What training asks of a time budget."""

    @property
    def expired(self) -> bool: ...


@dataclass(frozen=True)
class TrainConfig:
    """How a population is trained.

    Args:
        optimizer: a name in `OPTIMIZERS` or "auto" (by the number of parameters and rows, see `choice`).
        steps: most steps in all, >= 1.
        l1: strength of the weight-L1 penalty, in units of the mean squared error.
        entropy: strength of the entropy penalty.
        smoothness: strength of the squared second differences of the coefficients.
        ridge: strength of the squared weights.
        group: strength of the root mean square weight of every edge. Each strength is one number, or one per member.
        learning_rate: of Adam; one number, or one per member.
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
        room: share of the range that the grids of hidden nodes reach beyond it, >= 0: 0.05 is better on rows beyond
            those of the training, 0 has the finer grid.
        first_wins: end with the first member that reaches the noise floor; else the others go on without it.
    """

    optimizer: str = "auto"
    steps: int = 200
    l1: PerMember = 0.0
    entropy: PerMember = 0.0
    smoothness: PerMember = 0.0
    ridge: PerMember = 1e-12
    learning_rate: PerMember = 0.02
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
    group: PerMember = 0.0
    first_wins: bool = True
    room: float = 0.0

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
        optimizer: the name of the method, and in `why` one sentence on the reason for it.
    """

    model: KAN
    history: History
    reasons: tuple[str, ...]
    losses: tuple[tuple[float, float], ...]
    optimizer: str = ""
    why: str = ""

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
        x: inputs (N, D), finite, scaled to about [-1, 1]; (E, N, D) gives every member rows of its own.
        y: targets (N, T) or (N,), finite, scaled to about variance 1; (E, N, T) gives every member its own.
        weights: one per row (N,) or (E, N), >= 0; None for equal weights.
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
            if run.all_rest:
                break
            run.advance()
            on_event(run.progress(config))
            if budget is not None and budget.expired:
                return run.outcome("budget")
            if run.over():
                return run.outcome("another_member")
            run.rest(step)
        run.leave()
    return run.outcome("plateau" if run.all_rest else "steps")


def make_rows(model: KAN, x: Tensor, y: Tensor, weights: Tensor | None = None) -> Rows:
    """Check the data against the network and give it the network's dtype and device."""
    grid = model.stack[0].grid
    x, y = (tensor.to(dtype=grid.dtype, device=grid.device) for tensor in (x, y))
    y = y.unsqueeze(-1) if y.dim() == 1 else y
    given = torch.ones_like(x[..., 0]) if weights is None else weights.to(x)
    if not _fits(model, x, y):
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; this network takes (N, {model.widths[0].nodes}) and "
            f"(N, {model.widths[-1].nodes}), either of them with one more axis in front for its {model.members} members"
        )
    if not all(bool(tensor.isfinite().all()) for tensor in (x, y, given)) or bool(
        (given < 0).any() | ~(given > 0).any(-1).all()
    ):
        raise ValueError("x, y and weights must be finite and weights >= 0 with a positive one: clean the rows first")
    return Rows(x, y, given / given.mean(-1, keepdim=True))


def _fits(model: KAN, x: Tensor, y: Tensor) -> bool:
    """Say whether inputs and targets have the shapes that a network takes."""
    columns = (model.widths[0].nodes, model.widths[-1].nodes)
    many = all(tensor.dim() == 2 or (tensor.dim() == 3 and len(tensor) == model.members) for tensor in (x, y))
    return many and (x.shape[-1], y.shape[-1]) == columns and x.shape[-2] == y.shape[-2] > 0


def choose_optimizer(model: KAN, rows: Rows, config: TrainConfig) -> tuple[Optimizer, Choice]:
    """Return the method the configuration names, or the one that suits the problem, and why."""
    choice = choose(model, len(rows), config.optimizer)
    if choice.name != "adam":
        return OPTIMIZERS.get(choice.name)(), choice
    batch = config.batch_size or (4096 if len(rows) > MOST_FOR_FULL_BATCH else None)
    return Adam(config.learning_rate, config.steps, batch, config.seed), choice


class _Run:
    """The moving parts of one training: the current grids, the optimizer's state and the best of every member.

    Within a phase the members that stand still rest: they leave the batch, so that the time goes to the others. They
    are back in the next phase, on other grids; only those that reached the noise floor or diverged stay away.
    """

    def __init__(self, model: KAN, rows: Rows, held_out: Rows, config: TrainConfig) -> None:
        self.rows, self.held_out, self.config = rows, held_out, config
        self.optimizer, self.choice = choose_optimizer(model, rows, config)
        l1, entropy = _each(config.l1, rows), _each(config.entropy, rows)
        smoothness, ridge = _each(config.smoothness, rows), _each(config.ridge, rows)
        base, group = model.stack[0].has_base, _each(config.group, rows)
        self.penalty = Penalty(l1, entropy, smoothness, ridge, base, group)
        self.learnt = self.choice.name == "adam" and model.options.layer.learn_grid
        self.records: list[Record] = []
        self._ends: list[Tensor] = []
        self.recoveries = torch.zeros(model.members, dtype=torch.long)
        self.best: list[KAN] = [model.member(member) for member in range(model.members)]
        self.losses = torch.full((model.members, 2), float("inf"), dtype=torch.float64)
        self.latest = torch.full((model.members,), float("inf"), dtype=torch.float64)
        self.whole: State | None = None
        self._place(model)

    def enter(self, phase: Phase) -> None:
        """Change the grids as a phase asks for; what was best before is kept."""
        if not phase.adapt and phase.refine is None:
            self._assemble(self._unfinished())
            return
        self._flush()
        if phase.refine is not None:
            self._ends = []
        model = self._healthy()
        if phase.refine is not None:
            model = model.refine(phase.refine)
        if phase.adapt and not (self.learnt and self.records):
            model = fit_grids(model, self.rows.x, self.config.blend, self.config.room)
        self._place(model)

    def advance(self) -> None:
        """Take one step with every member at work, measure it, and set back what overflowed."""
        before = self.state
        state = self.optimizer.step(self.at_work, before)
        with torch.no_grad():  # a grid that is learned asks for gradients by itself
            errors = torch.stack([self.at_work.errors(state.theta), self.judge.errors(state.theta)], 1)
        broken = ~(errors.isfinite().all(1) & state.theta.isfinite().all(1))
        if bool(broken.any()):
            state = self._recover(state, broken)
        self.state = state
        self._note(errors.double(), state.theta, broken)

    def leave(self) -> None:
        """Remember where a phase ended."""
        self._gather()
        self._ends.append(self.latest.clone())

    def over(self) -> bool:
        """True when a member has reached the noise floor or all have ended for good."""
        reached = self.losses[:, 1] <= self.config.noise_floor
        ended = reached | (self.recoveries > RECOVERIES)
        return bool(ended.all()) or (self.config.first_wins and bool(reached.any()))

    @property
    def all_rest(self) -> bool:
        """True when no member is at work any more."""
        return bool(self.resting.all())

    def rest(self, step: int) -> None:
        """Let the members rest whose loss has not fallen enough over the last steps of this phase."""
        stalled = self.state.stalled.cpu()
        still = stalled.clone()
        if len(self._values) > self.config.patience and step >= self.config.patience:
            old, new = self._values[-1 - self.config.patience], self._values[-1]
            still |= ((new > old * (1 - self.config.tolerance)) | ~new.isfinite())[self.members].cpu()
        self.resting[self.members] |= still
        self.resting |= self._finished()
        resting = self.resting[self.members]
        if LEAVING * len(resting) <= int(resting.sum()) < len(resting):
            self._gather()
            state = self.state.select((~resting).nonzero().flatten().to(self.state.value.device))
            self._assemble((~self.resting).nonzero().flatten())
            self.state = state

    def may_skip(self, phase: Phase) -> bool:
        """True when the last phase ended where the one before it did, so that more of the same grid brings nothing."""
        if phase.refine is not None or len(self._ends) < 2:
            return False
        still = self._ends[-1] > self._ends[-2] * (1 - self.config.tolerance)
        return bool((still | self._finished()).all())

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
            self.choice.name,
            self.choice.why,
        )

    def _finished(self) -> Tensor:
        """Return which members have ended for good, (E,) bool."""
        reached = self.losses[:, 1] <= self.config.noise_floor
        return (reached & (not self.config.first_wins)) | (self.recoveries > RECOVERIES)

    def _unfinished(self) -> Tensor:
        return (~self._finished()).nonzero().flatten()

    def _place(self, model: KAN) -> None:
        """Begin on a model's grids."""
        kind = GridObjective if self.learnt else Objective
        self.objective: Objective = kind(model, self.rows, self.penalty)
        self.validator: Objective = kind(model, self.held_out, self.penalty)
        self.whole = self.optimizer.begin(self.objective, self.whole)
        self.champions = self.whole.theta.clone()
        self.improved = torch.zeros(model.members, dtype=torch.bool)
        self._values: list[Tensor] = []
        self._assemble(self._unfinished())

    def _assemble(self, members: Tensor) -> None:
        """Put these members to work."""
        if self.whole is None:
            raise RuntimeError("training has not begun")
        total = self.objective.model.members
        self.members = members
        self.resting = torch.ones(total, dtype=torch.bool).index_fill(0, members, False)
        everyone = len(members) == total
        order = members.tolist()
        self.at_work = self.objective if everyone or not order else self.objective.select(order)
        self.judge = self.validator if everyone or not order else self.validator.select(order)
        self.state = self.whole if everyone or not order else self.whole.select(members.to(self.whole.value.device))

    def _gather(self) -> None:
        """Bring the members at work back into the state of all."""
        if self.whole is not None and len(self.members) == len(self.whole.value):
            self.whole = self.state
        elif self.whole is not None and len(self.members):
            self.whole = self.whole.put(self.members.to(self.whole.value.device), self.state)

    def _healthy(self) -> KAN:
        """Return the current population, or the best of a member whose current weights overflowed."""
        self._gather()
        theta = self.champions if self.whole is None else self.whole.theta
        bad = ~theta.isfinite().all(1)
        return self.objective.model_at(torch.where(bad.unsqueeze(1), self.champions, theta))

    def _recover(self, state: State, broken: Tensor) -> State:
        """Set overflowed members back to their best weights and shorten their steps."""
        self.recoveries[self.members] += broken.cpu().long()
        theta = torch.where(broken.unsqueeze(1), self.champions[self.members.to(broken.device)], state.theta)
        value = torch.where(broken, self.at_work.value(theta), state.value)
        lost = (self.recoveries > RECOVERIES)[self.members].to(broken.device)
        return self.optimizer.calm(replace(state, theta=theta, value=value, stalled=state.stalled | lost), broken)

    def _note(self, errors: Tensor, theta: Tensor, broken: Tensor) -> None:
        """Record a step and remember every member that is better than ever."""
        errors = torch.where(broken.unsqueeze(1), torch.inf, errors).cpu()
        members, place = self.members, self.members.to(theta.device)
        better = errors[:, 1] < self.losses[members, 1]
        self.losses[members] = torch.where(better.unsqueeze(1), errors, self.losses[members])
        self.champions[place] = torch.where(better.to(theta.device).unsqueeze(1), theta, self.champions[place])
        self.improved[members] |= better
        self.latest[members] = torch.where(broken.cpu(), self.losses[members, 0], errors[:, 0])
        previous = self._values[-1] if self._values else torch.full_like(self.champions[:, 0], torch.inf)
        self._values.append(previous.index_copy(0, place, self.state.value))
        shown = self.losses.clone()
        shown[members] = torch.where(errors.isfinite(), errors, shown[members])
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


def _each(strength: PerMember, rows: Rows) -> Strength:
    """Return a strength as a number, or as a tensor with one for every member."""
    return torch.tensor(strength).to(rows.x) if isinstance(strength, tuple) else strength


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
    mean = rows.weights.mean(-1, keepdim=True)
    return replace(rows, weights=rows.weights / mean) if bool((mean > 0).all()) else rows


def _merge(members: list[KAN]) -> KAN:
    """Put populations of one together, on grids as fine as the finest of them."""
    finest = max(model.stack[0].basis.intervals for model in members)
    same = [model if model.stack[0].basis.intervals == finest else model.refine(finest) for model in members]
    merged = same[0].select([0] * len(same))
    states = [model.state_dict() for model in same]
    merged.load_state_dict({name: torch.cat([state[name] for state in states]) for name in states[0]})
    return merged
