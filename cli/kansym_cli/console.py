"""Progress on stderr: a live bar on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from kansym.errors import printable
from kansym.events import Event, Listener, Note, Progress, StageFinished, StageStarted, ignore

if TYPE_CHECKING:
    from kansym.budget import Budget

# A formula in the progress bar is cut here; the whole one is printed at the end.
SHOWN_FORMULA = 100


@contextmanager
def listener(quiet: bool, budget: Budget) -> Iterator[Listener]:
    """What listens to a fit: a live bar, lines or nothing, by --quiet and by what stderr is."""
    if quiet:
        yield ignore
    elif sys.stderr.isatty():
        with live_bar(budget) as listen:
            yield listen
    else:
        yield lines


@contextmanager
def caught(number: int, act: Callable[[], None]) -> Iterator[None]:
    """While it lasts, a signal does what `act` says; outside the main thread there are no signals to catch."""
    try:
        before = signal.signal(number, lambda number, frame: act())
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(number, before)


def say(text: str) -> None:
    """One line on stderr; characters that could steer a terminal are written as escapes."""
    click.echo(printable(text), err=True)


def lines(event: Event) -> None:
    """One line for every stage that ends and every note: for logs and pipes."""
    if isinstance(event, Note | StageFinished):
        say(told(event))


def told(event: Event) -> str:
    """An event as one line of text."""
    if isinstance(event, Note):
        return printable(f"note: {event.text}")
    if isinstance(event, StageFinished):
        return printable(f"{event.stage}: {event.summary or 'done'} ({event.seconds:.1f} s)")
    if isinstance(event, StageStarted):
        return printable(f"{_title(event)} ...")
    return printable(f"{event.stage}: {_standing(event)}")


def _standing(event: Progress) -> str:
    facts = (
        f"{100 * event.fraction:.0f} %" if event.fraction is not None else "",
        f"loss {event.loss:.3g}" if event.loss is not None else "",
        f"{event.active_edges} edges" if event.active_edges is not None else "",
        (event.formula or "")[:SHOWN_FORMULA],
    )
    return "  ".join(fact for fact in facts if fact)


@contextmanager
def live_bar(budget: Budget) -> Iterator[Listener]:
    """A bar for the running stage with its ETA, and below it loss, active edges and the current formula."""
    from rich.console import Console
    from rich.live import Live

    bar = _Bar(budget)
    with Live(console=Console(stderr=True), get_renderable=bar.render, refresh_per_second=8, transient=True) as live:
        yield bar.listener(lambda text: live.console.print(text, markup=False, highlight=False))


class _Bar:
    """The state that the live display draws."""

    def __init__(self, budget: Budget) -> None:
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        self.budget = budget
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(24))
        self.bars = Bars(*columns, TimeElapsedColumn(), TextColumn("ETA"), TimeRemainingColumn())
        self.task = self.bars.add_task("starting", total=None)
        self.loss: float | None = None
        self.active_edges: int | None = None
        self.formula: str | None = None

    def listener(self, write: Callable[[str], None]) -> Listener:
        """What the fit calls; `write` puts a line above the bar that stays."""

        def listen(event: Event) -> None:
            if isinstance(event, Note | StageFinished):
                write(told(event))
            elif isinstance(event, StageStarted):
                self.bars.reset(self.task, total=None, description=printable(_title(event)))
            else:
                self._advance(event)

        return listen

    def _advance(self, event: Progress) -> None:
        if event.fraction is not None:
            self.bars.update(self.task, total=1.0, completed=event.fraction)
        for name in ("loss", "active_edges", "formula"):
            if getattr(event, name) is not None:
                setattr(self, name, getattr(event, name))

    def render(self) -> Any:
        """The bar and the line of facts below it."""
        from rich.console import Group
        from rich.text import Text

        return Group(self.bars, Text(printable(self._facts()), style="dim", no_wrap=True, overflow="ellipsis"))

    def _facts(self) -> str:
        limit = self.budget.seconds
        facts = [
            f"loss {self.loss:.3g}" if self.loss is not None else "",
            f"{self.active_edges} edges" if self.active_edges is not None else "",
            f"{self.budget.elapsed:.0f} of at most {limit:.0f} s" if limit is not None else "",
            (self.formula or "")[:SHOWN_FORMULA],
        ]
        return "  " + "   ".join(fact for fact in facts if fact)


def _title(event: StageStarted) -> str:
    return f"{event.stage} {event.detail}".strip()
