"""Every programming language that formulas are exported to gives the formula's values, compiled and run for real.

A hundred formulas: every primitive, awkward ones, and laws of physics. A language whose tool is missing is left out.
"""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from kansym.symbolic.code import LANGUAGES
from kansym.symbolic.code.excel import column_letters
from kansym.symbolic.formula import Formula
from kansym.symbolic.parser import parse
from kansym.symbolic.primitives import CALLS
from kansym_datasets import card, names

Array = np.ndarray
ROWS = 4
CLOSE = 1e-12
AWKWARD = (
    "2.5*x**3/(exp(0.7*x) - 1)", "-x**2", "2.0**(-x)", "sqrt(x)*(y - 3.0)**(1/3) + x**(-3/2) - (z - 3.0)**(-2/3)",
    "(y - 3.0)**(5/3)/(z - 4.0)**(1/3)", "y**2.7 - x**y", "pi*x/2 - sqrt(2)*y + E**2 - 1/3", "x*pi**2/E + 1/(3*pi)",
    "-(x - y)/(-z - 1.5)**2 - -3.5", "6.626e-34*x - 1e30*y + 1e-300*z", "exp(-(x - y)**2/(2*z**2))/sqrt(2*pi*z**2)",
    "x - (y - (z - 1.25))", "x/(y/(z/0.3))", "((x + y)**2)**(3/2) - (x*y)**(-4)", "3.5", "-0.25*x**(-2)",
    "sign(x - y)*Abs(z - 1)", "sinc(x - x) + sinc(y)", "cos(x)**2 + sin(-x)**3 - tan(0.2*x)**(-1)",
)  # fmt: skip


def formulas() -> list[Formula]:
    """A hundred: awkward ones, every primitive, and laws of physics with up to nine columns."""
    abc = ("x", "y", "z")
    texts = [(text, abc) for text in AWKWARD]
    texts += [(f"1.5*{name}({'1 + x' if name == 'acosh' else 'x/8'}) - {name}(0.25*{'8*' * (name == 'acosh')}y)", abc)
              for name in CALLS]  # fmt: skip
    for law in (card(name) for name in names() if name.startswith("feynman-")):
        texts.append((law.formula, tuple(variable.name for variable in law.variables)))  # type: ignore[union-attr]
    return [Formula(parse(text, columns), columns, "target") for text, columns in texts[:100]]


def points(formula: Formula) -> Array:
    return np.random.default_rng(len(formula.input_names)).uniform(0.3, 2.5, (ROWS, len(formula.input_names))).round(4)


def by_module(source: str, formula: Formula) -> list[float]:
    """The values of a Python function of arrays. Only our own output, on fixed formulas, is run here."""
    module: dict = {}
    exec(compile(source, "exported", "exec"), module)  # noqa: S102
    return np.asarray(module["formula"](*points(formula).T)).tolist()


def in_python(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    found = []
    for source, formula in zip(sources, every, strict=True):
        module: dict = {}
        exec(compile(source, "exported", "exec"), module)  # noqa: S102
        values = []
        for row in points(formula).tolist():
            try:
                values.append(module["formula"](*row))
            except (ValueError, ZeroDivisionError):
                values.append(math.nan)
        found.append(values)
    return found


@np.errstate(all="ignore")
def in_numpy(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    return [by_module(source, formula) for source, formula in zip(sources, every, strict=True)]


def in_jax(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    return [by_module(source, formula) for source, formula in zip(sources, every, strict=True)]


def in_torch(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    found = []
    for source, formula in zip(sources, every, strict=True):
        module: dict = {}
        exec(compile(source, "exported", "exec"), module)  # noqa: S102
        made = module["Formula"]()
        assert len(made.constants) == len(formula.expression.free_constants)
        found.append(made(*torch.from_numpy(points(formula)).T).tolist())
    return found


def calls(
    every: Sequence[Formula], call: Callable[[int, str], str], number: Callable[[float], str] = repr
) -> list[str]:
    """One statement for every formula and row: call(formula's place, its arguments)."""
    return [
        call(place, ", ".join(number(float(value)) for value in row))
        for place, formula in enumerate(every)
        for row in points(formula)
    ]


def printed(command: list[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    text = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=300).stdout
    values = [float(word) for word in text.replace("NaN", "nan").split()]
    assert len(values) == ROWS * len(every)
    return np.reshape(values, (len(every), ROWS)).tolist()


def needs(*tools: str) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def compiled(compiler: str, suffix: str, flags: Sequence[str]) -> Callable[..., list[list[float]]]:
    def runner(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
        needs(compiler)
        parts = []
        for place, source in enumerate(sources):
            (folder / f"f{place}{suffix}").write_text(f"#define formula formula_{place}\n{source}")
            parts.append(f"double formula_{place}({', '.join(['double'] * len(every[place].input_names))});")
        parts += ["#include <stdio.h>", "int main(void) {"]
        parts += calls(every, lambda place, values: f'printf("%.17g\\n", formula_{place}({values}));')
        (folder / f"main{suffix}").write_text("\n".join([*parts, "return 0; }", ""]))
        files = [f"f{place}{suffix}" for place in range(len(every))]
        subprocess.run([compiler, *flags, *files, f"main{suffix}", "-o", "all", "-lm"], cwd=folder, check=True)
        return printed([str(folder / "all")], every, folder)

    return runner


def in_fortran(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    needs("gfortran")
    modules = [source.replace("formula_module", f"module_{place}") for place, source in enumerate(sources)]
    main = ["program main", *(f"use module_{place}, only: f{place} => formula" for place in range(len(every)))]
    lines = calls(every, lambda place, values: f"print '(es25.17e3)', f{place}({values})", lambda value: f"{value!r}_8")
    (folder / "all.f90").write_text("\n".join([*modules, *main, *lines, "end program", ""]))
    flags = ["-std=f2008", "-Wall", "-Werror", "-Wno-unused-dummy-argument", "-O0"]
    subprocess.run(["gfortran", *flags, "all.f90", "-o", "all"], cwd=folder, check=True)
    return printed([str(folder / "all")], every, folder)


def in_javascript(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    needs("node")
    for place, source in enumerate(sources):
        (folder / f"f{place}.js").write_text(f'"use strict";\n{source}')
    lines = calls(every, lambda place, values: f'console.log(require("./f{place}.js").formula({values}));')
    (folder / "main.js").write_text("\n".join(lines))
    return printed(["node", "main.js"], every, folder)


def in_rust(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    needs("rustc")
    modules = [f"mod f{place} {{\n{source}}}" for place, source in enumerate(sources)]
    lines = calls(every, lambda place, values: f'println!("{{:e}}", f{place}::formula({values}));')
    (folder / "main.rs").write_text("\n".join([*modules, "fn main() {", *lines, "}", ""]))
    subprocess.run(["rustc", "-D", "warnings", "main.rs", "-o", "all"], cwd=folder, check=True)
    return printed([str(folder / "all")], every, folder)


def in_julia(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    needs("julia")
    modules = [f"module F{place}\n{source}end" for place, source in enumerate(sources)]
    lines = calls(every, lambda place, values: f"println(try; F{place}.formula({values}); catch; NaN; end)")
    (folder / "main.jl").write_text("\n".join([*modules, *lines, ""]))
    return printed(["julia", "main.jl"], every, folder)


def in_octave(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    needs("octave-cli")
    lines = []
    for place, (source, formula) in enumerate(zip(sources, every, strict=True)):
        (folder / f"d{place}").mkdir()
        (folder / f"d{place}" / "formula.m").write_text(source)
        columns = ", ".join(f"[{'; '.join(repr(float(value)) for value in column)}]" for column in points(formula).T)
        lines.append(f"cd d{place}; clear formula; r = formula({columns}); r(imag(r) ~= 0) = nan; "
                     f"printf('%.17g\\n', real(r)); cd ..")  # fmt: skip
    (folder / "main.m").write_text("\n".join(lines))
    return printed(["octave-cli", "--quiet", "--norc", "main.m"], every, folder)


def in_a_spreadsheet(sources: Sequence[str], every: Sequence[Formula], folder: Path) -> list[list[float]]:
    """By LibreOffice, which opens a table of formulas and writes a table of values."""
    needs("soffice")
    lines = []
    for place, (source, formula) in enumerate(zip(sources, every, strict=True)):
        rows = points(formula)
        for row in range(ROWS):
            line = place * ROWS + row + 1
            cells = [f"{value!r}" for value in rows[row].tolist()] + [""] * (9 - rows.shape[1])
            text = source.strip()
            for column in range(rows.shape[1]):
                text = text.replace(f"{column_letters(column)}2", f"{column_letters(column)}{line}")
            lines.append(",".join([*cells, '"' + text + '"']))
    (folder / "all.csv").write_text("\n".join(lines) + "\n")
    profile = f"-env:UserInstallation=file://{folder}/profile"
    convert = ["soffice", profile, "--headless", "--convert-to"]
    for kind, name in (("xlsx", "all.csv"), ("csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false", "all.xlsx")):
        subprocess.run([*convert, kind, name], cwd=folder, check=True, capture_output=True, timeout=300)
    cells = [line.split(",")[9] for line in (folder / "all.csv").read_text().splitlines()]
    values = [math.nan if not cell or cell[0] in "#E" else float(cell) for cell in cells]
    return np.reshape(values, (len(every), ROWS)).tolist()


Runner = Callable[[Sequence[str], Sequence[Formula], Path], list[list[float]]]
RUNNERS: dict[str, Runner] = {
    "python": in_python,
    "numpy": in_numpy,
    "torch": in_torch,
    "jax": in_jax,
    "c": compiled("gcc", ".c", ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O0"]),
    "cpp": compiled("g++", ".cpp", ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-O0"]),
    "fortran": in_fortran,
    "javascript": in_javascript,
    "rust": in_rust,
    "julia": in_julia,
    "matlab": in_octave,
    "excel": in_a_spreadsheet,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LANGUAGES.names())
def test_a_hundred_formulas_have_the_same_values(name: str, tmp_path: Path) -> None:
    every = formulas()
    assert len(every) == 100
    found = RUNNERS[name]([formula.code(name) for formula in every], every, tmp_path)
    wrong = []
    for formula, values in zip(every, found, strict=True):
        expected = formula(points(formula))
        size = np.max(np.abs(expected[np.isfinite(expected)]), initial=0.0)
        for value, truth in zip(values, expected.tolist(), strict=True):
            same = not math.isfinite(value) if not math.isfinite(truth) else abs(value - truth) <= CLOSE * size
            if not same:
                wrong.append(f"{formula.text()}: {value!r} for {truth!r}")
    assert not wrong, json.dumps(wrong, indent=1)


HOSTILE = ("\\", '"""\nraise SystemExit\n"""', "int", "end", "λ", "*/ x", "A b", "a B", "%{")


@pytest.mark.parametrize("name", ["c", "cpp", "fortran", "javascript", "rust", "julia", "matlab"])
def test_names_are_plain_and_distinct_in_every_language(name: str) -> None:
    text = " + ".join(f"{place + 1}*x{place}" for place in range(len(HOSTILE)))
    plain = tuple(f"x{place}" for place in range(len(HOSTILE)))
    source = Formula(parse(text, plain), HOSTILE, "a\nb").code(name)
    assert source.isascii() or all(line.lstrip()[:1] in "/!#%" for line in source.splitlines() if not line.isascii())
    assert all(not line.endswith("\\") for line in source.splitlines())


def test_columns_of_a_spreadsheet() -> None:
    assert [column_letters(place) for place in (0, 25, 26, 51, 52, 701, 702)] == [
        "A",
        "Z",
        "AA",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


def test_derivatives_are_exact() -> None:
    formula = Formula(parse("x**2*sin(3*y) + 5", ("x", "y", "z")), ("x", "y", "z"), "t")
    at = np.random.default_rng(0).normal(size=(5, 3))
    x, y, _ = at.T
    expected = np.column_stack([2 * x * np.sin(3 * y), 3 * x**2 * np.cos(3 * y), np.zeros(5)])
    assert formula.gradient(at) == pytest.approx(expected, rel=1e-12)
    assert not Formula(parse("3.5", ("x",)), ("x",), "t").gradient(np.ones((2, 1))).any()
    assert formula.torch()(torch.from_numpy(at)).tolist() == pytest.approx(formula(at).tolist(), rel=1e-12)
