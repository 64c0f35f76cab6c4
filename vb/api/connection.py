"""One HTTP connection of Hypercorn, made so that a client that stops reading can never hold us."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import Any

import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState

log = logging.getLogger("vb.api")

WRITE_SECONDS = 5.0
"""How long a client may take to accept what it is sent."""
STOP_SECONDS = 1.0
"""The same once the server is stopping."""


class Connections:
    """All open connections: so that the end of the server can be hurried."""

    def __init__(self) -> None:
        self._open: set[ClientConnection] = set()
        self._stopping = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def write_seconds(self) -> float:
        return STOP_SECONDS if self._stopping else WRITE_SECONDS

    def add(self, connection: ClientConnection) -> None:
        self._open.add(connection)

    def remove(self, connection: ClientConnection) -> None:
        self._open.discard(connection)

    def hurry(self) -> None:
        """Writes that are waiting now have STOP_SECONDS left."""
        self._stopping = True
        for connection in self._open:
            connection.hurry()


class ClientConnection(TCPServer):
    """Hypercorn's connection with a deadline on writes, and visible to the application as ``state["connection"]``."""

    def __init__(self, connections: Connections, app: AppWrapper, config: Config, context: Any, stream: Any) -> None:
        self.heard_at = trio.current_time()
        self._connections = connections
        self._writing: trio.CancelScope | None = None
        self._life = trio.CancelScope()
        self._client_gone = False
        state = ConnectionState(LifespanState({"connection": self}))
        super().__init__(app, config, context, state, stream)

    async def run(self) -> None:
        """The whole life of the connection; whatever the client breaks breaks nothing else."""
        self._connections.add(self)
        try:
            with self._life:
                await super().run()
        except* Exception as group:
            log.info("connection failed", extra={"error": repr(group.exceptions[0])})
        finally:
            self._connections.remove(self)

    async def protocol_send(self, event: Event) -> None:
        """Hypercorn shields its writes from cancellation without any limit; here they end after ``write_seconds``."""
        if isinstance(event, Updated) and self._client_gone:
            return  # it would start the keep-alive time of a connection that is over
        if not isinstance(event, RawData):
            # The end of an answer cancels the task that sends it: without a shield, what follows would not be done.
            with trio.move_on_after(STOP_SECONDS, shield=True):
                await super().protocol_send(event)
            return
        data = event.data
        if not self.send_lock.locked():
            written = self._write_now(data)
            if written == len(data):
                await trio.lowlevel.cancel_shielded_checkpoint()
                return
            data = data[written:]
            self.send_lock.acquire_nowait()  # at once: what follows is the rest of this
        else:
            await self.send_lock.acquire()
        try:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError), trio.CancelScope(shield=True) as scope:
                scope.deadline = trio.current_time() + self._connections.write_seconds
                self._writing = scope
                await self.stream.send_all(data)
                return
        finally:
            self.send_lock.release()
        self.abort()

    def _write_now(self, data: bytes) -> int:
        """How many octets the kernel takes without waiting: mostly all, for half of what Trio's way costs."""
        try:
            return os.write(self.stream.socket.fileno(), data)
        except OSError:  # full or broken: the way that waits tells which
            return 0

    def abort(self) -> None:
        """Cut the connection: what was not sent is lost, and everything that ran for it is cancelled.

        Only this is sure to end: to tell the application first, it would have to be listening.
        """
        self.stream.socket.close()
        self._life.cancel()

    def hurry(self) -> None:
        """Give a waiting write only STOP_SECONDS more."""
        if self._writing is not None:
            self._writing.deadline = min(self._writing.deadline, trio.current_time() + STOP_SECONDS)

    async def _read_data(self) -> None:
        """As Hypercorn's, noting when something was heard: protocol pongs do not reach the application."""
        with suppress(trio.ClosedResourceError, trio.BrokenResourceError):
            while data := await self.stream.receive_some(2**16):
                self.heard_at = trio.current_time()
                await self.protocol.handle(RawData(bytes(data)))
        self._client_gone = True
        await self.protocol.handle(Closed())
        await self.idle_task.stop()
