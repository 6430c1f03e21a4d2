"""The registry of export formats: one row each."""

from __future__ import annotations

from collections.abc import Callable

from kansym.export.json_form import json_form
from kansym.export.latex_form import latex, latex_document, latex_table
from kansym.export.python_form import python
from kansym.export.sympy_code import sympy_code
from kansym.registry import Registry
from kansym.result import Result

Format = Callable[[Result], str]

FORMATS: Registry[Format] = Registry("format")
FORMATS.add("latex", latex)
FORMATS.add("latex-table", latex_table)
FORMATS.add("latex-document", latex_document)
FORMATS.add("python", python)
FORMATS.add("json", json_form)
FORMATS.add("sympy", sympy_code)


def export(result: Result, format: str) -> str:
    """The result in one of `FORMATS`, as text that ends with a line break.

    format: a name in `FORMATS`. Raises ConfigError for any other.
    """
    return FORMATS.get(format)(result)
