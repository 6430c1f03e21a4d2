"""The registry of export formats: one row each."""

from __future__ import annotations

from collections.abc import Callable

from kansym.export.json_form import json_form
from kansym.export.latex_form import latex, latex_aligned, latex_display, latex_document, latex_inline, latex_table
from kansym.export.page_form import markdown, mathml_page
from kansym.export.sympy_code import srepr, sympy_code
from kansym.registry import Registry
from kansym.result import Result
from kansym.symbolic.code import LANGUAGES
from kansym.symbolic.formula import Formula

Format = Callable[[Result], str]

FORMATS: Registry[Format] = Registry("format")


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


def export(result: Result, format: str) -> str:
    """The result in one of `FORMATS`, as text that ends with a line break.

    format: a name in `FORMATS`. Raises ConfigError for any other.
    """
    return FORMATS.get(format)(result)
