"""Positions, curves and notation: the numbers and texts behind the pictures."""

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kansym.graph import Edge, EdgeId, Graph, Node
from kansym.report import style
from kansym.report.curves import drawn, unit_curves
from kansym.report.layout import layout, spread
from kansym.report.markup import mathml, mathtext
from kansym.report.scene import Label, before_and_after, graph_scene
from kansym.symbolic.expression import Constant, Power, Variable, add, call, multiply, raise_to
from kansym.symbolic.labels import exact

X = np.linspace(-1.0, 2.0, 50)
A, B = Variable(0), Variable(1)


def _edge(layer: int, source: int, target: int, slot: int = 0, active: bool = True, matched: bool = False) -> Edge:
    fit = {"primitive": "x^2", "r2": 0.999, "fitted": X**2} if matched else {}
    return Edge(EdgeId(layer, source, target, slot), 0.5, X, X**2, active, **fit)


def _graph(*widths: int, product: int | None = None) -> Graph:
    """A full network; `product` makes that node of layer 1 a product node whose inputs alternate between two slots."""
    nodes = [
        Node(
            layer, index, "input" if layer == 0 else "product" if (layer, index) == (1, product) else "sum", f"n{index}"
        )
        for layer, width in enumerate(widths)
        for index in range(width)
    ]
    edges = [
        _edge(layer, source, target, source % 2 if (layer, target) == (0, product) else 0)
        for layer, (before, after) in enumerate(zip(widths, widths[1:], strict=False))
        for source in range(before)
        for target in range(after)
    ]
    return Graph(tuple(nodes), tuple(edges))


@pytest.mark.parametrize("widths", [(1, 1, 1), (2, 3, 1), (9, 5, 3, 1), (10, 8, 1), (4, 4, 2)])
def test_no_frame_covers_another(widths: tuple[int, ...]):
    boxes = [place.box for place in layout(_graph(*widths)).edges]
    for index, one in enumerate(boxes):
        for other in boxes[index + 1 :]:
            apart = abs(one.x - other.x) >= one.width or abs(one.y - other.y) >= one.height
            assert apart, (one, other)


@pytest.mark.parametrize("widths", [(1, 1, 1), (9, 5, 3, 1), (10, 8, 1)])
def test_frames_stand_between_their_layers_and_inside_the_picture(widths: tuple[int, ...]):
    places = layout(_graph(*widths))
    for place in places.edges:
        assert place.start[0] < place.box.x < place.box.x + place.box.width < place.end[0]
        assert place.box.y >= 0 and place.box.y + place.box.height <= places.height


def test_no_line_passes_through_a_frame_of_a_neighbour_in_the_staggered_columns():
    places = layout(_graph(10, 8))
    boxes = sorted((place.box for place in places.edges), key=lambda box: box.middle)
    for one, other in zip(boxes, boxes[1:], strict=False):
        assert other.middle - one.middle > one.height / 2


def test_an_edge_that_is_not_kept_has_no_frame_and_its_node_is_inactive():
    graph = _graph(2, 2, 1)
    places = layout(graph, kept={EdgeId(0, 0, 0), EdgeId(1, 0, 0)})
    assert [place.edge.id for place in places.edges if place.box] == [EdgeId(0, 0, 0), EdgeId(1, 0, 0)]
    assert {(p.node.layer, p.node.index) for p in places.nodes if not p.active} == {(0, 1), (1, 1)}


def test_several_edges_of_one_factor_meet_in_a_small_sum_before_the_product_node():
    places = layout(_graph(4, 1, 1, product=0))
    ends = {place.edge.id.slot: place.end for place in places.edges if place.edge.id.layer == 0}
    assert len(places.ports) == 2
    assert ends[0] != ends[1]
    node = next(place for place in places.nodes if place.node.kind == "product")
    assert all(port.x < node.x - node.radius for port in places.ports)


def test_single_edges_go_straight_to_the_rim_of_the_product_node():
    places = layout(_graph(2, 1, 1, product=0))
    node = next(place for place in places.nodes if place.node.kind == "product")
    assert places.ports == ()
    for place in places.edges[:2]:
        assert np.hypot(place.end[0] - node.x, place.end[1] - node.y) == pytest.approx(node.radius)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=30).map(sorted))
def test_spread_keeps_the_distance_the_order_and_the_limits(wanted: list[float]):
    limits = (0.0, 10.0 * len(wanted) + 500)
    places = spread(wanted, 10.0, limits)
    assert all(later - earlier >= 10.0 - 1e-9 for earlier, later in zip(places, places[1:], strict=False))
    assert limits[0] <= places[0] and places[-1] <= limits[1]


def test_spread_leaves_places_alone_that_are_far_enough_apart():
    assert spread([5.0, 40.0, 90.0], 20.0, (0.0, 100.0)) == [5.0, 40.0, 90.0]


def test_names_are_drawn_inside_the_scene():
    graph = Graph((Node(0, 0, "input", "a rather long name"), Node(1, 0, "sum", "W" * 15)), (_edge(0, 0, 0),))
    scene = graph_scene(graph)
    for shape in (shape for group in scene.groups for shape in group.shapes if isinstance(shape, Label)):
        width = style.ems(shape.text) * shape.size
        left = shape.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[shape.align] * width
        assert left >= 0 and left + width <= scene.width


def test_the_graph_after_pruning_is_drawn_without_what_was_pruned():
    before = _graph(3, 2, 1)
    after = before.without([edge.id for edge in before.edges if edge.id.source == 1 or edge.id.target == 1])
    titles = [group.title for group in before_and_after(before, after).groups]
    assert sum("pruned" in title for title in titles) == len(before.edges) - len(after.active())
    assert titles.count("n1 (input)") == 1 and titles.count("n0 (input)") == 2


def test_a_graph_that_lost_nothing_is_drawn_once():
    graph = _graph(2, 1)
    assert before_and_after(graph, graph).groups == graph_scene(graph).groups


def test_a_graph_whose_edges_are_all_pruned_still_has_a_picture():
    graph = _graph(2, 1)
    scene = before_and_after(graph, graph.without([edge.id for edge in graph.edges]))
    assert scene.width > 0 and scene.height > 0


def test_a_scene_tells_the_matched_function_with_its_superscript():
    graph = Graph((Node(0, 0, "input", "a"), Node(1, 0, "sum", "P")), (_edge(0, 0, 0, matched=True),))
    labels = [shape for group in graph_scene(graph).groups for shape in group.shapes if isinstance(shape, Label)]
    assert ("x", "2") in {(label.text, label.raised) for label in labels}
    assert "learned curve" in {label.text for label in labels}


def test_a_score_that_is_not_a_number_draws_the_thinnest_line():
    edge = Edge(EdgeId(0, 0, 0), float("nan"), X, X)
    scene = graph_scene(Graph((Node(0, 0, "input", "a"), Node(1, 0, "sum", "P")), (edge,)))
    assert all(np.isfinite(getattr(shape, "pen", None).width) for shape in scene.groups[0].shapes)


def test_many_samples_are_thinned_to_the_limit_with_both_ends():
    x = np.sort(np.random.default_rng(0).normal(size=5000))
    across, up = drawn(x, np.sin(x), 90)
    assert len(across) <= 90 and across[0] == x[0] and across[-1] == x[-1]
    assert np.array_equal(up, np.sin(across))


def test_few_samples_are_joined_without_leaving_their_range():
    x = np.array([0.4, 0.7, 1.0, 5.2, 30.0])
    across, up = drawn(x, x**1.5)
    assert len(across) > 50 and up.min() == pytest.approx(0.4**1.5) and up.max() == pytest.approx(30**1.5)
    assert np.all(np.diff(up) > 0)


def test_samples_of_any_scale_are_drawn_in_the_unit_square():
    for scale in (1e-300, 1e-34, 1.0, 1e30, 1e300):
        curve, match = unit_curves(X[:8] * scale, X[:8] * scale, X[:8] * scale)
        assert curve.min() == pytest.approx(0) and curve.max() == pytest.approx(1)
        assert match == pytest.approx(curve)


def test_a_flat_curve_and_samples_that_are_not_finite_can_be_drawn():
    curve, _ = unit_curves(X, np.full_like(X, 3.0), None)
    assert np.all(curve[:, 1] == 0.5)
    broken = np.where(X > 0, np.nan, X)
    assert np.isfinite(unit_curves(X, broken, np.full_like(X, np.inf))[0]).all()
    assert len(unit_curves(X, np.full_like(X, np.nan), None)[0]) == 0


@pytest.mark.parametrize(
    ("value", "shown"), [(0.5, "0.5"), (-1.25e-7, "−1.25×10⁻⁷"), (None, "–"), (3e20, "3×10²⁰"), (float("nan"), "nan")]
)
def test_numbers_are_written_for_people(value: float | None, shown: str):
    assert style.number(value) == shown


def test_long_names_are_cut_and_control_characters_shown():
    assert style.safe("a" * 100, 10).endswith("…") and style.ems(style.safe("a" * 100, 10)) <= 10.5
    assert style.safe("a\nb\x1b") == "a\\nb\\x1b"


@pytest.mark.parametrize(
    ("name", "parts"),
    [("x^2", ("x", "2")), ("x^-1", ("x", "−1")), ("x^(3/2)", ("x", "3/2")), ("sin", ("sin", "")), ("x^$", ("x^$", ""))],
)
def test_powers_are_split_and_other_names_left_alone(name: str, parts: tuple[str, str]):
    assert style.split_power(name) == parts


@pytest.mark.parametrize(
    ("expression", "written"),
    [
        (raise_to(A, Fraction(3, 2)), "${a}^{3/2}$"),
        (multiply(exact("1/2"), A, raise_to(B, Fraction(2))), r"$\frac{a\,{b}^{2}}{2}$"),
        (add(Constant(-1.5), multiply(Constant(2.0), A)), r"$2.0\,{a}-1.5$"),
        (Power(add(A, B), Fraction(2)), r"${\left({a}+{b}\right)}^{2}$"),
        (Power(add(A, B), Fraction(1, 2)), r"$\sqrt{{a}+{b}}$"),
        (multiply(A, add(A, Constant(2.5))), r"${a}\,\left({a}+2.5\right)$"),
        (multiply(Constant(-2e-9), call("exp", A)), r"$-2{\times}10^{-9}\,\mathrm{exp}\left({a}\right)$"),
        (raise_to(Constant(-2.5), Fraction(3)), r"${\left(-2.5\right)}^{3}$"),
        (multiply(exact("pi/2"), A), r"$\frac{π\,{a}}{2}$"),
        (call("abs", A), r"$\left|{a}\right|$"),
        (multiply(Constant(2.5), raise_to(Constant(3.5), Fraction(2))), r"$2.5\cdot {3.5}^{2}$"),
    ],
)
def test_formulas_are_written_as_mathematics(expression, written: str):
    # Braces around one letter change nothing.
    shown, wanted = (re.sub(r"\{([ab])\}", r"\1", text) for text in (mathtext(expression, ("a", "b")), written))
    assert shown == wanted


def test_powers_of_functions_and_of_powers_keep_their_brackets():
    assert r"\left(\mathrm{sin}\left(a\right)\right)}^{2}" in mathtext(Power(call("sin", A), Fraction(2)), ("a",))
    nested = Power(Power(A, Fraction(2)), Fraction(1, 3))
    assert mathtext(nested, ("a",)) == r"${\left({a}^{2}\right)}^{1/3}$"


def test_names_in_mathml_are_escaped_and_words_are_kept_apart():
    text = mathml(multiply(A, B), ("<script>", "mass & k"), target="E")
    assert "<script>" not in text and "&lt;script&gt;" in text and "mass &amp; k" in text
    assert "<mo>·</mo>" in text
