"""Platforms that call each other through bad weather while both ends do what they like: both agree, each leg ends once.

Whatever of the seed is lost, doubled or late, and whatever the applications do at the same time as the peers: when the
last timers have run, either both ends of a call are alive, and agree on hold and direction, or neither is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

import pytest
import trio

from tests.sim.network import VirtualNetwork, Weather
from tests.sim.platforms import Site
from vb.call.errors import CommandError
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.sip_leg import SipLeg

A, B, C = "192.0.2.1", "192.0.2.2", "192.0.2.3"
VERBS = ("hold", "unhold", "hold", "unhold", "refresh", "transfer", "attended", "hangup", "dial")
MIRRORED = {"sendrecv": "sendrecv", "sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}
STORM, SETTLED, OVER = 120.0, 600.0, 900.0


class Application:
    """What is behind one site: it decides about calls at random, and does random things to its legs."""

    def __init__(self, site: Site, others: list[str], rng: Random, nursery: trio.Nursery) -> None:
        self.site = site
        self._others = others
        self._rng = rng
        self._nursery = nursery
        site.on_ringing = lambda leg: nursery.start_soon(self._decide, leg)

    def dial(self) -> None:
        with suppress(CommandError):
            target = f"sip:room@{self._rng.choice(self._others)}:5060"
            self.site.service.create_outbound(OutboundRequest(to=target, ring_timeout=60.0))

    async def _decide(self, leg: SipLeg) -> None:
        choice = self._rng.choice(
            ("answer", "answer", "answer", "ring", "early", "busy", "nothing", "transfer at once")
        )
        await trio.sleep(self._rng.uniform(0.0, 5.0))
        with suppress(CommandError):
            if choice == "ring":
                leg.ring()
                await trio.sleep(self._rng.uniform(0.0, 5.0))
            elif choice == "early":
                leg.early_media()
                await trio.sleep(self._rng.uniform(0.0, 5.0))
            if choice == "busy":
                leg.hangup("busy")
            elif choice != "nothing":
                leg.answer()

    async def live(self, until: float) -> None:
        while trio.current_time() < until:
            await trio.sleep(self._rng.uniform(0.0, 6.0))
            legs = self.site.living
            verb = self._rng.choice(VERBS)
            if verb == "dial":
                self.dial()
            elif legs:
                with suppress(CommandError):
                    self._do(verb, self._rng.choice(legs), self._rng.choice(legs))

    def _do(self, verb: str, leg: SipLeg, other: SipLeg) -> None:
        match verb:
            case "hold":
                leg.hold()
            case "unhold":
                leg.unhold()
            case "refresh" if leg.state in ("connected", "held"):
                leg._refresh()  # a re-INVITE that changes nothing
            case "transfer":
                self.site.service.transfers.transfer(leg.id, f"sip:room@{self._rng.choice(self._others)}:5060")
            case "attended":
                target = f"sip:room@{other.session.hop.host}:5060"
                self.site.service.transfers.transfer(leg.id, target, other.id)
            case "hangup":
                leg.hangup()


@asynccontextmanager
async def storm(seed: int, loss: float, **settings: float) -> AsyncIterator[tuple[VirtualNetwork, list[Site]]]:
    """Three sites, of which two begin to call each other; they go on for `STORM` seconds."""
    rng = Random(seed)
    delay = rng.choice((0.01, 0.1, 0.5))
    weather = Weather(loss=loss, duplicate=0.1, reorder=0.2, delay=delay, jitter=delay * 2, held=1.0)
    network = VirtualNetwork(Random(seed), weather)
    limits = {"ring_limit": 60.0, "rtp_timeout": 0.0, "hold_limit": 7200.0} | settings
    agent = {"session_expires": rng.choice((0, 90, 120))}
    sites = [Site(network, host, agent=agent, refer_auto_dial=True, **limits) for host in (A, B, C)]
    async with trio.open_nursery() as nursery:
        for site in sites:
            await site.run(nursery)
        async with trio.open_nursery() as applications:
            for site in sites:
                others = [other.host for other in sites if other is not site]
                application = Application(site, others, Random(rng.random()), nursery)
                applications.start_soon(application.live, STORM)
                if site.host != C:
                    application.dial()
        yield network, sites
        for site in sites:
            site.assert_nothing_left()
        nursery.cancel_scope.cancel()
    for site in sites:
        site.clock.close()


def assert_agreed(sites: list[Site]) -> int:
    """Every call that lives has two ends in the same state, each the mirror of the other; the number of calls."""
    calls = {leg.call_id for site in sites for leg in site.living}
    for call_id in calls:
        ends = [leg for site in sites for leg in site.living if leg.call_id == call_id]
        assert len(ends) == 2, f"{ends} is alone"
        one, two = ends
        assert {one.type, two.type} == {"sip_inbound", "sip_outbound"}
        assert one.state == two.state
        assert one.state in ("connected", "held")
        ours, theirs = one._media.current, two._media.current
        assert ours is not None
        assert theirs is not None
        assert MIRRORED[ours.direction] == theirs.direction
        assert ours.codec == theirs.codec
    return len(calls)


@pytest.mark.parametrize("seed", [*range(30), 37, 1002, 1109, 1184])
async def test_both_ends_agree_when_the_weather_is_over(seed: int) -> None:
    """Also after timers of sessions that one end took for dead: a whole interval passes in fair weather."""
    async with storm(seed, loss=0.4 * (seed % 5) / 4) as (network, sites):
        foul, network.weather = network.weather, Weather()
        await trio.sleep(SETTLED - trio.current_time())
        assert_agreed(sites)
        network.weather = foul
        for number in (seed, seed + 1, seed + 2):
            sites[number % 3].hang_up_everything()
            await trio.sleep(seed % 2)
        await trio.sleep(OVER)


@pytest.mark.parametrize("seed", range(30, 45))
async def test_both_ends_are_over_when_nobody_is_heard(seed: int) -> None:
    """The weather stays as it is: silence ends every call, on hold the hold limit does."""
    async with storm(seed, loss=0.4, rtp_timeout=20.0, hold_limit=60.0) as (_, sites):
        await trio.sleep(OVER)
        assert assert_agreed(sites) == 0
