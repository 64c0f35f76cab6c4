"""Calls to a domain: its servers by the DNS, the next one when one does not do (RFC 3263)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.legs.sip.world import PEER, World, sdp, settle, world
from tests.net.zone import Zone
from vb.legs.sip.outbound_request import OutboundRequest
from vb.net.locator import Locator
from vb.net.resolver import Resolver

DOMAIN = (
    "SRV _sip._udp.example.test 1 0 5060 dead.example.test",
    f"SRV _sip._udp.example.test 2 0 5060 {PEER}",
    "ADDRESS dead.example.test 192.0.2.99",
    "SRV _sip._udp.gone.test 0 0 0",
)


@asynccontextmanager
async def named(*lines: str, **settings: object) -> AsyncIterator[World]:
    """A world with a DNS."""
    async with world(**settings) as w:  # type: ignore[arg-type]
        w.network.unreachable.add("192.0.2.99")
        w.endpoint._locator = Locator(Resolver(dns=Zone(*DOMAIN, *lines), rng=Random(1)), ("UDP",))
        yield w


@pytest.mark.parametrize(
    ("to", "proxy"), [("sip:bob@example.test", ""), ("sip:bob@nowhere.test", "sip:example.test;transport=udp")]
)
async def test_the_next_server_when_the_first_is_out_of_reach(to: str, proxy: str) -> None:
    async with named() as w:
        w.service.create_outbound(OutboundRequest(to=to, outbound_proxy=proxy))
        await settle()
        assert [p.target[0] for p in w.network.log if p.data.startswith(b"INVITE")][-1] == PEER
        w.peer.do(w.peer.called.accept, sdp())
        await settle()
        w.leg.hangup()
        await settle()
        assert w.events[-1] == "leg.disconnected"
        assert w.reasons() == ["api_hangup"]


async def test_a_domain_without_servers() -> None:
    async with named() as w:
        w.service.create_outbound(OutboundRequest(to="sip:bob@gone.test"))
        assert w.events == ["leg.ringing"]
        await settle()
        assert w.reasons() == ["invite_failed"]
        assert w.sent("INVITE") == []


async def test_a_call_that_is_given_up_while_its_servers_are_looked_for() -> None:
    async with named() as w:
        leg = w.service.create_outbound(OutboundRequest(to="sip:bob@example.test"))
        assert leg.call_id == ""
        leg.hangup()
        await settle()
        assert w.reasons() == ["api_hangup"]
        assert w.sent("INVITE") == []


async def test_servers_of_our_ip_version_come_first() -> None:
    lines = ("ADDRESS both.test 2001:db8::9", f"ADDRESS both.test {PEER}")
    async with named(*lines) as w:
        w.service.create_outbound(OutboundRequest(to="sip:bob@both.test"))
        await settle()
        assert {p.target[0] for p in w.network.log if p.data.startswith(b"INVITE")} == {PEER}
        w.leg.hangup()
