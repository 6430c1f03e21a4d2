"""Differential equations: solved by a KAN (`solver`), found in data (`discovery`); what motions obey (`mechanics`).

    from kansym.physics import discover, solve

    print(solve("poisson"))
    print(discover("trajectories.csv", time="t"))

Names are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kansym.physics.discovery import Discovery as Discovery
    from kansym.physics.discovery import Field as Field
    from kansym.physics.discovery import Trajectories as Trajectories
    from kansym.physics.discovery import discover as discover
    from kansym.physics.mechanics import conserved as conserved
    from kansym.physics.mechanics import lagrangian as lagrangian
    from kansym.physics.solver import PROBLEMS as PROBLEMS
    from kansym.physics.solver import Problem as Problem
    from kansym.physics.solver import Solution as Solution
    from kansym.physics.solver import SolveConfig as SolveConfig
    from kansym.physics.solver import solve as solve

_ROOMS = {
    "kansym.physics.discovery": ("Discovery", "Field", "Trajectories", "discover"),
    "kansym.physics.mechanics": ("conserved", "lagrangian"),
    "kansym.physics.solver": ("PROBLEMS", "Problem", "Solution", "SolveConfig", "solve"),
}
_HOME = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "PROBLEMS", "Discovery", "Field", "Problem", "Solution", "SolveConfig", "Trajectories", "conserved", "discover",
    "lagrangian", "solve",
]  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'kansym.physics' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
