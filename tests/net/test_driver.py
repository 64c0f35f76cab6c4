"""The SIP endpoint around a toy agent: on loopback sockets, and in virtual time."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
import trio
import trio.testing

from tests.net.toy_agent import ToyAgent
from tests.net.zone import Zone
from tests.sim.network import VirtualNetwork, Weather
from vb.net.driver import Listen, OpenDatagrams, SipEndpoint
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.net.udp import Datagram
from vb.sip.effects import Hop
from vb.sip.errors import RemoteError
from vb.sip.uri import parse_uri

PEER = ("192.0.2.2", 5060)


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


class Flood:
    """A socket with always another datagram; the clock advances by ``cost`` with each, as if handling took so long."""

    family = socket.AF_INET
    local = ("192.0.2.1", 5060)
    receive_buffer = kernel_drops = 0

    def __init__(self, count: int, cost: float) -> None:
        self._left = count
        self._cost = cost

    def receive_nowait(self) -> Datagram | None:
        if not self._left:
            return None
        self._left -= 1
        clock = trio.lowlevel.current_clock()
        assert isinstance(clock, trio.testing.MockClock)
        clock.jump(self._cost)
        return b"packet", "192.0.2.2", 5060, "192.0.2.1"

    def send_nowait(self, data: bytes, host: str, port: int, source: str | None) -> None:
        raise BlockingIOError

    async def wait_readable(self) -> None:
        if not self._left:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    async def wait_writable(self) -> None:
        await trio.sleep_forever()

    def close(self) -> None:
        pass


async def test_timers_fire_on_time_under_a_flood() -> None:
    agent, socket_ = ToyAgent(), Flood(20_000, cost=0.0001)
    endpoint = SipEndpoint(agent, [Listen("UDP", "192.0.2.1", 5060)], lambda event: None, open_datagrams=flood(socket_))
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        start = trio.current_time()
        for tenth in range(1, 20):
            endpoint.command(lambda now, tenth=tenth: agent.arm(start + tenth / 10))
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert len(agent.received) == 20_000
    assert len(agent.fired) == 19
    assert max(now - at for at, now in agent.fired) <= NetSettings().batch_seconds + 0.0002


def flood(sock: Flood) -> OpenDatagrams:
    return lambda host, port, settings: sock


async def on_virtual_network(
    network: VirtualNetwork, scenario: Callable[[SipEndpoint[str], ToyAgent], Awaitable[None]], **options: Any
) -> ToyAgent:
    agent = ToyAgent()
    options.setdefault("deliver", lambda event: None)
    endpoint: SipEndpoint[str] = SipEndpoint(
        agent, [Listen("UDP", "192.0.2.1", 5060)], open_datagrams=network.open, **options
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        await scenario(endpoint, agent)
        nursery.cancel_scope.cancel()
    return agent


async def test_a_sleeping_driver_notices_an_earlier_deadline() -> None:
    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        start = trio.current_time()
        endpoint.command(lambda now: agent.arm(start + 100))
        await trio.sleep(1)
        endpoint.command(lambda now: agent.arm(start + 3))
        await trio.sleep(200)
        assert agent.fired == [(start + 3, start + 3), (start + 100, start + 100)]

    await on_virtual_network(VirtualNetwork(Random(1)), scenario)


async def test_a_command_inside_deliver_runs_at_once_and_its_effects_follow() -> None:
    order: list[str] = []

    def deliver(event: str) -> None:
        order.append(f"{event} begins")
        if event == "first":
            result = holder[0].command(lambda now: (agent_of[0].send(b"out", Hop("UDP", *PEER)), "done")[1])
            agent_of[0].events.append("second")
            order.append(result)
        order.append(f"{event} ends")

    holder: list[SipEndpoint[str]] = []
    agent_of: list[ToyAgent] = []

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        holder.append(endpoint)
        agent_of.append(agent)
        endpoint.command(lambda now: agent.events.append("first"))
        assert [passage.data for passage in network.log] == [b"out"], "sent before command returned"

    network = VirtualNetwork(Random(1))
    await on_virtual_network(network, scenario, deliver=deliver)
    assert order == ["first begins", "done", "first ends", "second begins", "second ends"]


async def test_defects_in_deliver_trace_and_agent_cost_one_event_each() -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("a defect")

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        sender = network.open(*PEER)
        for data in (b"ping 1", b"raise", b"ping 2"):
            sender.send_nowait(data, "192.0.2.1", 5060, None)
        await trio.sleep(1)
        statistics = endpoint.statistics()
        assert (statistics.messages_in, statistics.deliver_errors, statistics.agent_errors) == (3, 2, 1 + 5)
        assert [passage.data for passage in network.log][3:] == [b"pong 1", b"pong 2"]
        with pytest.raises(RuntimeError):
            endpoint.command(broken)

    network = VirtualNetwork(Random(1))
    await on_virtual_network(network, scenario, deliver=broken, trace=broken)


async def test_sends_that_would_block_wait_their_turn_and_are_bounded() -> None:
    network = VirtualNetwork(Random(1))

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        sock = network._sockets["192.0.2.1", 5060]
        sock.fill()
        for number in range(6):
            endpoint.command(lambda now, number=number: agent.send(b"%d" % number, Hop("UDP", *PEER)))
        await trio.sleep(1)
        assert not await endpoint.flush(2)
        assert (endpoint.statistics().waiting, endpoint.statistics().datagrams_dropped) == (4, 2)
        sock.drain()
        assert await endpoint.flush(2)
        endpoint.command(lambda now: agent.send(b"next", Hop("UDP", *PEER)))
        assert [passage.data for passage in network.log] == [b"0", b"1", b"2", b"3", b"next"]
        assert agent.failed == []

    await on_virtual_network(network, scenario, settings=NetSettings(outbox_messages=4))


@pytest.mark.parametrize("host", [PEER[0], "phone.example"])
async def test_a_queued_send_that_fails_later_is_reported_as_it_was_asked_for(host: str) -> None:
    network = VirtualNetwork(Random(1))

    async def lookup(name: str) -> list[str]:
        await trio.sleep(0.1)
        return [PEER[0]]

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        sock = network._sockets["192.0.2.1", 5060]
        sock.fill()
        endpoint.command(lambda now: agent.send(b"1", Hop("UDP", host, 5060)))
        await trio.sleep(1)
        network.unreachable.add(PEER[0])
        sock.drain()
        await trio.sleep(1)
        assert agent.failed == [Hop("UDP", host, 5060)]

    await on_virtual_network(network, scenario, resolver=Resolver(lookup=lookup))


async def test_a_name_is_resolved_without_holding_anyone_up() -> None:
    async def lookup(name: str) -> list[str]:
        await trio.sleep(1)
        if name == "nowhere.example":
            raise OSError("unknown")
        return ["2001:db8::1", PEER[0]]

    network = VirtualNetwork(Random(1))

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        named, nowhere = Hop("UDP", "phone.example", 5060), Hop("UDP", "nowhere.example", 5060)
        for hop in (named, nowhere, Hop("UDP", *PEER)):
            endpoint.command(lambda now, hop=hop: agent.send(hop.host.encode(), hop))
        assert [passage.data for passage in network.log] == [PEER[0].encode()]
        await trio.sleep(2)
        assert network.log[1].target == PEER, "the address of the family that we have a socket for"
        assert agent.failed == [nowhere]
        endpoint.command(lambda now: agent.send(b"again", named))
        assert network.log[2].data == b"again", "a remembered name does not wait"

    await on_virtual_network(network, scenario, resolver=Resolver(lookup=lookup))


async def test_a_domain_without_a_port_is_served_where_its_records_say() -> None:
    """RFC 3263 §4.2; what is sent again goes to the same server."""
    zone = Zone(
        "SRV _sip._udp.example.test 1 0 5099 one.example.test",
        "SRV _sip._udp.example.test 2 0 5098 two.example.test",
        f"ADDRESS one.example.test {PEER[0]}",
        f"ADDRESS two.example.test {PEER[0]}",
    )
    network = VirtualNetwork(Random(1))

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        for _ in range(3):
            endpoint.command(lambda now: agent.send(b"x", Hop("UDP", "example.test", 0)))
            await trio.sleep(10)
        assert [passage.target for passage in network.log] == [(PEER[0], 5099)] * 3
        assert await endpoint.locate(parse_uri("sip:example.test")) == [
            Hop("UDP", PEER[0], 5099),
            Hop("UDP", PEER[0], 5098),
        ]

    await on_virtual_network(network, scenario, resolver=Resolver(dns=zone))


async def test_the_other_family_has_no_socket_and_a_silly_port_none_either() -> None:
    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        endpoint.command(lambda now: agent.send(b"1", Hop("UDP", "2001:db8::1", 5060)))
        assert agent.failed == [Hop("UDP", "2001:db8::1", 5060)]

    await on_virtual_network(VirtualNetwork(Random(1)), scenario)


async def test_the_trace_sees_everything_once_and_failures_again() -> None:
    traced: list[tuple[str, bytes, str]] = []

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        network.open(*PEER).send_nowait(b"ping 1", "192.0.2.1", 5060, None)
        await trio.sleep(1)
        endpoint.command(lambda now: agent.send(b"lost", Hop("UDP", "2001:db8::1", 5060)))
        endpoint.received_garbage(b"nonsense", RemoteError(400, "no"), Hop("TCP", *PEER))

    network = VirtualNetwork(Random(1))
    trace = lambda way, data, hop, at: traced.append((way, data, hop.host))  # noqa: E731
    await on_virtual_network(network, scenario, trace=trace)
    away = "2001:db8::1"
    wanted = [("in", b"ping 1", PEER[0]), ("out", b"pong 1", PEER[0]), ("out", b"lost", away), ("error", b"lost", away)]
    assert traced == [*wanted, ("error", b"nonsense", PEER[0])]


@pytest.mark.realtime
async def test_sends_that_the_kernel_refuses_are_reported_not_raised() -> None:
    agent = ToyAgent()
    endpoint = SipEndpoint(agent, [Listen("UDP", "127.0.0.1", 0)], lambda event: None)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        hops = [Hop("UDP", "192.0.2.1", 5060), Hop("UDP", "127.0.0.1", 99999), Hop("UDP", "127.0.0.1", 5)]
        for hop, size in zip(hops, (10, 10, 70_000), strict=True):
            endpoint.command(lambda now, hop=hop, size=size: agent.send(bytes(size), hop))
        assert agent.failed == hops
        nursery.cancel_scope.cancel()


async def test_an_address_in_use_ends_the_start_and_closes_what_was_open() -> None:
    network = VirtualNetwork(Random(1))
    taken = network.open("192.0.2.1", 5062)
    listen = [Listen("UDP", "192.0.2.1", 5060), Listen("UDP", "192.0.2.1", 5062)]
    with pytest.raises(OSError, match="in use"):
        await SipEndpoint(ToyAgent(), listen, lambda event: None, open_datagrams=network.open).run()
    assert list(network._sockets) == [taken.local]


@pytest.mark.parametrize("seed", range(30))
async def test_in_any_interleaving_nothing_is_lost_or_late(seed: int) -> None:
    rng = Random(seed)
    network = VirtualNetwork(Random(seed), Weather(delay=0.0))

    async def scenario(endpoint: SipEndpoint[str], agent: ToyAgent) -> None:
        sender, armed = network.open(*PEER), 0
        for number in range(20):
            await trio.sleep(rng.choice([0, 0, 0.1, 0.3]))
            sender.send_nowait(b"ping %d" % number, "192.0.2.1", 5060, None)
            if rng.random() < 0.5:
                armed += 1
                endpoint.command(lambda now: agent.arm(now + rng.choice([0, 0.05, 1])))
        await trio.sleep(20)
        assert [data for data, _, _ in agent.received] == [b"ping %d" % number for number in range(20)]
        assert len(agent.fired) == armed
        assert all(now - at < 1e-9 for at, now in agent.fired)

    await on_virtual_network(network, scenario)
