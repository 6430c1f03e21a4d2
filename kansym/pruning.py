"""From a trained network to a small one: edges go as long as a retrained network without them stays as good."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from kansym.errors import TrainingError
from kansym.events import Event, Progress, ignore
from kansym.graph import EdgeId, Graph, edge_scores, graph_of, slot_of, sub_of
from kansym.nn import KAN, KANLayer
from kansym.training import TrainConfig, train
from kansym.training.objective import Rows
from kansym.training.trainer import BudgetLike, make_rows, split_rows


def _brief() -> TrainConfig:
    return TrainConfig("levenberg_marquardt", steps=20, grid_updates=2, grid_every=4, validation=0.0)


@dataclass(frozen=True)
class PruneConfig:
    """When an edge may go.

    Args:
        factor: the held-out mean squared error may grow to this multiple of what it was before pruning, >= 1.
        noise_floor: a held-out mean squared error up to this share of the targets' variance is always good enough.
        threshold: in the first round the edges with a score below this are tried all at once, 0 <= threshold.
        candidates: how many of the least edges are tried, beside whole nodes and inputs, in every round, >= 1.
        retrain: how a network without the tried edges is trained; its masks are frozen.
        validation: share of the rows the decision is made on, never trained on.
        seed: of that share.
        input_names, target_names: labels of the graphs; x0, x1, ... and y by default.
    """

    factor: float = 1.2
    noise_floor: float = 1e-7
    threshold: float = 0.01
    candidates: int = 6
    retrain: TrainConfig = field(default_factory=_brief)
    validation: float = 0.2
    seed: int = 0
    input_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class PruneReport:
    """What pruning gives back.

    Args:
        model: a new population of one with masked edges, retrained.
        graph_before, graph_after: the graphs of the model given and of the model returned.
        removed: the edges that went, in their order.
        loss_before, loss_after: mean squared error on the held-out rows.
        steps: (edges left, held-out mean squared error) after every accepted round.
    """

    model: KAN
    graph_before: Graph
    graph_after: Graph
    removed: tuple[EdgeId, ...]
    loss_before: float
    loss_after: float
    steps: tuple[tuple[int, float], ...]

    @property
    def edges(self) -> int:
        """How many edges are left."""
        return len(self.graph_after.active())

    @property
    def inputs(self) -> tuple[int, ...]:
        """Which inputs an edge still leaves."""
        return tuple(sorted({edge.id.source for edge in self.graph_after.active() if edge.id.layer == 0}))


def prune(
    model: KAN,
    x: Tensor,
    y: Tensor,
    config: PruneConfig | None = None,
    budget: BudgetLike | None = None,
    on_event: Callable[[Event], None] = ignore,
) -> PruneReport:
    """Remove edges, and with them nodes and inputs, while the retrained network stays as good on held-out rows.

    The mean of an edge that goes is added to a neighbour, so that the network hardly moves. Every output keeps at least
    one path from an input.

    Args:
        model: a trained population of one (`KAN.member` makes one); it is not changed.
        x: inputs (N, D), scaled as in training.
        y: targets (N, T) or (N,).
        config: when an edge may go.
        budget: asked for `expired` between the rounds.
        on_event: receives a `Progress` per round.

    Raises:
        ValueError: when the population has more than one member.
        TrainingError: when the model given has no finite error on the held-out rows.
    """
    config = config or PruneConfig()
    if model.members != 1:
        raise ValueError(
            f"prune takes one network, not a population of {model.members}: choose one with model.member(e)"
        )
    rows, held_out = split_rows(make_rows(model, x, y), config.validation, config.seed)
    before = _loss(model, held_out)
    if before == float("inf"):
        raise TrainingError("the network's error on the held-out rows is not finite: train it again before pruning")
    limit = max(config.factor * before, config.noise_floor * float(rows.y.var(0, correction=0).mean()))
    search = _Search(_closed(model, rows.x), rows, held_out, limit, config)
    while search.round():
        on_event(Progress("prune", None, search.loss, int(search.model.active_edges()[0]), None))
        if budget is not None and budget.expired:
            break
    return _report(model, search, x, before, config)


class _Search:
    """Backward elimination: the best network so far and the rounds that led to it."""

    def __init__(self, model: KAN, rows: Rows, held_out: Rows, limit: float, config: PruneConfig) -> None:
        self.model, self.rows, self.held_out, self.limit, self.config = model, rows, held_out, limit, config
        self.loss = _loss(model, held_out)
        self.steps: list[tuple[int, float]] = []
        self.bulk = True

    def round(self) -> bool:
        """Try the next removals; return False when there is nothing left to try."""
        if self.bulk:
            self.bulk = False
            self._try(self._without([*_only_one_node(self.model), *self._bulk_candidates()]), restart=True)
            return True
        single = [[edge] for _, edge in self._ranked()]
        first, rest = single[: self.config.candidates], single[self.config.candidates :]
        return self._try(self._without([*_whole_nodes(self.model), *first])) or self._try(self._without(rest))

    def _ranked(self) -> list[tuple[float, EdgeId]]:
        """Return the active edges, the least score first."""
        scores = edge_scores(self.model, self.rows.x)
        return sorted(
            (float(scores[edge.layer][0, edge.source, sub_of(self.model, edge)]), edge) for edge in _active(self.model)
        )

    def _bulk_candidates(self) -> list[list[EdgeId]]:
        """Return ever smaller sets of edges below the threshold."""
        low = [edge for score, edge in self._ranked() if score < self.config.threshold]
        sizes = sorted({len(low), 3 * len(low) // 4, len(low) // 2, len(low) // 4} - {0, 1}, reverse=True)
        return [low[:size] for size in sizes]

    def _without(self, removals: Sequence[Sequence[EdgeId]]) -> list[KAN]:
        """Return the network without each set of edges, where every output keeps a path."""
        trials = (remove(self.model, edges, self.rows.x) for edges in removals)
        return [trial for trial in trials if trial is not None]

    def _try(self, trials: list[KAN], restart: bool = False) -> bool:
        """Retrain networks side by side, if told so from fresh weights too; take over the smallest good one."""
        if not trials:
            return False
        trials = [*trials, *(_fresh(trial, self.config.seed + count) for count, trial in enumerate(trials) if restart)]
        outcome = train(_population(trials), self.rows.x, self.rows.y, self.rows.weights, self.config.retrain)
        losses = _losses(outcome.model, self.held_out)
        sizes = outcome.model.active_edges().tolist()
        good = [
            (size, loss, member)
            for member, (size, loss) in enumerate(zip(sizes, losses, strict=True))
            if loss <= self.limit
        ]
        if not good:
            return False
        size, self.loss, member = min(good)
        self.model = outcome.model.member(member)
        self.steps.append((size, self.loss))
        return True


def remove(model: KAN, edges: Sequence[EdgeId], x: Tensor) -> KAN | None:
    """Return a network without these edges and without everything that then leads nowhere.

    Args:
        model: a population of one.
        edges: what goes.
        x: rows (N, D) on which the means of the edges are taken; a neighbour takes each of them over.

    Returns:
        The network, or None when an output would lose its last path.
    """
    masks = [layer.mask.clone() for layer in model.stack]
    for edge in edges:
        masks[edge.layer][0, edge.source, sub_of(model, edge)] = False
    closed = closed_masks(model, masks)
    if closed is None:
        return None
    means = [seen.outputs.mean(1) for seen in model.edge_samples(x).layers]  # (1, I, O) each
    smaller = model.with_masks(closed)
    for layer, old, mean in zip(smaller.stack, model.stack, means, strict=True):
        lost = (mean * (old.mask & ~layer.mask)).sum(1)[0]  # (O,)
        for output in range(layer.outputs):
            _shift(layer, output, float(lost[output]))
    return smaller


def _shift(layer: KANLayer, output: int, amount: float) -> None:
    """Add a constant to the first edge kept into an output."""
    sources = layer.mask[0, :, output].nonzero().flatten().tolist()
    if sources and amount != 0:
        layer.add_constant(0, sources[0], output, amount)


def closed_masks(model: KAN, masks: Sequence[Tensor]) -> list[Tensor] | None:
    """Return masks (1, I, O) without the edges that no input reaches or that reach no output; None when an output is
    cut off."""
    current = [mask.clone() for mask in masks]
    fed = _fed_nodes(model, current)
    if not bool(fed[-1].all()):
        return None
    used = torch.ones(model.widths[-1].nodes, dtype=torch.bool)
    for layer in reversed(range(len(current))):
        keep = fed[layer].unsqueeze(1) & _per_sub(model, layer, used & fed[layer + 1]).unsqueeze(0)
        current[layer] = current[layer] & keep.to(current[layer].device)
        used = current[layer][0].any(1).cpu()
    return current


def _fed_nodes(model: KAN, masks: Sequence[Tensor]) -> list[Tensor]:
    """Return which nodes of every width an input reaches; a product node needs all its sums."""
    fed = [torch.ones(model.widths[0].nodes, dtype=torch.bool)]
    for layer, mask in enumerate(masks):
        sums = (mask[0].cpu() & fed[-1].unsqueeze(1)).any(0)
        nodes = torch.ones(model.widths[layer + 1].nodes, dtype=torch.bool)
        for sub, alive in enumerate(sums.tolist()):
            nodes[slot_of(model, layer, sub)[0]] &= alive
        fed.append(nodes)
    return fed


def _per_sub(model: KAN, layer: int, nodes: Tensor) -> Tensor:
    """Spread a property of nodes over the sums that feed them."""
    subs = model.stack[layer].outputs
    return torch.stack([nodes[slot_of(model, layer, sub)[0]] for sub in range(subs)])


def _closed(model: KAN, x: Tensor) -> KAN:
    """Return the model without dead ends it may already have."""
    closed = remove(model, (), x)
    if closed is None:
        raise ValueError("an output of this network has no path from an input: its mask leaves nothing to prune")
    return closed


def _active(model: KAN) -> Iterator[EdgeId]:
    for layer, edges in enumerate(model.stack):
        for source, sub in edges.mask[0].nonzero().tolist():
            yield EdgeId(layer, source, *slot_of(model, layer, sub))


def _whole_nodes(model: KAN) -> list[list[EdgeId]]:
    """Return, for every input and hidden node, the edges that leave it: what goes when the node goes."""
    nodes: dict[tuple[int, int], list[EdgeId]] = {}
    for edge in _active(model):
        nodes.setdefault((edge.layer, edge.source), []).append(edge)
    return [edges for edges in nodes.values() if len(edges) > 1 or edges[0].layer > 0]


def _only_one_node(model: KAN) -> list[list[EdgeId]]:
    """Return, for every hidden node, the edges that leave the other nodes of its layer.

    Single removals end in a local optimum, such as x y = ((x + y)^2 - (x - y)^2) / 4 beside a ready product node; the
    smallest networks of all are few, so each is simply tried.
    """
    active, kept = list(_active(model)), []
    for layer in range(1, len(model.widths) - 1):
        for node in sorted({edge.source for edge in active if edge.layer == layer}):
            kept.append([edge for edge in active if edge.layer == layer and edge.source != node])
    return [edges for edges in kept if edges]


def _fresh(model: KAN, seed: int) -> KAN:
    """Return a network of the same edges with new first weights: what a larger one learnt can be in its way."""
    fresh = model.copy()
    fresh.initialise(seed)
    return fresh


def _population(models: Sequence[KAN]) -> KAN:
    """Put networks of one shape and grid size together."""
    population = models[0].select([0] * len(models))
    states = [model.state_dict() for model in models]
    population.load_state_dict({name: torch.cat([state[name] for state in states]) for name in states[0]})
    return population


def _losses(model: KAN, rows: Rows) -> list[float]:
    with torch.no_grad():
        errors = ((model(rows.x) - rows.y).square() * rows.weights[:, None]).mean((1, 2))
    return torch.where(errors.isfinite(), errors, torch.inf).tolist()


def _loss(model: KAN, rows: Rows) -> float:
    return _losses(model, rows)[0]


def _report(model: KAN, search: _Search, x: Tensor, before: float, config: PruneConfig) -> PruneReport:
    widths = model.widths
    names = config.input_names or tuple(f"x{index}" for index in range(widths[0].nodes))
    single = ("y",) if widths[-1].nodes == 1 else tuple(f"y{index}" for index in range(widths[-1].nodes))
    targets = config.target_names or single
    first, last = (graph_of(network, x, names, targets) for network in (model, search.model))
    left = {edge.id for edge in last.active()}
    removed = tuple(edge.id for edge in first.active() if edge.id not in left)
    return PruneReport(search.model, first, last, removed, before, search.loss, tuple(search.steps))
