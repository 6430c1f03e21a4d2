"""Processes that answer one question after the other, and that may be killed: for fits and for sympy."""

from __future__ import annotations

import atexit
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from kansym.errors import KansymError

Work = Callable[[Any], Iterable[Any]]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
READY, END = "ready", "end"
START_SECONDS = 180.0
PATIENCE = 5.0


class Died(Exception):
    """The process ended by itself in the middle of a question."""


class Child:
    """A process with one thread that runs `work(question)` for every question and sends back what it yields.

    Args:
        work: a function of a module; it is called in the process.

    Raises:
        KansymError: when the process does not come up.
    """

    def __init__(self, work: Work) -> None:
        context = get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(work, other, os.getpid()))
        with _one_thread():
            self.process.start()
        # Python waits for its children before it ends, and this one waits for the next question.
        atexit.register(self.kill)
        other.close()
        if not self._comes_up():
            self.kill()
            raise KansymError(f"a process of the benchmark did not start (exit code {self.process.exitcode})")

    def _comes_up(self) -> bool:
        try:
            return self.connection.poll(START_SECONDS) and self.connection.recv() == READY
        except (EOFError, OSError):
            return False

    def begin(self, question: Any) -> None:
        """Put a question; the answers are then read with `receive`."""
        self.connection.send(question)

    def receive(self) -> Any:
        """Return the next answer, END after the last; waits for it.

        Raises:
            Died: when the process ended instead.
        """
        try:
            return self.connection.recv()
        except (EOFError, OSError) as error:
            self.process.join(PATIENCE)
            raise Died(f"exit code {self.process.exitcode}") from error

    def ask(self, question: Any, seconds: float) -> Any:
        """Return the only answer to a question.

        Raises:
            TimeoutError: when it takes longer; the process is then killed.
            Died: when the process ended instead.
        """
        self.begin(question)
        deadline, answer = time.monotonic() + seconds, None
        while True:
            if not self.connection.poll(max(0.0, deadline - time.monotonic())):
                self.kill()
                raise TimeoutError(f"no answer in {seconds:g} s")
            message = self.receive()
            if message == END:
                return answer
            answer = message

    def kill(self) -> None:
        """End the process at once."""
        atexit.unregister(self.kill)
        self.process.kill()
        self.process.join(PATIENCE)
        self.connection.close()


def _serve(work: Work, connection: Any, parent: int) -> None:
    # Ctrl-C reaches every process of the terminal; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    connection.send(READY)
    while True:
        try:
            question = connection.recv()
        except (EOFError, OSError):
            return
        for answer in work(question):
            connection.send(answer)
        connection.send(END)


def _end_with(parent: int) -> None:
    """End this process when its parent is gone, even in the middle of a fit."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let a process that is started meanwhile use one thread for numbers, and none of the others' habits."""
    before: Mapping[str, str | None] = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
