"""The UDP side of the endpoint where the network misbehaves, and which socket a send takes."""

from __future__ import annotations

import errno
from random import Random

import pytest
import trio

from tests.net.toy_agent import ToyAgent
from tests.sim.network import VirtualNetwork, VirtualSocket
from vb.net.datagrams import DatagramPort, choose_port
from vb.net.driver import MAX_ROUNDS, Listen, SipEndpoint
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.net.udp import Datagram, DatagramSocket
from vb.sip.effects import Hop, Send

HERE, PEER = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


class Faulty:
    """A virtual socket that first fails as told."""

    def __init__(self, inner: VirtualSocket, receive: list[OSError], send: list[OSError]) -> None:
        self.inner = inner
        self.local, self.family = inner.local, inner.family
        self.receive_buffer = self.kernel_drops = 0
        self._receive = receive
        self._send = send

    def receive_nowait(self) -> Datagram | None:
        if self._receive:
            raise self._receive.pop()
        return self.inner.receive_nowait()

    def send_nowait(self, data: bytes, host: str, port: int, source: str | None) -> None:
        if self._send:
            raise self._send.pop()
        self.inner.send_nowait(data, host, port, source)

    async def wait_readable(self) -> None:
        await self.inner.wait_readable()

    async def wait_writable(self) -> None:
        await trio.sleep(0.01)

    def close(self) -> None:
        self.inner.close()


async def exchange(receive: list[OSError], send: list[OSError]) -> tuple[ToyAgent, SipEndpoint[str], VirtualNetwork]:
    network, agent = VirtualNetwork(Random(1)), ToyAgent()

    def open_faulty(host: str, port: int, settings: NetSettings) -> DatagramSocket:
        return Faulty(network.open(host, port), receive, send)

    endpoint = SipEndpoint(agent, [Listen("UDP", *HERE)], lambda event: None, open_datagrams=open_faulty)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        network.open(*PEER).send_nowait(b"ping", *HERE, None)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return agent, endpoint, network


async def test_errors_of_the_network_never_end_the_receiver() -> None:
    errors = [OSError(code, "icmp") for code in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETDOWN)]
    agent, endpoint, network = await exchange(errors, [])
    assert [data for data, _, _ in agent.received] == [b"ping"]
    assert [passage.data for passage in network.log] == [b"ping", b"pong"]
    assert endpoint.statistics().datagram_errors == 3


@pytest.mark.parametrize("code", [errno.ECONNREFUSED, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN])
async def test_passing_errors_of_a_send_are_tried_again(code: int) -> None:
    error = OSError(code, "soft")
    agent, _, network = await exchange([], [error])
    assert [passage.data for passage in network.log] == [b"ping", b"pong"]
    assert agent.failed == []


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EMSGSIZE, errno.EPERM])
async def test_lasting_errors_of_a_send_are_told_to_the_agent(code: int) -> None:
    agent, endpoint, network = await exchange([], [OSError(code, "hard")])
    assert [passage.data for passage in network.log] == [b"ping"]
    assert agent.failed == [Hop("UDP", *PEER, local=HERE)]
    assert endpoint.statistics().sends_failed == 1


async def test_which_socket_a_send_takes() -> None:
    network, settings = VirtualNetwork(Random(1)), NetSettings()
    addresses = [("192.0.2.1", 5060), ("0.0.0.0", 5070), ("192.0.2.3", 5060), ("::", 5060)]
    ports = [DatagramPort(network.open(*address), settings, lambda send: None) for address in addresses]

    def chosen(host: str, local: tuple[str, int] | None) -> tuple[str, int]:
        port = choose_port(ports, host, local)
        assert port is not None
        return port.socket.local

    assert chosen("192.0.2.9", None) == ("192.0.2.1", 5060)
    assert chosen("192.0.2.9", ("192.0.2.3", 5060)) == ("192.0.2.3", 5060)
    assert chosen("192.0.2.9", ("198.51.100.1", 5070)) == ("0.0.0.0", 5070)
    assert chosen("2001:db8::1", ("192.0.2.1", 5060)) == ("::", 5060)
    assert choose_port(ports[:3], "2001:db8::1", None) is None
    assert choose_port([], "192.0.2.9", None) is None


async def test_a_long_batch_gives_others_a_turn() -> None:
    network = VirtualNetwork(Random(1))
    port = DatagramPort(network.open(*HERE), NetSettings(batch=3), lambda send: None)
    sender = network.open(*PEER)
    for number in range(4):
        sender.send_nowait(b"%d" % number, *HERE, None)
    await trio.sleep(1)
    taken: list[bytes] = []
    assert port.receive_batch(lambda datagram: taken.append(datagram[0]))
    assert len(taken) == 3
    assert not port.receive_batch(lambda datagram: taken.append(datagram[0]))
    assert (taken, port.received) == ([b"0", b"1", b"2", b"3"], 4)


async def test_lookups_under_way_are_bounded() -> None:
    async def lookup(name: str) -> list[str]:
        await trio.sleep(1)
        return [PEER[0]]

    network, agent = VirtualNetwork(Random(1)), ToyAgent()
    endpoint = SipEndpoint(
        agent,
        [Listen("UDP", *HERE)],
        lambda event: None,
        settings=NetSettings(max_lookups=2),
        open_datagrams=network.open,
        resolver=Resolver(lookup=lookup),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        hops = [Hop("UDP", f"{number}.example", 5060) for number in range(4)]
        for hop in hops:
            endpoint.command(lambda now, hop=hop: agent.send(b"x", hop))
        assert agent.failed == hops[2:]
        assert endpoint.statistics().waiting == 2
        await trio.sleep(2)
        assert len(network.log) == 2
        nursery.cancel_scope.cancel()


async def test_events_that_make_events_for_ever_leave_room_for_others() -> None:
    network, agent = VirtualNetwork(Random(1)), ToyAgent()
    told: list[str] = []

    def deliver(event: str) -> None:
        told.append(event)
        if len(told) < 2 * MAX_ROUNDS:
            agent.events.append(event)

    endpoint = SipEndpoint(agent, [Listen("UDP", *HERE)], deliver, open_datagrams=network.open)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        endpoint.command(lambda now: agent.events.append("again"))
        assert len(told) == MAX_ROUNDS
        await trio.sleep(1)
        assert len(told) == 2 * MAX_ROUNDS
        nursery.cancel_scope.cancel()


async def test_what_is_commanded_before_the_sockets_goes_out_when_they_are_there() -> None:
    network, agent = VirtualNetwork(Random(1)), ToyAgent()
    endpoint = SipEndpoint(agent, [Listen("UDP", *HERE)], lambda event: None, open_datagrams=network.open)
    endpoint.command(lambda now: agent.sends.append(Send(b"early", Hop("UDP", *PEER))))
    assert network.log == []
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(endpoint.run)
        assert bound == (Hop("UDP", *HERE, local=HERE),)
        assert [passage.data for passage in network.log] == [b"early"]
        nursery.cancel_scope.cancel()
