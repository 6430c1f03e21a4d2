"""Differential equations solved by a KAN: problems as values, exact derivatives, Gauss-Newton on the residual.

from kansym.physics import Problem, solve

heat = Problem("heat", ("u_t = u_xx/10",), {"x": (0, 1), "t": (0, 1)},
               (("t = 0", "u = sin(pi*x)"), ("boundary", "u = 0")))
print(solve(heat))
"""

from kansym.physics.solver.config import METHODS, SolveConfig
from kansym.physics.solver.domain import Box, Union
from kansym.physics.solver.equation import apply, coordinates, field
from kansym.physics.solver.files import problem_from, read_problem
from kansym.physics.solver.known import PROBLEMS, KnownProblem
from kansym.physics.solver.problem import Condition, Observations, Problem
from kansym.physics.solver.saving import load_solution, save_solution
from kansym.physics.solver.solution import Check, ClosedForm, Piece, Solution
from kansym.physics.solver.solving import solve

__all__ = [
    "METHODS",
    "PROBLEMS",
    "Box",
    "Check",
    "ClosedForm",
    "Condition",
    "KnownProblem",
    "Observations",
    "Piece",
    "Problem",
    "Solution",
    "SolveConfig",
    "Union",
    "apply",
    "coordinates",
    "field",
    "load_solution",
    "problem_from",
    "read_problem",
    "save_solution",
    "solve",
]
