"""The report as a page, a note and a PDF: complete, offline, and in a real browser it sorts, copies and prunes."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

from kansym.config import Config
from kansym.report.command import reproduce_command
from kansym.report.html import report
from kansym.report.markdown import markdown_report
from kansym.report.pdf import pdf_report
from tests.browser import BROWSER, shown
from tests.results import hostile_result, result_of, without_network


class _Page(HTMLParser):
    """Collects tags, links and text, and refuses tags that are closed in the wrong order."""

    VOID = frozenset({"meta", "input", "br", "hr", "img", "link", "use", "path", "rect", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href", "data", "action"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.mark.parametrize("make", [result_of, hostile_result, without_network])
def test_the_page_is_whole_offline_and_below_a_megabyte(make):
    text = report(make())
    page = _Page(text)
    assert page.open == []
    assert page.tags.count("script") == 1 and not {"iframe", "object", "link", "form"} & set(page.tags)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in page.links)
    outside = set(re.findall(r"(?:https?:)?//[a-z0-9.]+[^\s\"'<>)]*", text)) - {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
        "http://www.w3.org/1998/Math/MathML",
    }
    assert not {url for url in outside if url.startswith("http")}
    assert "url(http" not in text and "@import" not in text
    assert len(text.encode("utf-8")) < 1_000_000


def test_the_page_tells_the_law_its_errors_and_how_to_repeat_it():
    words = " ".join(_Page(report(result_of())).words)
    for wanted in ("P = a**(3/2)", "validation", "planets.csv", "a note", "chosen", "Rivals", "AU", "0.1.0"):
        assert wanted in words, wanted
    assert "kansym fit planets.csv --target P --features a --seed 7" in words


def test_the_page_says_when_no_closed_form_was_found():
    result = result_of()
    front = dataclasses.replace(result.front, exact=False)
    assert "No closed form found" in report(dataclasses.replace(result, front=front))
    assert "No closed form found" not in report(result)


def test_the_page_of_two_thousand_rows_and_many_edges_stays_small():
    names = tuple(f"x{place}" for place in range(10))
    assert len(report(result_of(names, rows=2000)).encode("utf-8")) < 1_000_000


def test_the_page_is_the_same_every_time():
    assert report(result_of()) == report(result_of())


def test_the_command_quotes_names_and_tells_only_what_is_not_the_default():
    result = dataclasses.replace(result_of(), config=Config(seed=3, time_limit=20.0, width=(4, 3)))
    names = ("a", "x, y")
    table = dataclasses.replace(result.table, source="my data.csv", target_name="E $k$", input_names=names)
    command = reproduce_command(dataclasses.replace(result, table=table))
    wanted = (
        """kansym fit 'my data.csv' --target 'E $k$' --features 'a,"x, y"' --seed 3 --time-limit 20.0 --width 4,3"""
    )
    assert command == wanted


def test_the_report_repeats_what_was_said_about_the_file():
    result = result_of()
    options = {"sigma": "error of E", "missing": "drop", "units": "a=AU"}
    command = reproduce_command(dataclasses.replace(result, table=dataclasses.replace(result.table, options=options)))
    assert "--sigma 'error of E' --missing drop --units a=AU" in command


PROBE = """
const seen = {};
const front = document.querySelector("table.sortable");
const numbers = () => [...front.tBodies[0].rows].map((row) => Number(row.cells[0].dataset.value));
seen.before = numbers();
const button = front.tHead.rows[0].cells[0].querySelector("button");
button.click(); seen.up = numbers(); button.click(); seen.down = numbers();
seen.sort = button.parentElement.getAttribute("aria-sort");
seen.copies = [...front.querySelectorAll("tr.chosen button[data-copy]")].map((each) => each.dataset.copy);
seen.keyboard = [...document.querySelectorAll("button, input, [tabindex]")].every((each) => each.tabIndex >= 0);
seen.told = document.getElementById("told").textContent;
seen.wide = document.documentElement.scrollWidth <= window.innerWidth;
seen.requests = performance.getEntriesByType("resource").map((each) => each.name);
document.title = JSON.stringify(seen);
"""


@pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [390, 1200])
def test_in_a_browser_the_report_sorts_copies_and_asks_for_nothing(tmp_path: Path, width: int):
    result = result_of()
    answer, said = shown(tmp_path, report(result), PROBE, width)
    seen = json.loads(answer.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&"))
    assert said == [] and seen["requests"] == []
    assert seen["up"] == sorted(seen["before"]) and seen["down"] == seen["up"][::-1] and seen["sort"] == "descending"
    assert seen["copies"] == [result.formula.latex(None), result.formula.code("python"), result.formula.text()]
    assert seen["keyboard"] and seen["wide"]
    assert seen["told"] == "edges with a score above 0.100: 3 of 4"  # the slider stands where pruning left it


def test_a_script_of_anybody_else_may_not_run():
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", report(result_of()))


@pytest.mark.parametrize("make", [result_of, hostile_result, without_network])
def test_the_note_has_every_section_and_no_foreign_html(make):
    text = markdown_report(make())
    for title in ("## Errors", "## Simpler and more accurate", "## Where it holds", "## Reproduce"):
        assert title in text
    outside = re.sub(r"\$\$.*?\$\$|`[^`\n]*`|\$[^$\n]*\$|^    .*$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside


@pytest.mark.parametrize("make", [result_of, hostile_result])
def test_the_pdf_has_pages_and_is_the_same_every_time(make):
    content = pdf_report(make())
    assert content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")
    assert len(re.findall(rb"/Type /Page\b", content)) >= 3
    assert content == pdf_report(make())
