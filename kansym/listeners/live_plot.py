"""A picture of a running fit that a notebook shows and redraws; needs the extra `plot`."""

from __future__ import annotations

import time

from kansym.events import Event, Progress, StageStarted
from kansym.report.pictures.live import Moment, live


class LivePlot:
    """A listener that draws the loss of every stage, and the latest formula, in place, below the cell that runs.

    every: seconds between two drawings. Outside a notebook nothing is shown; `figure()` gives the picture at any time.
    """

    def __init__(self, every: float = 1.0) -> None:
        self.every = every
        self.moments: list[Moment] = []
        self.formula = ""
        self._drawn = -every
        self._started = time.monotonic()
        self._handle = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress | StageStarted):
            loss = event.loss if isinstance(event, Progress) else None
            self.moments.append(Moment(time.monotonic() - self._started, event.stage, loss))
            self.formula = (event.formula if isinstance(event, Progress) else None) or self.formula
        last = isinstance(event, Progress) and event.stage == "select"
        if last or time.monotonic() - self._drawn >= self.every:
            self._show()
            self._drawn = time.monotonic()

    def figure(self):
        """The picture as it stands, a matplotlib figure."""
        return live(self.moments, self.formula)

    def _show(self) -> None:
        try:
            from IPython.core.getipython import get_ipython  # pyright: ignore[reportMissingImports]
            from IPython.display import display  # pyright: ignore[reportMissingImports]
        except ImportError:
            return
        if get_ipython() is None:
            return
        if self._handle is None:
            self._handle = display(self.figure(), display_id=True)
        else:
            self._handle.update(self.figure())
