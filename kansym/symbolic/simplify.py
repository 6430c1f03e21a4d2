"""sympy.simplify at arm's length: in a child process, killed when its time is up and believed only after a check."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kansym.errors import KansymError
from kansym.symbolic.expression import Call, Expression, multiply, whole
from kansym.symbolic.serial import expression_from_json, expression_to_json

POINTS = 1000
MOST_COLUMNS = 100_000
TOLERANCE, ROUNDING = 1e-9, 1e-14
MOSTLY, ILL_CONDITIONED = 0.98, 1e-6  # share of the points that must agree so well, and how well all others must
WORTH_AN_ASSUMPTION = 5  # nodes that a form must save which only holds where some columns are positive
_SCRIPT = "from kansym.symbolic.simplify import serve; serve()"


def simplify_in_child(
    expression: Expression, seconds: float = 5.0, points: np.ndarray | None = None
) -> Expression | None:
    """A simpler formula by sympy, or None when there is none, it takes too long, or it is not the same.

    seconds: wall-clock limit; the child process is killed when it has passed.
    points: (n, D) inputs on which both must agree to 1e-9; columns that are positive on all of them count as positive.
        Without points, 1,000 random ones of several sizes, and nothing is assumed of any column.
    """
    positive = [] if points is None else [i for i in range(_columns(expression)) if np.all(points[:, i] > 0)]
    question = {"tree": expression_to_json(expression), "positive": positive}
    answer = _asked(json.dumps(question), seconds)
    if answer is None:
        return None
    try:
        groups = [[expression_from_json(tree, _columns(expression)) for tree in trees] for trees in json.loads(answer)]
    except (KansymError, ValueError):
        return None
    always, when_positive = groups
    when_positive = [*when_positive, *(signed for form in when_positive for signed in _without_absolute(form))]
    plain = _shortest([form for form in always if form.complexity < expression.complexity], expression, points)
    limit = (plain or expression).complexity - WORTH_AN_ASSUMPTION
    return _shortest([form for form in when_positive if form.complexity <= limit], expression, points) or plain


def _shortest(forms: list[Expression], expression: Expression, points: np.ndarray | None) -> Expression | None:
    good = (form for form in sorted(forms, key=lambda form: form.complexity) if same_values(expression, form, points))
    return next(good, None)


def _without_absolute(form: Expression) -> Iterator[Expression]:
    """The form with every absolute value replaced by its argument, and by the negative of it."""
    if any(isinstance(node, Call) and node.name == "abs" for node in form.walk()):
        for sign in (1, -1):
            yield form.map(
                lambda node, sign=sign: (
                    multiply(whole(sign), node.argument) if isinstance(node, Call) and node.name == "abs" else node
                )
            )


def same_values(first: Expression, second: Expression, points: np.ndarray | None = None) -> bool:
    """Whether two formulas agree to 1e-9, relative, wherever the first one is finite (somewhere at least).

    Where terms cancel, no form knows more than the rounding of the largest value; and a few points may lie where one of
    the forms is badly conditioned, as sin(u)**2/(1 + cos(u)) is near pi.
    """
    if points is None:
        points = _random_points(max(_columns(first), _columns(second), 1))
    values, others = first.evaluate(points), second.evaluate(points)
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        size = np.abs(values[finite])
        rounding = ROUNDING * np.max(size, initial=0.0)
        apart = np.abs(values - others)[finite]
        near, nearly = apart <= TOLERANCE * size + rounding, apart <= ILL_CONDITIONED * size + rounding
        return bool(finite.any() and np.mean(near) >= MOSTLY and np.all(nearly))


def serve() -> None:
    """The child's part: a formula as JSON on standard input, the simplified one on standard output."""
    import sympy

    from kansym.symbolic.sympy_form import from_sympy, to_sympy

    question = json.loads(sys.stdin.read())
    expression = expression_from_json(question["tree"], MOST_COLUMNS)
    names = [f"x{number}" for number in range(_columns(expression))]
    plain = [sympy.Symbol(name) for name in names]
    known = {plain[i]: sympy.Symbol(names[i], positive=True) for i in question["positive"]}
    formula = to_sympy(expression, names)
    assumed = formula.subs(known)
    groups = [_forms(formula), [*_forms(assumed), _opened(assumed)]]
    back = {symbol: name for name, symbol in known.items()}
    trees = [[expression_to_json(from_sympy(form.subs(back), names)) for form in forms] for forms in groups]
    sys.stdout.write(json.dumps(trees))


def _forms(formula: Any) -> list[Any]:
    """Ways to write a sympy expression that hold for all numbers its symbols may be."""
    import sympy

    simple = sympy.simplify(formula)
    return [simple, sympy.factor(simple, deep=True), sympy.expand_mul(simple)]


def _opened(formula: Any) -> Any:
    """The expression with roots of products and powers taken apart without a look at signs."""
    import sympy

    return sympy.powdenest(sympy.expand_power_base(sympy.simplify(formula), force=True), force=True)


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
