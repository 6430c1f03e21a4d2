"""A named collection of interchangeable parts: at once the API, the command line's choice list and the test matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from kansym.errors import ConfigError, did_you_mean, quote

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries of one kind, found by name, kept in the order in which they were added.

    Args:
        kind: the singular word for messages, such as "basis" or "primitive".
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Add one entry and return it; raise ConfigError if the name is blank or taken."""
        if not name.strip():
            raise ConfigError(f"a {self.kind} needs a name that is not blank")
        if name in self._entries:
            raise ConfigError(f"{self.kind} {quote(name)} is already registered: choose another name")
        self._entries[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that adds what it decorates under the name."""
        return lambda entry: self.add(name, entry)

    def get(self, name: str) -> T:
        """Return the entry of that name; raise ConfigError with the nearest names if there is none."""
        if name not in self._entries:
            raise ConfigError(f"unknown {self.kind} {quote(name)}: {did_you_mean(name, self._entries)}")
        return self._entries[name]

    def names(self) -> tuple[str, ...]:
        """Return the names in the order in which they were added."""
        return tuple(self._entries)

    def items(self) -> tuple[tuple[str, T], ...]:
        """Return (name, entry) pairs in the order in which they were added."""
        return tuple(self._entries.items())

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[T]:
        return iter(self._entries.values())

    def __len__(self) -> int:
        return len(self._entries)
