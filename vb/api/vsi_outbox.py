"""What waits to be sent to one VSI client: events are bounded and dropped when the client is slow, answers are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import trio

ANSWERS: Final = 512
"""Answers that may wait before no more commands are read from the client."""
ANSWER_CHARACTERS: Final = 1024 * 1024
"""The same for their size."""
BURST_FACTOR: Final = 16
"""How many times its size a buffer may hold of a burst, while the client reads."""
BURST_CHARACTERS: Final = 1024 * 1024
"""The same for the size of the events."""


class _Gap:
    """Events that were dropped at this place of the sequence."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 1


class Outbox:
    """A queue of text frames. ``size`` bounds the events in it; dropped ones are counted where they are missing.

    With ``patience`` (seconds), a client whose last frame took no longer than that is not slow: a burst of events, as
    of many calls in one instant, may then exceed ``size``, because the writer had no turn yet.
    """

    def __init__(self, size: int, dropped: Callable[[int], None] = lambda _: None, patience: float = 0.0) -> None:
        self._size = size
        self._patience = patience
        self._handed_out: float | None = None  # when the frame that is being written was taken
        self._event_characters = 0
        self._dropped = dropped
        self._queue: deque[tuple[str, bool] | _Gap] = deque()
        self._events = 0
        self._answers = 0
        self._answer_characters = 0
        self._some = trio.Event()
        self._room = trio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._queue)

    def put_event(self, text: str) -> None:
        """Queue an event, or count it as dropped when the buffer is full."""
        if self._closed:
            return
        if self._events >= self._size and not self._bursts(len(text)):
            self._drop()
            return
        self._events += 1
        self._event_characters += len(text)
        self._queue.append((text, True))
        self._some.set()

    def put_answer(self, text: str) -> None:
        """Queue anything that is not an event; never dropped."""
        if self._closed:
            return
        self._answers += 1
        self._answer_characters += len(text)
        self._queue.append((text, False))
        self._some.set()

    def close(self) -> None:
        """No more is taken; ``get`` hands out what is there, then None."""
        self._closed = True
        self._some.set()
        self._room.set()

    async def get(self) -> str | None:
        """The next frame; None when closed and empty. The one before has been written."""
        self._handed_out = None
        while not self._queue:
            if self._closed:
                return None
            self._some = trio.Event()
            await self._some.wait()
        item = self._queue.popleft()
        self._handed_out = trio.current_time()
        if isinstance(item, _Gap):
            return f'{{"type":"events_dropped","count":{item.count}}}'
        text, is_event = item
        if is_event:
            self._events -= 1
            self._event_characters -= len(text)
        else:
            self._answers -= 1
            self._answer_characters -= len(text)
            if not self._full:
                self._room.set()
        return text

    async def wait_room(self) -> None:
        """Return when the client has read enough of its answers to be given more."""
        while self._full and not self._closed:
            self._room = trio.Event()
            await self._room.wait()

    @property
    def _full(self) -> bool:
        return self._answers >= ANSWERS or self._answer_characters >= ANSWER_CHARACTERS

    def _bursts(self, characters: int) -> bool:
        if self._patience <= 0 or self._events >= BURST_FACTOR * self._size:
            return False
        waits = 0.0 if self._handed_out is None else trio.current_time() - self._handed_out
        return waits <= self._patience and self._event_characters + characters <= BURST_CHARACTERS

    def _drop(self) -> None:
        last = self._queue[-1] if self._queue else None
        if isinstance(last, _Gap):
            last.count += 1
        else:
            self._queue.append(_Gap())
            self._some.set()
        self._dropped(1)
