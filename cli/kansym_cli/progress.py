"""What a running fit writes down for `kansym watch`, and how that is read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kansym import events
from kansym.events import Event, Listener, Progress

FILE = "progress.jsonl"
SPARSE = 0.5  # seconds between two lines on where a stage stands
_KINDS = {kind.__name__: kind for kind in (events.StageStarted, events.Progress, events.StageFinished, events.Note)}


@contextmanager
def recorded(folder: Path) -> Iterator[Listener]:
    """A listener that writes what it hears to the folder while it lasts; the file goes when the fit is over.

    A folder that cannot be written to costs the watchers their view, never the fit.
    """
    path = folder / FILE
    try:
        stream = path.open("w", encoding="utf-8")
    except OSError:
        yield events.ignore
        return
    try:
        with stream:
            _put(stream, {"process": os.getpid()})
            yield _recorder(stream)
    finally:
        path.unlink(missing_ok=True)


def _recorder(stream: Any) -> Listener:
    last = -SPARSE

    def record(event: Event) -> None:
        nonlocal last
        now = time.monotonic()
        if isinstance(event, Progress):
            if now - last < SPARSE:
                return
            last = now
        _put(stream, {"event": type(event).__name__, **asdict(event)})

    return record


def _put(stream: Any, line: dict[str, Any]) -> None:
    try:
        stream.write(json.dumps(line) + "\n")
        stream.flush()
    except OSError:
        return  # a full disk is told where the result is saved


def follow(folder: Path, pause: float = 0.3) -> Iterator[Event]:
    """Yield the events of a running fit as they come; end when it is over.

    Args:
        folder: its run folder.
        pause: seconds between two looks.
    """
    process: int | None = None
    try:
        with (folder / FILE).open(encoding="utf-8") as stream:
            while True:
                line = stream.readline()
                if line.endswith("\n"):
                    found = _read(line)
                    process = found if isinstance(found, int) else process
                    if found is not None and not isinstance(found, int):
                        yield found
                elif not (folder / FILE).exists() or (process is not None and not _alive(process)):
                    return
                else:
                    stream.seek(stream.tell() - len(line.encode()))
                    time.sleep(pause)
    except FileNotFoundError:
        return


def _read(line: str) -> Event | int | None:
    """An event, the number of the process, or None for a line that is neither."""
    try:
        values = json.loads(line)
        if "process" in values:
            return int(values["process"])
        return _KINDS[values.pop("event")](**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _alive(process: int) -> bool:
    if os.name == "nt":
        return True  # there is no harmless way to ask; the file that goes tells enough
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
