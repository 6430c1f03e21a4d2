"""How a cell of text becomes a number, and what is said when it does not."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

MISSING = frozenset(
    ["", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "+nan", "null", "none", "nil", "missing", "?", ".", "-", "--"]
)
INFINITE = frozenset(sign + word for sign in ("", "+", "-") for word in ("inf", "infinity", "∞"))

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_REASONS = tuple(
    (re.compile(pattern), reason)
    for pattern, reason in (
        (r"(?i)true|false|yes|no", "a truth value: write 0 and 1"),
        (r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ T].*)?", "a date: write a number, such as the days since the first row"),
        (r"\d{1,2}:\d{2}(?::\d{2}.*)?", "a time of day: write a number, such as seconds"),
        (r"[+-]?\d{1,3}(?:[, .'_\u00a0\u202f]\d{3})+(?:[.,]\d+)?", "a number with thousands separators: remove them"),
        (
            r"\(?[+-]?[\d.]+(?:e[+-]?\d+)?(?:[+-][\d.]+)?[ij]\)?",
            "a complex number: give real and imaginary part a column",
        ),
        (r"[+-]?[\d.]+[dD][+-]?\d+", "a Fortran exponent: write E for D"),
        (r"[+-]?[\d.,]+ ?%", "a percentage: write a plain number, and the unit in the header"),
        (r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", "a number with a decimal comma: pass --decimal ,"),
        (r"#[A-Z/0!?]+", "a spreadsheet error: correct the cell"),
        (
            r"[+-]?\.?\d[\d.]*(?:[eE][+-]?\d+)? ?[^\W\d].*",
            "a number with a unit: write the unit in the header, like T [K]",
        ),
    )
)


def parse_cell(cell: str, decimal: str = ".") -> float | None:
    """Return the number in a cell; NaN for a missing one, infinity for an infinite one, None for text.

    Args:
        cell: the text; blanks around it do not count, and a Unicode minus sign counts as a minus.
        decimal: "." or ",".
    """
    text = cell.strip().replace("\u2212", "-")
    folded = text.casefold()
    if folded in MISSING:
        return math.nan
    if folded in INFINITE:
        return -math.inf if text.startswith("-") else math.inf
    if decimal == ",":
        text = text.replace(",", ".") if "." not in text else "text"
    return float(text) if _NUMBER.fullmatch(text) else None


def parse_column(cells: Sequence[str], decimal: str = ".") -> tuple[np.ndarray, list[int]]:
    """Return the numbers of a column, (N,) with NaN for missing ones, and the positions of cells that are text."""
    quick = _parse_plain(cells) if decimal == "." else None
    if quick is not None:
        return quick, []
    parsed = [parse_cell(cell, decimal) for cell in cells]
    text = [position for position, value in enumerate(parsed) if value is None]
    return np.array([math.nan if value is None else value for value in parsed], dtype=np.float64), text


def _parse_plain(cells: Sequence[str]) -> np.ndarray | None:
    """Return the column if Python reads every cell as a finite number and none uses Python's own extensions."""
    try:
        values = np.array([float(cell) for cell in cells], dtype=np.float64)
    except ValueError:
        return None
    plain = np.isfinite(values).all() and all(cell.isascii() and "_" not in cell for cell in cells)
    return values if plain else None


def explain_text(cell: str, decimal: str = ".") -> str | None:
    """Return what kind of number in disguise this is and what to do about it; None for any other text."""
    text = cell.strip()
    if decimal == "," and parse_cell(text, ".") is not None:
        return "a number with a point, but the decimal mark here is a comma: pass --decimal . or correct the cell"
    for pattern, reason in _REASONS:
        if pattern.fullmatch(text):
            return reason
    return None
