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
WEIGHT_L1 = 1e-5
EFFORT = {"fast": 1, "default": 2, "thorough": 6}
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


def shapes(columns: int, config: Config, known: bool) -> list[Shape]:
    """The networks to train, in this order; briefly at first when the law is known and only its picture is wanted."""
    effort = EFFORT[config.preset]
    if config.width is not None:
        return [Shape(tuple(config.width), 4 * effort, 120)]
    if columns == 1:
        return [Shape((), 2, 30 if known else 60), Shape((2,), 3 * effort, 90)]
    first = Shape((1,), 3, 30) if known else Shape((1,), 5 * effort, 80)
    wider = [Shape(((1, 1),), 3 * effort, 90), Shape((3,), 3 * effort, 90)]
    deeper = [Shape((2, 1), 3 * effort, 120), Shape((5,), 3 * effort, 120)] if config.preset == "thorough" else []
    return [first, *wider, *deeper]


def device(config: Config) -> str:
    """Where networks are trained. "auto" is the processor: networks this small are slower on a GPU.

    Raises ConfigError when a GPU was asked for and torch sees none.
    """
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device cuda was asked for, but torch sees no GPU: use --device auto, or install torch for CUDA")
    return "cuda" if config.device == "cuda" else "cpu"


def run_network(train: Rows, validation: Rows, names: tuple[tuple[str, ...], str], config: Config, library: Library,
                known: bool, budget: Budget | Part, listen: Listener) -> Network | None:
    """Train, prune and match networks on the rows; None when there are too few rows or the time is already up.

    names: the input columns and the target, for the picture. known: the law was found already.
    """
    import torch

    torch.set_num_threads(1)
    if len(train) < 6 or budget.expired:
        return None
    inputs, target = _input_scaler(train.inputs), _target_scaler(train.target)
    place = device(config)
    x = torch.from_numpy(inputs.apply(train.inputs[:MOST_ROWS])).to(place)
    y = torch.from_numpy(target.apply(train.target[:MOST_ROWS, None])).to(place)
    weights = None if train.weights is None else torch.from_numpy(train.weights[:MOST_ROWS]).to(place)
    best = None
    for shape in shapes(train.inputs.shape[1], config, known):
        outcome = _trained(shape, x, y, weights, config, budget, listen)
        if best is None or _score(outcome) < _score(best):
            best = outcome
        if budget.expired or (known and best.losses[best.best][1] < GOOD_PICTURE):
            break
    if best is None:
        return None
    return _pruned(best, x, y, train, validation, inputs, target, names, library, known, config, budget, listen)


def _input_scaler(inputs: Array) -> Scaler:
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    return Scaler(0.5 * low + 0.5 * high, np.maximum(0.5 * high - 0.5 * low, np.finfo(float).tiny))


def _target_scaler(target: Array) -> Scaler:
    return Scaler.fit(target[:, None])


def _score(outcome: Any) -> float:
    """Validation loss, with a little less credit for larger networks."""
    edges = int(outcome.model.active_edges()[outcome.best])
    return float(np.log(outcome.losses[outcome.best][1] + 1e-12)) + 0.1 * edges


def _trained(shape: Shape, x: Any, y: Any, weights: Any, config: Config, budget: Budget | Part, listen: Listener) -> Any:
    from kansym.nn import KAN, KANOptions, LayerOptions
    from kansym.training import TrainConfig, train

    rows = len(x)
    intervals = config.grid or max(1, min(6, rows // 8))
    model = KAN([x.shape[1], *shape.hidden, 1], shape.members, config.seed,
                KANOptions(layer=LayerOptions(intervals=intervals, basis=config.basis, base="none" if rows < 30 else "silu"))).to(x.device)
    refine = () if config.grid or rows < 200 else (10,)
    validation = 0.2 if rows >= 30 else 0.0
    settings = TrainConfig(steps=shape.steps, l1=WEIGHT_L1, refine=refine, seed=config.seed, validation=validation,
                           smoothness=1e-4 if rows < 30 else 0.0, noise_floor=1e-10)
    return train(model, x, y, weights, settings, budget, listen)


def _pruned(outcome: Any, x: Any, y: Any, train: Rows, validation: Rows, inputs: Scaler, target: Scaler,
            names: tuple[tuple[str, ...], str], library: Library, known: bool, config: Config, budget: Budget | Part,
            listen: Listener) -> Network:
    from kansym.pruning import PruneConfig, prune

    model = outcome.model.member(outcome.best)
    few = len(x) < 30
    settings = PruneConfig(factor=1.3, noise_floor=1e-8, seed=config.seed, input_names=names[0], target_names=(names[1],),
                           validation=0.0 if few else 0.2)
    report = None
    if not few and not budget.expired:
        report = prune(model, x[:PRUNE_ROWS], y[:PRUNE_ROWS], settings, budget, listen)
        model = report.model
    graph = _graph(model, x, names) if report is None else report.graph_after
    before = _graph(outcome.model.member(outcome.best), x, names) if report is None else report.graph_before
    listen(Progress("match", None, outcome.losses[outcome.best][1], len(graph.active()), None))
    matched = match_edges(graph, inputs, library)
    errors = {name: _network_errors(model, rows, inputs, target)
              for name, rows in (("train", train), ("validation", validation)) if len(rows)}
    tensors = {name: tensor.detach().cpu().numpy().copy() for name, tensor in model.tensors().items()}
    structure = {"kan": model.structure(), "input_shift": inputs.shift.tolist(), "input_scale": inputs.scale.tolist(),
                 "target_shift": target.shift.tolist(), "target_scale": target.scale.tolist()}
    history = tuple(outcome.history.to_rows()) + tuple(_prune_rows(report))
    return Network(before, matched.graph, structure, tensors, errors, history, matched, target)


def _graph(model: Any, x: Any, names: tuple[tuple[str, ...], str]) -> Graph:
    from kansym.graph import graph_of

    return graph_of(model, x, names[0], names[1])


def _prune_rows(report: Any) -> Iterator[dict[str, Any]]:
    for step, (edges, loss) in enumerate(report.steps if report is not None else ()):
        yield {"stage": "prune", "step": step, "edges": edges, "validation": loss}


def _network_errors(model: Any, rows: Rows, inputs: Scaler, target: Scaler) -> Errors:
    import torch

    with torch.no_grad():
        place = next(model.parameters()).device
        scaled = model(torch.from_numpy(inputs.apply(rows.inputs)).to(place))[0].cpu().numpy()
    return errors_of(target.invert(scaled)[:, 0], rows.target)
