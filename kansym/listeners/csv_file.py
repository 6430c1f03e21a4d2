"""Events as the rows of a CSV file."""

from __future__ import annotations

import csv
import os
import time
from dataclasses import asdict

from kansym.events import Event

FIELDS: tuple[str, ...] = (
    *(
        "elapsed",
        "event",
        "stage",
        "detail",
        "fraction",
        "loss",
        "active_edges",
        "formula",
        "seconds",
        "summary",
        "text",
    ),
)


class CsvFile:
    """A listener that writes every event as it comes: its kind, its fields, and the seconds since the first one.

    path: the file, written anew. Use it in a `with` statement, or call `close`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._stream = open(path, "w", newline="", encoding="utf-8")  # noqa: SIM115  (closed by `close`)
        self._rows = csv.DictWriter(self._stream, FIELDS)
        self._rows.writeheader()
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        elapsed = round(time.monotonic() - self._started, 3)
        self._rows.writerow({"elapsed": elapsed, "event": type(event).__name__, **asdict(event)})
        self._stream.flush()

    def close(self) -> None:
        """Finish the file."""
        self._stream.close()

    def __enter__(self) -> CsvFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
