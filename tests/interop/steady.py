"""Hearing is judged in real time, so it needs a machine that does not stop in between.

A thread sleeps for a few milliseconds at a time and notes how late it wakes. When a judgement fails in a run in which
the machine itself stood still for longer than a frame, the run says nothing: it is repeated, twice at most. On a
machine that kept time the first failure counts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType

NAP = 0.004
STALL = 0.012  # late by so much, a frame of 20 ms misses its tick somewhere on the way
ATTEMPTS = 3


class Watch:
    """The longest that this thread was kept waiting while the block ran, in seconds."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            due = time.monotonic() + NAP
            time.sleep(NAP)
            self.worst = max(self.worst, time.monotonic() - due)


async def on_a_steady_machine(attempt: Callable[[Path], Awaitable[None]], folder: Path) -> None:
    """Run ``attempt`` in a folder of its own; again if it failed while the machine stood still."""
    for number in range(1, ATTEMPTS + 1):
        place = folder / f"attempt-{number}"
        place.mkdir()
        with Watch() as watch:
            try:
                await attempt(place)
            except (AssertionError, ExceptionGroup):
                if number == ATTEMPTS or watch.worst < STALL:
                    raise
            else:
                return
        print(f"attempt {number} does not count: the machine stood still for {watch.worst * 1000:.0f} ms")
