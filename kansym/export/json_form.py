"""The result as one JSON document for other programs."""

from __future__ import annotations

import json
import math
from typing import Any

from kansym.result import Result
from kansym.symbolic.formula import Formula
from kansym.symbolic.serial import expression_to_json, formula_summary

SCHEMA = "kansym-formula/1"


def json_form(result: Result) -> str:
    """The chosen formula and the whole front, as text, LaTeX and tree; numbers that are not finite become null.

    Fields: schema, target, inputs (name, unit, range), formula, front, chosen, rivals, exact, rule, stop_reason.
    """
    front = result.front
    document = {
        "schema": SCHEMA,
        "target": {"name": result.table.target_name, "unit": result.table.target_unit},
        "inputs": _inputs(result.formula),
        "formula": _formula(result.formula),
        "front": [_formula(formula) for formula in front.formulas],
        "chosen": front.chosen,
        "rivals": list(front.rivals),
        "exact": front.exact,
        "rule": front.rule,
        "stop_reason": result.stop_reason,
    }
    text = json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)
    return "".join(_readable(character) for character in text) + "\n"


def _readable(character: str) -> str:
    """Letters of any script stay; what a terminal might obey becomes a JSON escape."""
    return character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1]


def _formula(formula: Formula) -> dict[str, Any]:
    return {**formula_summary(formula), "tree": expression_to_json(formula.expression), "origin": formula.origin}


def _inputs(formula: Formula) -> list[dict[str, Any]]:
    units = formula.input_units or (None,) * len(formula.input_names)
    ranges = formula.box or (None,) * len(formula.input_names)
    rows = zip(formula.input_names, units, ranges, strict=True)
    return [{"name": name, "unit": unit, "range": list(seen) if seen else None} for name, unit, seen in rows]


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value
