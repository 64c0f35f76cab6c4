"""One stream connection: a reader that cuts messages, a writer behind a bounded outbox, one way to end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from math import inf
from typing import Protocol

import trio
import trio.abc

from vb.net.agent import Framer
from vb.net.outbox import Outbox
from vb.net.settings import NetSettings
from vb.sip.effects import Hop, Send, Transport
from vb.sip.errors import RemoteError

log = logging.getLogger("vb.net")

CHUNK = 16 * 1024
PONG = b"\r\n"  # RFC 5626 §4.4.1: one CRLF answers two
_BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)


class StreamOwner(Protocol):
    """Who gets what a connection reads, and hears of what it could not write."""

    def received_message(self, data: bytes, source: Hop) -> None: ...

    def received_garbage(self, head: bytes, error: RemoteError, source: Hop) -> None: ...

    def carry_out(self) -> None:
        """A chunk has been handed over: send and tell what came of it."""

    def needs(self, hop: Hop) -> bool:
        """Whether an idle connection is to be kept all the same."""

    def undelivered(self, sends: list[Send]) -> None: ...


class Connection:
    """One connection from its opening to its end.

    ``peer`` is the numeric address and port of the other side, or for one that we open the host as it was asked for,
    and ``name`` the domain that the host was found by.
    """

    def __init__(
        self,
        number: int,
        transport: Transport,
        peer: tuple[str, int],
        framer: Framer,
        settings: NetSettings,
        name: str = "",
    ) -> None:
        self.number = number
        self.transport: Transport = transport
        self.peer = peer
        self.name = name
        self.outbox: Outbox[Send] = Outbox(settings.outbox_messages, settings.outbox_octets)
        self.closing = False
        self._framer = framer
        self._settings = settings
        self._stream: trio.abc.HalfCloseableStream | None = None
        self._scope = trio.CancelScope()
        self._hop = Hop(transport, *peer, connection=number)
        self._last_active = -inf
        self._incomplete_since = inf

    @property
    def remote(self) -> tuple[str, int]:
        """The numeric address and port of the other side; while it is being opened, what was asked for."""
        return self._hop.host, self._hop.port

    def post(self, send: Send) -> bool:
        """Queue a write; False when there is no room, after which the connection is of no use: ``abort`` it."""
        posted = self.outbox.post(send)
        self.closing = self.closing or send.close
        return posted

    def abort(self) -> list[Send]:
        """End now. Returns what had not been written."""
        self.closing = True
        self._scope.cancel()
        return self.outbox.take_unsent()

    def accepted(self, stream: trio.abc.HalfCloseableStream, local: tuple[str, int], now: float) -> None:
        """The other side opened it: its first message is awaited from now on."""
        self._attach(stream, self.peer, local)
        self._incomplete_since = now

    def connected(self, stream: trio.abc.HalfCloseableStream, remote: tuple[str, int], local: tuple[str, int]) -> None:
        """We opened it, to one of the addresses of the host."""
        self._attach(stream, remote, local)

    async def run(self, owner: StreamOwner, connect: Callable[[], Awaitable[None]] | None) -> None:
        """Open it by ``connect``, serve it to its end, close it, and tell what could not be written.

        ``connect`` calls ``connected`` or ``accepted``, or raises; None: that has been done.
        """
        try:
            with self._scope:
                await self._live(owner, connect)
        finally:
            self.closing = True
            if self._stream is not None:
                await trio.aclose_forcefully(self._stream)
        owner.undelivered(self.outbox.take_unsent())

    async def _live(self, owner: StreamOwner, connect: Callable[[], Awaitable[None]] | None) -> None:
        if connect is not None:
            try:
                await connect()
            except _BROKEN as error:
                log.info("no connection", extra={"peer": f"{self.peer[0]}:{self.peer[1]}", "error": str(error)})
                return
        assert self._stream is not None
        self._last_active = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, owner, self._stream)
            written = await self._write_all(self._stream)
            nursery.cancel_scope.cancel()
        if written:
            await self._linger(self._stream)

    def _attach(self, stream: trio.abc.HalfCloseableStream, remote: tuple[str, int], local: tuple[str, int]) -> None:
        self._stream = stream
        self._hop = Hop(self.transport, *remote, connection=self.number, local=local)

    async def _write_all(self, stream: trio.abc.HalfCloseableStream) -> bool:
        """Write until the outbox is closed; whether everything in it went out."""

        async def write(send: Send) -> None:
            with trio.fail_after(self._settings.write_timeout):
                await stream.send_all(send.data)
            self._last_active = trio.current_time()

        try:
            await self.outbox.run(write)
        except _BROKEN:
            return False
        return True

    async def _read(self, owner: StreamOwner, stream: trio.abc.HalfCloseableStream) -> None:
        """Read to the end of the stream, to garbage, or to the end of our patience; then let the outbox run dry."""
        try:
            while (data := await self._receive(owner, stream)) and self._take(owner, data):
                pass
        except _BROKEN:
            log.debug("connection broken", extra={"peer": f"{self.peer[0]}:{self.peer[1]}"})
        self.closing = True
        self.outbox.close()

    async def _receive(self, owner: StreamOwner, stream: trio.abc.HalfCloseableStream) -> bytes:
        """The next chunk; empty when the peer closed, was idle too long, or takes too long over one message."""
        settings = self._settings
        while True:
            with trio.move_on_at(self._patience()):
                data = bytes(await stream.receive_some(CHUNK))
                self._last_active = trio.current_time()
                return data
            now = trio.current_time()
            if now >= self._incomplete_since + settings.message_timeout:
                return b""
            if now >= self._last_active + settings.idle_timeout:
                if not owner.needs(self._hop):
                    return b""
                self._last_active = now  # a call goes on over it: asked again after as long a time

    def _patience(self) -> float:
        settings = self._settings
        return min(self._last_active + settings.idle_timeout, self._incomplete_since + settings.message_timeout)

    def _take(self, owner: StreamOwner, data: bytes) -> bool:
        """Hand over the messages of a chunk; False when no more can be read from this connection."""
        messages = self._framer.feed(data)
        for message in messages:
            owner.received_message(message, self._hop)
        pongs = self._framer.take_pongs()
        if messages or pongs:
            self._incomplete_since = inf
        elif self._incomplete_since == inf and data.strip(b"\r\n"):  # line breaks alone are a keep-alive
            self._incomplete_since = self._last_active
        error = self._framer.error
        if error is not None:
            owner.received_garbage(self._framer.error_head, error, self._hop)
        owner.carry_out()
        if pongs and not self.post(Send(PONG * pongs, self._hop)):
            self._scope.cancel()
        return error is None

    async def _linger(self, stream: trio.abc.HalfCloseableStream) -> None:
        """Let the last bytes arrive: closing with unread input would reset the connection and discard them."""
        with trio.move_on_after(self._settings.linger):
            try:
                await stream.send_eof()
                while await stream.receive_some(CHUNK):
                    pass
            except _BROKEN:
                return
