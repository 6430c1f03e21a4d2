"""From a network to formulas: the assembled formula is the network's edges composed, products and scalers included."""

from fractions import Fraction

import numpy as np
import pytest

from kansym.budget import Budget
from kansym.data.scaler import Scaler
from kansym.graph import Edge, EdgeId, Graph, Node
from kansym.symbolic.constants import Rows, mean_square
from kansym.symbolic.expression import Constant, Expression, Variable, call, multiply, raise_to
from kansym.symbolic.network import assemble, formulas, match_edges
from kansym.symbolic.primitives import PRIMITIVES

Array = np.ndarray
X = Variable(0)
PLAIN = Scaler(np.zeros(1), np.ones(1))


def times(factor: float, expression: Expression) -> Expression:
    return multiply(Constant(factor), expression)


def graph_from(widths: list[list[str]], edges: dict[EdgeId, tuple[Array, Array]]) -> Graph:
    """A graph with these node kinds per layer and these samples per edge."""
    nodes = [Node(layer, at, kind, f"n{layer}{at}") for layer, row in enumerate(widths) for at, kind in enumerate(row)]
    return Graph(tuple(nodes), tuple(Edge(identity, 1.0, *samples) for identity, samples in edges.items()))


def shape_only(widths: list[list[str]], edges: list[EdgeId]) -> Graph:
    empty = np.zeros(2)
    return graph_from(widths, dict.fromkeys(edges, (empty, empty)))


@pytest.fixture
def inputs() -> Array:
    return np.random.default_rng(0).uniform(0.5, 2.0, (50, 2))


def test_sums_of_edges_are_composed_layer_by_layer(inputs: Array) -> None:
    first, second, last = EdgeId(0, 0, 0), EdgeId(0, 1, 0), EdgeId(1, 0, 0)
    graph = shape_only([["input", "input"], ["sum"], ["sum"]], [first, second, last])
    chosen = {first: raise_to(X, Fraction(2)), second: times(0.7, X), last: call("cos", X)}
    found = assemble(graph, chosen, Scaler(np.array([3.0]), np.array([2.0]))).evaluate(inputs)
    x, y = inputs.T
    np.testing.assert_allclose(found, 3.0 + 2.0 * np.cos(x**2 + 0.7 * y))


def test_a_product_node_multiplies_its_sums(inputs: Array) -> None:
    edges = [EdgeId(0, 0, 0, 0), EdgeId(0, 1, 0, 0), EdgeId(0, 1, 0, 1), EdgeId(1, 0, 0)]
    graph = shape_only([["input", "input"], ["product"], ["sum"]], edges)
    chosen = dict(zip(edges, (call("sin", X), X, call("exp", X), times(5.0, X)), strict=True))
    x, y = inputs.T
    np.testing.assert_allclose(assemble(graph, chosen, PLAIN).evaluate(inputs), 5.0 * (np.sin(x) + y) * np.exp(y))


def test_two_hidden_layers_are_composed(inputs: Array) -> None:
    edges = [EdgeId(0, 0, 0), EdgeId(0, 1, 1), EdgeId(1, 0, 0), EdgeId(1, 1, 0), EdgeId(2, 0, 0)]
    graph = shape_only([["input"] * 2, ["sum"] * 2, ["sum"], ["sum"]], edges)
    chosen = dict(zip(edges, (call("log", X), X, call("tanh", X), times(-1.0, X), call("exp", X)), strict=True))
    x, y = inputs.T
    np.testing.assert_allclose(assemble(graph, chosen, PLAIN).evaluate(inputs), np.exp(np.tanh(np.log(x)) - y))


def test_edges_without_a_formula_and_pruned_edges_count_as_nothing(inputs: Array) -> None:
    kept, bare, gone = EdgeId(0, 0, 0), EdgeId(0, 1, 0), EdgeId(0, 1, 1)
    graph = shape_only([["input"] * 2, ["sum"] * 2], [kept, bare, gone]).without([gone])
    found = assemble(graph, {kept: call("exp", X), gone: X}, PLAIN)
    np.testing.assert_allclose(found.evaluate(inputs), np.exp(inputs[:, 0]))


def test_a_network_without_formulas_is_the_target_mean(inputs: Array) -> None:
    graph = shape_only([["input"], ["sum"]], [EdgeId(0, 0, 0)])
    found = assemble(graph, {}, Scaler(np.array([4.0]), np.array([2.0])))
    np.testing.assert_allclose(found.evaluate(inputs), 4.0)


def sampled(inputs: Scaler) -> Graph:
    """A network [2, 1, 1] for exp(-(x0**2) / 2 + 1.3 x1), sampled in scaled inputs as training sees them."""
    scaled = np.linspace(-1, 1, 80)
    raw = [inputs.shift[i] + inputs.scale[i] * scaled for i in range(2)]
    middle = np.linspace(-1.5, 2.5, 80)
    return graph_from(
        [["input", "input"], ["sum"], ["sum"]],
        {
            EdgeId(0, 0, 0): (scaled, -0.5 * raw[0] ** 2),
            EdgeId(0, 1, 0): (scaled, 1.3 * raw[1]),
            EdgeId(1, 0, 0): (middle, np.exp(middle)),
        },
    )


def test_first_edges_are_matched_in_raw_units_and_all_become_the_law(inputs: Array) -> None:
    scaler = Scaler(np.array([1.25, 1.25]), np.array([0.75, 0.75]))
    matched = match_edges(sampled(scaler), scaler, PRIMITIVES.only("exp", "x^2", "sin"))
    assert {identity.layer for identity in matched.candidates} == {0, 1}
    assert all(edge.r2 is not None and edge.r2 > 1 - 1e-12 for edge in matched.graph.active())
    rows = Rows(inputs, np.exp(-0.5 * inputs[:, 0] ** 2 + 1.3 * inputs[:, 1]))
    found = list(formulas(matched, PLAIN, rows, Budget(20)))
    assert mean_square(found[-1], rows) < 1e-20
    assert found[-1].complexity <= 16


def test_rough_edges_become_the_law_by_the_joint_refit(inputs: Array) -> None:
    scaler = Scaler(np.array([1.25, 1.25]), np.array([0.75, 0.75]))
    graph, generator = sampled(scaler), np.random.default_rng(1)
    for edge in graph.edges:
        noise = 0.01 * edge.y.std() * generator.normal(size=len(edge.y))
        graph = graph.replace_edge(Edge(edge.id, edge.score, edge.x, edge.y + noise))
    matched = match_edges(graph, scaler, PRIMITIVES.only("exp", "x^2"))
    rows = Rows(inputs, np.exp(-0.5 * inputs[:, 0] ** 2 + 1.3 * inputs[:, 1]))
    found = list(formulas(matched, PLAIN, rows, Budget(20)))
    assert min(mean_square(expression, rows) for expression in found) < 1e-16


def test_a_graph_without_edges_gives_no_formula(inputs: Array) -> None:
    graph = shape_only([["input"], ["sum"]], [EdgeId(0, 0, 0)]).without([EdgeId(0, 0, 0)])
    matched = match_edges(graph, PLAIN)
    assert matched.candidates == {}
    assert list(formulas(matched, PLAIN, Rows(inputs, inputs[:, 0]), Budget(5))) == []


def test_matching_leaves_the_given_graph_as_it_was() -> None:
    scaler = Scaler(np.array([1.25, 1.25]), np.array([0.75, 0.75]))
    graph = sampled(scaler)
    match_edges(graph, scaler, PRIMITIVES.only("exp", "x^2"))
    assert all(edge.primitive is None for edge in graph.edges)
