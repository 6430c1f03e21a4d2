"""The network stage of a fit: a population of small KANs is trained, the best is pruned, and its edges are matched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from kansym.budget import Budget, Part
from kansym.config import Config
from kansym.data.scaler import Scaler
from kansym.errors import ConfigError
from kansym.events import Listener, Progress
from kansym.graph import Graph
from kansym.symbolic.constants import Rows
from kansym.symbolic.expression import Expression
from kansym.symbolic.formula import Errors, errors_of
from kansym.symbolic.network import Matched, formulas, match_edges
from kansym.symbolic.primitives import Library

Array = np.ndarray
MOST_ROWS = 3000
PRUNE_ROWS = 1000
PICTURE_ROWS = 400
SMALL, FEWEST_ROWS = 30, 6
HELD_OUT = 0.2
WEIGHT_L1 = 1e-5
NARROW_L1 = 1e-6  # the smallest network of all has little to make sparse
EFFORT = {"fast": 1, "default": 2, "thorough": 6}
EDGE_COST = 0.3  # gain of the logarithm of the loss that one more edge must bring
MARGIN, MOST_CONTENDERS = 6.0, 2  # how far behind the best score, and how many, networks are pruned for comparison
SPLINE_FLOOR, SPARSE_EDGE_COST = 1e-6, 0.5  # the same for pruned networks, and the loss at which splines are the limit
GOOD_SLOPES = 0.1  # the same at which slopes may show a direction
GOOD_PICTURE = 1e-3  # mean square over the variance at which a network is a fair picture of a known law


@dataclass(frozen=True)
class Network:
    """A trained and pruned network with its pictures, weights and errors in the target's unit."""

    graph_before: Graph
    graph: Graph
    structure: dict[str, Any]
    tensors: dict[str, Array]
    errors: dict[str, Errors]
    history: tuple[dict[str, Any], ...]
    matched: Matched
    inputs: Scaler
    target: Scaler

    def formulas(self, rows: Rows, budget: Budget | Part) -> Iterator[Expression]:
        """The network's formulas, judged on the rows; see `kansym.symbolic.network.formulas`."""
        yield from formulas(self.matched, self.target, rows, budget)


@dataclass(frozen=True)
class Shape:
    """Hidden widths of a network (numbers of sums, or (sums, products)) and how many members are trained."""

    hidden: tuple[int | tuple[int, int], ...]
    members: int
    steps: int


def shapes(task: Task) -> list[Shape]:
    """The networks to train, in this order; briefly at first when the law is known and only its picture is wanted."""
    config, known = task.config, task.known
    effort = EFFORT[config.preset]
    if config.width is not None:
        return [Shape(tuple(config.width), 4 * effort, 120)]
    if task.train.inputs.shape[1] == 1:
        single = Shape((), 2, 60)
        return [single] if known or task.small else [single, Shape((2,), 3 * effort, 90)]
    if known:
        return [Shape((1,), 3, 30), Shape((3,), 3, 45)]
    first = Shape((1,), 20 * effort, 80)
    wider = [Shape(((1, 1),), 6 * effort, 90), Shape((3,), 6 * effort, 90)]
    deeper = [Shape((2, 1), 6 * effort, 120), Shape((5,), 6 * effort, 120)] if config.preset == "thorough" else []
    return [first, *wider, *deeper]


def device(config: Config) -> str:
    """Where networks are trained. "auto" is the processor: networks this small are slower on a GPU.

    Raises ConfigError when a GPU was asked for and torch sees none.
    """
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError(
            "device cuda was asked for, but torch sees no GPU: use --device auto, or install torch for CUDA"
        )
    return "cuda" if config.device == "cuda" else "cpu"


@dataclass(frozen=True)
class Task:
    """What the network stage works on.

    train, validation: rows to fit and rows to judge by. input_names, target_name: labels of the picture.
    known: the law was found already, and the network is only wanted for its picture.
    """

    train: Rows
    validation: Rows
    input_names: tuple[str, ...]
    target_name: str
    config: Config
    library: Library
    known: bool

    @property
    def small(self) -> bool:
        """Whether there are too few rows to hold any out."""
        return len(self.train) < SMALL

    @property
    def rows(self) -> int:
        """How many rows the networks see: a picture needs fewer."""
        return PICTURE_ROWS if self.known else MOST_ROWS


def run_network(task: Task, budget: Budget | Part, listen: Listener) -> Network | None:
    """Train, prune and match networks; None when there are too few rows or the time is already up."""
    found = pruned_network(task, budget, listen)
    return None if found is None else _matched(found, task, listen, brief=task.known or budget.expired)


def pruned_network(task: Task, budget: Budget | Part, listen: Listener) -> Pruned | None:
    """Train and prune networks; None when there are too few rows or the time is already up."""
    import torch

    torch.set_num_threads(1)
    if len(task.train) < FEWEST_ROWS or budget.expired:
        return None
    scaled = _Scaled.of(task)
    found = []
    for shape in shapes(task):
        found.append(_trained(shape, scaled, task, budget, listen))
        if budget.expired or (task.known and _loss(found[-1]) < GOOD_PICTURE):
            break
    found += [
        _narrowed(outcome, scaled, task, budget, listen) for outcome in found if _may_be_narrow(outcome, task, budget)
    ]
    contenders = _contenders(found)
    sparse = [_sparse(outcome, scaled, task, budget, listen) for outcome in contenders]
    return min(sparse, key=lambda each: each.score)


@dataclass(frozen=True)
class _Scaled:
    """The training rows as tensors in the units of the network, and the scalers there and back."""

    x: Any
    y: Any
    weights: Any
    inputs: Scaler
    target: Scaler

    @classmethod
    def of(cls, task: Task) -> _Scaled:
        import torch

        rows, place = task.train, device(task.config)
        inputs, target = _input_scaler(rows.inputs), Scaler.fit(rows.target[:, None])
        count = task.rows
        weights = None if rows.weights is None else torch.from_numpy(rows.weights[:count]).to(place)
        return cls(
            torch.from_numpy(inputs.apply(rows.inputs[:count])).to(place),
            torch.from_numpy(target.apply(rows.target[:count, None])).to(place),
            weights,
            inputs,
            target,
        )


def _input_scaler(inputs: Array) -> Scaler:
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    return Scaler(0.5 * low + 0.5 * high, np.maximum(0.5 * high - 0.5 * low, np.finfo(float).tiny))


def _loss(outcome: Any) -> float:
    return outcome.losses[outcome.best][1]


def _score(outcome: Any) -> float:
    """Validation loss, with less credit for larger networks; less is better."""
    edges = int(outcome.model.active_edges()[outcome.best])
    return float(np.log(_loss(outcome) + 1e-12)) + EDGE_COST * edges


def _may_be_narrow(outcome: Any, task: Task, budget: Budget | Part) -> bool:
    """Whether a network's slopes are good enough to begin a smaller one from them."""
    splines = outcome.model.widths[0].nodes >= 2 and outcome.model.stack[0].knots is not None
    asked = not task.small and not task.known and task.config.width is None
    return splines and asked and not budget.expired and _loss(outcome) < GOOD_SLOPES


def _narrowed(outcome: Any, scaled: _Scaled, task: Task, budget: Budget | Part, listen: Listener) -> Any:
    """Train one hidden sum, begun along the direction in which a network's slopes vary least.

    A law f(g(x) + h(y) + ...) needs no more, and from noise a network that small often ends in a local minimum.
    """
    from kansym.nn import KAN
    from kansym.training import TrainConfig, train
    from kansym.training.objective import Rows as TrainingRows
    from kansym.training.starts import start_from_slopes

    rows, config = TrainingRows(scaled.x, scaled.y, scaled.x.new_ones(len(scaled.x))), task.config
    first = KAN([scaled.x.shape[1], 1, 1], 1, config.seed, _options(task, config.grid or 10)).to(scaled.x.device)
    start = start_from_slopes(first, rows, outcome.model.gradient(scaled.x)[outcome.best])
    settings = TrainConfig(
        steps=60,
        l1=NARROW_L1,
        refine=() if config.grid else (20,),
        seed=config.seed,
        validation=HELD_OUT,
        noise_floor=1e-10,
    )
    return train(start, scaled.x, scaled.y, scaled.weights, settings, budget, listen)


def _trained(shape: Shape, scaled: _Scaled, task: Task, budget: Budget | Part, listen: Listener) -> Any:
    from kansym.nn import KAN
    from kansym.training import TrainConfig, train

    rows, config = len(scaled.x), task.config
    intervals = config.grid or (max(1, min(10, rows // 3)) if scaled.x.shape[1] == 1 else max(1, min(6, rows // 8)))
    widths = [scaled.x.shape[1], *shape.hidden, 1]
    model = KAN(widths, shape.members, config.seed, _options(task, intervals)).to(scaled.x.device)
    settings = TrainConfig(
        steps=shape.steps,
        l1=WEIGHT_L1,
        refine=() if config.grid or rows < 200 else (10,),
        seed=config.seed,
        validation=0.0 if task.small else HELD_OUT,
        smoothness=1e-4 if task.small else 0.0,
        noise_floor=1e-10,
    )
    return train(model, scaled.x, scaled.y, scaled.weights, settings, budget, listen)


def _options(task: Task, intervals: int) -> Any:
    from kansym.nn import KANOptions, LayerOptions

    base = "none" if task.small else "silu"
    return KANOptions(layer=LayerOptions(intervals=intervals, basis=task.config.basis, base=base))


@dataclass(frozen=True)
class Pruned:
    """A network after pruning (a `KAN` of one member), with what it was before, and the rows it was trained on."""

    scaled: _Scaled
    model: Any
    before: Graph
    after: Graph
    history: tuple[dict[str, Any], ...]
    loss: float

    @property
    def score(self) -> float:
        """Less is better. Below the floor it is the splines that err, not the shape: then the fewest edges win."""
        return float(np.log(self.loss + SPLINE_FLOOR)) + SPARSE_EDGE_COST * len(self.after.active())


def _contenders(found: list[Any]) -> list[Any]:
    """The best network of each shape, the best of them first: which one prunes best is only known after pruning."""
    best: dict[Any, Any] = {}
    for outcome in sorted(found, key=_score):
        best.setdefault(outcome.model.widths, outcome)
    leader, *others = best.values()
    near = [outcome for outcome in others if _score(outcome) < _score(leader) + MARGIN]
    return [leader, *near[: MOST_CONTENDERS - 1]]


def _sparse(outcome: Any, scaled: _Scaled, task: Task, budget: Budget | Part, listen: Listener) -> Pruned:
    model, names = outcome.model.member(outcome.best), (task.input_names, task.target_name)
    if task.small or budget.expired:
        graph = _graph(model, scaled.x, names)
        return Pruned(scaled, model, graph, graph, tuple(_training_rows(outcome, len(graph.active()))), _loss(outcome))
    report = _prune(model, scaled, task, budget, listen)
    rounds = [{"stage": "prune", "edges": edges, "validation": loss} for edges, loss in report.steps]
    history = (*_training_rows(outcome, len(report.graph_before.active())), *rounds)
    return Pruned(scaled, report.model, report.graph_before, report.graph_after, history, report.loss_after)


def _matched(sparse: Pruned, task: Task, listen: Listener, brief: bool) -> Network:
    model, scaled = sparse.model, sparse.scaled
    listen(Progress("match", None, sparse.loss, len(sparse.after.active()), None))
    matched = match_edges(sparse.after, scaled.inputs, task.library, brief)
    parts = {"train": task.train, "validation": task.validation}
    errors = {name: _network_errors(model, rows, scaled) for name, rows in parts.items() if len(rows)}
    tensors = {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.tensors().items()}
    structure = {
        "kan": model.structure(),
        "input_shift": scaled.inputs.shift.tolist(),
        "input_scale": scaled.inputs.scale.tolist(),
        "target_shift": scaled.target.shift.tolist(),
        "target_scale": scaled.target.scale.tolist(),
    }
    scalers = scaled.inputs, scaled.target
    return Network(sparse.before, matched.graph, structure, tensors, errors, sparse.history, matched, *scalers)


def _prune(model: Any, scaled: _Scaled, task: Task, budget: Budget | Part, listen: Listener) -> Any:
    from kansym.pruning import PruneConfig, prune
    from kansym.training import TrainConfig

    settings = PruneConfig(
        factor=1.3,
        noise_floor=1e-8,
        candidates=2 if task.known else 6,
        retrain=TrainConfig(
            "levenberg_marquardt", steps=8 if task.known else 20, grid_updates=2, grid_every=4, validation=0.0
        ),
        seed=task.config.seed,
        input_names=task.input_names,
        target_names=(task.target_name,),
        validation=HELD_OUT,
    )
    rows = PICTURE_ROWS if task.known else PRUNE_ROWS
    return prune(model, scaled.x[:rows], scaled.y[:rows], settings, budget, listen)


def _training_rows(outcome: Any, edges: int) -> Iterator[dict[str, Any]]:
    """The history of the member that was chosen, one JSON-able row per step."""
    member = outcome.best
    for row in outcome.history.to_rows():
        yield {
            "stage": f"train, {row['intervals']} intervals",
            "step": row["step"],
            "loss": row["train"][member],
            "validation": row["validation"][member],
            "edges": edges,
        }


def _graph(model: Any, x: Any, names: tuple[tuple[str, ...], str]) -> Graph:
    from kansym.graph import graph_of

    return graph_of(model, x, names[0], names[1])


def _network_errors(model: Any, rows: Rows, scaled: _Scaled) -> Errors:
    import torch

    with torch.no_grad():
        inputs = torch.from_numpy(scaled.inputs.apply(rows.inputs)).to(scaled.x.device)
        predicted = model(inputs)[0].cpu().numpy()
    return errors_of(scaled.target.invert(predicted)[:, 0], rows.target)
