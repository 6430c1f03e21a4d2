"""sympy.simplify at arm's length: in a child process, killed when its time is up and believed only after a check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from kansym.errors import KansymError
from kansym.symbolic.expression import Expression
from kansym.symbolic.serial import expression_from_json, expression_to_json

POINTS = 1000
MOST_COLUMNS = 100_000
TOLERANCE = 1e-9
_SCRIPT = "from kansym.symbolic.simplify import serve; serve()"


def simplify_in_child(
    expression: Expression, seconds: float = 5.0, points: np.ndarray | None = None
) -> Expression | None:
    """A simpler formula by `sympy.simplify`, or None when there is none, it takes too long, or it is not the same.

    seconds: wall-clock limit; the child process is killed when it has passed.
    points: (n, D) inputs on which both must agree to 1e-9; without them, 1,000 random ones of several sizes.
    """
    answer = _asked(json.dumps(expression_to_json(expression)), seconds)
    if answer is None:
        return None
    try:
        found = expression_from_json(json.loads(answer), _columns(expression))
    except (KansymError, ValueError):
        return None
    return found if found.complexity < expression.complexity and same_values(expression, found, points) else None


def same_values(first: Expression, second: Expression, points: np.ndarray | None = None) -> bool:
    """Whether two formulas agree to 1e-9, relative, wherever the first one is finite (somewhere at least)."""
    if points is None:
        points = _random_points(max(_columns(first), _columns(second), 1))
    values, others = first.evaluate(points), second.evaluate(points)
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return bool(finite.any() and np.all(np.abs(values - others)[finite] <= TOLERANCE * np.abs(values)[finite]))


def serve() -> None:
    """The child's part: a formula as JSON on standard input, the simplified one on standard output."""
    import sympy

    from kansym.symbolic.sympy_form import from_sympy, to_sympy

    expression = expression_from_json(json.loads(sys.stdin.read()), MOST_COLUMNS)
    names = [f"x{number}" for number in range(_columns(expression))]
    simple = sympy.simplify(to_sympy(expression, names))
    sys.stdout.write(json.dumps(expression_to_json(from_sympy(simple, names))))


def _asked(question: str, seconds: float) -> str | None:
    command = [sys.executable, "-P", "-c", _SCRIPT]
    # The child must find this very package, also where it is not installed.
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    try:
        child = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=seconds, check=False, env=surroundings
        )
    except subprocess.TimeoutExpired:
        return None
    return child.stdout if child.returncode == 0 else None


def _columns(expression: Expression) -> int:
    return max(expression.variables, default=-1) + 1


def _random_points(columns: int) -> np.ndarray:
    draws = np.random.default_rng(0)
    sizes = np.exp(draws.uniform(-2, 2, (POINTS, columns)))
    return sizes * np.where(draws.random((POINTS, columns)) < 0.3, -1.0, 1.0)
