"""Differential equations: solved by a KAN (`solver`), discovered from data (`discover`).

    from kansym.physics import solve

    print(solve("poisson"))

Names are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kansym.physics.solver import PROBLEMS as PROBLEMS
    from kansym.physics.solver import Problem as Problem
    from kansym.physics.solver import Solution as Solution
    from kansym.physics.solver import SolveConfig as SolveConfig
    from kansym.physics.solver import solve as solve

_HOME = dict.fromkeys(("PROBLEMS", "Problem", "Solution", "SolveConfig", "solve"), "kansym.physics.solver")

__all__ = ["PROBLEMS", "Problem", "Solution", "SolveConfig", "solve"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'kansym.physics' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
