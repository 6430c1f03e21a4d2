"""What the pages show in Python runs as it stands there."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = [page.name for page in sorted(DOCS.glob("from-*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs_and_prints_what_it_says(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    code = "\n".join(BLOCK.findall((DOCS / page).read_text()))
    exec(compile(code, page, "exec"), {})  # noqa: S102
    printed = capsys.readouterr().out
    promised = re.findall(r"^print\(.*\)  # (.+)$", code, re.MULTILINE)
    assert promised and all(line in printed.splitlines() for line in promised)
