"""A whole fit on one page that needs no network and no other file: the law first, then what it rests on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from kansym.report.interactive import network_html
from kansym.report.markup import mathml
from kansym.report.page import page
from kansym.report.story import (
    Block,
    Cell,
    Code,
    Facts,
    Grid,
    Law,
    Listing,
    Network,
    Number,
    Picture,
    Section,
    Words,
    story,
    title,
    verdict,
)  # fmt: skip
from kansym.report.svg import xml_text
from kansym.result import Result
from kansym.symbolic.formula import Formula

FIT_POINTS = 400  # keeps the page far below 1 MB


def report(result: Result) -> str:
    """Return the page of one fit, a complete HTML document: the law, and every section of its story."""
    sections = story(result)
    scripts = ["report.js"]
    scripts += ["graph.js"] if any(isinstance(block, Network) for each in sections for block in each.blocks) else []
    body = "\n".join([_heading(result), *(_section(section, result) for section in sections)])
    return page(title(result), body, ("report.css", "graph.css"), scripts)


def _heading(result: Result) -> str:
    formula, doubt = result.formula, verdict(result)
    kind = "law open" if doubt else "law"
    lead = _words(Words(doubt, quiet=True)) if doubt else ""
    early = result.stop_reason != "finished"
    stop = _words(Words(f"Stopped early: {result.stop_reason}.", quiet=True)) if early else ""
    return (
        f"<h1>{xml_text(title(result))}</h1>\n"
        f'<div class="{kind}">{lead}{_law(Law(formula, 6, named=True))}</div>\n'
        f'<pre>{xml_text(str(formula))}</pre><p class="note">Copy as {_copies(formula)}</p>{stop}'
    )


def _section(section: Section, result: Result) -> str:
    body = "\n".join(part for part in (_block(block, result) for block in section.blocks) if part)
    return f"<section><h2>{xml_text(section.title)}</h2>\n{body}</section>" if body else ""


def _block(block: Block, result: Result) -> str:
    if isinstance(block, Network):
        return network_html(result)
    return _picture(block, result) if isinstance(block, Picture) else _WRITERS[type(block)](block)


def _words(block: Words) -> str:
    return f"<p{_class('note' if block.quiet else '')}>{xml_text(block.text)}</p>"


def _listing(block: Listing) -> str:
    return f'<ul class="wide">{"".join(f"<li>{_content(item)}</li>" for item in block.items)}</ul>'


def _code(block: Code) -> str:
    return f"<pre>{xml_text(block.text)}</pre>"


def _facts(block: Facts) -> str:
    rows = "".join(
        f'<tr><th scope="row">{xml_text(name)}</th><td><code>{xml_text(value)}</code></td></tr>'
        for name, value in block.rows
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _grid(block: Grid) -> str:
    """A table, numbers to the right; with formulas to copy it can be sorted."""
    kinds = block.rows[0] if block.rows else block.head
    head = "".join(
        f'<th scope="col"{_kind(cell)}>{xml_text(text)}</th>' for text, cell in zip(block.head, kinds, strict=True)
    )
    copied = '<th scope="col">copy as</th>' if block.laws else ""
    body = "".join(_row(block, at, row) for at, row in enumerate(block.rows))
    kind = _class("sortable" if block.laws else "")
    return f'<div class="wide"><table{kind}><thead><tr>{head}{copied}</tr></thead><tbody>{body}</tbody></table></div>'


def _row(block: Grid, at: int, row: Sequence[Cell]) -> str:
    cells = "".join(f"<td{_kind(cell)}{_value(cell)}>{_content(cell)}</td>" for cell in row)
    copied = f"<td>{_copies(block.laws[at])}</td>" if block.laws else ""
    return f"<tr{_class('chosen' if at == block.marked else '')}>{cells}{copied}</tr>"


def _kind(cell: Cell) -> str:
    return _class("n" if isinstance(cell, Number) else "f" if isinstance(cell, Law) else "")


def _content(cell: Cell) -> str:
    return _law(cell) if isinstance(cell, Law) else xml_text(str(cell))


def _value(cell: Cell) -> str:
    """What a script sorts by."""
    value = cell.value if isinstance(cell, Number) else cell.formula.complexity if isinstance(cell, Law) else None
    return "" if value is None else f' data-value="{value!r}"'


def _law(law: Law) -> str:
    formula = law.formula
    return mathml(formula.expression, formula.input_names, law.digits, formula.target_name if law.named else None)


def _copies(formula: Formula) -> str:
    """Buttons that put the formula on the clipboard."""
    offers = (("LaTeX", formula.latex(None)), ("Python", formula.code("python")), ("text", formula.text()))
    made = (
        f'<button type="button" data-copy="{xml_text(text)}" aria-label="Copy as {name}">{name}</button>'
        for name, text in offers
    )
    return f'<span class="copies">{"".join(made)}</span>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _picture(block: Picture, result: Result) -> str:
    """A picture as SVG inside the page; nothing where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        return ""
    from kansym.report.canvas import encode, figure_of
    from kansym.report.figures import KINDS, fit_figure

    drawn = fit_figure(result, FIT_POINTS) if block.kind == "fit" else KINDS.get(block.kind)(result)
    text = encode(figure_of(drawn), ".svg").decode("utf-8")
    label = f'<svg role="img" aria-label="{xml_text(block.shows)}" '
    picture = re.sub(r"^.*?<svg ", lambda _: label, text, count=1, flags=re.DOTALL)
    return f"<figure>{picture}<figcaption>{xml_text(block.shows)}</figcaption></figure>"


_WRITERS: dict[type, Callable[[Any], str]] = {
    Words: _words, Listing: _listing, Grid: _grid, Facts: _facts, Code: _code,
}  # fmt: skip
