"""TLS over a TCP connection: the handshakes of both sides, and a stream that closes as a connection of ours wants."""

from __future__ import annotations

import ssl

import trio
import trio.abc

from vb.net.addresses import numeric_family
from vb.net.tls import TlsContexts
from vb.net.tls_identity import is_of


class HandshakeError(OSError):
    """The peer does not speak TLS as we do, or its certificate is not good."""


class TlsStream(trio.abc.HalfCloseableStream):
    """An encrypted stream after its handshake. ``send_eof`` says goodbye and waits for the peer's (RFC 8446 §6.1)."""

    def __init__(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        self._stream = stream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._stream.unwrap()

    async def aclose(self) -> None:
        await self._stream.aclose()


async def accept_tls(stream: trio.SocketStream, contexts: TlsContexts) -> TlsStream:
    """The handshake of the server. Raises HandshakeError; the stream stays the caller's to close then."""
    encrypted = trio.SSLStream(stream, contexts.server(), server_side=True)
    await _shake_hands(encrypted)
    return TlsStream(encrypted)


async def connect_tls(stream: trio.SocketStream, contexts: TlsContexts, host: str) -> TlsStream:
    """The handshake of the client with ``host``, whose name the certificate must have (RFC 5922 §7.3).

    Raises:
        HandshakeError: also for a certificate that is of someone else. The stream is for the caller to close.
    """
    context = contexts.client(host)
    name = host.partition("%")[0] if numeric_family(host) else host.rstrip(".")
    try:
        encrypted = trio.SSLStream(stream, context, server_hostname=name)
    except ValueError as error:  # no name that can be asked for (RFC 6066 §3)
        raise HandshakeError(f"no name for TLS: {host!r}") from error
    await _shake_hands(encrypted)
    if context.verify_mode is not ssl.CERT_NONE and not is_of(encrypted.getpeercert() or {}, host):
        raise HandshakeError(f"the certificate is not of {host}")
    return TlsStream(encrypted)


async def _shake_hands(stream: trio.SSLStream[trio.SocketStream]) -> None:
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        why = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or "the peer went away"
        raise HandshakeError(f"no TLS: {why}") from error
