"""Every export format keeps the same contract on ordinary and hostile tables: it says the formula, and only that."""

import ast
import json
import keyword
import re
from collections.abc import Callable

import numpy as np
import pytest

from kansym.config import Config
from kansym.errors import ConfigError
from kansym.export import FORMATS, export
from kansym.export.formats import OF_THE_NETWORK
from kansym.export.latex_form import latex_text
from kansym.result import Points, Result, Table
from kansym.symbolic.code.safe_names import safe_names
from kansym.symbolic.expression import Expression
from kansym.symbolic.formula import Errors, FittedConstant, Formula, ParetoFront
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import CALLS
from kansym.symbolic.serial import expression_from_json

PLAIN_NAMES = ("x", "y", "z")
TABLES = {
    "plain": PLAIN_NAMES,
    "units": ("T [K]", "v (m/s)", "50%"),
    "sympy's own": ("E", "I", "N"),
    "keywords": ("lambda", "def", "None"),
    "functions": ("math", "formula", "besselj0"),
    "colliding": ("a b", "a_b", "a-b"),
    "normal forms": ("\u212b", "\u00e5", "A\u030a"),
    "code": ("__import__('os').getpid()", '"""\nraise SystemExit\n"""', "\\"),
    "LaTeX": ("\\input{/etc/passwd}", "}{%$#&_^~", "x\\end{document}"),
    "unicode": ("λ", "😀", "\u202eabc"),
    "blank": (" ", "\t", "\n"),
    "long": ("x" * 3000, "y" * 3000, "1" * 50),
}
FORMULAS = {
    "planck": "2.5*x**3/(exp(0.7*x) - 1) + sigmoid(y)",
    "roots": "sqrt(x)*(y - 3.0)**(1/3) + x**(-3/2) - (z - 3.0)**(-2/3) + y**2.7",
    "exact": "pi*x/2 - sqrt(2)*y + E**2 - 1/3",
    "bessel": "besselj(0, 3*x) + sinc(y) + Abs(z - 1) - sign(x - y)",
    "all": " + ".join(f"{name}({'1 + x' if name == 'acosh' else 'x/8'})" for name in CALLS),
    "constant": "3.5",
    "scales": "6.626e-34*x - 1e30*y + 1e-300*z",
    "nested": "exp(-(x - y)**2/(2*z**2))/sqrt(2*pi*z**2)",
}
POINTS = np.random.default_rng(3).uniform(0.3, 2.5, (30, 3))


def result_of(expression: Expression, names: tuple[str, ...] = PLAIN_NAMES, target: str = "P [W]") -> Result:
    errors = {part: Errors(10, 0.1, 0.01, 0.3, 0.99) for part in ("train", "validation")}
    constants = tuple(FittedConstant(c.value, abs(c.value) / 100, None) for c in expression.free_constants)
    box = ((0.3, 2.5),) * 3
    units = ("K", None, "m/s")
    formula = Formula(expression, names, target, constants, errors, box, units, "W")
    simple = Formula(parse("2.5*x", PLAIN_NAMES), names, target, (), {}, box, units, "W")
    table = Table("data_1.csv", "0123456789abcdef" * 4, 30, names, target, units, "W")
    points = Points(np.zeros((0, 3)), np.zeros(0), np.zeros(0), ())
    front = ParetoFront((simple, formula), chosen=1, exact=False)
    return Result(Config(), table, front, None, None, None, {}, (), points, {}, "finished")


def run(code: str) -> dict:
    """The names that a module defines; only our own output, on fixed formulas, is run here."""
    module: dict = {}
    exec(compile(code, "exported", "exec"), module)  # noqa: S102
    return module


every_format = pytest.mark.parametrize("name", [name for name in FORMATS.names() if name not in OF_THE_NETWORK])
every_table = pytest.mark.parametrize("names", TABLES.values(), ids=TABLES)
every_formula = pytest.mark.parametrize("text", FORMULAS.values(), ids=FORMULAS)


@every_format
@every_table
@every_formula
def test_every_format_writes_text_that_ends_with_a_line_break(name: str, names: tuple[str, ...], text: str) -> None:
    exported = export(result_of(parse(text, PLAIN_NAMES), names), name)
    assert exported.endswith("\n") and exported.strip()
    assert all(character.isprintable() or character == "\n" for character in exported)


def test_an_unknown_format_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'python'"):
        export(result_of(parse("x", PLAIN_NAMES)), "pyton")


@every_table
@every_formula
def test_the_python_function_gives_the_formulas_values(names: tuple[str, ...], text: str) -> None:
    result = result_of(parse(text, PLAIN_NAMES), names)
    code = export(result, "python")
    function: Callable[..., float] = run(code)["formula"]
    expected = result.predict(POINTS)
    for row, value in zip(POINTS, expected, strict=True):
        if np.isfinite(value):
            assert function(*row.tolist()) == pytest.approx(value, rel=1e-12, abs=1e-12 * np.max(np.abs(expected)))
        else:
            with pytest.raises((ValueError, ZeroDivisionError)):
                function(*row.tolist())


@every_table
def test_the_python_module_imports_only_math_and_names_every_column(names: tuple[str, ...]) -> None:
    tree = ast.parse(export(result_of(parse("x + y*z", PLAIN_NAMES), names), "python"))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    function = next(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == "formula")
    arguments = [argument.arg for argument in function.args.args]
    assert imported == ["math"] and not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
    assert len(set(arguments)) == 3 and not any(keyword.iskeyword(argument) for argument in arguments)
    documentation = ast.get_docstring(function) or ""
    assert all(repr(name) in documentation or repr(name)[1:-1][:20] in documentation for name in names)


def test_arguments_keep_the_order_of_the_columns() -> None:
    code = export(result_of(parse("x + 10*y + 100*z", PLAIN_NAMES), ("x_1", "omega", "a")), "python")
    assert "def formula(x_1, omega, a):" in code
    assert run(code)["formula"](1.0, 2.0, 3.0) == 321.0


@every_table
@every_formula
def test_the_sympy_code_rebuilds_the_expression(names: tuple[str, ...], text: str) -> None:
    import sympy

    result = result_of(parse(text, PLAIN_NAMES), names)
    rebuilt = run(export(result, "sympy"))["formula"]
    assert {symbol.name for symbol in rebuilt.free_symbols} <= set(names)
    row = {sympy.Symbol(name): value for name, value in zip(names, POINTS[0], strict=True)}
    expected = result.formula.sympy().subs(row).evalf()
    assert complex(sympy.sympify(rebuilt).subs(row).evalf()) == pytest.approx(complex(expected), rel=1e-10)


@every_table
@every_formula
def test_the_json_document_carries_the_tree_and_the_front(names: tuple[str, ...], text: str) -> None:
    expression = parse(text, PLAIN_NAMES)
    document = json.loads(export(result_of(expression, names), "json"))
    assert document["schema"] == "kansym-formula/1"
    assert [column["name"] for column in document["inputs"]] == list(names)
    assert len(document["front"]) == 2 and document["front"][document["chosen"]] == document["formula"]
    assert expression_from_json(document["formula"]["tree"], 3) == expression


def test_json_has_null_where_a_number_is_not_finite() -> None:
    result = result_of(parse("x", PLAIN_NAMES))
    result.formula.errors["test"] = Errors(0, *(float("nan"),) * 4)  # type: ignore[index]
    assert json.loads(export(result, "json"))["formula"]["errors"]["test"]["rmse"] is None


@pytest.mark.parametrize("name", ["latex", "latex-table", "latex-document"])
@every_table
def test_latex_has_only_our_commands_and_balanced_braces(name: str, names: tuple[str, ...]) -> None:
    written = export(result_of(parse("x*y + z", PLAIN_NAMES), names, target=names[0]), name)
    assert not re.search(r"(?<!\\)(?:\\\\)*\\(?:input|include|write|def|csname)\b", written)
    bare = re.sub(r"\\[\\{}$%#&_ ,]", "", written)
    assert bare.count("{") == bare.count("}") and bare.count(r"\end{document}") == (name == "latex-document")
    assert "%" not in bare and bare.count("$") % 2 == 0


def test_the_latex_document_is_a_whole_article() -> None:
    document = export(result_of(parse("2.5*x**2", PLAIN_NAMES)), "latex-document")
    assert document.startswith(r"\documentclass{article}") and document.endswith("\\end{document}\n")
    begun, ended = re.findall(r"\\begin{(\w+\*?)}", document), re.findall(r"\\end{(\w+\*?)}", document)
    assert sorted(begun) == sorted(ended)
    assert r"\mathrm{P\ [W]} = 2.5 \, x^{2}" in document
    assert r"2.5 \pm 0.025" in document
    assert "best approximation" in document


def test_the_latex_table_marks_the_chosen_formula() -> None:
    rows = export(result_of(parse("2.5*x**2", PLAIN_NAMES)), "latex-table").splitlines()
    marked = [row for row in rows if "blacktriangleright" in row]
    assert len(marked) == 1 and "x^{2}" in marked[0]


def test_a_long_sum_is_broken_between_its_terms() -> None:
    long = " + ".join(f"{place}.5*x**{place}*exp(-{place}*y)" for place in range(2, 22))
    lines = export(result_of(parse(long, PLAIN_NAMES)), "latex-aligned").splitlines()
    assert (lines[0], lines[-1]) == (r"\begin{align*}", r"\end{align*}") and len(lines) > 4
    assert all(line.endswith(r" \\") for line in lines[1:-2]) and all(line.startswith("& ") for line in lines[2:-1])
    short = export(result_of(parse("2.5*x**2", PLAIN_NAMES)), "latex-aligned")
    assert short.splitlines()[1] == r"\mathrm{P\ [W]} ={} & 2.5 \, x^{2}"


@pytest.mark.parametrize(("name", "ends"), [("latex-inline", ("$", "$")), ("latex-display", ("\\[", "\\]"))])
def test_mathematics_stands_between_its_signs(name: str, ends: tuple[str, str]) -> None:
    result = result_of(parse("2.5*x**2", PLAIN_NAMES))
    written = export(result, name).strip()
    assert written.startswith(ends[0]) and written.endswith(ends[1]) and export(result, "latex").strip() in written


@every_table
def test_markdown_is_one_table_whatever_the_columns_are_called(names: tuple[str, ...]) -> None:
    written = export(result_of(parse("x*y + Abs(z)", PLAIN_NAMES), names, target=names[0]), "markdown")
    table = [line for line in written.splitlines() if line.startswith("|")]
    assert len(table) == 4 and all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in table)
    assert sum("chosen" in line for line in table) == 1 and "<" not in written.splitlines()[0]


@every_table
@every_formula
def test_mathml_is_one_well_formed_element(names: tuple[str, ...], text: str) -> None:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(export(result_of(parse(text, PLAIN_NAMES), names), "mathml"))
    assert root.tag.endswith("math")


@every_formula
def test_srepr_is_the_sympy_expression(text: str) -> None:
    import sympy

    result = result_of(parse(text, PLAIN_NAMES))
    module = {name: getattr(sympy, name) for name in dir(sympy)}
    exec(compile("formula = " + export(result, "srepr"), "exported", "exec"), module)  # noqa: S102
    assert module["formula"] == result.formula.sympy()


@every_table
def test_notebooks_get_a_law_and_a_table_that_no_name_can_break(names: tuple[str, ...]) -> None:
    result = result_of(parse("x*y + Abs(z)", PLAIN_NAMES), names, target="</table><script>")
    page = result._repr_html_()
    assert page.count("<tr>") == 3 and page.count("<table>") == page.count("</table>") == 1
    assert "<script" not in page and page.count("$") % 2 == 0 and "&gt;" not in page.split("<table>")[1][:80]
    assert "No closed form was found" in page and str(result).count("\n") >= 3
    assert str(result.front).splitlines()[1].startswith(">")


def test_text_in_latex_is_escaped() -> None:
    assert latex_text("50% of $x_1 & \\input{y}") == r"50\% of \$x\_1 \& \textbackslash{}input\{y\}"


def test_good_names_stay_as_they_are_and_others_become_identifiers() -> None:
    assert safe_names(("x", "omega", "λ")) == ("x", "omega", "λ")
    assert safe_names(("T [K]", "T_K", "lambda", "1st", "", "math"), ("math",)) == (
        "T_K", "T_K_2", "lambda_2", "x_1st", "x", "math_2")  # fmt: skip
