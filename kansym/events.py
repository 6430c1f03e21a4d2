"""Typed events: how the silent library tells a listener (the command line, a notebook, a logger) what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StageStarted:
    """A stage of the pipeline begins."""

    stage: str
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """Where a running stage stands; a field that the stage cannot know is None."""

    stage: str
    fraction: float | None = None
    loss: float | None = None
    active_edges: int | None = None
    formula: str | None = None


@dataclass(frozen=True)
class StageFinished:
    """A stage of the pipeline has ended after `seconds` of wall-clock time."""

    stage: str
    seconds: float
    summary: str = ""


@dataclass(frozen=True)
class Note:
    """Something the user should know: a dropped column, a doubtful row, a choice made for them."""

    text: str


Event = StageStarted | Progress | StageFinished | Note
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The listener that does nothing: the default everywhere."""
