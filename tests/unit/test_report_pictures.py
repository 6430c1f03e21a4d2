"""Every picture and the page, drawn from hand-made results with harmless and hostile names."""

import dataclasses
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.mathtext import MathTextParser

from kansym.config import Config
from kansym.errors import ConfigError
from kansym.graph import Edge, EdgeId, Graph, Node
from kansym.report.canvas import drawable, encode
from kansym.report.figures import KINDS, save
from kansym.report.html import report, reproduce_command
from kansym.report.markup import mathtext
from kansym.report.scene import Units
from kansym.report.svg import graph_svg, graphs_svg
from kansym.result import Points, Result, Table
from kansym.symbolic.expression import Constant, Variable, add, multiply, raise_to
from kansym.symbolic.formula import FittedConstant, Formula, ParetoFront, errors_of

ROOT = Path(__file__).parents[2]
A = Variable(0)
HOSTILE = (
    "$x_1$ \\frac{",
    "</text></td><script>alert(1)</script>",
    "]]> & \"' %s {0}",
    "温度 😀 λ\u202e",
    "line\nbreak\x00\x1b[31m",
    "a very long name " * 20,
    "\ud800",
    "^_~'`#%&",
    " ",
)


def _graph(names: tuple[str, ...], target: str, matched: bool = True) -> Graph:
    x = np.linspace(0.4, 30, 40)
    fit = (
        {"primitive": "x^(3/2)", "parameters": (1.0, 0.0, 1.0, 0.0), "r2": 0.99999, "fitted": x**1.5} if matched else {}
    )
    nodes = [Node(0, place, "input", name) for place, name in enumerate(names)]
    nodes += [Node(1, 0, "sum", "h1_0"), Node(1, 1, "product", "h1_1"), Node(2, 0, "sum", target)]
    inputs = [Edge(EdgeId(0, place, 0), 1.0 / (place + 1), x, x**1.5, **fit) for place in range(len(names))]
    factors = [Edge(EdgeId(0, place, 1, place % 2), 0.1, x, np.cos(x)) for place in range(len(names))]
    last = [Edge(EdgeId(1, place, 0), 0.9, x, 2 * x) for place in (0, 1)]
    return Graph(tuple(nodes), tuple(inputs + factors + last))


def _formulas(names: tuple[str, ...], target: str, inputs: np.ndarray, measured: np.ndarray) -> tuple[Formula, ...]:
    everything = add(*(Variable(place) for place in range(len(names))))
    shapes = (multiply(Constant(3.0), A), raise_to(A, Fraction(3, 2)), multiply(Constant(1.0001), everything, A))
    return tuple(
        Formula(
            shape,
            names,
            target,
            tuple(FittedConstant(constant.value, 0.01) for constant in shape.free_constants),
            {"validation": errors_of(shape.evaluate(inputs), measured)},
            tuple((float(column.min()), float(column.max())) for column in inputs.T),
        )
        for shape in shapes
    )


def _result(names: tuple[str, ...] = ("a",), target: str = "P", rows: int = 40) -> Result:
    inputs = np.geomspace(0.4, 30, rows * len(names)).reshape(rows, len(names))
    measured = inputs[:, 0] ** 1.5
    after = _graph(names, target)
    gone = [edge.id for edge in after.edges if edge.id.layer == 0 and edge.id.target == 1]
    stages = [("train", 30), ("prune", 10), ("symbols\x1b", 1)]
    history = [
        {
            "stage": stage,
            "step": step,
            "loss": 2.0**-step + 1e-9,
            "validation": 3.0**-step + 1e-9,
            "edges": 9 - len(stage),
        }
        for stage, count in stages
        for step in range(count)
    ]
    return Result(
        Config(seed=7),
        Table("planets.csv", "sha256:0", rows, names, target, ("AU",) + (None,) * (len(names) - 1), "yr", ("a note",)),
        ParetoFront(_formulas(names, target, inputs, measured), 1, (2,)),
        _graph(names, target, matched=False),
        after.without([*gone, EdgeId(1, 1, 0)]),
        None,
        {"train": {"rows": rows, "rmse": 1e-3, "nrmse": 1e-4, "max_error": 2e-3, "r2": 0.9999}},
        tuple(history),
        Points(inputs, measured, measured * 1.001, ("train",) * (rows - 4) + ("validation", "test") * 2),
        {"kansym": "0.1.0", "numpy": "2"},
        "finished",
        noise=1e-3,
    )


def _hostile_result() -> Result:
    return _result(HOSTILE, "<b>$T$</b> & {λ}")


def _without_network() -> Result:
    return dataclasses.replace(_result(), graph=None, graph_before=None, history=())


def _ink(kind: str, result: Result) -> int:
    """How many pixels of a picture are not white."""
    figure = KINDS.get(kind)(result)
    figure.canvas.draw()
    return int((np.asarray(figure.canvas.buffer_rgba())[..., :3] < 250).any(axis=-1).sum())


def test_the_kinds_are_those_that_the_command_line_promises():
    assert KINDS.names() == ("graph", "edges", "pareto", "fit", "history")


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_draws_a_result(kind: str):
    assert _ink(kind, _result()) > 2000


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_draws_hostile_names(kind: str, tmp_path):
    assert _ink(kind, _hostile_result()) > 2000
    text = save(KINDS.get(kind)(_hostile_result()), tmp_path / "a.svg").read_text("utf-8")
    ElementTree.fromstring(text)


@pytest.mark.parametrize("kind", KINDS.names())
def test_every_kind_draws_a_law_found_without_a_network(kind: str):
    assert _ink(kind, _without_network()) > 500


def test_the_fit_of_one_input_has_a_panel_with_the_data_and_the_curve():
    assert len(KINDS.get("fit")(_result()).axes) == 3
    assert len(KINDS.get("fit")(_result(("a", "b"))).axes) == 2


def test_the_edges_picture_has_one_named_panel_for_every_active_edge():
    result = _result(("a", "b", "c"))
    panels = [axes for axes in KINDS.get("edges")(result).axes if axes.axison]
    assert len(panels) == len(result.graph.active())
    assert "a → h1_0" in {text.get_text() for text in panels[0].texts}


def test_a_pareto_front_with_an_exact_formula_and_one_of_infinite_error_can_be_drawn():
    result = _result()
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
        assert encode(KINDS.get(kind)(_result()), suffix) == encode(KINDS.get(kind)(_result()), suffix)


def test_files_carry_no_date_and_no_version():
    for suffix in (".svg", ".png", ".pdf"):
        content = encode(KINDS.get("history")(_without_network()), suffix)
        assert b"Date" not in content and b"matplotlib.org" not in content.replace(b"dc:title", b"").lower()


def test_another_suffix_is_refused_with_the_three_that_work(tmp_path):
    figure = KINDS.get("history")(_result())
    with pytest.raises(ConfigError, match=r"'\.jpg'.*\.svg, \.png or \.pdf"):
        save(figure, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_drawing_and_saving_leave_matplotlib_s_settings_alone(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    save(KINDS.get("pareto")(_result()), tmp_path / "a.svg")
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
    graph = _graph(("a", "b"), "P")
    root = ElementTree.fromstring(graph_svg(graph, Units(("AU", None), ("yr",))))
    titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
    assert sum("→" in title for title in titles) >= len(graph.edges)
    assert any("x^(3/2), R² = 0.99999" in title for title in titles)
    assert "AU" in {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}


def test_the_svg_of_hostile_names_is_xml_without_foreign_elements():
    result = _hostile_result()
    text = graphs_svg(result.graph_before, result.graph)
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(text).iter()}
    assert tags <= {"svg", "rect", "g", "title", "path", "circle", "text", "tspan"}


def test_the_svg_shows_pruned_edges_faint():
    result = _result()
    text = graphs_svg(result.graph_before, result.graph)
    assert text.count("pruned") == len(result.graph_before.edges) - len(result.graph.active())


def test_there_is_no_svg_without_a_graph():
    assert graphs_svg(None, None) == ""


# The page


class _Page(HTMLParser):
    """Collects tags, links and text, and refuses tags that are closed in the wrong order."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "use", "path", "rect", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "data", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("make", [_result, _hostile_result, _without_network])
def test_the_page_is_whole_offline_and_below_a_megabyte(make):
    text = report(make())
    page = _Page(text)
    assert page.open == []
    assert not {"script", "iframe", "object", "link", "form"} & set(page.tags)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    outside = set(re.findall(r"(?:https?:)?//[a-z0-9.]+[^\s\"'<>)]*", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/1998/Math/MathML",
    }
    assert not {url for url in outside if url.startswith("http")}
    assert "url(http" not in text and "@import" not in text
    assert len(text.encode("utf-8")) < 1_000_000


def test_the_page_tells_the_law_its_errors_and_how_to_repeat_it():
    words = " ".join(_Page(report(_result())).words)
    for wanted in ("P = a**(3/2)", "validation", "planets.csv", "a note", "chosen", "Rivals", "AU", "0.1.0"):
        assert wanted in words, wanted
    assert "kansym fit planets.csv --target P --features a --seed 7" in words


def test_the_page_says_when_no_closed_form_was_found():
    result = _result()
    front = dataclasses.replace(result.front, exact=False)
    assert "No closed form found" in report(dataclasses.replace(result, front=front))
    assert "No closed form found" not in report(result)


def test_the_page_of_two_thousand_rows_and_many_edges_stays_small():
    names = tuple(f"x{place}" for place in range(10))
    assert len(report(_result(names, rows=2000)).encode("utf-8")) < 1_000_000


def test_the_page_is_the_same_every_time():
    assert report(_result()) == report(_result())


def test_the_command_quotes_names_and_tells_only_what_is_not_the_default():
    result = dataclasses.replace(_result(), config=Config(seed=3, time_limit=20.0, width=(4, 3)))
    names = ("a", "x, y")
    table = dataclasses.replace(result.table, source="my data.csv", target_name="E $k$", input_names=names)
    command = reproduce_command(dataclasses.replace(result, table=table))
    wanted = (
        """kansym fit 'my data.csv' --target 'E $k$' --features 'a,"x, y"' --seed 3 --time-limit 20.0 --width 4,3"""
    )
    assert command == wanted


def test_the_report_repeats_what_was_said_about_the_file():
    result = _result()
    options = {"sigma": "error of E", "missing": "drop", "units": "a=AU"}
    command = reproduce_command(dataclasses.replace(result, table=dataclasses.replace(result.table, options=options)))
    assert "--sigma 'error of E' --missing drop --units a=AU" in command
