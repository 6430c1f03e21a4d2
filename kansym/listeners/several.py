"""One listener that passes every event on to several."""

from __future__ import annotations

from kansym.events import Event, Listener


def several(*listeners: Listener) -> Listener:
    """A listener for all of these, in this order."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen
