"""SIP over WebSocket (RFC 7118), the server's side: one SIP message is one WebSocket message, text or binary."""

from __future__ import annotations

from collections import deque

import trio
import trio.abc
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from vb.sip.errors import RemoteError

SUBPROTOCOL = "sip"  # RFC 7118 §4.1
CHUNK = 16 * 1024
_OPEN = (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING)
_NORMAL, _TOO_BIG = 1000, 1009  # RFC 6455 §7.4.1


class WebSocketError(OSError):
    """The peer asked for no SIP over WebSocket; it has been told so."""


class WebSocketStream(trio.abc.HalfCloseableStream):
    """An accepted WebSocket: each chunk that is read or written is one whole message.

    A ping or pong of the peer is read as a line break: it is a sign of life, as the keep-alives of other transports
    (RFC 7118 §6). Messages beyond ``limit`` octets end the connection.
    """

    def __init__(self, stream: trio.abc.Stream, protocol: WSConnection, limit: int) -> None:
        self._stream = stream
        self._protocol = protocol
        self._limit = limit
        self._ready: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._size = 0
        self._writing = trio.Lock()
        self._broken = False
        self._ended = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        message = bytes(data)
        try:
            # RFC 7118 §5: as text if it is UTF-8, which browsers like better
            event: TextMessage | BytesMessage = TextMessage(message.decode())
        except UnicodeDecodeError:
            event = BytesMessage(message)
        await self._send(event)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next message, whatever its size; empty when the peer has closed."""
        while not self._ready and not self._ended:
            data = await self._stream.receive_some(CHUNK)
            if not data:
                self._ended = True
                break
            try:
                self._protocol.receive_data(bytes(data))
                for event in self._protocol.events():
                    await self._take(event)
            except RemoteProtocolError as error:
                if error.event_hint is not None:
                    await self._send(error.event_hint)
                raise trio.BrokenResourceError(f"not WebSocket: {error}") from error
        return self._ready.popleft() if self._ready else b""

    async def send_eof(self) -> None:
        """Say goodbye (RFC 6455 §5.5.1); what the peer still says can be read."""
        if not self._ended:
            await self._send(CloseConnection(_NORMAL))

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _take(self, event: Event) -> None:
        match event:
            case TextMessage() | BytesMessage():
                await self._take_part(event)
            case Ping():
                await self._send(event.response())
                self._ready.append(b"\r\n")
            case Pong():
                self._ready.append(b"\r\n")
            case CloseConnection():  # also what wsproto makes of frames that are none
                self._ended = True
                if self._protocol.state in _OPEN:
                    await self._send(event.response())

    async def _take_part(self, part: TextMessage | BytesMessage) -> None:
        data = part.data.encode() if isinstance(part.data, str) else bytes(part.data)
        self._size += len(data)
        if self._size > self._limit:
            await self._send(CloseConnection(_TOO_BIG))
            raise trio.BrokenResourceError("message too large")
        self._parts.append(data)
        if part.message_finished:
            whole = b"".join(self._parts)
            self._parts, self._size = [], 0
            if whole:
                self._ready.append(whole)

    async def _send(self, event: Event) -> None:
        """One frame at a time; one that was cut short by a cancellation spoils all that would follow."""
        async with self._writing:
            if self._broken:
                raise trio.BrokenResourceError("a frame was cut short")
            try:
                data = self._protocol.send(event)
            except LocalProtocolError as error:  # after a goodbye
                raise trio.ClosedResourceError from error
            self._broken = True
            await self._stream.send_all(data)
            self._broken = False


async def accept_websocket(stream: trio.abc.Stream, limit: int) -> WebSocketStream:
    """The opening handshake (RFC 6455 §4.2). Raises WebSocketError; the stream is for the caller to close then."""
    protocol = WSConnection(ConnectionType.SERVER)
    try:
        while not (data := await _answer(stream, protocol)):
            pass
    except RemoteProtocolError as error:
        hint = error.event_hint
        await stream.send_all(protocol.send(hint if isinstance(hint, RejectConnection) else RejectConnection()))
        raise WebSocketError(f"no WebSocket: {error}") from error
    await stream.send_all(data)
    return WebSocketStream(stream, protocol, limit)


async def _answer(stream: trio.abc.Stream, protocol: WSConnection) -> bytes:
    """Read on; the answer to the request once it is there. Raises WebSocketError after a refusal."""
    data = await stream.receive_some(CHUNK)
    if not data:
        raise WebSocketError("the peer went away")
    protocol.receive_data(bytes(data))
    for event in protocol.events():
        if isinstance(event, Request):
            if SUBPROTOCOL in event.subprotocols:
                return protocol.send(AcceptConnection(subprotocol=SUBPROTOCOL))
            await stream.send_all(protocol.send(RejectConnection(status_code=400)))  # RFC 7118 §4.1
            raise WebSocketError("no subprotocol sip")
    return b""


class WholeMessages:
    """The framer of a transport that keeps messages apart by itself: every chunk is one message."""

    error: RemoteError | None = None
    error_head = b""

    def __init__(self) -> None:
        self._pings = 0

    def feed(self, data: bytes) -> list[bytes]:
        if data.strip(b"\r\n"):
            return [data]
        self._pings += data == b"\r\n\r\n"  # RFC 5626 §4.4.1
        return []

    def take_pongs(self) -> int:
        pings, self._pings = self._pings, 0
        return pings
