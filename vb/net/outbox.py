"""What waits to be written to one connection or socket: in order, bounded, and never waited for by who posts."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, Protocol, TypeVar

import trio


class Write(Protocol):
    """What can be queued: a `Send`, or one with an address beside it."""

    @property
    def data(self) -> bytes: ...

    @property
    def close(self) -> bool: ...


WriteT = TypeVar("WriteT", bound=Write)


class Outbox(Generic[WriteT]):
    """A queue of sends with one writer. Full means that the peer is not reading: ``post`` says so and takes nothing."""

    def __init__(self, messages: int, octets: int) -> None:
        self._queue: deque[WriteT] = deque()
        self._messages = messages
        self._octets = octets
        self._size = 0
        self._closing = False
        self._changed = trio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def post(self, send: WriteT) -> bool:
        """Queue one write. False: there is no room, or the outbox is closing."""
        if self._closing or len(self._queue) >= self._messages or self._size + len(send.data) > self._octets:
            return False
        self._queue.append(send)
        self._size += len(send.data)
        self._closing = send.close
        self._changed.set()
        return True

    def close(self) -> None:
        """Take nothing more; ``run`` ends when what is queued has been written."""
        self._closing = True
        self._changed.set()

    def take_unsent(self) -> list[WriteT]:
        """Remove and return what has not been written; the one being written is among them."""
        unsent = list(self._queue)
        self._queue.clear()
        self._size = 0
        return unsent

    async def run(self, write: Callable[[WriteT], Awaitable[None]]) -> None:
        """Write one after another until closed and empty. What ``write`` raises comes out, its send still queued."""
        while True:
            while self._queue:
                send = self._queue[0]
                await write(send)
                if self._queue and self._queue[0] is send:
                    self._queue.popleft()
                    self._size -= len(send.data)
            if self._closing:
                return
            self._changed = trio.Event()
            await self._changed.wait()
