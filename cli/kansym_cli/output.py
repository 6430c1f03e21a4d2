"""What `fit` and `show` print: a page of plain text for people, one JSON document for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kansym.errors import printable

if TYPE_CHECKING:
    from kansym.result import Result
    from kansym.symbolic.formula import Errors, FittedConstant

PARTS = ("train", "validation", "test", "leave-one-out")


def document(result: Result, run: str) -> dict[str, Any]:
    """The JSON document of a result; numbers that are not finite are null."""
    from kansym.storage import plain
    from kansym.symbolic.serial import formula_summary

    front = result.front
    return plain(
        formula_summary(front.best)
        | {
            "front": [formula_summary(formula) for formula in front.formulas],
            "chosen": front.chosen,
            "rivals": list(front.rivals),
            "rule": front.rule,
            "exact": front.exact,
            "law_found": result.law_found,
            "noise": result.noise,
            "network_errors": result.network_errors,
            "stop_reason": result.stop_reason,
            "run": run,
            "source": result.table.source,
            "target": {"name": result.table.target_name, "unit": result.table.target_unit},
            "columns": [
                {"name": name, "unit": unit}
                for name, unit in zip(result.table.input_names, result.table.input_units, strict=True)
            ],
            "notes": list(result.table.notes),
        }
    )


def json_text(value: Any) -> str:
    """A JSON document in ASCII, so that no terminal and no pipe can trip over it."""
    return json.dumps(value, indent=2, allow_nan=False)


def page(result: Result, run: str) -> str:
    """The page of plain text: the law, its constants, errors, LaTeX, the alternatives and where all is kept."""
    sections = (
        _headline(result),
        _units(result),
        _constants(result.formula.constants),
        _errors(result),
        "LaTeX\n  " + printable(result.formula.latex()),
        _front(result),
        _rivals(result),
        "\n".join(f"note: {printable(note)}" for note in result.table.notes),
        _ending(result, run),
    )
    return "\n\n".join(section for section in sections if section)


def _headline(result: Result) -> str:
    formula = printable(str(result.formula))
    if not result.law_found:
        target = printable(result.table.target_name)
        return f"no law found: no formula of the inputs explains {target} better than a constant\n{formula}"
    if result.front.exact:
        return formula
    size = result.formula.held_out
    share = "" if math.isnan(size) else f", off by {size_text(size)} of the target's spread"
    return f"no closed form found; best approximation is\n{formula}\n(it does not reach the noise floor{share})"


def _units(result: Result) -> str:
    table = result.table
    pairs = zip((table.target_name, *table.input_names), (table.target_unit, *table.input_units), strict=True)
    known = [f"{printable(name)} in {printable(unit)}" for name, unit in pairs if unit]
    return ("units: " + ", ".join(known)) if known else ""


def _constants(constants: Sequence[FittedConstant]) -> str:
    if not constants:
        return ""
    rows = [[f"c{place}", constant_text(constant)] for place, constant in enumerate(constants, 1)]
    return "constants (± one standard error)\n" + columns(rows)


def constant_text(constant: FittedConstant) -> str:
    """A constant as people write it: `1.00021 ± 0.00034`, or `3/2 (exact)`."""
    if constant.label is not None:
        return f"{constant.label} (exact)"
    error = constant.error
    if error is None or not math.isfinite(error) or error <= 0 or not math.isfinite(constant.value):
        return f"{constant.value:.10g}"
    return _measured(constant.value, error)


def _measured(value: float, error: float) -> str:
    """Value and error to the second digit of the error; far from 1 both share a power of ten."""
    size = max(abs(value), error)
    power = math.floor(math.log10(size))
    scale = power if abs(power) > 5 else 0
    digits = min(17, max(0, 1 - (math.floor(math.log10(error)) - scale)))
    # 10**-300 and below cannot be divided by directly; a decimal text can be scaled at any size.
    shown = [f"{_scaled(number, scale):.{digits}f}" for number in (value, error)]
    text = f"{shown[0]} ± {shown[1]}"
    return f"({text})e{scale:+d}" if scale else text


def _scaled(value: float, power: int) -> float:
    return value / 10.0**power if abs(power) < 300 else value * 10.0 ** (-power / 2) * 10.0 ** (-power / 2)


def _errors(result: Result) -> str:
    unit = result.table.target_unit
    rows = [["errors", "rows", f"RMSE{f' [{printable(unit)}]' if unit else ''}", "NRMSE", "largest", "R2"]]
    present = result.formula.errors
    for part in PARTS:
        if part in present:
            rows.append([part, *_error_cells(present[part])])
        elif part != "leave-one-out":
            rows.append([part, "(the table is too small for this part)"])
    return columns(rows, indent="")


def _error_cells(errors: Errors) -> list[str]:
    sizes = [size_text(errors.rmse), size_text(errors.nrmse), size_text(errors.max_error)]
    return [str(errors.rows), *sizes, "-" if math.isnan(errors.r2) else f"{errors.r2:.8f}"]


def size_text(value: float) -> str:
    """An error in three digits; a dash for none."""
    return "-" if math.isnan(value) else f"{value:.3g}"


def _front(result: Result) -> str:
    rows = [["", "complexity", "NRMSE", "formula"]]
    for place, formula in enumerate(result.front.formulas):
        mark = ">" if place == result.front.chosen else "=" if place in result.front.rivals else ""
        rows.append([mark, str(formula.complexity), size_text(formula.held_out), printable(str(formula))])
    return "front (> chosen, = cannot be told from it)\n" + columns(rows)


def _rivals(result: Result) -> str:
    rivals = [result.front.formulas[place] for place in result.front.rivals if place != result.front.chosen]
    if not rivals:
        return ""
    listed = "\n".join(f"  {printable(str(formula))}" for formula in rivals)
    return f"the data cannot tell the chosen formula from\n{listed}"


def _ending(result: Result, run: str) -> str:
    cut = {
        "time limit": "the time was up: this is the best found so far; --time-limit or --preset thorough search on\n",
        "interrupted": "interrupted: this is the best found so far\n",
    }
    return f"{cut.get(result.stop_reason, '')}run folder: {printable(run)}"


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> str:
    """Rows of text in aligned columns; the last cell of a row may be of any length."""
    width: dict[int, int] = {}
    for row in rows:
        for place, cell in enumerate(row[:-1]):
            width[place] = max(width.get(place, 0), len(cell))
    lines = ("  ".join([*(cell.ljust(width[place]) for place, cell in enumerate(row[:-1])), row[-1]]) for row in rows)
    return "\n".join((indent + line).rstrip() for line in lines)
