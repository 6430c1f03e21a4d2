"""Whether a found formula is the law: the rule of SRBench, and a check by numbers on fresh rows.

Run as a module, this file is the child process in which sympy works, so that it can be killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kansym.symbolic.expression import Expression
from kansym.symbolic.parser import parse
from kansym.symbolic.serial import expression_from_json, expression_to_json

Array = np.ndarray
ROOT = Path(__file__).parents[2]
PI = "3.1415926535"
DECIMALS = 3
DIGITS = 3
VANISHES = 1e-4
SAME = 1e-6
LEAST_R2 = 0.5
MOST_COLUMNS = 1000


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one formula.

    symbolic: the rule of SRBench; None when sympy ran out of time or failed. reason: by which part, or why not.
    numeric: whether the formula equals the law on fresh rows, up to one additive or multiplicative constant, and is not
    much longer than the law. distance: RMS of what is left, over the spread of the law. r2: on the fresh rows.
    """

    symbolic: bool | None
    reason: str
    numeric: bool
    distance: float
    r2: float
    complexity: int

    @property
    def solved(self) -> bool:
        """The verdict: the rule of SRBench, or the numbers where sympy gave no answer."""
        return self.numeric if self.symbolic is None else self.symbolic


def judge(found: str, truth: str, names: tuple[str, ...], law_names: tuple[str, ...], fresh: Array,
          seconds: float = 30.0) -> Verdict:  # fmt: skip
    """Judge a formula.

    Args:
        found: the formula as text, in the column names that the fit saw.
        truth: the law as text, in the names of its card. Both are read by kansym's own parser, never by sympy's.
        names, law_names: the D columns as the fit and as the law call them, in one order.
        fresh: (N, D) inputs from the ranges of the law, not those of the fit.
        seconds: limit for sympy.

    Raises:
        FormulaError: if a text is no formula.
    """
    formula, law = parse(found, names), parse(truth, law_names)
    distance, r2 = compare(formula.evaluate(fresh), law.evaluate(fresh))
    numeric = distance < SAME and formula.complexity <= 3 * law.complexity + 10
    if not r2 > LEAST_R2:
        return Verdict(False, f"R2 {r2:.3g} on fresh rows", False, distance, r2, formula.complexity)
    symbolic, reason = srbench(formula, law, seconds)
    return Verdict(symbolic, reason, numeric, distance, r2, formula.complexity)


def compare(values: Array, law: Array) -> tuple[float, float]:
    """(distance, R2) of values (N,) from a law (N,): distance allows for one additive or multiplicative constant."""
    if not np.all(np.isfinite(values)):
        return np.inf, -np.inf
    scale = float(np.max(np.abs(law - law.mean()))) or 1.0
    values, law = values / scale, law / scale
    if not np.all(np.isfinite(values)):
        return np.inf, -np.inf
    spread = float(np.std(law)) or 1.0
    shifted = float(np.std(values - law))
    largest = float(np.max(np.abs(values)))
    unit = values / largest if largest > 0 else values
    norm = float(unit @ unit)
    factor = float(unit @ law) / norm if norm > 0 else 0.0
    scaled = float(np.sqrt(np.mean((factor * unit - law) ** 2))) if factor else np.inf
    plain = float(np.mean((values - law) ** 2))
    return min(shifted, scaled) / spread, 1.0 - plain / spread**2


def srbench(formula: Expression, law: Expression, seconds: float) -> tuple[bool | None, str]:
    """(solved or None, reason) by the rule of SRBench, worked out by sympy in a child process that is killed in time.

    The rule (La Cava et al., arXiv:2107.14351): pi is 3.1415926535; floats are rounded to 3 decimals and those below
    1e-4 are 0; after sympy's simplify, the difference to the law is 0 or a constant, or the quotient is a constant.
    """
    question = json.dumps([expression_to_json(formula), expression_to_json(law)])
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        child = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.judge"], input=question, capture_output=True, text=True,
            timeout=seconds, check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, cwd=ROOT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None, f"sympy needed more than {seconds:g} s"
    if child.returncode != 0:
        return None, f"sympy failed: {child.stderr.strip().splitlines()[-1][:120] if child.stderr.strip() else '?'}"
    solved, reason = json.loads(child.stdout)
    return bool(solved), str(reason)


# --- the child -------------------------------------------------------------------------------------------------------


def rule(model: Any, truth: Any) -> tuple[bool, str]:
    """The rule on two sympy expressions."""
    import sympy

    pi = {sympy.pi: sympy.Float(PI)}
    truth, model = rounded(truth.subs(pi)), rounded(sympy.simplify(rounded(model.subs(pi)), ratio=1))
    if model in (sympy.S.Zero, sympy.nan):
        return False, f"the formula is {model}"
    difference, quotient = rounded(truth - model), rounded(model / truth)
    if difference.is_constant() is not True and quotient.is_constant() is not True:
        difference = rounded(sympy.simplify(difference, ratio=1))
        quotient = rounded(sympy.simplify(quotient, ratio=1))
    if difference == 0:
        return True, "difference 0"
    if difference.is_constant() is True:
        return True, "difference constant"
    if quotient.is_constant() is True:
        return True, "quotient constant"
    return False, f"difference {str(difference)[:80]}"


def rounded(expression: Any) -> Any:
    """Floats to 3 decimals, those below 1e-4 to 0."""
    import sympy

    floats = {number for number in sympy.preorder_traversal(expression) if isinstance(number, sympy.Float)}
    return expression.xreplace({number: _rounded(number) for number in floats})


def _rounded(number: Any) -> Any:
    import sympy

    # Three decimals, and then a float of three digits: so SRBench does it.
    return sympy.Integer(0) if abs(number) < VANISHES else sympy.Float(round(float(number), DECIMALS), DIGITS)


def serve() -> None:
    """Two formulas as JSON on standard input, [solved, reason] on standard output."""
    from kansym.symbolic.sympy_form import to_sympy

    formula, law = (expression_from_json(item, MOST_COLUMNS) for item in json.loads(sys.stdin.read()))
    width = max(formula.variables + law.variables, default=0) + 1
    names = [f"v{number}" for number in range(width)]
    sys.stdout.write(json.dumps(rule(to_sympy(formula, names), to_sympy(law, names))))


if __name__ == "__main__":
    serve()
