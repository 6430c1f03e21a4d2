"""A whole fit as a note in Markdown, mathematics in dollars; pictures are named by the command that draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kansym.errors import printable
from kansym.export.latex_form import equation
from kansym.export.page_form import markdown_text
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
from kansym.result import Result


def markdown_report(result: Result) -> str:
    """Return the note of one fit: the law, and every section of its story."""
    doubt = verdict(result)
    head = [f"# {markdown_text(title(result))}", *([markdown_text(doubt)] if doubt else [])]
    return "\n\n".join([*head, f"$$\n{equation(result.formula)}\n$$", *map(_section, story(result))]) + "\n"


def _section(section: Section) -> str:
    return "\n\n".join([f"## {section.title}", *(_WRITERS[type(block)](block) for block in section.blocks)])


def _words(block: Words) -> str:
    return markdown_text(block.text)


def _listing(block: Listing) -> str:
    return "\n".join(f"- {_cell(item)}" for item in block.items)


def _facts(block: Facts) -> str:
    return _table(("", ""), [(markdown_text(name), _typed(value)) for name, value in block.rows], ("", ""))


def _typed(value: str) -> str:
    """A code span that fits into a cell of a table."""
    return f"`{printable(value).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


def _grid(block: Grid) -> str:
    rows = [tuple(_marked(_cell(cell), at == block.marked and place == 0) for place, cell in enumerate(row))
            for at, row in enumerate(block.rows)]  # fmt: skip
    return _table(block.head, rows, block.rows[0] if block.rows else block.head)


def _marked(text: str, marked: bool) -> str:
    return f"**{text}**" if marked else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[Cell]) -> str:
    bar = ["--:" if isinstance(cell, Number) else "---" for cell in kinds]
    lines = [[markdown_text(text) for text in head], bar, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    if isinstance(cell, Law):
        return f"${cell.formula.latex(cell.digits).replace('|', chr(92) + 'vert ')}$"
    return str(cell) if isinstance(cell, Number) else markdown_text(cell)


def _code(block: Code) -> str:
    return "\n".join(f"    {line}" for line in block.text.splitlines())


def _picture(block: Picture) -> str:
    return f"*{markdown_text(block.shows)}* Drawn by `kansym plot RUN --kind {block.kind} -o {block.kind}.svg`."


def _network(block: Network) -> str:
    return _picture(Picture("graph", "The network before and after pruning."))


_WRITERS: dict[type[Block], Callable[[Any], str]] = {
    Words: _words, Listing: _listing, Grid: _grid, Facts: _facts, Code: _code, Picture: _picture, Network: _network,
}  # fmt: skip
