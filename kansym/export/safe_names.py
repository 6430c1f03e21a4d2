"""Argument names for program code: one valid, distinct identifier for every column, whatever the column is called."""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Iterable, Sequence

LONGEST = 40


def safe_names(names: Sequence[str], reserved: Iterable[str] = ()) -> tuple[str, ...]:
    """Identifiers (D,) in the order of `names`; names that are good already stay as they are.

    reserved: words that the code needs for itself.
    """
    taken = set(reserved)
    safe: list[str] = []
    for name in names:
        base = _identifier(name)
        candidate, number = base, 2
        while candidate in taken or keyword.iskeyword(candidate) or keyword.issoftkeyword(candidate):
            candidate, number = f"{base}_{number}", number + 1
        taken.add(candidate)
        safe.append(candidate)
    return tuple(safe)


def _identifier(name: str) -> str:
    # Python compares identifiers in this normal form: two columns must not become one argument.
    normal = unicodedata.normalize("NFKC", name)
    if len(normal) <= LONGEST and normal.isidentifier() and not normal.startswith("_"):
        return normal
    word = re.sub(r"[^A-Za-z0-9]+", "_", normal).strip("_")[:LONGEST]
    return word if word[:1].isalpha() else f"x_{word}".rstrip("_")


def quoted_line(text: str) -> str:
    """Any text as part of a triple-quoted string or a comment: on one line, with nothing that could end it."""
    return "".join(_quoted_character(character) for character in text)


def _quoted_character(character: str) -> str:
    if character in '\\"':
        return "\\" + character
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
