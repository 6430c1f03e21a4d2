"""Paragraphs of docstrings that explain arguments, `name: what it is`, get an `Args:` heading in the reference."""

import inspect
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from sphinx.application import Sphinx

# `name: ` or `one, other: ` at the start of a paragraph's line, or after a sentence of the same line.
_FIELD = re.compile(r"(?:^|(?<=[.;] ))(\w+(?:, \w+)*): ", re.MULTILINE)


def _parameters(item: Any) -> frozenset[str]:
    try:
        return frozenset(inspect.signature(item).parameters)
    except (TypeError, ValueError):
        return frozenset()


def _fields(paragraph: str, known: frozenset[str]) -> list[tuple[str, str]]:
    """What a paragraph says of each argument; nothing when it does not begin with one."""
    starts = [match for match in _FIELD.finditer(paragraph) if known.issuperset(match[1].split(", "))]
    if not starts or starts[0].start() != 0:
        return []
    ends = [*(match.start() for match in starts[1:]), len(paragraph)]
    return [(match[1], " ".join(paragraph[match.end() : end].split())) for match, end in zip(starts, ends, strict=True)]


def _with_headings(lines: list[str], known: frozenset[str]) -> Iterator[str]:
    for blank, group in groupby(lines, lambda line: not line.strip()):
        block = list(group)
        fields = [] if blank else _fields("\n".join(block), known)
        if fields:
            yield "Args:"
        yield from (f"    {names}: {text}" for names, text in fields)
        yield from () if fields else block


def _process(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    lines[:] = list(_with_headings(lines, _parameters(item)))


def setup(app: Sphinx) -> dict[str, Any]:
    """Run before napoleon, which reads the headings."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    return {"parallel_read_safe": True}
