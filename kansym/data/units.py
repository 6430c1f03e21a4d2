"""Column headers such as `T [K]` or `v (m/s)`: a name and a unit. Names are data and are never interpreted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_PAIRS = {"]": "[", ")": "("}


def split_header(header: str) -> tuple[str, str | None]:
    """Split a header into its name and its unit.

    A unit is a bracket at the end of the header: `T [K]`, `T[K]` or `v (m/s)`. Round brackets count only after a
    space, because `f(x)` is a name; square brackets that start with a digit count only after a space, because `x[0]` is
    one too.

    Args:
        header: the header as written in the table.

    Returns:
        The name and the unit, or the stripped header and None when there is no unit.
    """
    text = header.strip()
    start = _bracket_start(text)
    if start is None:
        return text, None
    name, unit = text[:start].rstrip(), text[start + 1 : -1].strip()
    spaced = len(name) < start
    is_unit = spaced or (text[start] == "[" and not unit[:1].isdigit())
    return (name, unit) if name and unit and is_unit else (text, None)


def _bracket_start(text: str) -> int | None:
    """Return where the bracket that closes at the end of the text was opened."""
    closing = text[-1:]
    opening = _PAIRS.get(closing)
    depth = 0
    for position in range(len(text) - 1, -1, -1) if opening else ():
        depth += (text[position] == closing) - (text[position] == opening)
        if depth == 0:
            return position
    return None


def split_headers(headers: Sequence[str]) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    """Split all headers of a table; headers whose names would collide without their units keep them in the name.

    Args:
        headers: distinct headers.

    Returns:
        Names (distinct) and units, each as long as `headers`.
    """
    pairs = [split_header(header) for header in headers]
    count = Counter(name for name, _ in pairs)
    full = tuple(header.strip() for header in headers)
    names = tuple(name if count[name] == 1 else whole for (name, _), whole in zip(pairs, full, strict=True))
    distinct = len(set(names)) == len(names)
    return (names if distinct else full), tuple(unit for _, unit in pairs)


def join_unit_tokens(tokens: Sequence[str]) -> list[str]:
    """Glue bracketed units back to their names in a header that was split at spaces: T [K] v (m / s) -> two headers."""
    joined: list[str] = []
    for token in tokens:
        is_open = bool(joined) and any(joined[-1].count(a) > joined[-1].count(b) for b, a in _PAIRS.items())
        if joined and (is_open or token[:1] in ("[", "(")):
            joined[-1] += " " + token
        else:
            joined.append(token)
    return joined
