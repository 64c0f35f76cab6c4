"""Session timers as a leg sees them: refreshes that change nothing, and the end `session_expired` (RFC 4028)."""

from __future__ import annotations

import trio

from tests.legs.sip.test_in_call import answer_reinvite
from tests.legs.sip.world import PEER, World, sdp, settle, world
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.effects import AnswerReceived, RefusalReceived
from vb.sip.invite_uac import InviteClientSession

WITHOUT_UPDATE = ("Allow", "INVITE, ACK, BYE, CANCEL")


async def called(w: World, *lines: tuple[str, str]) -> InviteClientSession:
    w.peer.acknowledge_answers()
    if WITHOUT_UPDATE in lines:
        w.peer.agent._core._identity[0] = WITHOUT_UPDATE  # in its responses too
    session = w.peer.call(sdp("0 101"), lines)
    await settle()
    w.leg.answer()
    await settle()
    return session


async def test_an_interval_that_is_too_small_makes_no_leg() -> None:
    async with world() as w:
        w.peer.call(sdp(), [("Supported", "timer"), ("Session-Expires", "30")])
        await settle()
        refusal = w.peer.last(RefusalReceived).response
        assert (refusal.status, refusal.headers.get("Min-SE")) == (422, "90")
        assert w.events == []


async def test_the_callers_interval_is_answered() -> None:
    async with world() as w:
        await called(w, ("Supported", "timer"), ("Session-Expires", "1800"))
        answer = w.peer.last(AnswerReceived).response
        assert answer.headers.get("Session-Expires") == "1800;refresher=uac"
        assert answer.require == ("timer",)


async def test_we_refresh_by_reinvite_and_a_refusal_ends_the_call() -> None:
    # §7.4, §10: refused with 481 at 45 s, over a quarter of the interval later
    async with world(rtp_timeout=0.0) as w:
        await called(w, ("Session-Expires", "90;refresher=uas"), WITHOUT_UPDATE)
        await trio.sleep(45)
        offer = await answer_reinvite(w, 200, sdp("0 101", port=44000))
        assert b"a=sendrecv" in offer
        assert len(w.sent("INVITE")) == 1
        assert "Session-Expires: 90;refresher=uac" in w.sent("INVITE")[0]
        assert w.leg.port.inbound.params.remote_port == 44000
        await trio.sleep(45)
        await answer_reinvite(w, 481)
        await trio.sleep(20)
        assert w.reasons() == []
        await trio.sleep(5)
        assert w.reasons() == ["session_expired"]
        assert len(w.sent("BYE")) == 1
        assert w.events == ["leg.ringing", "leg.connected", "leg.disconnected"]


async def test_a_refresh_keeps_a_hold() -> None:
    async with world(rtp_timeout=0.0) as w:
        await called(w, ("Session-Expires", "90;refresher=uas"), WITHOUT_UPDATE)
        w.leg.hold()
        await answer_reinvite(w, 200, sdp("0 101", "recvonly"))
        await trio.sleep(46)
        assert b"a=sendonly" in await answer_reinvite(w, 200, sdp("0 101", "recvonly"))
        assert w.leg.state == "held"
        assert w.events == ["leg.ringing", "leg.connected", "leg.hold"]


async def test_an_answer_to_a_refresh_that_cannot_be_used_changes_nothing() -> None:
    async with world(rtp_timeout=0.0) as w:
        await called(w, ("Session-Expires", "90;refresher=uas"), WITHOUT_UPDATE)
        before = w.leg.port.inbound.params
        await trio.sleep(45)
        await answer_reinvite(w, 200, b"nonsense")
        assert w.leg.port.inbound.params == before
        assert w.leg.state == "connected"


async def test_we_refresh_by_update() -> None:
    async with world(rtp_timeout=0.0) as w:
        await called(w, ("Session-Expires", "90;refresher=uas"))
        await trio.sleep(300)
        assert len(w.sent("UPDATE")) == 6
        assert w.sent("INVITE") == []
        assert w.leg.state == "connected"


async def test_a_caller_that_owes_a_refresh() -> None:
    async with world(rtp_timeout=0.0) as w:
        await called(w, ("Supported", "timer"), ("Session-Expires", "90"))
        await trio.sleep(121)
        assert w.reasons() == []
        await trio.sleep(2)
        assert w.reasons() == ["session_expired"]


async def test_our_calls_ask() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=f"sip:bob@{PEER}"))
        await settle()
        assert w.peer.called.request.headers.get("Session-Expires") == "1800"
        assert "timer" in w.peer.called.request.supported
