"""SIP over WebSocket (RFC 7118): the handshake, messages in frames, keep-alives, and peers that keep no rule."""

from __future__ import annotations

import contextlib
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, connect_websocket
from trio_websocket import open_websocket as open_client

from tests.net.certificates import Authority
from tests.net.ends import OPTIONS, End, running, until
from vb.net.driver import Listen
from vb.net.tls import TlsContexts
from vb.net.websocket import WebSocketError, WebSocketStream, WholeMessages, accept_websocket
from vb.sip.effects import Hop

BARE = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\n\r\nno length"
UPGRADE = (
    b"GET /sip HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)


@contextlib.asynccontextmanager
async def client(server: End, protocols: list[str] | None = None) -> AsyncIterator[WebSocketConnection]:
    wanted = ["sip"] if protocols is None else protocols
    async with open_client("127.0.0.1", server.port, "/", use_ssl=False, subprotocols=wanted) as socket:
        yield socket


@pytest.mark.realtime
@pytest.mark.parametrize("protocols", [["sip"], ["chat", "sip"]])
async def test_requests_and_responses_share_the_connection(protocols: list[str]) -> None:
    server = End(Listen("WS", "127.0.0.1", 0))
    async with running(server), client(server, protocols) as socket:
        assert socket.subprotocol == "sip"
        await socket.send_message(BARE.decode())
        await socket.send_message(BARE)
        await server.wait(lambda agent: len(agent.received) == 2)
        assert [data for data, _, _ in server.agent.received] == [BARE, BARE]
        source = server.agent.received[0][1]
        assert (source.transport, source.local) == ("WS", ("127.0.0.1", server.port))
        server.send(source, b"SIP/2.0 200 OK\r\n\r\n")
        server.send(source, b"MESSAGE sip:x SIP/2.0\r\n\r\n\xff")
        assert await socket.get_message() == "SIP/2.0 200 OK\r\n\r\n"
        assert await socket.get_message() == b"MESSAGE sip:x SIP/2.0\r\n\r\n\xff"  # no UTF-8: binary


@pytest.mark.realtime
async def test_web_sockets_are_never_opened_by_us() -> None:
    server = End(Listen("WS", "127.0.0.1", 0))
    async with running(server):
        hops = [Hop("WS", "127.0.0.1", server.port), Hop("WSS", "127.0.0.1", server.port, connection=77)]
        for hop in hops:
            server.send(hop)
        assert server.agent.failed == hops
        async with client(server) as socket:
            await socket.send_message(BARE)
            await server.wait(lambda agent: len(agent.received) == 1)
            gone = server.agent.received[0][1]
        await until(lambda: server.endpoint.statistics().open_connections == 0)
        server.send(gone)
        assert server.agent.failed[-1] == gone


@pytest.mark.realtime
@pytest.mark.parametrize("protocols", [[], ["SIP", "chat"]])
async def test_without_the_subprotocol_there_is_no_connection(protocols: list[str]) -> None:
    """RFC 7118 §4.1."""
    server = End(Listen("WS", "127.0.0.1", 0))
    async with running(server):
        with pytest.raises(HandshakeError) as refusal:
            async with client(server, protocols):
                raise AssertionError("it was accepted")
        assert getattr(refusal.value, "status_code", None) == 400
        await until(lambda: server.endpoint.statistics().open_connections == 0)


@pytest.mark.realtime
async def test_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = End(Listen("WSS", "127.0.0.1", 0), tls=TlsContexts(authority.settings("localhost")))
    context = ssl.create_default_context(cafile=authority.path)
    async with running(server), trio.open_nursery() as nursery:
        socket = await connect_websocket(nursery, "localhost", server.port, "/", use_ssl=context, subprotocols=["sip"])
        await socket.send_message(BARE.decode())
        await server.wait(lambda agent: len(agent.received) == 1)
        source = server.agent.received[0][1]
        assert source.transport == "WSS"
        server.send(source)
        assert await socket.get_message() == OPTIONS.decode()
        await socket.aclose()
        await until(lambda: server.endpoint.statistics().open_connections == 0)


@pytest.mark.realtime
async def test_the_end_of_either_side_is_a_goodbye() -> None:
    server = End(Listen("WS", "127.0.0.1", 0))
    async with running(server), client(server) as socket:
        await socket.send_message(BARE)
        await server.wait(lambda agent: len(agent.received) == 1)
        server.send(server.agent.received[0][1], b"last", close=True)
        assert await socket.get_message() == "last"
        with pytest.raises(ConnectionClosed) as closed:
            await socket.get_message()
        assert closed.value.reason.code == 1000
        await until(lambda: server.endpoint.statistics().open_connections == 0)


# In memory, octet by octet.


async def opened(limit: int = 1000) -> tuple[WebSocketStream, trio.testing.MemorySendStream, trio.StapledStream]:
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(UPGRADE + b"Sec-WebSocket-Protocol: sip\r\n\r\n")
    stream = await accept_websocket(ours, limit)
    head = await theirs.receive_some(4096)
    assert head.startswith(b"HTTP/1.1 101 ")
    # RFC 6455 §1.3: the answer to its example of a key
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert b"sec-websocket-protocol: sip" in head.lower()
    return stream, theirs.send_stream, theirs


def frame(opcode: int, payload: bytes, *, last: bool = True) -> bytes:
    """A frame of a client, masked with zeros."""
    assert len(payload) < 126
    return bytes([opcode | 0x80 * last, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def test_pieces_are_put_together_and_pings_answered_between() -> None:
    stream, peer, both = await opened()
    sent = frame(2, b"INVITE", last=False) + frame(9, b"ping") + frame(0, b" sip:x") + frame(10, b"")
    for octet in sent + frame(1, b"") + frame(1, b"more"):
        await peer.send_all(bytes([octet]))
    assert [await stream.receive_some() for _ in range(4)] == [b"\r\n", b"INVITE sip:x", b"\r\n", b"more"]
    assert await both.receive_some(100) == b"\x8a\x04ping"


async def test_a_message_that_is_too_large_ends_it() -> None:
    stream, peer, both = await opened(limit=150)
    await peer.send_all(frame(2, bytes(100), last=False) + frame(0, bytes(51)))
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()
    assert await both.receive_some(100) == b"\x88\x02\x03\xf1"  # RFC 6455 §7.4.1: 1009


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"\xff"), 1007),
        (frame(3, b""), 1002),
        (bytes([0x82, 1, 65]), 1002),  # not masked
        (frame(8, (1000).to_bytes(2, "big")), 1000),
        (frame(8, b""), None),
    ],
)
async def test_closing_and_garbage(data: bytes, code: int | None) -> None:
    stream, peer, both = await opened()
    await peer.send_all(frame(1, b"first") + data)
    assert await stream.receive_some() == b"first"
    assert await stream.receive_some() == b""
    assert await stream.receive_some() == b""
    answer = await both.receive_some(200)
    assert answer[0] == 0x88
    assert answer[2:4] == (code.to_bytes(2, "big") if code else b"")
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"late")


async def test_after_our_goodbye_the_peer_may_finish() -> None:
    stream, peer, both = await opened()
    await stream.send_eof()
    await peer.send_all(frame(1, b"still") + frame(8, (1000).to_bytes(2, "big")))
    assert [await stream.receive_some() for _ in range(2)] == [b"still", b""]
    assert await both.receive_some(100) == b"\x88\x02\x03\xe8"
    await stream.send_eof()
    await stream.aclose()


async def test_a_frame_that_was_cut_short_spoils_the_rest() -> None:
    ours, theirs = trio.testing.lockstep_stream_pair()
    stream: WebSocketStream | None = None

    async def accept() -> None:
        nonlocal stream
        stream = await accept_websocket(ours, 1000)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        await theirs.send_all(UPGRADE + b"Sec-WebSocket-Protocol: sip\r\n\r\n")
        await theirs.receive_some(4096)
    assert stream is not None
    with trio.move_on_after(1):
        await stream.send_all(b"nobody reads")
    with pytest.raises(trio.BrokenResourceError):
        await stream.send_all(b"more")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", 400),
        (UPGRADE.replace(b": 13", b": 8") + b"\r\n", 426),
        (UPGRADE + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 50_000, 400),
    ],
)
async def test_what_is_no_handshake_is_refused(request_: bytes, status: int) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(request_)
    await theirs.send_eof()
    with pytest.raises(WebSocketError):
        await accept_websocket(ours, 1000)
    assert (await theirs.receive_some(100)).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("request_", [b"", b"GET / HT", UPGRADE])
async def test_who_goes_away_during_the_handshake(request_: bytes) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    await theirs.send_all(request_)
    await theirs.send_eof()
    with pytest.raises(WebSocketError):
        await accept_websocket(ours, 1000)


@pytest.mark.parametrize("seed", range(50))
async def test_any_octets_end_in_a_documented_way(seed: int) -> None:
    rng = random.Random(seed)
    stream, peer, _ = await opened(limit=200)
    with contextlib.suppress(trio.BrokenResourceError):
        for _ in range(20):
            kind = rng.choice([1, 2, 0, 9, 10, 3, 8])
            sent = frame(kind, rng.randbytes(rng.randrange(100)), last=rng.random() < 0.7)
            await peer.send_all(rng.choice([sent, sent, sent[:-1], rng.randbytes(20)]))
        await peer.aclose()
        while await stream.receive_some():
            pass


def test_every_chunk_is_a_message() -> None:
    framer = WholeMessages()
    assert framer.feed(b"\r\nOPTIONS") == [b"\r\nOPTIONS"]
    assert (framer.feed(b"\r\n\r\n"), framer.feed(b"\r\n"), framer.take_pongs(), framer.take_pongs()) == ([], [], 1, 0)
