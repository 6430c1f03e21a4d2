"""What the pages show is what happens: code that runs as it stands there, and terminals that print what is printed.

These tests take minutes and run with `make docs`, which builds the pages first.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.docs
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BUILT = ROOT / "build" / "docs"
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}\n(.*?)^```", re.DOTALL | re.MULTILINE)
TERMINAL = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)")
SECONDS = re.compile(r"\(\d+\.\d s\)")

PAGES = [page.name for page in sorted(DOCS.glob("from-*.md"))]
TERMINALS = [page.name for page in sorted(DOCS.glob("*.md")) if TERMINAL.search(page.read_text("utf-8"))]


def environment() -> dict[str, str]:
    """That of a user: the command on the path, this checkout's packages, no colours, the same words everywhere."""
    paths = os.pathsep.join(str(ROOT / room) for room in (".", "cli", "datasets"))
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return os.environ | {"PYTHONPATH": paths, "PATH": programs, "NO_COLOR": "1", "COLUMNS": "120"}


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    code = "\n".join(PYTHON.findall((DOCS / page).read_text("utf-8")))
    exec(compile(code, page, "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out
    promised = re.findall(r"^print\(.*\)  # (.+)$", code, re.MULTILINE)
    assert promised and all(line in printed.splitlines() for line in promised)


def test_the_parts_that_a_page_adds_to_kansym_work_and_keep_their_contracts(tmp_path: Path) -> None:
    cells = CELL.findall((DOCS / "extend.md").read_text("utf-8"))
    (tmp_path / "test_extend.py").write_text("\n\n".join(cells), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "test_extend.py"]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, encoding="utf-8", timeout=280, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    for printed in ("M = 5*langevin(1.3*B)/2", "torch.Size([1, 5, 1])", "value,error,exact", "x0*x1/(x0 - x1) True"):
        assert printed in run.stdout
    assert int(re.findall(r"(\d+) passed", run.stdout)[0]) >= 20


def test_a_terminal_is_compared_word_by_word_and_number_by_number() -> None:
    assert alike("P = 0.9998*a\nx\ny\nend", "P = 0.99980003*a\n...\nend")
    assert alike("search: 48 candidates (7.9 s)", "search: 48 candidates (2.0 s)")
    assert not alike("P = 0.9998*b", "P = 0.9998*a")
    assert not alike("P = 1.0098*a", "P = 0.9998*a")
    assert not alike("one\ntwo", "one")


@pytest.mark.parametrize("page", TERMINALS)
def test_a_terminal_of_a_page_prints_what_stands_there(page: str, tmp_path: Path) -> None:
    for command, promised in terminals(page):
        run = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=280,
            check=False,
        )
        assert alike(run.stdout, promised), f"$ {command}\n{run.stdout}"


def terminals(page: str) -> Iterator[tuple[str, str]]:
    """The commands of a page, and what it says they print."""
    for block in TERMINAL.findall((DOCS / page).read_text("utf-8")):
        yield from COMMAND.findall(block)


def alike(printed: str, promised: str) -> bool:
    """Whether a text is the promised one: `...` is any lines, numbers agree to a thousandth, times do not count."""
    printed, promised = (SECONDS.sub("(1.0 s)", text).strip() + "\n" for text in (printed, promised))
    words = [".*" if line == "...\n" else pattern(line) for line in promised.splitlines(keepends=True)]
    found = re.fullmatch("".join(words), printed, re.DOTALL)
    if found is None:
        return False
    expected = [float(number) for number in NUMBER.findall(promised)]
    return [float(number) for number in found.groups()] == pytest.approx(expected, rel=1e-3, abs=1e-9)


def pattern(line: str) -> str:
    """A pattern of one line in which every number and every run of blanks may be another one."""
    parts = NUMBER.split(line)
    return "".join(NUMBER.pattern if place % 2 else blanks(part) for place, part in enumerate(parts))


def blanks(text: str) -> str:
    return r"[ ]+".join(map(re.escape, re.split(" +", text)))


@pytest.mark.skipif(not BUILT.is_dir(), reason="build the pages with make docs")
def test_the_built_pages_need_no_network() -> None:
    loads = re.compile(r'<(?:script|img|iframe|source)[^>]*src="(?:https?:)?//|<link[^>]*href="(?:https?:)?//[^"]*"')
    pages = {page.name: page.read_text("utf-8") for page in BUILT.rglob("*.html")}
    assert len(pages) > 30
    assert [name for name, text in pages.items() if loads.search(text)] == []
    styles = [sheet.read_text("utf-8") for sheet in BUILT.rglob("*.css")]
    assert not any(re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet) for sheet in styles)
