"""Many networks of any shapes and data: bucketed by shape, trained as populations that fit into the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from kansym.events import Event, Progress, ignore
from kansym.nn import KAN, KANOptions
from kansym.nn.kan import Width
from kansym.training.choice import choose, parameters
from kansym.training.objective import JACOBIAN_NUMBERS
from kansym.training.trainer import BudgetLike, TrainConfig, train

# Copies that are alive at once of the features of all layers, of the Gauss-Newton matrix, and of L-BFGS' pairs.
FEATURE_COPIES, MATRIX_COPIES, PAIR_COPIES = 4, 4, 45
# Bytes that are needed whatever the population.
FIXED_BYTES = 2 * 8 * JACOBIAN_NUMBERS


@dataclass(frozen=True, eq=False)
class Job:
    """One network to train.

    Args:
        widths: as those of `KAN`.
        x: inputs (N, D), finite, scaled to about [-1, 1].
        y: targets (N, T) or (N,), finite, scaled to about variance 1.
        weights: one per row (N,), >= 0; None for equal weights.
        seed: of the first weights.
        options: how the edges are made.
        config: how it is trained; jobs that differ only in the strengths of the penalties and in the learning rate are
            still trained together.
    """

    widths: Sequence[int | Sequence[int] | Width]
    x: Tensor
    y: Tensor
    weights: Tensor | None = None
    seed: int = 0
    options: KANOptions = field(default_factory=KANOptions)
    config: TrainConfig = field(default_factory=TrainConfig)


@dataclass(frozen=True)
class JobOutcome:
    """What training one job gives back.

    Args:
        model: the network at its best validation loss, a population of one.
        reason: why it ended, as in `TrainOutcome`.
        train, validation: its best mean squared errors, without penalties.
        optimizer: the name of the method, and in `why` one sentence on the reason for it.
    """

    model: KAN
    reason: str
    train: float
    validation: float
    optimizer: str
    why: str


def train_many(
    jobs: Sequence[Job],
    memory: int = 1 << 30,
    budget: BudgetLike | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> list[JobOutcome]:
    """Train every job; jobs of one shape and number of rows share tensors, in chunks that fit into the memory.

    A network ends for itself: at its own noise floor, plateau or last step. The same jobs give the same bits.

    Args:
        jobs: any number of them, of any shapes.
        memory: most bytes that a chunk may take by `memory_of`; a chunk has at least one network.
        budget: asked for `expired` between steps; jobs not reached keep their first weights.
        on_event: receives a `Progress` per chunk.

    Returns:
        One outcome per job, in their order.

    Raises:
        ValueError: when shapes do not fit or a number is not finite.
    """
    outcomes: dict[int, JobOutcome] = {}
    for chunk in _chunks(jobs, memory):
        outcomes.update(zip(chunk, _train_together([jobs[index] for index in chunk], budget), strict=True))
        losses = [outcome.validation for outcome in outcomes.values()]
        on_event(Progress("train", len(outcomes) / len(jobs), min(losses), None, None))
    return [outcomes[index] for index in range(len(jobs))]


def memory_of(model: KAN, rows: int, optimizer: str = "levenberg_marquardt") -> int:
    """Return an upper estimate of the bytes that training a population takes, beside its rows.

    Args:
        model: the population.
        rows: N.
        optimizer: a name in `OPTIMIZERS`.
    """
    number, members = model.stack[0].grid.element_size(), model.members
    features = sum(layer.inputs * layer.features_per_input for layer in model.stack)
    size = parameters(model)
    matrices = {"levenberg_marquardt": MATRIX_COPIES * size**2, "adam": 8 * size}
    held = matrices.get(optimizer, PAIR_COPIES * size + (MATRIX_COPIES * size**2 if optimizer == "polished" else 0))
    return FIXED_BYTES + number * members * (FEATURE_COPIES * rows * features + held)


def _chunks(jobs: Sequence[Job], memory: int) -> Iterator[list[int]]:
    """Yield the indices of jobs that are trained together, by shape first and then by memory."""
    buckets: dict[object, list[int]] = {}
    for index, job in enumerate(jobs):
        buckets.setdefault(_likeness(job), []).append(index)
    for bucket in buckets.values():
        size = _most(jobs[bucket[0]], memory)
        for start in range(0, len(bucket), size):
            yield bucket[start : start + size]


def _likeness(job: Job) -> object:
    """Return what jobs must share to be one population."""
    widths = tuple(Width.of(entry) for entry in job.widths)
    config = replace(job.config, l1=0.0, entropy=0.0, smoothness=0.0, ridge=0.0, group=0.0, learning_rate=0.0)
    shape = tuple(job.x.shape), tuple(job.y.shape), job.x.dtype, job.x.device
    return widths, job.options, config, shape


def _most(job: Job, memory: int) -> int:
    """Return how many networks like this one fit into the memory, finest grids included."""
    finest = max([job.options.layer.intervals, *job.config.refine])
    options = replace(job.options, layer=replace(job.options.layer, intervals=finest))
    model, rows = KAN(job.widths, 1, 0, options), job.x.shape[0]
    one = memory_of(model, rows, choose(model, rows, job.config.optimizer).name) - FIXED_BYTES
    own = job.x.element_size() * (job.x.numel() + job.y.numel() + rows)
    return max(1, (memory - FIXED_BYTES) // (one + 3 * own))


def _train_together(jobs: Sequence[Job], budget: BudgetLike | None) -> list[JobOutcome]:
    """Train jobs of one likeness as one population."""
    members = [KAN(job.widths, 1, job.seed, job.options) for job in jobs]
    model = _joined(members).to(jobs[0].x.device)
    names = ("l1", "entropy", "smoothness", "ridge", "group", "learning_rate")
    own = {name: _own([getattr(job.config, name) for job in jobs]) for name in names}
    config = replace(jobs[0].config, first_wins=False, **own)
    x, y, weights = (_shared([getattr(job, name) for job in jobs]) for name in ("x", "y", "weights"))
    assert x is not None and y is not None
    if y.dim() == jobs[0].y.dim() + 1 == 2:
        y = y.unsqueeze(-1)  # (E, N) would pass for N rows of one network
    outcome = train(model, x, y, weights, config, budget)
    return [
        JobOutcome(outcome.model.member(member), reason, *losses, outcome.optimizer, outcome.why)
        for member, (reason, losses) in enumerate(zip(outcome.reasons, outcome.losses, strict=True))
    ]


def _joined(members: Sequence[KAN]) -> KAN:
    """Return one population of networks of one shape."""
    model = members[0].select([0] * len(members))
    states = [member.state_dict() for member in members]
    model.load_state_dict({name: torch.cat([state[name] for state in states]) for name in states[0]})
    return model


def _own(values: Sequence[float | tuple[float, ...]]) -> float | tuple[float, ...]:
    """Return the number that all share, or one for each."""
    single = [value[0] if isinstance(value, tuple) else value for value in values]
    return single[0] if len(set(single)) == 1 else tuple(single)


def _shared(tensors: Sequence[Tensor | None]) -> Tensor | None:
    """Return the tensor that all share, or all of them stacked; jobs without weights count as ones."""
    if all(tensor is tensors[0] for tensor in tensors):
        return tensors[0]
    like = next(tensor for tensor in tensors if tensor is not None)
    return torch.stack([torch.ones_like(like) if tensor is None else tensor for tensor in tensors])
