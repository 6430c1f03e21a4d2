"""Events for TensorBoard; needs the extra `track`, which is loaded when a `TensorBoard` is made."""

from __future__ import annotations

import os

from kansym.errors import ConfigError
from kansym.events import Event, Note, Progress, StageFinished


class TensorBoard:
    """A listener that writes losses, edges and seconds as scalars, formulas and notes as text: `tensorboard --logdir`.

    folder: of the log. Use it in a `with` statement, or call `close`. Raises ConfigError where tensorboard is missing.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ConfigError("TensorBoard is not installed: pip install 'kansym[track]'") from error
        self._writer = SummaryWriter(str(folder))
        self._step = 0

    def __call__(self, event: Event) -> None:
        self._step += 1
        if isinstance(event, Progress):
            for name in ("loss", "active_edges", "fraction"):
                if (value := getattr(event, name)) is not None:
                    self._writer.add_scalar(f"{event.stage}/{name}", value, self._step)
            if event.formula is not None:
                self._writer.add_text("formula", event.formula, self._step)
        elif isinstance(event, StageFinished):
            self._writer.add_scalar(f"seconds/{event.stage}", event.seconds, self._step)
        elif isinstance(event, Note):
            self._writer.add_text("note", event.text, self._step)

    def close(self) -> None:
        """Finish the log."""
        self._writer.close()

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
