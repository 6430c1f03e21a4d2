"""The registries of export formats: one row each. `FORMATS` give text, `FILES` give bytes."""

from __future__ import annotations

from collections.abc import Callable

from kansym.export.graph_form import dot, graph_json, graphml
from kansym.export.json_form import json_form
from kansym.export.latex_form import latex, latex_aligned, latex_display, latex_document, latex_inline, latex_table
from kansym.export.network_form import network_onnx, network_torch
from kansym.export.onnx_form import formula_onnx
from kansym.export.page_form import markdown, mathml_page
from kansym.export.sympy_code import srepr, sympy_code
from kansym.registry import Registry
from kansym.result import Result
from kansym.symbolic.code import LANGUAGES
from kansym.symbolic.formula import Formula

Format = Callable[[Result], str]

FORMATS: Registry[Format] = Registry("format")
FILES: Registry[Callable[[Result], bytes]] = Registry("format")
OF_THE_NETWORK = ("graphml", "dot", "graph-json")  # formats that say nothing of the formula


def _of_the_law(write: Callable[[Formula], str]) -> Format:
    """A format that says nothing but the chosen formula."""
    return lambda result: write(result.formula)


FORMATS.add("latex", latex)
FORMATS.add("latex-inline", latex_inline)
FORMATS.add("latex-display", latex_display)
FORMATS.add("latex-aligned", latex_aligned)
FORMATS.add("latex-table", latex_table)
FORMATS.add("latex-document", latex_document)
FORMATS.add("markdown", markdown)
FORMATS.add("mathml", mathml_page)
for _name, _write in LANGUAGES.items():
    FORMATS.add(_name, _of_the_law(_write))
FORMATS.add("json", json_form)
FORMATS.add("sympy", sympy_code)
FORMATS.add("srepr", srepr)
FORMATS.add("graphml", graphml)
FORMATS.add("dot", dot)
FORMATS.add("graph-json", graph_json)
FILES.add("onnx", lambda result: formula_onnx(result.formula))
FILES.add("network-onnx", network_onnx)
FILES.add("network-torch", network_torch)


def export(result: Result, format: str) -> str:
    """The result in one of `FORMATS`, as text that ends with a line break.

    format: a name in `FORMATS`. Raises ConfigError for any other, and where the run has no network to write.
    """
    return FORMATS.get(format)(result)


def export_file(result: Result, format: str) -> bytes:
    """The result in one of `FORMATS` or `FILES`, as the bytes of a file.

    format: a name in one of them. Raises ConfigError for any other, for an extra that is not installed, and where the
    run has no network to write.
    """
    return FILES.get(format)(result) if format in FILES else export(result, format).encode()
