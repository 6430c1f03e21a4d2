"""The registry of programming languages: how a formula is written in each."""

from __future__ import annotations

from collections.abc import Callable

from kansym.registry import Registry
from kansym.symbolic.code.c import CPP, C
from kansym.symbolic.code.excel import excel
from kansym.symbolic.code.fortran import FORTRAN
from kansym.symbolic.code.javascript import JAVASCRIPT
from kansym.symbolic.code.jax import JAX
from kansym.symbolic.code.julia import JULIA
from kansym.symbolic.code.matlab import MATLAB
from kansym.symbolic.code.numpy import NUMPY
from kansym.symbolic.code.python import PYTHON
from kansym.symbolic.code.rust import RUST
from kansym.symbolic.code.torch import TORCH
from kansym.symbolic.formula import Formula

LANGUAGES: Registry[Callable[[Formula], str]] = Registry("language")
for _name, _program in {
    "python": PYTHON, "numpy": NUMPY, "torch": TORCH, "jax": JAX, "c": C, "cpp": CPP, "fortran": FORTRAN,
    "julia": JULIA, "matlab": MATLAB, "javascript": JAVASCRIPT, "rust": RUST,
}.items():  # fmt: skip
    LANGUAGES.add(_name, _program.write)
LANGUAGES.add("excel", excel)


def code_in(formula: Formula, language: str) -> str:
    """The formula as source text of a language in `LANGUAGES`. Raises ConfigError for any other."""
    return LANGUAGES.get(language)(formula)
