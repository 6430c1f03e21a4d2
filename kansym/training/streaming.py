"""Training on tables larger than the memory: a start on a sample, then passes over all rows, block by block.

Error, gradient and Gauss-Newton matrix are sums over rows, so a second-order step over ten million rows is the same
step as in memory, made of blocks. Wide networks, whose matrix would be too large, take Adam steps over shuffled blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from kansym.data.scaler import Scaler
from kansym.data.stream import Block, RowSource, Statistics, column_statistics, join
from kansym.errors import ConfigError, DataError, did_you_mean, quote
from kansym.events import Event, Progress, ignore
from kansym.nn import KAN
from kansym.training.blocks import StreamedObjective, Table, rows_raw, rows_within, widened
from kansym.training.history import History, Record
from kansym.training.objective import Objective, Packing, Rows
from kansym.training.optimizers import OPTIMIZERS, Adam, State
from kansym.training.penalties import Penalty
from kansym.training.trainer import BudgetLike, TrainConfig, TrainOutcome, train

METHODS = ("auto", "levenberg_marquardt", "lbfgs", "adam")
# Above this many parameters the matrix costs more per row than it saves in passes.
MOST_FOR_NEWTON = 1000
# Held-out rows that watch the training on the sample, as a share of it; all of them watch the passes.
WATCHING = 0.25


class _TimeUp(Exception):
    """The budget ended in the middle of a pass."""


@dataclass(frozen=True)
class StreamConfig:
    """How a population is trained on a table larger than the memory.

    Args:
        sample: how the start on the sample is trained; its penalties also hold in the passes over all rows.
        sample_rows: rows of the sample, >= 1; the rows with the extreme values of every column come on top.
        validation_rows: rows held out of everything for choosing the best step; at most a fifth of all.
        optimizer: of the passes: "levenberg_marquardt", "lbfgs", "adam" or "auto" (by the number of parameters).
        passes: most steps over all rows (of Adam: most epochs), >= 0; 0 keeps what the sample taught.
        members: how many of the best members go on to the passes, >= 1.
        memory: bytes that the rows in work in a pass, and what is computed from them, may take; training on the sample
            takes what `train` takes.
        learning_rate, batch_size: of Adam in the passes.
        weights: a column of weights, >= 0; all rows weigh the same if None.
        tolerance: relative gain of a pass below which the passes end; small, because on noisy rows nearly all of the
            loss is noise, of which nothing can be gained.
    """

    sample: TrainConfig = field(default_factory=TrainConfig)
    sample_rows: int = 10_000
    validation_rows: int = 20_000
    optimizer: str = "auto"
    passes: int = 5
    members: int = 1
    memory: int = 256 << 20
    learning_rate: float = 2e-3
    batch_size: int = 4096
    weights: str | None = None
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        if self.optimizer not in METHODS:
            raise ConfigError(f"unknown optimizer {quote(self.optimizer)}: {did_you_mean(self.optimizer, METHODS)}")
        least = {"sample_rows": 1, "validation_rows": 0, "passes": 0, "members": 1, "batch_size": 1, "memory": 1 << 20}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ConfigError(f"{name} is {getattr(self, name)}: it must be {bound} or more")


@dataclass(frozen=True)
class StreamOutcome:
    """What training on a large table gives back.

    Args:
        passes: the population after the passes over all rows, with one history record per step (of Adam: per shuffled
            block) and its losses in scaled units.
        start: what training on the sample gave.
        inputs, target: the scalers between the columns and the network.
        statistics: of the columns that were used.
    """

    passes: TrainOutcome
    start: TrainOutcome
    inputs: Scaler
    target: Scaler
    statistics: Statistics

    @property
    def model(self) -> KAN:
        """The population in scaled units, every member at its best validation loss."""
        return self.passes.model

    def predict(self, values: np.ndarray) -> np.ndarray:
        """Return the targets (n, T) that the best member predicts from inputs (n, D), both in raw units."""
        member = self.passes.model.member(self.passes.best)
        with torch.no_grad():
            scaled = torch.from_numpy(self.inputs.apply(values)).to(member.stack[0].grid)
            return self.target.invert(member(scaled)[0].double().cpu().numpy())


def train_streamed(
    model: KAN,
    source: RowSource,
    target: str | Sequence[str] | None = None,
    features: Sequence[str] | None = None,
    config: StreamConfig | None = None,
    budget: BudgetLike | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> StreamOutcome:
    """Train a population on a table of any size in bounded memory; the model given is not changed.

    One pass finds the columns' ranges. A random sample, with the rows that hold the ends of those ranges, is trained on
    in memory, grids and all. Then the best members see every row: by full-data Levenberg-Marquardt or L-BFGS steps, or
    by Adam over shuffled blocks. A time limit that ends in the middle of a pass keeps what was best before it.

    Args:
        model: where to start; its masks are kept.
        source: the table, in raw units.
        target: one name, or one per output; the last column that is no weight if None.
        features: D names; all other columns if None.
        config: how to train.
        budget: asked for `expired` between steps, and in the passes between blocks.
        on_event: receives a `Progress` per step and per block.

    Raises:
        DataError: when a column does not exist, is not numbers or lacks one, or there are no rows.
        ValueError: when the network has another number of inputs or outputs.
    """
    config = config or StreamConfig()
    parts = _columns(source, target, features, config.weights)
    _check_widths(model, *parts)
    columns = (*parts[0], *parts[1], *([config.weights] if config.weights else []))
    statistics = column_statistics(source, rows_raw(config.memory, len(columns)), columns)
    table = _table(model, source, parts, statistics, config)
    learn, held = _sample(table, statistics, config)
    with torch.no_grad():
        start = _start(model, table, learn, held, config, budget, on_event)
        passes = start
        if config.passes and not (budget is not None and budget.expired):
            table = replace(table, held_out=np.sort(held.index), watch=_watch(statistics.rows, budget, on_event))
            run = _Passes(start, table, statistics.rows - len(held), held if len(held) else learn, config)
            passes = run.train(table.rows_of(learn).x, on_event)
    return StreamOutcome(passes, start, table.inputs, table.target, statistics)


def _columns(
    source: RowSource, target: str | Sequence[str] | None, features: Sequence[str] | None, weights: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the full headers of the features and of the targets."""
    taken = {source.position(weights, "weights")} if weights else set()
    free = [place for place in range(len(source.names)) if place not in taken]
    wanted = (target,) if isinstance(target, str) else target
    targets = free[-1:] if wanted is None else [source.position(name, "target") for name in wanted]
    taken |= set(targets)
    others = [place for place in free if place not in taken]
    chosen = others if features is None else [source.position(name) for name in features]
    twice = [source.names[place] for place in chosen if place in taken]
    if twice or len(set(chosen)) < len(chosen) or not chosen:
        what = f"column {quote(twice[0])} has two parts" if twice else "features must be columns, none of them twice"
        raise DataError(f"{source.source}: {what}: name each column once as feature, target or weights")
    return tuple(source.names[place] for place in chosen), tuple(source.names[place] for place in targets)


def _check_widths(model: KAN, features: Sequence[str], targets: Sequence[str]) -> None:
    inputs, outputs = model.widths[0].nodes, model.widths[-1].nodes
    if (inputs, outputs) != (len(features), len(targets)):
        raise ValueError(
            f"the table gives {len(features)} features and {len(targets)} targets; this network takes {inputs} "
            f"and gives {outputs}"
        )


def _table(
    model: KAN,
    source: RowSource,
    parts: tuple[tuple[str, ...], tuple[str, ...]],
    statistics: Statistics,
    config: StreamConfig,
) -> Table:
    """Scale the inputs' whole ranges to [-1, 1] and the targets to variance 1."""
    features, targets = parts
    low, _, mean, _ = statistics.of(config.weights) if config.weights else (1.0, 1.0, 1.0, 0.0)
    if low < 0 or mean <= 0:
        where = f"{source.source}: column {quote(str(config.weights))} for the weights"
        raise DataError(f"{where} has negative values, or is 0 in every row: correct it or leave it out")
    inputs, target = statistics.spanning(features), statistics.standard(targets)
    like = model.stack[0].grid.detach()[:0]
    return Table(source, features, targets, config.weights, inputs, target, mean, like)


def _sample(table: Table, statistics: Statistics, config: StreamConfig) -> tuple[Block, Block]:
    """Draw the rows to begin with and the rows held out; the extreme rows of every column are among the first."""
    held_out = min(config.validation_rows, statistics.rows // 5)
    drawn = table.source.sample(config.sample_rows + held_out, config.sample.seed, table.columns)
    held, learn = drawn.take(slice(0, held_out)), drawn.take(slice(held_out, None))
    extremes = statistics.extremes
    held = held.take(~np.isin(held.index, extremes.index))
    extremes = extremes.take(~np.isin(extremes.index, learn.index))
    return join([extremes, learn]), held if len(held) >= 5 else held.take(slice(0, 0))


def _start(
    model: KAN,
    table: Table,
    learn: Block,
    held: Block,
    config: StreamConfig,
    budget: BudgetLike | None,
    on_event: Callable[[Event], None],
) -> TrainOutcome:
    """Train on the sample in memory."""
    watching = held.take(slice(0, max(5, int(WATCHING * len(learn))))) if len(held) else held
    rows = table.rows_of(join([learn, watching]))
    chosen = tuple(range(len(learn), len(rows)))
    settings = replace(config.sample, validation=0.0, validation_rows=chosen)
    return train(model, rows.x, rows.y, rows.weights, settings, budget, on_event)


def _watch(total: int, budget: BudgetLike | None, on_event: Callable[[Event], None]) -> Callable[[int], None]:
    """Return what is called after every block: it tells how far the pass is and ends it when the time is up."""
    seen = 0

    def watch(rows: int) -> None:
        nonlocal seen
        seen = rows + (0 if seen >= total else seen)
        on_event(Progress("read", min(1.0, seen / total)))
        if budget is not None and budget.expired:
            raise _TimeUp

    return watch


class _Passes:
    """The steps over all rows: the current weights, the best of every member, and why it ended."""

    def __init__(self, start: TrainOutcome, table: Table, count: int, judge: Block, config: StreamConfig) -> None:
        self.table, self.count, self.config = table, count, config
        self.judge = table.rows_of(judge)
        order = sorted(range(len(start.losses)), key=lambda member: start.losses[member][1])
        members = sorted(order[: config.members])
        self.first = start.model.select(members)
        self.trained = torch.tensor([start.losses[member][0] for member in members], dtype=torch.float64)
        self.penalty = _penalty(self.first, config.sample, members)
        self.method, self.why = self._method()
        self.most = rows_within(config.memory, self.first, len(table.columns), self.method == "levenberg_marquardt")
        self.records: list[Record] = []

    def train(self, sample: Tensor, on_event: Callable[[Event], None]) -> TrainOutcome:
        """Widen the grids to what all rows reach where that does no harm, then take the steps."""
        self.on_event = on_event
        self.validator = self._wider(sample)
        model, self.champions = self.validator.model, self.validator.start
        self.losses = torch.stack([self.trained, self._validation(self.champions)], 1)
        objective = StreamedObjective(model, self.table, self.count, self.most, self.penalty)
        try:
            reason = self._adam(objective) if self.method == "adam" else self._full(objective)
        except _TimeUp:
            reason = "budget"
        floor = self.config.sample.noise_floor
        reasons = tuple("noise_floor" if loss <= floor else reason for loss in self.losses[:, 1].tolist())
        losses = tuple((float(pair[0]), float(pair[1])) for pair in self.losses)
        model, history = objective.model_at(self.champions), History(tuple(self.records))
        return TrainOutcome(model, history, reasons, losses, self.method, self.why)

    def _wider(self, sample: Tensor) -> Objective:
        """Return the held-out loss on the grids to go on with.

        Few pieces over a wide range are coarse where most rows are, while outside its grid a spline goes on straight:
        wider grids are taken only where the held-out rows are predicted no worse on them.
        """
        narrow = Objective(self.first, self.judge, Penalty())
        try:
            wide = widened(self.first, self.table, sample, self.most, self.config.sample.blend)
        except _TimeUp:
            return narrow
        judged = Objective(wide, self.judge, Penalty())
        better = judged.errors(judged.start).sum() <= narrow.errors(narrow.start).sum()
        return judged if bool(better) else narrow

    def _method(self) -> tuple[str, str]:
        """Return the name of the method and one sentence on why it was chosen."""
        if self.config.optimizer != "auto":
            return self.config.optimizer, "it was asked for"
        size = Packing(self.first).mask.shape[1]
        if size <= MOST_FOR_NEWTON:
            return "levenberg_marquardt", f"{size} parameters: the matrix of all rows is small"
        return "adam", f"{size} parameters, more than {MOST_FOR_NEWTON}: the matrix of all rows would be too dear"

    def _full(self, objective: StreamedObjective) -> str:
        """Take steps with all rows until they bring little."""
        optimizer = OPTIMIZERS.get(self.method)()
        state = optimizer.begin(objective)
        self._note(self._errors(objective, state), state.theta)
        for _ in range(self.config.passes):
            before = state.value
            state = optimizer.step(objective, state)
            self._note(self._errors(objective, state), state.theta)
            if bool((self.losses[:, 1] <= self.config.sample.noise_floor).any()):
                return "noise_floor"
            if bool((state.stalled | (state.value > before * (1 - self.config.tolerance))).all()):
                return "plateau"
        return "steps"

    def _adam(self, objective: StreamedObjective) -> str:
        """Take mini-batch steps over shuffled blocks; every block is followed by a look at the held-out rows."""
        size, most = self.config.batch_size, rows_raw(self.config.memory, len(self.table.columns))
        horizon = self.config.passes * -(-self.count // size)
        optimizer, state, last = Adam(self.config.learning_rate, horizon), None, float("inf")
        for epoch in range(self.config.passes):
            for block in self.table.shuffled(most, self.config.sample.seed + epoch):
                state, errors = self._batches(optimizer, objective, state, block)
                broken = self._note(errors, state.theta)
                state = optimizer.calm(
                    replace(state, theta=torch.where(broken.unsqueeze(1), self.champions, state.theta)), broken
                )
            best = float(self.losses[:, 1].min())
            if best <= self.config.sample.noise_floor:
                return "noise_floor"
            if best > last * (1 - self.config.tolerance):
                return "plateau"
            last = best
        return "steps"

    def _batches(
        self, optimizer: Adam, objective: StreamedObjective, state: State | None, block: Rows
    ) -> tuple[State, Tensor]:
        """Take one step per batch of a block; return the mean loss of the batches, (E,), too."""
        size, values = self.config.batch_size, []
        for start in range(0, len(block), size):
            part = Objective(objective.model, block.take(slice(start, start + size)), self.penalty)
            state = optimizer.begin(part) if state is None else state
            state = optimizer.step(part, state)
            values.append(state.value)
        if state is None:
            raise RuntimeError("a block has no rows")
        return state, torch.stack(values).mean(0)

    def _errors(self, objective: StreamedObjective, state: State) -> Tensor:
        """Return the mean squared errors without the penalty, (E,), from what the optimizer knows already."""
        return state.value - self.penalty.value(objective.packing.blocks(state.theta))

    def _validation(self, theta: Tensor) -> Tensor:
        return self.validator.errors(theta).double().cpu()

    def _note(self, errors: Tensor, theta: Tensor) -> Tensor:
        """Record where the members stand, remember who is better than ever, and say whose numbers overflowed."""
        found = torch.stack([errors.double().cpu(), self._validation(theta)], 1)
        broken = ~(found.isfinite().all(1) & theta.isfinite().all(1).cpu())
        better = (found[:, 1] <= self.losses[:, 1]) & ~broken
        self.losses = torch.where(better.unsqueeze(1), found, self.losses)
        self.champions = torch.where(better.to(theta.device).unsqueeze(1), theta, self.champions)
        intervals = self.first.stack[0].basis.intervals
        self.records.append(
            Record(len(self.records), tuple(found[:, 0].tolist()), tuple(found[:, 1].tolist()), intervals)
        )
        self.on_event(Progress("train", None, float(self.losses[:, 1].min()), int(self.first.active_edges().max())))
        return broken.to(theta.device)


def _penalty(model: KAN, config: TrainConfig, members: Sequence[int]) -> Penalty:
    """Return the penalty of the listed members of the population that was configured, as `model` has them now."""

    def strength(given: float | tuple[float, ...]) -> float | Tensor:
        if not isinstance(given, tuple):
            return given
        return torch.tensor([given[member] for member in members]).to(model.stack[0].grid)

    parts = {name: strength(getattr(config, name)) for name in ("l1", "entropy", "smoothness", "ridge", "group")}
    return Penalty(base=model.stack[0].has_base, **parts)
