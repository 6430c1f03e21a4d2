"""Graphs and pruning: what goes is not needed, what stays lies on a path, and nothing given is changed."""

import json

import networkx
import numpy as np
import pytest
import torch
from torch import Tensor

from kansym.errors import TrainingError
from kansym.graph import Edge, EdgeId, Graph, Node, edge_scores, graph_of
from kansym.nn import KAN
from kansym.pruning import PruneConfig, PruneReport, prune, remove
from kansym.training import TrainConfig, train

NAMES = ("a", "b", "x y")


@pytest.fixture(scope="module")
def data() -> tuple[Tensor, Tensor]:
    torch.set_num_threads(1)
    x = 2 * torch.rand(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
    y = x[:, 0] * x[:, 1]
    return x, y / y.std()


@pytest.fixture(scope="module")
def trained(data: tuple[Tensor, Tensor]) -> KAN:
    outcome = train(KAN([3, (2, 1), 1], 4), *data, config=TrainConfig("levenberg_marquardt", steps=40, l1=1e-5))
    return outcome.model.member(outcome.best)


@pytest.fixture(scope="module")
def report(trained: KAN, data: tuple[Tensor, Tensor]) -> PruneReport:
    return prune(trained, *data, PruneConfig(input_names=NAMES, target_names=("z",)))


def on_paths(graph: Graph) -> bool:
    """Say whether every node of the active part lies on a path from an input to an output."""
    drawn, last = graph.to_networkx(), len(graph.layers) - 1
    inputs = [node for node in drawn if len(node) == 2 and node[0] == 0]
    outputs = [node for node in drawn if len(node) == 2 and node[0] == last]
    below = set(outputs).union(*(networkx.ancestors(drawn, node) for node in outputs))
    above = set(inputs).union(*(networkx.descendants(drawn, node) for node in inputs))
    return set(drawn) == below & above


def test_pruning_a_product_leaves_one_product(report: PruneReport) -> None:
    assert report.edges == 3
    assert report.inputs == (0, 1)
    assert report.loss_after < 1e-7
    assert [node.kind for node in report.graph_after.active_nodes()] == ["input", "input", "product", "sum"]


def test_every_active_node_lies_on_a_path(report: PruneReport) -> None:
    assert networkx.is_directed_acyclic_graph(report.graph_after.to_networkx())
    assert on_paths(report.graph_after)


def test_the_report_says_what_went(report: PruneReport) -> None:
    before = {edge.id for edge in report.graph_before.active()}
    after = {edge.id for edge in report.graph_after.active()}
    assert set(report.removed) == before - after
    assert int(report.model.active_edges()[0]) == len(after) == report.steps[-1][0]


def test_the_loss_reported_is_within_the_stated_factor(trained: KAN, data: tuple[Tensor, Tensor]) -> None:
    report = prune(trained, *data, PruneConfig(factor=1.1, noise_floor=0.0))
    assert report.loss_after <= 1.1 * report.loss_before


def test_the_model_given_is_not_changed(trained: KAN, data: tuple[Tensor, Tensor]) -> None:
    before = {key: value.clone() for key, value in trained.tensors().items()}
    prune(trained, *data, PruneConfig(candidates=2, retrain=TrainConfig("levenberg_marquardt", 2, grid_updates=0)))
    assert all(torch.equal(trained.tensors()[key], value) for key, value in before.items())


def test_pruning_noise_never_cuts_the_last_path() -> None:
    generator = torch.Generator().manual_seed(3)
    x, y = (torch.randn(60, width, generator=generator, dtype=torch.float64) for width in (2, 2))
    model = KAN([2, (1, 1), 2])
    report = prune(model, x, y, PruneConfig(factor=1e9))
    assert on_paths(report.graph_after)
    assert {edge.id.target for edge in report.graph_after.active() if edge.id.layer == 1} == {0, 1}


def test_removing_the_only_path_is_refused_and_dead_ends_go_too() -> None:
    x = torch.rand(30, 2, dtype=torch.float64)
    model = KAN([2, 2, 1])
    assert remove(model, [EdgeId(1, 0, 0), EdgeId(1, 1, 0)], x) is None
    smaller = remove(model, [EdgeId(1, 0, 0)], x)
    assert smaller is not None and smaller.active_edges().tolist() == [3]


def test_a_product_without_one_of_its_sums_goes_whole() -> None:
    x = torch.rand(30, 1, dtype=torch.float64)
    smaller = remove(KAN([1, (1, 1), 1]), [EdgeId(0, 0, 1, 1)], x)
    assert smaller is not None and smaller.active_edges().tolist() == [2]


def test_removing_a_constant_edge_does_not_move_the_network() -> None:
    x = torch.rand(30, 2, dtype=torch.float64)
    model = KAN([2, 2, 1])
    with torch.no_grad():
        model.stack[0].coefficients[0, 0, 0] = 0.7
        assert model.stack[0].base_weight is not None
        model.stack[0].base_weight[0, 0, 0] = 0
    smaller = remove(model, [EdgeId(0, 0, 0)], x)
    assert smaller is not None
    torch.testing.assert_close(smaller(x), model(x), rtol=1e-12, atol=1e-12)


def test_scores_are_shares_of_the_outputs_spread() -> None:
    x = torch.rand(200, 2, dtype=torch.float64)
    model = KAN([2, 1])
    scores = edge_scores(model, x)[0][0, :, 0]
    samples = model.edge_samples(x)
    spread = samples.layers[0].outputs[0, :, :, 0].std(0, correction=0) / samples.output[0, :, 0].std(correction=0)
    torch.testing.assert_close(scores, spread, rtol=1e-12, atol=1e-12)


def test_a_masked_edge_scores_nothing() -> None:
    model = KAN([2, 3, 1])
    model.stack[0].mask[0, 1, 2] = False
    assert float(edge_scores(model, torch.rand(50, 2, dtype=torch.float64))[0][0, 1, 2]) == 0


def test_graph_samples_are_sorted_and_names_are_kept_as_they_are(trained: KAN, data: tuple[Tensor, Tensor]) -> None:
    graph = graph_of(trained, data[0], NAMES, "z")
    assert [node.label for node in graph.layers[0]] == list(NAMES)
    assert graph.layers[-1][0].label == "z"
    assert all((np.diff(edge.x) >= 0).all() for edge in graph.edges)
    assert graph.edge(EdgeId(0, 1, 2, 1)).y.shape == (500,)


def test_a_graph_comes_back_from_json(report: PruneReport) -> None:
    edge = report.graph_after.active()[0]
    matched = Edge(edge.id, edge.score, edge.x, edge.y, True, "sin", (1.0, 2.0, 3.0, 4.0), 0.99, np.sin(edge.x))
    graph = report.graph_after.replace_edge(matched)
    again = Graph.from_json(json.loads(json.dumps(graph.to_json())))
    assert again.to_json() == graph.to_json()
    assert again.edge(edge.id).primitive == "sin"
    assert again.nodes == graph.nodes


def test_pruned_edges_stay_visible(report: PruneReport) -> None:
    edge = report.graph_after.active()[0]
    smaller = report.graph_after.without([edge.id])
    assert not smaller.edge(edge.id).active
    assert len(smaller.edges) == len(report.graph_after.edges)
    assert report.graph_after.edge(edge.id).active


def test_a_graph_with_an_edge_to_nowhere_is_refused() -> None:
    nodes = (Node(0, 0, "input", "a"), Node(1, 0, "sum", "z"))
    with pytest.raises(ValueError, match="no node at one of its ends"):
        Graph(nodes, (Edge(EdgeId(0, 0, 3), 1.0, np.zeros(1), np.zeros(1)),))


def test_a_population_must_be_pruned_member_by_member(data: tuple[Tensor, Tensor]) -> None:
    with pytest.raises(ValueError, match="choose one with model.member"):
        prune(KAN([3, 2, 1], 2), *data)


def test_a_network_that_overflowed_is_refused(data: tuple[Tensor, Tensor]) -> None:
    model = KAN([3, 2, 1])
    with torch.no_grad():
        model.stack[0].coefficients.fill_(float("inf"))
    with pytest.raises(TrainingError, match="train it again"):
        prune(model, *data)
