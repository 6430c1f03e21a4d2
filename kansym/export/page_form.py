"""The result for web pages and notes: Markdown with LaTeX mathematics, and MathML."""

from __future__ import annotations

from kansym.export.latex_form import equation, front_error
from kansym.report.markup import mathml
from kansym.result import Result


def markdown(result: Result) -> str:
    """A heading, the law, what it rests on, and the front as a table; mathematics in dollars."""
    formula, table = result.formula, result.table
    lines = [
        f"# {markdown_text(table.target_name)} as a function of {markdown_text(', '.join(table.input_names))}",
        "",
        "$$",
        equation(formula),
        "$$",
        "",
        _finding(result),
        "",
        "| | complexity | error | formula |",
        "| --- | --: | --: | --- |",
    ]
    for place, other in enumerate(result.front.formulas):
        mark = "chosen" if place == result.front.chosen else "fits as well" if place in result.front.rivals else ""
        written = other.latex(4).replace("|", r"\vert ")
        lines.append(f"| {mark} | {other.complexity} | {front_error(other)} | ${written}$ |")
    source = f"Data: {markdown_text(table.source)}, {table.rows} rows, SHA-256 `{table.digest[:16]}`."
    return "\n".join([*lines, "", source, ""])


def _finding(result: Result) -> str:
    if not result.law_found:
        return "No law was found: no formula of the inputs explains the target better than a constant."
    if result.front.exact:
        return "The formula describes the data down to their noise."
    return "No closed form was found; this is the best approximation."


def markdown_text(text: str) -> str:
    """Any text for use in a Markdown paragraph or cell: nothing in it can act as markup or HTML."""
    return "".join(
        f"\\{letter}"
        if letter in "\\`*_{}[]()#+-.!|$~^"
        else _ENTITIES.get(letter, letter)
        if letter.isprintable()
        else "�"
        for letter in text
    )


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def mathml_page(result: Result) -> str:
    """The law as a MathML element, to be put into an HTML page."""
    formula = result.formula
    return mathml(formula.expression, formula.input_names, 6, formula.target_name) + "\n"
