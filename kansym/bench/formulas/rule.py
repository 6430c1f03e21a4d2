"""The rule of SRBench for "the law was found", worked out by sympy.

Source: La Cava et al., Contemporary Symbolic Regression Methods, arXiv:2107.14351, definition 4.1, as the
benchmark's own programs apply it (cavalab/srbench, experiment/symbolic_utils.py and assess_symbolic_model.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy
from sympy.core.random import seed as seed_sympy

from kansym.errors import KansymError
from kansym.symbolic.expression import Constant, Expression
from kansym.symbolic.notation import exact_value
from kansym.symbolic.serial import expression_from_json
from kansym.symbolic.sympy_form import exact_to_sympy, to_sympy

PI = "3.1415926535"
DECIMALS = 3
DIGITS = 3
VANISHES = 1e-4
MOST_COLUMNS = 1000

Verdict = tuple[bool, str]


def letter(model: sympy.Expr, truth: sympy.Expr) -> Verdict:
    """Return whether the law was found, and by which part of the rule, exactly as SRBench works it out.

    pi is 3.1415926535; floats of law and formula are rounded to 3 decimals (and to 3 digits), those below 1e-4 are 0;
    the formula, not the law, is simplified. Difference and quotient of the two are rounded again, and unless the
    difference is constant already, the difference, not the quotient, is simplified and rounded once more. The law is
    found if the difference is 0 or `is_constant()`, or the quotient `is_constant()`, and the formula is neither 0 nor
    nan. Symbols have no assumptions: they are not positive, not even real.

    Args:
        model, truth: formula and law with pi as a float, see `built`.
    """
    truth, model = rounded(truth), sympy.simplify(rounded(model), ratio=1)
    if str(model) in ("0", "nan"):
        return False, f"the formula is {model}"
    difference, quotient = rounded(truth - model), rounded(model / truth)
    ratio_constant = quotient.is_constant()
    if not difference.is_constant() or ratio_constant:
        difference = rounded(sympy.simplify(difference, ratio=1))
    if str(difference) == "0":
        return True, "difference 0"
    if difference.is_constant():
        return True, "difference constant"
    return (True, "quotient constant") if ratio_constant else (False, f"difference {str(difference)[:80]}")


def definition(model: sympy.Expr, truth: sympy.Expr) -> Verdict:
    """Return the same by definition 4.1 alone, with numbers to 3 decimals however they are written.

    SRBench's program misses two kinds of right formulas. A wrong factor, where law and formula are written differently,
    because sympy does not call a quotient constant whose denominator might be 0: here the quotient is simplified. And a
    fitted number inside a function that stands for a whole number or a fraction, because for sympy cos(1.0 x) is not
    cos(x): here whole floats become integers, and fractions that are no exponents become floats.
    """
    truth, model = alike(rounded(truth)), alike(rounded(sympy.simplify(rounded(model), ratio=1)))
    if str(model) in ("0", "nan"):
        return False, f"the formula is {model}"
    for name, form in (("difference", truth - model), ("quotient", model / truth)):
        simple = rounded(sympy.simplify(alike(rounded(form)), ratio=1))
        if simple.is_constant():
            return True, f"{name} {'0' if simple == 0 else 'constant'} once simplified"
    return False, "neither difference nor quotient is constant"


def alike(expression: Any) -> Any:
    """Return the expression with whole floats as integers, and fractions as floats but in exponents."""
    if isinstance(expression, sympy.Float):
        return sympy.Integer(int(expression)) if float(expression).is_integer() else expression
    if isinstance(expression, sympy.Rational) and not isinstance(expression, sympy.Integer):
        return _rounded(sympy.Float(expression))
    if isinstance(expression, sympy.Pow) and isinstance(expression.exp, sympy.Rational):
        return alike(expression.base) ** expression.exp
    return expression.func(*map(alike, expression.args)) if expression.args else expression


def rounded(expression: Any) -> Any:
    """Return the expression with floats rounded to 3 decimals, those below 1e-4 replaced by 0."""
    changed = expression
    for number in sympy.preorder_traversal(expression):
        if isinstance(number, sympy.Float):
            changed = changed.subs(number, _rounded(number))
    return changed


def _rounded(number: sympy.Float) -> Any:
    return sympy.Integer(0) if abs(number) < VANISHES else sympy.Float(round(number, DECIMALS), DIGITS)


def built(expression: Expression, names: Sequence[str]) -> sympy.Expr:
    """Return a formula in sympy with pi as a float from the start, as if its text had been read with that number.

    Args:
        expression: the formula.
        names: of its columns (D,).
    """
    return to_sympy(expression, names, _number)


def _number(constant: Constant) -> Any:
    known = exact_value(constant)
    return sympy.Float(constant.value) if known is None else exact_to_sympy(known).subs(sympy.pi, sympy.Float(PI))


RULES: dict[str, Callable[[Any, Any], Verdict]] = {"letter": letter, "definition": definition}


def answer(question: tuple[str, list[Any], list[Any]]) -> Iterator[tuple[bool | None, str]]:
    """Apply a rule in a process of its own.

    Args:
        question: the name of the rule, the formula and the law, both as plain JSON values.

    Yields:
        (found, reason), once; found is None where sympy fails.
    """
    name, *plain = question
    # sympy tries random numbers: the same question shall get the same answer.
    seed_sympy(0)
    try:
        model, truth = (expression_from_json(item, MOST_COLUMNS) for item in plain)
        width = max(model.variables + truth.variables, default=0) + 1
        names = [f"v{number}" for number in range(width)]
        yield RULES[name](built(model, names), built(truth, names))
    except (KansymError, ArithmeticError, ValueError, TypeError, LookupError, AttributeError, RuntimeError,
            NotImplementedError) as error:  # fmt: skip
        yield None, f"sympy failed: {type(error).__name__}: {str(error)[:100]}"
