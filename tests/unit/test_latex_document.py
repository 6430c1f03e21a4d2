"""The LaTeX formats compile, whatever the columns are called."""

import dataclasses
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kansym.export import FORMATS
from kansym.export.latex_form import latex_table
from kansym.result import Result
from kansym.symbolic.expression import Expression
from kansym.symbolic.formula import ParetoFront
from tests.formulas import COLUMNS, expressions
from tests.results import hostile_result, result_of

PDFLATEX = shutil.which("pdflatex")
PACKAGES = ("booktabs.sty", "amsmath.sty", "amssymb.sty")
NAMES = ("a_b%", r"\input{x}", "T [K]")


def complete() -> bool:
    """Whether there is a pdflatex with the packages that a document asks for."""
    look_up = shutil.which("kpsewhich")
    return bool(PDFLATEX and look_up) and all(
        subprocess.run([look_up, package], capture_output=True, check=False).returncode == 0 for package in PACKAGES
    )


pytestmark = pytest.mark.skipif(not complete(), reason="needs pdflatex with booktabs and amsmath")


def compiled(folder: Path, text: str) -> str:
    """What pdflatex says of a document; the test fails unless it makes a PDF."""
    (folder / "law.tex").write_text(text, encoding="utf-8")
    command = [str(PDFLATEX), "-no-shell-escape", "-interaction=nonstopmode", "-halt-on-error", "law.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120)
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0 and (folder / "law.pdf").exists(), said[-1500:]
    return said


@pytest.mark.parametrize("make", [result_of, hostile_result])
def test_the_document_compiles(tmp_path: Path, make):
    compiled(tmp_path, FORMATS.get("latex-document")(make()))


def test_every_part_compiles_and_reads_no_file(tmp_path: Path):
    (tmp_path / "x.tex").write_text(r"\errmessage{a column's name was run}")
    result = result_of(NAMES, r"y & \input{x}")
    parts = [FORMATS.get(name)(result) for name in ("latex", "latex-inline", "latex-display", "latex-aligned")]
    parts[0] = f"${parts[0].strip().strip('$')}$"
    body = "\n\n".join([*parts, latex_table(result)])
    packages = r"\usepackage{amsmath,amssymb,booktabs,array,textcomp}"
    compiled(tmp_path, rf"\documentclass{{article}}{packages}\begin{{document}}{body}\end{{document}}")


@settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.large_base_example, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(found=st.lists(expressions, min_size=60, max_size=60))
def test_sixty_random_formulas_compile(tmp_path_factory: pytest.TempPathFactory, found: list[Expression]):
    result = result_of(NAMES)
    laws = "\n\n".join(f"${latex_of(result, each)}$" for each in found)
    head = r"\documentclass{article}\usepackage{amsmath,amssymb}\begin{document}"
    compiled(tmp_path_factory.mktemp("laws"), head + laws + r"\end{document}")


def latex_of(result: Result, expression: Expression) -> str:
    formula = dataclasses.replace(result.formula, expression=expression, input_names=NAMES[:COLUMNS])
    return dataclasses.replace(result, front=ParetoFront((formula,), 0)).formula.latex()
