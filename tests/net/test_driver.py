"""The SIP endpoint on real loopback sockets."""

from __future__ import annotations

import socket

import pytest
import trio

from tests.net.toy_agent import ToyAgent
from vb.net.driver import Listen, SipEndpoint
from vb.sip.effects import Hop


@pytest.mark.realtime
@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
async def test_a_datagram_is_answered_from_where_it_was_sent_to(host: str) -> None:
    agent, events = ToyAgent(), []
    endpoint = SipEndpoint(agent, [Listen("UDP", host, 0)], events.append)
    async with trio.open_nursery() as nursery:
        (bound,) = await nursery.start(endpoint.run)
        loopback = "::1" if ":" in host else "127.0.0.1"
        peer = trio.socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        await peer.bind((loopback, 0))
        await peer.connect((loopback, bound.port))
        await peer.send(b"ping 1")
        assert await peer.recv(100) == b"pong 1"
        source = agent.received[0][1]
        assert (source.transport, source.host, source.port) == ("UDP", *peer.getsockname()[:2])
        assert source.local == (loopback, bound.port)
        nursery.cancel_scope.cancel()
    assert events == ["ping 1"]


@pytest.mark.realtime
async def test_tcp() -> None:
    agent, events = ToyAgent(), []
    other = ToyAgent()
    endpoint = SipEndpoint(agent, [Listen("TCP", "127.0.0.1", 0)], events.append)
    caller = SipEndpoint(other, [], lambda event: None)
    message = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"
    async with trio.open_nursery() as nursery:
        (bound,) = await nursery.start(endpoint.run)
        await nursery.start(caller.run)
        caller.command(lambda now: other.send(message, Hop("TCP", "localhost", bound.port)))
        with trio.fail_after(5):
            while not agent.received:
                await trio.sleep(0.01)
        endpoint.command(lambda now: agent.send(message, agent.received[0][1]))
        with trio.fail_after(5):
            while not other.received:
                await trio.sleep(0.01)
        assert other.received[0][1].host == "127.0.0.1"
        assert endpoint.statistics().open_connections == 1
        nursery.cancel_scope.cancel()
