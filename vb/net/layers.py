"""What lies between a TCP connection and SIP messages, by transport: nothing, TLS, WebSocket, or both."""

from __future__ import annotations

from collections.abc import Callable

import trio
import trio.abc

from vb.net.agent import Framer
from vb.net.tls import TlsContexts
from vb.net.tls_stream import accept_tls, connect_tls
from vb.net.websocket import WholeMessages, accept_websocket
from vb.sip.effects import Transport
from vb.sip.limits import DEFAULT_LIMITS

_WEB = ("WS", "WSS")

Stream = trio.abc.HalfCloseableStream


class Layers:
    """Builds the stream that a connection reads and writes. The TCP connection stays the caller's to close."""

    def __init__(self, framer: Callable[[], Framer], tls: TlsContexts | None) -> None:
        self._framer = framer
        self._tls = tls

    def can_open(self, transport: Transport) -> bool:
        """Whether we can open such connections, beside accepting them. WebSockets are opened by clients only."""
        return transport == "TCP" or (transport == "TLS" and self._tls is not None)

    def framer(self, transport: Transport) -> Framer:
        return WholeMessages() if transport in _WEB else self._framer()

    async def accept(self, transport: Transport, raw: trio.SocketStream) -> Stream:
        """Raises OSError or trio.BrokenResourceError."""
        stream: Stream = raw
        if transport in ("TLS", "WSS"):
            stream = await accept_tls(raw, self._contexts())
        if transport in _WEB:
            stream = await accept_websocket(stream, DEFAULT_LIMITS.message)
        return stream

    async def connect(self, transport: Transport, raw: trio.SocketStream, host: str) -> Stream:
        """``host`` is whom we want, by name if it has one. Raises OSError or trio.BrokenResourceError."""
        if transport == "TLS":
            return await connect_tls(raw, self._contexts(), host)
        return raw

    def _contexts(self) -> TlsContexts:
        if self._tls is None:
            raise OSError("TLS is not configured")
        return self._tls
