"""Two endpoints through the virtual network: what weather does, and that the same seed makes the same day."""

from __future__ import annotations

from random import Random

import pytest
import trio

from tests.net.toy_agent import ToyAgent
from tests.sim.network import VirtualNetwork, Weather
from vb.net.driver import Listen, SipEndpoint
from vb.sip.effects import Hop

ALICE, BOB = ("192.0.2.1", 5060), ("192.0.2.2", 5060)


async def exchange(network: VirtualNetwork, count: int) -> tuple[list[bytes], list[bytes]]:
    """Alice sends ``count`` pings, one every 20 ms; what Bob and Alice receive, in order."""
    alice, bob = ToyAgent(), ToyAgent()
    ends = [
        SipEndpoint(agent, [Listen("UDP", *address)], lambda event: None, open_datagrams=network.open)
        for agent, address in ((alice, ALICE), (bob, BOB))
    ]
    async with trio.open_nursery() as nursery:
        for end in ends:
            await nursery.start(end.run)
        for number in range(count):
            ends[0].command(lambda now, number=number: alice.send(b"ping %d" % number, Hop("UDP", *BOB)))
            await trio.sleep(0.02)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    return [data for data, _, _ in bob.received], [data for data, _, _ in alice.received]


async def test_fair_weather_delivers_everything_in_order() -> None:
    network = VirtualNetwork(Random(1))
    started = trio.current_time()
    at_bob, at_alice = await exchange(network, 50)
    assert at_bob == [b"ping %d" % number for number in range(50)]
    assert at_alice == [b"pong %d" % number for number in range(50)]
    first = network.log[0]
    assert (first.sent, first.arrivals) == (started, (started + 0.01,))


async def test_foul_weather_loses_duplicates_and_reorders() -> None:
    weather = Weather(loss=0.2, duplicate=0.2, reorder=0.2, jitter=0.05)
    at_bob, _ = await exchange(VirtualNetwork(Random(2), weather), 200)
    numbers = [int(data.split()[1]) for data in at_bob]
    assert len(set(numbers)) < 200
    assert len(numbers) > len(set(numbers))
    assert numbers != sorted(numbers)


@pytest.mark.parametrize("seed", range(5))
async def test_the_same_seed_makes_the_same_day(seed: int) -> None:
    weather = Weather(loss=0.3, duplicate=0.1, jitter=0.3)
    first = await exchange(VirtualNetwork(Random(seed), weather), 40)
    again = await exchange(VirtualNetwork(Random(seed), weather), 40)
    assert first == again


async def test_hosts_that_are_down_or_unreachable() -> None:
    network = VirtualNetwork(Random(3))
    network.down.add(BOB[0])
    assert await exchange(network, 3) == ([], [])
    network.down.clear()
    network.unreachable.add(BOB[0])
    alice = ToyAgent()
    end = SipEndpoint(alice, [Listen("UDP", *ALICE)], lambda event: None, open_datagrams=network.open)
    async with trio.open_nursery() as nursery:
        await nursery.start(end.run)
        end.command(lambda now: alice.send(b"ping", Hop("UDP", *BOB)))
        assert alice.failed == [Hop("UDP", *BOB)]
        nursery.cancel_scope.cancel()
