"""A whole fit on one page that needs no network, no scripts and no other file."""

from __future__ import annotations

import csv
import io
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from kansym.report import style
from kansym.report.markup import mathml
from kansym.report.svg import graphs_svg, xml_text
from kansym.report.units import units_of
from kansym.result import Result
from kansym.symbolic.formula import Errors, Formula

FIT_POINTS = 400  # keeps the page far below 1 MB
_CSS = """
:root{color-scheme:light}
body{margin:0;background:#fff;color:#1a1a1a;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:58rem;margin:0 auto;padding:1.2rem 1rem 3rem}
h1{font-size:1.5rem;margin:.4rem 0 0;overflow-wrap:anywhere}
h2{font-size:1.05rem;margin:2.2rem 0 .5rem;padding-bottom:.25rem;border-bottom:1px solid #ddd}
.law{margin:1.2rem 0 .6rem;padding:1rem;background:#f4f6f8;border-left:4px solid #0072B2;overflow-x:auto}
.law math{font-size:1.5rem}.law.open{border-left-color:#E69F00}
code,pre{font:0.86rem/1.5 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
pre{background:#f4f6f8;padding:.7rem .9rem;overflow-x:auto;white-space:pre-wrap}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.92rem;min-width:60%}
th,td{padding:.32rem .8rem .32rem 0;text-align:left;border-bottom:1px solid #eee;vertical-align:middle}
th{font-weight:600;color:#555}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
tr.chosen{background:#fdf0d5}td math{font-size:1.05rem;text-align:left}
.note{color:#555;font-size:.92rem}svg{max-width:100%;height:auto;display:block;margin:.6rem auto}
@media print{h2{break-after:avoid}svg,table,.law{break-inside:avoid}}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

Cell = str  # ready HTML: everything that comes from outside goes through xml_text or mathml first


def report(result: Result) -> str:
    """The page of one fit: the law first, then what it rests on. Returns a complete HTML document."""
    title = f"{result.table.target_name} from {result.table.source}"
    parts = [_heading(result), *(section(result) for section in _SECTIONS)]
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f"<title>{xml_text(title)}</title><style>{_CSS}</style></head>\n<body><main>\n"
        + "\n".join(part for part in parts if part)
        + "\n</main></body></html>\n"
    )


def _heading(result: Result) -> str:
    formula, front = result.formula, result.front
    kind = "law" if front.exact else "law open"
    lead = "" if front.exact else _note("No closed form found; the best approximation is")
    if not result.law_found:
        kind, lead = (
            "law open",
            _note("No law found: no formula of the inputs explains the target better than a constant"),
        )
    math = mathml(formula.expression, formula.input_names, 6, formula.target_name)
    text = f"{formula.target_name} = {formula.text(6)}"
    early = result.stop_reason != "finished"
    stop = _note(f"Stopped early: {xml_text(result.stop_reason)}.") if early else ""
    return (
        f"<h1>{xml_text(result.table.target_name)} as a function of "
        f"{xml_text(', '.join(result.table.input_names))}</h1>\n"
        f'<div class="{kind}">{lead}{math}</div>\n<pre>{xml_text(text)}</pre>{stop}'
    )


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>'


def _section(title: str, body: str) -> str:
    return f"<section><h2>{title}</h2>\n{body}</section>" if body else ""


def _table(head: Sequence[str], rows: Iterable[tuple[Sequence[Cell], str]]) -> str:
    """A table whose first column is text and whose others are numbers; each row comes with a CSS class."""
    top = "".join(f"<th{_numeric(place)}>{text}</th>" for place, text in enumerate(head))
    body = "".join(
        f"<tr{_class(kind)}>{''.join(_cell(place, cell) for place, cell in enumerate(cells))}</tr>"
        for cells, kind in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(place: int, content: Cell) -> str:
    return f"<td{_numeric(place)}>{content}</td>"


def _numeric(place: int) -> str:
    return ' class="n"' if place else ""


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _errors(result: Result) -> str:
    rows = [(_error_cells(part, errors), "") for part, errors in result.formula.errors.items()]
    network = [
        (_error_cells(f"network, {part}", errors), "")
        for part, errors in result.network_errors.items()
        if isinstance(errors, Errors | Mapping)
    ]
    unit = f" ({xml_text(result.table.target_unit)})" if result.table.target_unit else ""
    noise = _note(f"Noise of the target: {style.number(result.noise, 3)} of its RMS.") if result.noise else ""
    head = ("part", "rows", f"RMSE{unit}", "NRMSE", f"largest{unit}", "R²")
    return _section("Errors", _table(head, rows + network) + noise) if rows or network else ""


def _error_cells(part: str, errors: Errors | Mapping[str, Any]) -> list[Cell]:
    get: Callable[[str], Any] = errors.get if isinstance(errors, Mapping) else lambda key: getattr(errors, key)
    values = [get(key) for key in ("rmse", "nrmse", "max_error", "r2")]
    numbers = [style.number(value, 9 if place == 3 else 4) for place, value in enumerate(values)]
    rows = get("rows")
    return [xml_text(part), "–" if rows is None else str(rows), *numbers]


def _constants(result: Result) -> str:
    rows = []
    for place, constant in enumerate(result.formula.constants, start=1):
        share = abs(constant.error / constant.value) if constant.error and constant.value else None
        percent = "" if share is None else f"{style.number(100 * share, 2)} %"
        exact = xml_text(constant.label) if constant.label else ""
        error = "exact" if constant.label else f"± {style.number(constant.error, 2)}"
        rows.append(([f"c{_subscript(place)} {exact}", style.number(constant.value, 10), error, percent], ""))
    return _section("Constants", _table(("constant", "value", "standard error", "relative"), rows)) if rows else ""


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _graph(result: Result) -> str:
    if result.graph is None and result.graph_before is None:
        origin = f" ({xml_text(result.formula.origin)})" if result.formula.origin else ""
        return _section("Network", f"<p>No network was trained: a direct check of the data found the law{origin}.</p>")
    units = units_of(result)
    note = _note("Lines are wide and dark where an edge matters most. Point at an edge for its facts.")
    return _section("Network", graphs_svg(result.graph_before, result.graph, units) + note)


def _fit_picture(result: Result) -> str:
    if find_spec("matplotlib") is None or len(result.points.measured) == 0:
        return ""
    from kansym.report.canvas import encode
    from kansym.report.figures import fit_figure

    text = encode(fit_figure(result, FIT_POINTS), ".svg").decode("utf-8")
    return _section("Fit", re.sub(r"^.*?(?=<svg)", "", text, flags=re.DOTALL))


def _front(result: Result) -> str:
    front = result.front
    rows = [
        (
            [
                mathml(formula.expression, formula.input_names, 4),
                str(formula.complexity),
                *(style.number(_nrmse(formula, part), 3) for part in _parts(front.formulas)),
                "chosen" if place == front.chosen else "fits as well" if place in front.rivals else "",
            ],
            "chosen" if place == front.chosen else "",
        )
        for place, formula in enumerate(front.formulas)
    ]
    head = ("formula", "complexity", *(f"{xml_text(part)} NRMSE" for part in _parts(front.formulas)), "")
    return _section("Simpler and more accurate", _table(head, rows) + _note(f"Rule: {xml_text(front.rule)}."))


def _parts(formulas: Sequence[Formula]) -> list[str]:
    return list(dict.fromkeys(part for formula in formulas for part in formula.errors))


def _nrmse(formula: Formula, part: str) -> float | None:
    errors = formula.errors.get(part)
    return None if errors is None else errors.nrmse


def _rivals(result: Result) -> str:
    rivals = [result.front.formulas[place] for place in result.front.rivals]
    items = "".join(f"<li>{mathml(rival.expression, rival.input_names, 6)}</li>" for rival in rivals)
    lead = "<p>The data cannot tell the chosen formula from these:</p>"
    return _section("Rivals", f'{lead}<ul class="wide">{items}</ul>') if rivals else ""


def _box(result: Result) -> str:
    table = result.table
    ranges = result.formula.box or table.ranges
    columns = zip(table.input_names, ranges, _padded(table.input_units, len(ranges)), strict=False)
    rows = [
        ([xml_text(name), style.number(low, 6), style.number(high, 6), xml_text(unit or "")], "")
        for name, (low, high), unit in columns
    ]
    note = _note("Outside these ranges the formula extrapolates.")
    return _section("Where it holds", _table(("input", "from", "to", "unit"), rows) + note) if rows else ""


def _padded(units: Sequence[str | None], count: int) -> list[str | None]:
    return [*units, *[None] * max(0, count - len(units))]


def _data(result: Result) -> str:
    table = result.table
    facts = {"source": table.source, "rows": str(table.rows), "digest": table.digest}
    notes = "".join(f"<li>{xml_text(note)}</li>" for note in table.notes)
    return _section("Data", _facts(facts) + (f"<p>Notes:</p><ul>{notes}</ul>" if notes else ""))


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(
        f"<tr><th>{xml_text(str(name))}</th><td><code>{xml_text(str(value))}</code></td></tr>"
        for name, value in facts.items()
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _reproduce(result: Result) -> str:
    versions = _facts({"seed": str(result.config.seed), **result.environment})
    return _section("Reproduce", f"<pre>{xml_text(reproduce_command(result))}</pre>{versions}")


def reproduce_command(result: Result) -> str:
    """The command line that repeats the fit, quoted for a POSIX shell; only what differs from the defaults is named."""
    table = result.table
    words = ["kansym", "fit", table.source, "--target", table.target_name]
    words += ["--features", listed(table.input_names), "--seed", str(result.config.seed)]
    for key, value in table.options.items():
        words += [f"--{key}", value]
    default = type(result.config)().to_dict()
    for key, value in result.config.to_dict().items():
        if key == "seed" or value == default.get(key) or value in ([], ()):
            continue
        flag = f"--{key.replace('_', '-')}"
        if key in ("guess", "assume"):  # formulas hold commas: one flag each
            words += [word for item in value for word in (flag, item)]
        else:
            words += [flag, listed([str(item) for item in value]) if isinstance(value, list) else str(value)]
    return shlex.join(words)


def listed(names: Sequence[str]) -> str:
    """Names as one row of CSV, as the command line reads them."""
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(names)
    return row.getvalue()


_SECTIONS = (_errors, _constants, _graph, _fit_picture, _front, _rivals, _box, _data, _reproduce)
