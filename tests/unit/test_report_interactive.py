"""The network's page: self-contained, and in a real browser the slider prunes and a click isolates."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from kansym.graph import Edge, EdgeId, Graph, Node
from kansym.report.interactive import network_page, picture
from tests.browser import BROWSER, shown


def network(*widths: int) -> Graph:
    """Edges whose scores rise in their order."""
    random = np.random.default_rng(0)
    kinds = ["input", *["sum"] * (len(widths) - 1)]
    nodes = [
        Node(layer, index, kinds[layer], f"n{layer}_{index}") for layer, n in enumerate(widths) for index in range(n)
    ]
    places = [
        EdgeId(layer, source, target)
        for layer in range(len(widths) - 1)
        for source in range(widths[layer])
        for target in range(widths[layer + 1])
    ]
    x = np.linspace(-1, 1, 20)
    edges = [Edge(place, 0.1 * (at + 1), x, random.normal(size=20)) for at, place in enumerate(places)]
    return Graph(tuple(nodes), tuple(edges))


def test_the_page_asks_for_nothing_from_outside() -> None:
    text = network_page("</title><script>alert(1)</script>", picture(network(2, 3, 1)))
    assert not re.search(r"(?:src|href)\s*=|url\(|@import|https?://(?!www\.w3\.org)", text)
    assert "<script>alert" not in text and "default-src 'none'" in text
    assert text.count("data-edge=") == 2 * 9 and text.count("data-node=") == 6


def test_without_a_network_there_is_no_script() -> None:
    text = network_page("t", "<p>none</p>")
    assert "<script" not in text and "script-src" not in text


PROBE = """
const seen = {};
const note = (name) => { seen[name] = [told.textContent,
  new Set([...document.querySelectorAll("g[data-edge]:not(.faded)")].map((g) => g.dataset.edge)).size]; };
const told = document.getElementById("told"), slider = document.getElementById("threshold");
note("all");
slider.value = "3"; slider.dispatchEvent(new Event("input")); note("three less");
slider.value = "0"; slider.dispatchEvent(new Event("input"));
document.querySelector('g[data-edge="0 0 1 0"]').dispatchEvent(new MouseEvent("click", { bubbles: true })); note("one");
document.querySelector('g[data-node="0 1"]').dispatchEvent(new MouseEvent("click", { bubbles: true })); note("input");
document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" })); note("released");
document.title = JSON.stringify(seen);
"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
def test_the_slider_prunes_and_a_click_isolates(tmp_path: Path) -> None:
    answer, said = shown(tmp_path, network_page("t", picture(network(2, 3, 1))), PROBE)
    seen = json.loads(answer)
    assert said == []
    assert seen["all"] == ["all edges: 9 of 9", 9] and seen["released"] == seen["all"]
    # The three weakest edges are those of the first input: the input goes with them.
    assert seen["three less"] == ["edges with a score above 0.300: 6 of 9", 6]
    # 0 -> 1 -> output; then the second input with its three edges and what they lead to.
    assert seen["one"][1] == 2 and seen["input"][1] == 6


def test_a_large_network_is_drawn_in_seconds() -> None:
    text = network_page("large", picture(network(64, 64, 64, 1)))
    assert text.count("data-node=") == 193 and len(text) < 5_000_000
