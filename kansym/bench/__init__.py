"""Speed, memory, accuracy and recovered laws of kansym beside other programs: what `kansym bench` does."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kansym.bench.engine import Contestant as Contestant
    from kansym.bench.engine import Plan as Plan
    from kansym.bench.engine import Row as Row
    from kansym.bench.engine import race as race
    from kansym.bench.tables import Document as Document
    from kansym.bench.tables import Table as Table

# Loaded when asked for: a process that only works for `kansym bench formulas` needs no torch.
_HOME = {
    **dict.fromkeys(("Contestant", "Plan", "Row", "race"), "kansym.bench.engine"),
    **dict.fromkeys(("Document", "Table"), "kansym.bench.tables"),
}

__all__ = ["Contestant", "Document", "Plan", "Row", "Table", "race"]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'kansym.bench' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
