"""Evaluate the formulas of the equation tables: arithmetic, a few functions and pi, and nothing else."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from kansym.errors import FormulaError, quote

Values = Mapping[str, np.ndarray | float]

_MARK = "__name"  # ends a name that Python reserves, such as lambda, while the text is parsed
_RESERVED = re.compile(r"\b(" + "|".join(keyword.kwlist) + r")\b")


def _bessel_j0(x: np.ndarray) -> np.ndarray:
    from scipy.special import j0  # scipy takes long to load and only one formula needs it

    return j0(x)


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "abs": np.abs,
    "j0": _bessel_j0,
}
_OPERATORS: dict[type[ast.operator], Callable[..., np.ndarray]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
}


def evaluate(text: str, values: Values) -> np.ndarray:
    """Evaluate a formula; outside its domain the result is nan or infinite, never an exception.

    Args:
        text: a formula such as `exp(-theta**2/2)/sqrt(2*pi)`; names may be Python keywords (`lambda`).
        values: a number or an array (N,) for every name in the formula.

    Returns:
        (N,) or () float64.

    Raises:
        FormulaError: if the text is not a formula, or uses a function, a name or an operator that is not known.
    """
    with np.errstate(all="ignore"):
        return np.asarray(_evaluate(parse(text), values, text), dtype=np.float64)


def names(text: str) -> tuple[str, ...]:
    """Return the variables of a formula, sorted.

    Raises:
        FormulaError: if the text is not a formula.
    """
    called = {id(node.func) for node in ast.walk(parse(text)) if isinstance(node, ast.Call)}
    found = {_plain(node.id) for node in ast.walk(parse(text)) if isinstance(node, ast.Name) and id(node) not in called}
    return tuple(sorted(found - {"pi"}))


@lru_cache(maxsize=1024)
def parse(text: str) -> ast.expr:
    """Return the syntax tree of a formula, without running any of it.

    Raises:
        FormulaError: if the text is not an expression.
    """
    try:
        return ast.parse(_RESERVED.sub(r"\1" + _MARK, text), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise FormulaError(f"{quote(text)} is not a formula: write it with + - * / ** and functions") from error


def _plain(name: str) -> str:
    return name.removesuffix(_MARK)


def _evaluate(node: ast.expr, values: Values, text: str) -> np.ndarray:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.asarray(number, dtype=np.float64)  # not a Python float: 1e300**2 must be inf, not an exception
        case ast.Name(id=name):
            return _look_up(_plain(name), values, text)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, values, text)
        case ast.BinOp(op=ast.Sub(), left=ast.Call(func=ast.Name(id="exp"), args=[power]), right=ast.Constant(value=1)):
            return np.expm1(_evaluate(power, values, text))  # exp(u) - 1 loses every digit where u is small
        case ast.BinOp(op=ast.Sub(), left=ast.Constant(value=1), right=ast.Call(func=ast.Name(id="cos"), args=[angle])):
            return 2 * np.sin(_evaluate(angle, values, text) / 2) ** 2  # 1 - cos(u), for the same reason
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            return _OPERATORS[type(operator)](_evaluate(left, values, text), _evaluate(right, values, text))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](_evaluate(argument, values, text))
    part = ast.unparse(node).replace(_MARK, "")
    raise FormulaError(f"{quote(part)} in formula {quote(text)} is not allowed: use + - * / ** and {_known()}")


def _look_up(name: str, values: Values, text: str) -> np.ndarray:
    if name in values:
        return np.asarray(values[name], dtype=np.float64)
    if name == "pi":
        return np.asarray(np.pi)
    raise FormulaError(
        f"formula {quote(text)} needs a value for {quote(name)}: given are {', '.join(values) or 'none'}"
    )


def _known() -> str:
    return ", ".join(FUNCTIONS)
