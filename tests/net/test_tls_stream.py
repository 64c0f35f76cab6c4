"""SIP over TLS on loopback: handshakes, whom we trust, keep-alives, reuse, and certificates that change."""

from __future__ import annotations

import ssl
from pathlib import Path

import attrs
import pytest
import trio

from tests.net.certificates import Authority
from tests.net.ends import OPTIONS, End, running, until
from vb.net.driver import Listen
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.net.tls import TlsContexts, TlsSettings
from vb.sip.effects import Hop

pytestmark = pytest.mark.realtime

LISTEN = Listen("TLS", "127.0.0.1", 0)


def resolver() -> Resolver:
    async def lookup(name: str) -> list[str]:
        return ["127.0.0.1"]

    return Resolver(lookup=lookup)


def ends(
    server: TlsSettings, client: TlsSettings | None = None, settings: NetSettings | None = None
) -> tuple[End, End]:
    """A server, and a client by whose DNS every name is the server's address."""
    trust = client or TlsSettings(authorities=server.authorities)
    serving = End(LISTEN, tls=TlsContexts(server), settings=settings)
    return serving, End(tls=TlsContexts(trust), resolver=resolver())


@pytest.mark.parametrize("host", ["example.com", "127.0.0.1"])
async def test_one_connection_serves_both_directions(tmp_path: Path, host: str) -> None:
    server, client = ends(Authority(tmp_path).settings("example.com", "127.0.0.1"))
    async with running(server, client):
        for _ in range(3):
            client.send(Hop("TLS", host, server.port))
        await server.wait(lambda agent: len(agent.received) == 3)
        source = server.agent.received[0][1]
        assert (source.transport, source.host, source.local) == ("TLS", "127.0.0.1", ("127.0.0.1", server.port))
        server.send(source)
        server.send(Hop("TLS", source.host, source.port))
        client.send(Hop("TLS", "127.0.0.1", server.port))
        await client.wait(lambda agent: len(agent.received) == 2)
        await server.wait(lambda agent: len(agent.received) == 4)
        assert server.endpoint.statistics().open_connections == client.endpoint.statistics().open_connections == 1


async def test_tcp_and_tls_do_not_share_connections(tmp_path: Path) -> None:
    server, client = ends(Authority(tmp_path).settings("127.0.0.1"))
    async with running(server, client):
        client.send(Hop("TLS", "127.0.0.1", server.port))
        await server.wait(lambda agent: len(agent.received) == 1)
        client.send(Hop("TCP", "127.0.0.1", server.port))
        await until(lambda: client.endpoint.statistics().open_connections == 2)


@pytest.mark.parametrize(
    ("names", "host"),
    [(("other.example.com",), "example.com"), (("*.example.com",), "sip.example.com"), (("example.com",), "127.0.0.1")],
)
async def test_a_certificate_of_somebody_else_is_a_transport_failure(
    tmp_path: Path, names: tuple[str, ...], host: str
) -> None:
    """RFC 5922 §7.2, §7.3: nothing is sent to who is not whom we want."""
    server, client = ends(Authority(tmp_path).settings(*names))
    async with running(server, client):
        hop = Hop("TLS", host, server.port)
        client.send(hop)
        await client.wait(lambda agent: agent.failed == [hop])
        await until(lambda: server.endpoint.statistics().open_connections == 0)
        assert server.agent.received == []


async def test_an_authority_that_we_do_not_trust(tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "Stranger")
    server, client = ends(Authority(tmp_path).settings("example.com"), TlsSettings(authorities=stranger.path))
    hop = Hop("TLS", "example.com", 0)
    async with running(server, client):
        hop = attrs.evolve(hop, port=server.port)
        client.send(hop)
        await client.wait(lambda agent: agent.failed == [hop])


async def test_without_verification_anybody_will_do(tmp_path: Path) -> None:
    server, client = ends(Authority(tmp_path).settings("other"), TlsSettings(verify=False))
    async with running(server, client):
        client.send(Hop("TLS", "example.com", server.port))
        await server.wait(lambda agent: len(agent.received) == 1)


async def test_a_keep_alive_is_answered_and_a_goodbye_too(tmp_path: Path) -> None:
    """RFC 5626 §4.4.1; RFC 8446 §6.1: a close that is no truncation."""
    authority = Authority(tmp_path)
    server, _ = ends(authority.settings("example.com"))
    context = ssl.create_default_context(cafile=authority.path)
    async with running(server):
        raw = await trio.open_tcp_stream("127.0.0.1", server.port)
        stream = trio.SSLStream(raw, context, server_hostname="example.com")
        await stream.send_all(b"\r\n\r\n")
        assert await stream.receive_some() == b"\r\n"
        await stream.send_all(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: x\r\n\r\n")
        assert await stream.receive_some() == b"refused"
        assert await stream.receive_some() == b""
        await stream.aclose()
        await until(lambda: server.endpoint.statistics().open_connections == 0)


async def test_who_does_not_shake_hands_is_not_waited_for(tmp_path: Path) -> None:
    server, _ = ends(Authority(tmp_path).settings("example.com"), settings=NetSettings(handshake_timeout=0.05))
    async with running(server):
        silent = await trio.open_tcp_stream("127.0.0.1", server.port)
        plain = await trio.open_tcp_stream("127.0.0.1", server.port)
        await plain.send_all(OPTIONS)
        with trio.fail_after(5):
            assert await silent.receive_some() == b""
        await until(lambda: server.endpoint.statistics().open_connections == 0)
        assert server.agent.received == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_versions_are_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server, _ = ends(authority.settings("example.com"))
    context = ssl.create_default_context(cafile=authority.path)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with running(server):
        stream = trio.SSLStream(
            await trio.open_tcp_stream("127.0.0.1", server.port), context, server_hostname="example.com"
        )
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()


async def test_a_new_certificate_serves_new_connections_and_old_ones_go_on(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    settings = authority.settings("old.example.com")
    server, client = ends(settings)
    async with running(server, client):
        client.send(Hop("TLS", "old.example.com", server.port))
        await server.wait(lambda agent: len(agent.received) == 1)
        authority.issue("new.example.com")  # into the same files
        client.send(Hop("TLS", "new.example.com", server.port))
        client.send(Hop("TLS", "old.example.com", server.port))
        await server.wait(lambda agent: len(agent.received) == 3)
        assert client.endpoint.statistics().open_connections == 2


@pytest.mark.parametrize("host", ["", "a" * 70 + ".example.com", "xn--\u00e4"])
async def test_a_name_that_tls_cannot_carry(tmp_path: Path, host: str) -> None:
    server, client = ends(Authority(tmp_path).settings("example.com"))
    async with running(server, client):
        hop = Hop("TLS", host, server.port)
        client.send(hop)
        await client.wait(lambda agent: agent.failed == [hop])


async def test_an_endpoint_without_tls_sends_nothing_by_it() -> None:
    client, hop = End(), Hop("TLS", "127.0.0.1", 5061)
    async with running(client):
        client.send(hop)
        assert client.agent.failed == [hop]
