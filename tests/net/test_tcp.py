"""TCP on real loopback sockets: reuse, reopening, bounds, refusals."""

from __future__ import annotations

import contextlib
import errno
import random

import pytest
import trio

from tests.net.ends import OPTIONS, End, running, until
from tests.net.zone import Zone
from vb.net.driver import Listen
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.net.tcp import Connections
from vb.sip.effects import Hop

pytestmark = pytest.mark.realtime


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_one_connection_serves_both_directions(host: str) -> None:
    server, client = End(Listen("TCP", "::1" if host == "::1" else "127.0.0.1", 0)), End()
    async with running(server, client):
        for _ in range(3):
            client.send(Hop("TCP", host, server.port))
        await server.wait(lambda agent: len(agent.received) == 3)
        source = server.agent.received[0][1]
        assert source.local == (server.agent.received[0][1].host, server.port)
        server.send(source)
        server.send(Hop("TCP", source.host, source.port))
        await client.wait(lambda agent: len(agent.received) == 2)
        assert client.agent.received[0][1].port == server.port
        assert server.endpoint.statistics().open_connections == client.endpoint.statistics().open_connections == 1


async def test_a_send_whose_connection_is_gone_opens_one_to_its_hop() -> None:
    server, client = End(Listen("TCP", "127.0.0.1", 0)), End()
    async with running(server, client):
        client.send(Hop("TCP", "127.0.0.1", server.port), close=True)
        await server.wait(lambda agent: len(agent.received) == 1)
        await until(lambda: server.endpoint.statistics().open_connections == 0)
        gone = server.agent.received[0][1]
        client.send(Hop("TCP", "127.0.0.1", server.port, connection=gone.connection))
        await server.wait(lambda agent: len(agent.received) == 2)
        assert server.agent.received[1][1].connection != gone.connection


async def test_nobody_listening_is_a_transport_failure() -> None:
    client = End()
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        hop = Hop("TCP", "127.0.0.1", taken.getsockname()[1])
        async with running(client):
            client.send(hop)
            await client.wait(lambda agent: agent.failed == [hop])
            assert client.endpoint.statistics().open_connections == 0


async def test_the_next_server_of_a_domain_when_the_first_refuses() -> None:
    """RFC 3263 §4.3."""
    server = End(Listen("TCP", "127.0.0.1", 0))
    with trio.socket.socket() as taken:
        await taken.bind(("127.0.0.1", 0))
        async with running(server):
            zone = Zone(
                f"SRV _sip._tcp.example.test 1 0 {taken.getsockname()[1]} host.test",
                f"SRV _sip._tcp.example.test 2 0 {server.port} host.test",
                "ADDRESS host.test 127.0.0.1",
            )
            client = End(resolver=Resolver(dns=zone))
            async with running(client):
                for _ in range(2):
                    client.send(Hop("TCP", "example.test", 0))
                await server.wait(lambda agent: len(agent.received) == 2)
                assert client.endpoint.statistics().open_connections == 1


async def test_an_address_that_never_answers_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    server = End(Listen("TCP", "127.0.0.1", 0))

    async def lookup(name: str) -> list[str]:
        return ["192.0.2.1", "127.0.0.1"]

    opened = Connections._open_stream

    async def never(self: Connections, host: str, port: int) -> trio.SocketStream:
        if host == "192.0.2.1":
            await trio.sleep_forever()
        return await opened(self, host, port)

    monkeypatch.setattr(Connections, "_open_stream", never)
    client = End(settings=NetSettings(attempt_timeout=0.05), resolver=Resolver(lookup=lookup))
    async with running(server, client):
        client.send(Hop("TCP", "example.test", server.port))
        await server.wait(lambda agent: len(agent.received) == 1)


async def test_an_unknown_name_and_an_unknown_transport_are_transport_failures() -> None:
    client = End()
    async with running(client):
        hops = [Hop("TCP", "a..b", 5060), Hop("TLS", "127.0.0.1", 5061), Hop("UDP", "127.0.0.1", 5060)]
        for hop in hops:
            client.send(hop)
        await client.wait(lambda agent: set(agent.failed) == set(hops))


async def test_connections_are_bounded_by_source_and_in_total() -> None:
    settings = NetSettings(max_connections=3, max_connections_per_source=2)
    server = End(Listen("TCP", "127.0.0.1", 0), settings=settings)
    async with running(server):
        streams = [await trio.open_tcp_stream("127.0.0.1", server.port) for _ in range(4)]
        await until(lambda: server.endpoint.statistics().refused_connections == 2)
        assert server.endpoint.statistics().open_connections == 2
        assert await streams[3].receive_some(1) == b""
        await streams[0].aclose()
        await until(lambda: server.endpoint.statistics().open_connections == 1)
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as again:
            await again.send_all(OPTIONS)
            await server.wait(lambda agent: len(agent.received) == 1)


async def test_connections_that_we_open_count_too() -> None:
    server, client = End(Listen("TCP", "127.0.0.1", 0)), End(settings=NetSettings(max_connections=0))
    async with running(server, client):
        hop = Hop("TCP", "127.0.0.1", server.port)
        client.send(hop)
        assert client.agent.failed == [hop]
        assert client.endpoint.statistics().refused_connections == 1


async def test_garbage_gets_its_answer_before_the_end() -> None:
    server = End(Listen("TCP", "127.0.0.1", 0))
    async with running(server), await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        await stream.send_all(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: x\r\n\r\n" + bytes(100_000))
        assert await stream.receive_some(100) == b"refused"
        assert len(server.agent.rejected) == 1


async def test_a_peer_that_stops_reading_is_cut_off_and_delays_nobody() -> None:
    server = End(Listen("TCP", "127.0.0.1", 0), settings=NetSettings(outbox_messages=8))
    async with running(server), await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        await stream.send_all(OPTIONS)
        await server.wait(lambda agent: len(agent.received) == 1)
        hop = server.agent.received[0][1]
        for _ in range(200):
            server.send(hop, bytes(100_000))
            await trio.lowlevel.checkpoint()
            if server.agent.failed:
                break
        assert set(server.agent.failed) == {hop}
        await until(lambda: server.endpoint.statistics().open_connections == 0)
        assert server.endpoint.statistics().overflowed_outboxes == 1


async def test_flush_lets_the_last_words_out() -> None:
    server, client = End(Listen("TCP", "127.0.0.1", 0)), End()
    async with running(server):
        async with running(client):
            client.send(Hop("TCP", "127.0.0.1", server.port))
            assert client.endpoint.statistics().waiting == 1
            assert await client.endpoint.flush(5)
            assert client.endpoint.statistics().waiting == 0
        await server.wait(lambda agent: len(agent.received) == 1)


async def test_running_out_of_descriptors_pauses_accepting_only(monkeypatch: pytest.MonkeyPatch) -> None:
    accept, failures = trio.SocketListener.accept, [OSError(errno.EMFILE, "too many open files")] * 2

    async def failing(listener: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise failures.pop()
        return await accept(listener)

    monkeypatch.setattr(trio.SocketListener, "accept", failing)
    server, client = End(Listen("TCP", "127.0.0.1", 0)), End()
    async with running(server, client):
        client.send(Hop("TCP", "127.0.0.1", server.port))
        await server.wait(lambda agent: len(agent.received) == 1)
    assert failures == []


@pytest.mark.parametrize("seed", range(20))
async def test_any_octets_in_any_pieces_leave_the_server_well(seed: int) -> None:
    rng = random.Random(seed)
    server = End(Listen("TCP", "127.0.0.1", 0))
    async with running(server):
        async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
            with contextlib.suppress(trio.BrokenResourceError):
                for _ in range(20):
                    await stream.send_all(rng.choice([OPTIONS, b"\r\n\r\n", OPTIONS[:20], rng.randbytes(30)]))
        await until(lambda: server.endpoint.statistics().open_connections == 0)
        assert server.endpoint.statistics().agent_errors == 0
