"""Constants that the user knows by name: fitted numbers that they explain are written by the name."""

from __future__ import annotations

import math
from collections.abc import Sequence

from kansym.errors import FormulaError, quote
from kansym.symbolic.exact import Known
from kansym.symbolic.labels import is_name
from kansym.symbolic.primitives import CALLS


def read_known_constants(texts: Sequence[str], names: Sequence[str]) -> tuple[Known, ...]:
    """The constants that texts like "c=299792458" name.

    names: column names (D,), which a constant must not take.
    Raises FormulaError for a name that is none, or taken, and a value that is no finite number other than 0.
    """
    found: dict[str, Known] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        where = f"--known-constants {quote(text)}"
        if not sign or not is_name(name) or name in CALLS:
            raise FormulaError(
                f"{where}: write it as name=value, the name of letters, digits and _, such as c=299792458"
            )
        if name in names or name in found:
            raise FormulaError(f"{where}: {quote(name)} is {'a column' if name in names else 'given twice'}: rename it")
        found[name] = Known(name, _value(value, where))
    return tuple(found.values())


def _value(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value == 0:
        raise FormulaError(f"{where}: {quote(text)} is no finite number other than 0")
    return value
