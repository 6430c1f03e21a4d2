"""Formulas as LaTeX: readable mathematics, and names that cannot do anything."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kansym.symbolic.expression import Expression
from kansym.symbolic.latex import latex_name, latex_number, to_latex
from kansym.symbolic.parser import parse
from tests.formulas import expressions

NAMES = ("x", "theta", "x_1", "T [K]", "lambda")

COMMANDS = {
    "frac", "sqrt", "left", "right", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "ln",
    "operatorname", "mathrm", "text", "times", "cdot", "pi", "backslash", "hat", "sim", "grave", "varsigma", "exp",
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi",
    "Sigma", "Upsilon", "Phi", "Psi", "Omega",
}  # fmt: skip


def assert_harmless(latex: str) -> None:
    """Only known commands, balanced braces, and no active character outside an escape."""
    bare = re.sub(r"\\[a-zA-Z]+", lambda found: " " if found.group()[1:] in COMMANDS else "!!", latex)
    assert "!!" not in bare, latex
    bare = re.sub(r"\\[ ,{}$%#&_|]", "", bare)
    assert "\\" not in bare and not re.search(r"[$%#&~]", bare), latex
    assert bare.isprintable()
    depth = 0
    for brace in re.findall(r"[{}]", bare):
        depth += 1 if brace == "{" else -1
        assert depth >= 0, latex
    assert depth == 0, latex


@pytest.mark.parametrize(
    ("text", "latex"),
    [
        ("x/theta", r"\frac{x}{\theta}"),
        ("sqrt(x/theta)", r"\sqrt{\frac{x}{\theta}}"),
        ("x**(1/3)", r"\sqrt[3]{x}"),
        ("x**(3/2)", r"x^{3/2}"),
        ("exp(-x)", r"e^{-x}"),
        ("sin(x)**2", r"\sin^{2}\left(x\right)"),
        ("3.1e-34*x", r"3.1 \times 10^{-34} \, x"),
        ("x_1**2", r"x_{1}^{2}"),
        ("1 - x", r"1 - x"),
        ("x/2", r"\frac{1}{2} \, x"),
        ("Abs(x)", r"\left|x\right|"),
        ("(x + lambda)**2", r"\left(x + \lambda\right)^{2}"),
        ("2.0*3.0*x", r"2 \cdot 3 \, x"),
        ("x*`T [K]`", r"x \, \mathrm{T\ [K]}"),
        ("(2.5e3)**x", r"2500^{x}"),
        ("(2.5e-7)**x", r"\left(2.5 \times 10^{-7}\right)^{x}"),
        ("exp(x)**2", r"\left(e^{x}\right)^{2}"),
        ("pi**2*x", r"\pi^{2} \, x"),
    ],
)
def test_a_formula_is_typeset_as_a_person_would(text: str, latex: str) -> None:
    assert to_latex(parse(text, NAMES), NAMES) == latex


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("T", "T"), ("theta", r"\theta"), ("lambda", r"\lambda"), ("x_1", "x_{1}"), ("m1", "m_{1}"), ("α", r"\alpha"),
        ("q_max", r"q_{\mathrm{max}}"), ("speed", r"\mathrm{speed}"), ("50%", r"\mathrm{50\%}"),
        ("\\input{x}", r"\mathrm{\backslash input\{x\}}"), ("a_b_c", r"\mathrm{a\_b\_c}"), ("_", r"\mathrm{\_}"),
        ("$x$ #1 & ~", r"\mathrm{\$x\$\ \#1\ \&\ \sim }"), ("x y", r"\mathrm{x\ y}"),
    ],
)  # fmt: skip
def test_a_name_becomes_a_symbol_or_upright_text(name: str, latex: str) -> None:
    assert latex_name(name) == latex


@settings(max_examples=300)
@given(
    st.text(
        alphabet=st.one_of(st.sampled_from("\\{}$%#&_^~ `'\"<>|\n\t^^M"), st.characters(codec="utf-8")), max_size=20
    )
)
def test_no_name_can_act_as_a_command(name: str) -> None:
    assert_harmless(latex_name(name))


@settings(max_examples=200)
@given(expressions)
def test_every_formula_has_harmless_balanced_latex(expression: Expression) -> None:
    latex = to_latex(expression, ("theta", "\\input{x}", "50% {"))
    assert_harmless(latex)
    assert latex.count(r"\left") == latex.count(r"\right")


@pytest.mark.parametrize(
    ("value", "digits", "latex"),
    [(2.5, 6, "2.5"), (1e30, 6, "10^{30}"), (-3.1e-34, 6, r"-3.1 \times 10^{-34}"), (1 / 3, 3, "0.333"), (2.0, 6, "2")],
)
def test_numbers_are_written_with_powers_of_ten(value: float, digits: int, latex: str) -> None:
    assert latex_number(value, digits) == latex
