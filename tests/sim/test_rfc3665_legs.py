"""Call flows of RFC 3665 with a SIP leg as Alice or Bob: the platform's verbs in place of those of the agent."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import trio

from tests.sim.flows import LONG, Player, read_flow
from tests.sim.network import VirtualNetwork
from tests.sim.platforms import Site
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.sip_leg import SipLeg
from vb.sip.digest import Credentials
from vb.sip.message import Message, Request

ALICE, BOB, BOB_IN_CHICAGO = "192.0.2.101", "192.0.2.201", "192.0.2.100"
WORDS = {486: "busy", 480: "unavailable"}


class Operator:
    """Does what the text does next, by the verbs of the only leg."""

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def leg(self) -> SipLeg:
        [leg] = self._site.all_legs
        return leg

    def act(self, wanted: Message) -> None:
        if isinstance(wanted, Request):
            if wanted.method == "INVITE" and not self._site.all_legs:
                self._dial(wanted)
            elif wanted.method in ("BYE", "CANCEL"):
                self.leg.hangup()
        elif wanted.cseq.method == "INVITE" and wanted.status == 180:
            self.leg.ring()
        elif wanted.cseq.method == "INVITE" and wanted.status == 200:
            self.leg.answer()
        elif wanted.status in WORDS:
            self.leg.hangup(WORDS[wanted.status])

    def _dial(self, wanted: Request) -> None:
        [proxy] = wanted.routes
        request = OutboundRequest(
            to=str(wanted.uri),
            from_=f"Alice <{wanted.from_.uri}>",
            outbound_proxy=str(proxy.uri),
            auth=Credentials("alice", "secret"),
        )
        self._site.service.create_outbound(request)


FLOWS = [
    ("3.01", BOB, "<1 >2 >3 <4 >5 <6", "api_hangup"),
    ("3.02", ALICE, ">1 <2 >3 >4 <6 <11 <14 >15 <20 >21", "remote_bye"),
    ("3.02", BOB, "<7 >9 >12 <17 >18 <23", "api_hangup"),
    ("3.03", BOB, "<15 >16 <21", ""),
    ("3.03", ALICE, ">1 <2 >3 >4 <5 <9 >10 >11 <12 <18 >19", ""),
    ("3.04", BOB, "<12 >14 >16 <19 >20 <23", "api_hangup"),
    ("3.05", ALICE, ">1 <3 <8 <11 >12 >14 <17", "api_hangup"),
    ("3.05", BOB, "<4 >6 >9 <13 <15 >16", "remote_bye"),
    ("3.06", BOB_IN_CHICAGO, "<5 >7 >9 <12 >13 <16", "api_hangup"),
    ("3.08", ALICE, ">1 <3 <8 >9 <10 <19 >20", "api_hangup"),
    ("3.08", BOB, "<4 >6 <13 >14 >15 <16", "caller_cancel"),
    ("3.09", ALICE, ">1 <3 <10 >11", "busy"),
    ("3.09", BOB, "<4 >6 <7", "busy"),
    ("3.10", ALICE, ">1 <3 <14 >15", "unavailable"),
    ("3.11", ALICE, ">1 <3 <8 <13 >14", "unavailable"),
    ("3.11", BOB, "<4 >6 >9 <10", "unavailable"),
]


@pytest.mark.parametrize(("section", "host", "script", "reason"), FLOWS)
async def test_the_flow(section: str, host: str, script: str, reason: str) -> None:
    """RFC 3665 §3: the messages of the text, one leg, and one end with the reason that it shows."""
    network = VirtualNetwork(Random(1))
    site = Site(network, host, rtp_timeout=0.0)
    async with trio.open_nursery() as nursery:
        await site.run(nursery)
        await Player(network, (host,), read_flow("rfc3665", section)).play(script, Operator(site))
        [leg] = site.all_legs
        if not reason:
            assert leg.state == "connected"
            site.hang_up_everything()
        await trio.sleep(LONG)
        [ended] = site.recorder.of("leg.disconnected")
        data: dict[str, Any] = ended.data
        assert data["cdr"]["reason"] == (reason or "api_hangup")
        site.assert_nothing_left()
        nursery.cancel_scope.cancel()
    site.clock.close()
