"""The network as GraphML, DOT and JSON: other programs read back what was written, whatever the columns are called."""

import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import networkx as nx
import pytest

from kansym.errors import ConfigError
from kansym.export import export
from kansym.export.formats import OF_THE_NETWORK
from kansym.export.graph_form import plain_graph
from tests.results import hostile_result, result_of

every_format = pytest.mark.parametrize("name", OF_THE_NETWORK)


def same(left: nx.DiGraph, right: nx.DiGraph) -> bool:
    return dict(left.nodes(data=True)) == dict(right.nodes(data=True)) and list(left.edges(data=True)) == list(
        right.edges(data=True)
    )


def test_networkx_reads_graphml_back_attribute_by_attribute() -> None:
    result = result_of(("a", "b"))
    read = nx.read_graphml(io.BytesIO(export(result, "graphml").encode()))
    assert same(read, plain_graph(result)) and read.number_of_edges() >= 2
    assert read.nodes["n0_0"] == {"kind": "input", "label": "a", "layer": 0, "index": 0}
    edge = read.edges["n0_0", "n1_0"]
    assert edge["primitive"] == "x^(3/2)" and (edge["a"], edge["b"], edge["c"], edge["d"]) == (1.0, 0.0, 1.0, 0.0)


def test_networkx_reads_the_json_back() -> None:
    result = result_of(("a", "b"))
    document = json.loads(export(result, "graph-json"))
    assert same(nx.node_link_graph(document, edges="edges"), plain_graph(result))


def test_a_product_has_a_node_for_each_sum_that_it_multiplies() -> None:
    result = result_of(("a", "b"))
    whole = replace(result, graph=result.graph_before)
    graph = plain_graph(whole)
    slots = [name for name, kind in graph.nodes(data="kind") if kind == "slot"]
    assert slots == ["n1_1_0", "n1_1_1"] and all(graph.has_edge(slot, "n1_1") for slot in slots)
    assert same(nx.read_graphml(io.BytesIO(export(whole, "graphml").encode())), graph)


@every_format
def test_hostile_names_stay_text(name: str) -> None:
    written = export(hostile_result(), name)
    assert written.endswith("\n") and all(letter.isprintable() or letter in "\n\t" for letter in written)
    if name == "graphml":
        nx.read_graphml(io.BytesIO(written.encode()))
    elif name == "dot":  # every line is one statement: no name ends its quotes early
        statement = re.compile(r'    (n[\d_]+|n[\d_]+ -> n[\d_]+) \[((\w+=("(\\.|[^"\\])*"|[\w.e+-]+)(, )?)*)\];')
        assert all(statement.fullmatch(line) for line in written.splitlines()[2:-1])


@every_format
def test_a_run_without_a_network_says_so(name: str) -> None:
    with pytest.raises(ConfigError, match="this run has no network"):
        export(replace(result_of(), graph=None), name)


@pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")
def test_graphviz_draws_the_dot_file() -> None:
    drawn = subprocess.run(["dot", "-Tsvg"], input=export(result_of(("a", "b")), "dot").encode(), capture_output=True)
    assert drawn.returncode == 0 and b"<svg" in drawn.stdout
