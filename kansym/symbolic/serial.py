"""Formulas as plain JSON values and back, by a reader of our own: nothing that is read is ever run or parsed as code.

A node is a list: ["constant", value, label or null], ["variable", i], ["sum", node, ...], ["product", node, ...],
["power", node, "3/2"], ["call", "sin", node].
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from kansym.errors import FormulaError, ModelFileError
from kansym.symbolic.expression import Call, Constant, Expression, Power, Product, Sum, Variable
from kansym.symbolic.formula import Errors, FittedConstant, Formula
from kansym.symbolic.labels import Exact, is_name, read_label
from kansym.symbolic.primitives import CALLS

# Far above every formula that a fit can return, far below what would exhaust the stack or the memory.
MAX_DEPTH = 100
MAX_NODES = 20_000
MAX_EXPONENT = 10_000

_EXPONENT = re.compile(r"-?\d{1,9}(?:/\d{1,9})?")


def expression_to_json(expression: Expression) -> list[Any]:
    """The tree as nested lists of strings and numbers. Raises ModelFileError for a constant that is not finite."""
    if isinstance(expression, Constant):
        if not math.isfinite(expression.value):
            raise ModelFileError(f"a formula with the constant {expression.value} cannot be written")
        return ["constant", float(expression.value), expression.label]
    if isinstance(expression, Variable):
        return ["variable", int(expression.index)]
    below = [expression_to_json(child) for child in expression.children]
    if isinstance(expression, Sum):
        return ["sum", *below]
    if isinstance(expression, Product):
        return ["product", *below]
    if isinstance(expression, Power):
        return ["power", *below, str(expression.exponent)]
    if isinstance(expression, Call):
        return ["call", expression.name, *below]
    raise ModelFileError(f"a formula with a node of type {type(expression).__name__} cannot be written")


def expression_from_json(value: Any, inputs: int) -> Expression:
    """The tree that `expression_to_json` wrote.

    inputs: number of columns; variables are 0 .. inputs - 1.
    Raises ModelFileError for anything else: unknown nodes, wrong arguments, too deep, too large.
    """
    return _Reader(inputs).read(value, 0)


def formula_to_json(formula: Formula) -> dict[str, Any]:
    """Everything of a formula but its names and units, which belong to the table. NaN stays NaN here."""
    return {
        "expression": expression_to_json(formula.expression),
        "constants": [asdict(constant) for constant in formula.constants],
        "errors": {part: asdict(errors) for part, errors in formula.errors.items()},
        "box": [list(limits) for limits in formula.box],
        "description_length": formula.description_length,
        "origin": formula.origin,
        "covariance": None if formula.covariance is None else [list(row) for row in formula.covariance],
    }


def formula_from_json(
    value: Any, names: tuple[str, ...], target: str, units: tuple[str | None, ...], target_unit: str | None
) -> Formula:
    """The formula that `formula_to_json` wrote, with the table's names and units. Raises ModelFileError."""
    record = mapping(value, "a formula")
    return Formula(
        expression=expression_from_json(record.get("expression"), len(names)),
        input_names=names,
        target_name=target,
        constants=tuple(_constant(item) for item in listing(record.get("constants"), "constants")),
        errors={text(part, "errors"): _errors(item) for part, item in mapping(record.get("errors"), "errors").items()},
        box=tuple(interval(item, "box") for item in listing(record.get("box"), "box")),
        input_units=units,
        target_unit=target_unit,
        description_length=number(record.get("description_length"), "description_length"),
        origin=text(record.get("origin"), "origin"),
        covariance=_covariance(record.get("covariance")),
    )


def formula_summary(formula: Formula) -> dict[str, Any]:
    """What other programs want to know of a formula: text in sympy's syntax, LaTeX, complexity, errors, constants.

    A part of the data that the table was too small for is None.
    """
    parts = {"train": None, "validation": None, "test": None} | {
        part: asdict(errors) for part, errors in formula.errors.items()
    }
    return {
        "formula": formula.text(),
        "latex": formula.latex(),
        "complexity": formula.complexity,
        "errors": parts,
        "constants": [asdict(constant) for constant in formula.constants],
    }


class _Reader:
    """Reads one tree and counts its nodes."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.nodes = 0

    def read(self, value: Any, depth: int) -> Expression:
        self.nodes += 1
        if depth > MAX_DEPTH or self.nodes > MAX_NODES:
            raise ModelFileError(f"a formula is deeper than {MAX_DEPTH} levels or larger than {MAX_NODES} nodes")
        if not isinstance(value, list) or not value or not isinstance(value[0], str):
            raise ModelFileError("a formula has a part that is no node")
        kind, rest = value[0], value[1:]
        if kind in ("sum", "product") and len(rest) >= 2:
            children = tuple(self.read(item, depth + 1) for item in rest)
            return Sum(children) if kind == "sum" else Product(children)
        if kind == "constant" and len(rest) == 2:
            return _exact_or_free(*rest)
        if kind == "variable" and len(rest) == 1:
            return self._variable(rest[0])
        if kind == "power" and len(rest) == 2:
            return Power(self.read(rest[0], depth + 1), _exponent(rest[1]))
        if kind == "call" and len(rest) == 2:
            return Call(_primitive(rest[0]), self.read(rest[1], depth + 1))
        raise ModelFileError(f"a formula has an unknown or incomplete node {kind[:40]!r}")

    def _variable(self, index: Any) -> Variable:
        if whole_number(index, "a variable") >= self.inputs:
            raise ModelFileError(f"a formula uses column {index}, but the table has {self.inputs} inputs")
        return Variable(index)


def _exact_or_free(value: Any, label: Any) -> Constant:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ModelFileError("a formula has a constant that is not a number")
    if is_name(label):
        return Constant(float(value), label)
    if label is not None and not math.isclose(_exact(label).value, value, rel_tol=1e-9, abs_tol=0.0):
        raise ModelFileError(f"a formula has the exact constant {label!r} with another value")
    return Constant(float(value), label)


def _exact(label: Any) -> Exact:
    """What a label means; it is written into LaTeX and program code later on, so only real labels may pass."""
    try:
        return read_label(text(label, "an exact constant"))
    except FormulaError as error:
        raise ModelFileError(str(error)) from error


def _exponent(value: Any) -> Fraction:
    if not isinstance(value, str) or not _EXPONENT.fullmatch(value):
        raise ModelFileError(f"a formula has the exponent {str(value)[:40]!r}")
    numerator, _, denominator = value.partition("/")
    above, below = int(numerator), int(denominator or 1)
    if abs(above) > MAX_EXPONENT or not 0 < below <= MAX_EXPONENT:
        raise ModelFileError(f"a formula has the exponent {value!r}")
    return Fraction(above, below)


def _primitive(name: Any) -> str:
    if not isinstance(name, str) or name not in CALLS:
        raise ModelFileError(f"a formula uses the primitive {str(name)[:40]!r}, which this kansym does not have")
    return name


def _constant(value: Any) -> FittedConstant:
    record = mapping(value, "a constant")
    error, label = record.get("error"), record.get("label")
    if label is not None and not is_name(label):
        _exact(label)
    return FittedConstant(
        number(record.get("value"), "a constant"),
        None if error is None else number(error, "an error"),
        label,
    )


def _covariance(value: Any) -> tuple[tuple[float, ...], ...] | None:
    """A square table; runs of earlier versions have none."""
    if value is None:
        return None
    rows = [listing(row, "covariance") for row in listing(value, "covariance")]
    if any(len(row) != len(rows) for row in rows):
        raise ModelFileError("covariance should be as wide as it is high")
    return tuple(tuple(number(entry, "covariance") for entry in row) for row in rows)


def _errors(value: Any) -> Errors:
    record = mapping(value, "errors")
    sizes = {key: number(record.get(key), key) for key in ("rmse", "nrmse", "max_error", "r2")}
    return Errors(rows=whole_number(record.get("rows"), "rows"), **sizes)


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """`value` if it is an object. Raises ModelFileError."""
    if not isinstance(value, dict):
        raise ModelFileError(f"{what} should be an object")
    return value


def listing(value: Any, what: str) -> list[Any]:
    """`value` if it is a list. Raises ModelFileError."""
    if not isinstance(value, list):
        raise ModelFileError(f"{what} should be a list")
    return value


def text(value: Any, what: str) -> str:
    """`value` if it is a string. Raises ModelFileError."""
    if not isinstance(value, str):
        raise ModelFileError(f"{what} should be text")
    return value


def optional_text(value: Any, what: str) -> str | None:
    """`value` if it is a string or None. Raises ModelFileError."""
    return None if value is None else text(value, what)


def number(value: Any, what: str) -> float:
    """`value` as a float; null, which stands for every value that is not finite, becomes NaN. Raises ModelFileError."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ModelFileError(f"{what} should be a number")
    return float(value)


def whole_number(value: Any, what: str) -> int:
    """`value` if it is an integer of 0 or more, and no more than 2**53. Raises ModelFileError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 2**53:
        raise ModelFileError(f"{what} should be a whole number of 0 or more")
    return value


def interval(value: Any, what: str) -> tuple[float, float]:
    """`value` as (low, high). Raises ModelFileError."""
    if not isinstance(value, list) or len(value) != 2:
        raise ModelFileError(f"{what} should be pairs of low and high")
    return number(value[0], what), number(value[1], what)
