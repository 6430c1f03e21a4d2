"""Every picture, drawn from hand-made results with harmless and hostile names."""

import dataclasses
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.mathtext import MathTextParser

from kansym.errors import ConfigError
from kansym.report.canvas import Picture, drawable, encode, new_figure
from kansym.report.figures import KINDS, plot, save
from kansym.report.markup import mathtext
from kansym.report.scene import Units
from kansym.report.svg import graph_svg, graphs_svg
from kansym.result import Result
from kansym.symbolic.expression import multiply
from kansym.symbolic.formula import errors_of
from tests.results import HOSTILE, A, graph_of, hostile_result, result_of, without_network

ROOT = Path(__file__).parents[2]


def _ink(kind: str, result: Result) -> int:
    """How many pixels of a picture are not white."""
    figure = KINDS.get(kind)(result)
    figure.canvas.draw()
    return int((np.asarray(figure.canvas.buffer_rgba())[..., :3] < 250).any(axis=-1).sum())


def test_the_kinds_are_those_that_the_command_line_promises():
    assert KINDS.names() == ("graph", "edges", "pareto", "fit", "partial", "domain", "history")


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_draws_a_result(kind: str):
    assert _ink(kind, result_of()) > 2000


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_draws_hostile_names(kind: str, tmp_path):
    assert _ink(kind, hostile_result()) > 2000
    text = save(KINDS.get(kind)(hostile_result()), tmp_path / "a.svg").read_text("utf-8")
    ElementTree.fromstring(text)


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_draws_a_law_found_without_a_network(kind: str):
    assert _ink(kind, without_network()) > 500


def test_the_fit_of_one_input_has_a_panel_with_the_data_and_the_curve():
    assert len(KINDS.get("fit")(result_of()).axes) == 3
    assert len(KINDS.get("fit")(result_of(("a", "b"))).axes) == 2


def test_the_edges_picture_has_one_named_panel_for_every_active_edge():
    result = result_of(("a", "b", "c"))
    panels = [axes for axes in KINDS.get("edges")(result).axes if axes.axison]
    assert len(panels) == len(result.graph.active())
    assert "a → h1_0" in {text.get_text() for text in panels[0].texts}


def test_a_pareto_front_with_an_exact_formula_and_one_of_infinite_error_can_be_drawn():
    result = result_of()
    exact, broken = (
        dataclasses.replace(result.formula, errors={"train": dataclasses.replace(_some_errors(), nrmse=value)})
        for value in (0.0, float("inf"))
    )
    front = dataclasses.replace(result.front, formulas=(exact, broken), chosen=0, rivals=(), exact=False)
    assert _ink("pareto", dataclasses.replace(result, front=front)) > 1000


def _some_errors():
    return errors_of(np.array([1.0, 2.0]), np.array([1.0, 2.5]))


@pytest.mark.parametrize("suffix", [".svg", ".png", ".pdf"])
def test_the_same_result_gives_the_same_bytes(suffix: str):
    for kind in ("graph", "pareto"):
        assert encode(KINDS.get(kind)(result_of()), suffix) == encode(KINDS.get(kind)(result_of()), suffix)


def test_a_notebook_shows_a_picture_without_pyplot():
    picture = KINDS.get("pareto")(result_of())
    assert isinstance(picture, Picture) and ElementTree.fromstring(picture._repr_svg_()).tag.endswith("svg")


def test_files_carry_no_date_and_no_version():
    for suffix in (".svg", ".png", ".pdf"):
        content = encode(KINDS.get("history")(without_network()), suffix)
        assert b"Date" not in content and b"matplotlib.org" not in content.replace(b"dc:title", b"").lower()


def test_another_suffix_is_refused_with_the_three_that_work(tmp_path):
    figure = KINDS.get("history")(result_of())
    with pytest.raises(ConfigError, match=r"'\.jpg'.*\.svg, \.png or \.pdf"):
        save(figure, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_drawing_and_saving_leave_matplotlib_s_settings_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    save(KINDS.get("pareto")(result_of()), tmp_path / "a.svg")
    assert dict(matplotlib.rcParams) == before


def test_the_page_and_the_graph_need_no_matplotlib_and_no_picture_opens_pyplot():
    code = (
        "import sys, kansym.report.html, kansym.report.svg; print('matplotlib' in sys.modules);"
        "import kansym.report.figures; print('matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "False"]


def test_characters_that_no_font_has_become_boxes():
    assert drawable("a\U0001f9ff\U000e0041λ").startswith("a") and "λ" in drawable("λ")
    assert "\U000e0041" not in drawable("\U000e0041")


# mathtext has no way to write "#"; such a formula is drawn as plain text, which the pictures above show.
@pytest.mark.parametrize("name", [name.replace("#", "") for name in HOSTILE])
def test_hostile_names_are_valid_mathtext(name: str):
    MathTextParser("path").parse(mathtext(multiply(A, A), (drawable(name),)))


# The SVG of the run folder


def test_the_svg_is_xml_with_a_hover_title_for_every_edge():
    graph = graph_of(("a", "b"), "P")
    root = ElementTree.fromstring(graph_svg(graph, Units(("AU", None), ("yr",))))
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sum("→" in title for title in titles) >= len(graph.edges)
    assert any("x^(3/2), R² = 0.99999" in title for title in titles)
    assert "AU" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}


def test_the_svg_of_hostile_names_is_xml_without_foreign_elements():
    result = hostile_result()
    text = graphs_svg(result.graph_before, result.graph)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert tags <= {"svg", "rect", "g", "title", "path", "circle", "text", "tspan"}


def test_the_svg_shows_pruned_edges_faint():
    result = result_of()
    text = graphs_svg(result.graph_before, result.graph)
    assert text.count("pruned") == len(result.graph_before.edges) - len(result.graph.active())


def test_there_is_no_svg_without_a_graph():
    assert graphs_svg(None, None) == ""


# On axes of the user's own


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_goes_onto_axes_that_are_given(kind: str):
    figure = new_figure(600, 400)
    left, right = figure.subplots(1, 2)
    assert plot(result_of(("a", "b")), kind, right) is figure
    assert not right.axison and left.axison
    box = right.get_position()
    drawn = [axes for part in figure.subfigs for axes in part.axes]
    assert drawn
    for axes in drawn:
        place = axes.get_window_extent().transformed(figure.transFigure.inverted())
        assert place.x0 >= box.x0 - 0.01 and place.x1 <= box.x1 + 0.01 and place.y0 >= box.y0 - 0.01


def test_partial_dependence_follows_the_formula_along_each_input_and_domain_counts_every_row():
    result = result_of(("a", "b"))
    (panel,) = [axes for axes in KINDS.get("partial")(result).axes if axes.axison]  # the law knows a alone
    along, values = panel.lines[1].get_data()
    np.testing.assert_allclose(values, along**1.5)
    counted = KINDS.get("domain")(result).axes
    assert [sum(bar.get_height() for bar in axes.patches) for axes in counted] == [len(result.points.measured)] * 2
