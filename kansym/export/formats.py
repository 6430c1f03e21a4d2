"""The registry of export formats: one row each."""

from __future__ import annotations

from collections.abc import Callable

from kansym.export.json_form import json_form
from kansym.export.languages.c import CPP, C
from kansym.export.languages.excel import excel
from kansym.export.languages.fortran import FORTRAN
from kansym.export.languages.javascript import JAVASCRIPT
from kansym.export.languages.jax import JAX
from kansym.export.languages.julia import JULIA
from kansym.export.languages.matlab import MATLAB
from kansym.export.languages.numpy import NUMPY
from kansym.export.languages.python import PYTHON
from kansym.export.languages.rust import RUST
from kansym.export.languages.torch import TORCH
from kansym.export.latex_form import latex, latex_aligned, latex_display, latex_document, latex_inline, latex_table
from kansym.export.page_form import markdown, mathml_page
from kansym.export.sympy_code import srepr, sympy_code
from kansym.registry import Registry
from kansym.result import Result
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
FORMATS.add("python", _of_the_law(PYTHON.write))
FORMATS.add("numpy", _of_the_law(NUMPY.write))
FORMATS.add("torch", _of_the_law(TORCH.write))
FORMATS.add("jax", _of_the_law(JAX.write))
FORMATS.add("c", _of_the_law(C.write))
FORMATS.add("cpp", _of_the_law(CPP.write))
FORMATS.add("fortran", _of_the_law(FORTRAN.write))
FORMATS.add("julia", _of_the_law(JULIA.write))
FORMATS.add("matlab", _of_the_law(MATLAB.write))
FORMATS.add("javascript", _of_the_law(JAVASCRIPT.write))
FORMATS.add("rust", _of_the_law(RUST.write))
FORMATS.add("excel", _of_the_law(excel))
FORMATS.add("json", json_form)
FORMATS.add("sympy", sympy_code)
FORMATS.add("srepr", srepr)


def export(result: Result, format: str) -> str:
    """The result in one of `FORMATS`, as text that ends with a line break.

    format: a name in `FORMATS`. Raises ConfigError for any other.
    """
    return FORMATS.get(format)(result)
