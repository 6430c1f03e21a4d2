"""The result as LaTeX: the formula on one line or several, the front as a booktabs table, an article for pdflatex."""

from __future__ import annotations

import re
from math import isnan

from kansym.result import Result
from kansym.symbolic.formula import FittedConstant, Formula
from kansym.symbolic.latex import LAST_LATIN, latex_name, latex_number, latex_terms

LINE = 70  # printed characters of a formula on one line of a page
_TEXT = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "%": r"\%", "#": r"\#", "&": r"\&", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "`": r"\textasciigrave{}", "-": "-{}", "'": r"\textquotesingle{}",
}  # fmt: skip
_PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp}
\usepackage{amsmath,amssymb}
\usepackage{array,booktabs}
\begin{document}
"""


def latex_text(text: str) -> str:
    """Any text for use in a LaTeX paragraph: nothing in it can act as a command."""
    return "".join(_text_character(character) for character in text)


def _text_character(character: str) -> str:
    if character in _TEXT:
        return _TEXT[character]
    return character if character.isprintable() and ord(character) <= LAST_LATIN else f"[U+{ord(character):04X}]"


def equation(formula: Formula) -> str:
    """`target = formula` as LaTeX mathematics."""
    return f"{latex_name(formula.target_name)} = {formula.latex()}"


def latex(result: Result) -> str:
    """The chosen formula as one line of LaTeX mathematics, with the target on its left."""
    return equation(result.formula) + "\n"


def latex_inline(result: Result) -> str:
    """The chosen formula between dollar signs, for use within a paragraph."""
    return f"${equation(result.formula)}$\n"


def latex_display(result: Result) -> str:
    r"""The chosen formula between \[ and \], on a line of its own."""
    return f"\\[\n{equation(result.formula)}\n\\]\n"


def latex_aligned(result: Result) -> str:
    """The chosen formula as an `align*` (amsmath), a sum that is long for one line broken between its terms."""
    formula = result.formula
    lines = [""]
    for term in latex_terms(formula.expression, formula.input_names):
        if lines[-1] and _printed(lines[-1]) + _printed(term) > LINE:
            lines.append(r"\quad ")
        lines[-1] += term + " "
    body = " \\\\\n".join(f"& {line.strip()}" for line in lines).removeprefix("& ")
    return f"\\begin{{align*}}\n{latex_name(formula.target_name)} ={{}} & {body}\n\\end{{align*}}\n"


def _printed(text: str) -> int:
    """About how many characters wide a piece of LaTeX is in print: commands count as one letter."""
    return len(re.sub(r"\\(?:left|right|mathrm|text|frac|,|:)|[{}^_\s]", "", re.sub(r"\\[A-Za-z]+", "x", text)))


def latex_table(result: Result) -> str:
    """The Pareto front as a `tabular` in the style of booktabs; a triangle marks the chosen formula (needs amssymb)."""
    head = [r"\begin{tabular}{@{}crr>{\raggedright\arraybackslash}p{0.55\linewidth}@{}}", r"\toprule"]
    head += [r" & complexity & error & formula \\", r"\midrule"]
    rows = [_row(formula, place == result.front.chosen) for place, formula in enumerate(result.front.formulas)]
    return "\n".join([*head, *rows, r"\bottomrule", r"\end{tabular}", ""])


def _row(formula: Formula, chosen: bool) -> str:
    mark = r"$\blacktriangleright$" if chosen else ""
    return rf"{mark} & {formula.complexity} & {front_error(formula)} & ${formula.latex(4)}$ \\"


def front_error(formula: Formula) -> str:
    """The error that a front shows, as LaTeX mathematics; dashes where there is none."""
    return "--" if isnan(formula.held_out) else f"${latex_number(formula.held_out, 2)}$"


def latex_document(result: Result) -> str:
    """A complete article: the formula, its constants with standard errors, the front and where the data came from."""
    table, formula = result.table, result.formula
    parts = [
        _PREAMBLE + rf"\section*{{A formula for {latex_text(table.target_name)}}}",
        _finding(result),
        rf"\begin{{equation*}}{chr(10)}{equation(formula)}{chr(10)}\end{{equation*}}",
        _constants(formula),
        r"\subsection*{Accuracy against simplicity}",
        "Errors are root-mean-square errors relative to the spread of the target.\n\n\\noindent\n"
        + latex_table(result),
        r"\subsection*{Data}",
        f"{latex_text(table.source)}: {table.rows} rows, SHA-256 \\texttt{{{latex_text(table.digest[:16])}}}\\dots",
        r"\end{document}",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _finding(result: Result) -> str:
    if result.front.exact:
        return "This formula describes the data down to their noise:"
    return "No closed form was found; the best approximation is:"


def _constants(formula: Formula) -> str:
    free = [constant for constant in formula.constants if constant.label is None]
    if not free:
        return ""
    rows = [rf"${_constant(constant)}$ \\" for constant in free]
    return "\n".join(["Its constants with one standard error:", "", r"\noindent", r"\begin{tabular}{@{}l@{}}", *rows,
                      r"\end{tabular}"])  # fmt: skip


def _constant(constant: FittedConstant) -> str:
    if constant.error is None:
        return latex_number(constant.value)
    return rf"{latex_number(constant.value, 10)} \pm {latex_number(constant.error, 2)}"
