"""Argument names for program code: one valid, distinct identifier for every column, whatever the column is called."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence

from kansym.errors import printable

LONGEST = 40


def safe_names(
    names: Sequence[str], reserved: Iterable[str] = (), ascii_only: bool = False, fold: bool = False
) -> tuple[str, ...]:
    """Identifiers (D,) in the order of `names`; names that are good already stay as they are.

    reserved: words that the code needs for itself. ascii_only: use no other letters. fold: the language takes upper
    and lower case for the same, so that no two names may differ by it alone.
    """
    taken = {_folded(word, fold) for word in reserved}
    safe: list[str] = []
    for name in names:
        base = _identifier(name, ascii_only)
        candidate, number = base, 2
        while _folded(candidate, fold) in taken or keyword.iskeyword(candidate) or keyword.issoftkeyword(candidate):
            candidate, number = f"{base}_{number}", number + 1
        taken.add(_folded(candidate, fold))
        safe.append(candidate)
    return tuple(safe)


def words(text: str) -> frozenset[str]:
    """The words of a text, such as the reserved ones of a language."""
    return frozenset(text.split())


def _folded(word: str, fold: bool) -> str:
    return word.casefold() if fold else word


def _identifier(name: str, ascii_only: bool) -> str:
    # Python compares identifiers in this normal form: two columns must not become one argument.
    normal = unicodedata.normalize("NFKC", name)
    plain = normal.isidentifier() and not normal.startswith("_") and (normal.isascii() or not ascii_only)
    if len(normal) <= LONGEST and plain:
        return normal
    word = re.sub(r"[^A-Za-z0-9]+", "_", normal).strip("_")[:LONGEST]
    return word if word[:1].isalpha() else f"x_{word}".rstrip("_")


def quoted_line(text: str) -> str:
    """Any text as part of a triple-quoted string or a comment: on one line, with nothing that could end it."""
    return printable(text.replace("\\", "\\\\").replace('"', '\\"'))
