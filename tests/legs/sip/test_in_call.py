"""Inside a call: hold by the peer, new addresses and codecs, digits, silence."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio

from tests.legs.sip.world import PEER, World, sdp, settle, world
from vb.call.errors import Conflict, Invalid
from vb.legs.sip.outbound_request import OutboundRequest
from vb.media.events import DtmfReceived, RowFailed, SpeechStarted, SpeechStopped
from vb.media.port import Port
from vb.sip.effects import ReinviteReceived, Send, SessionEnded
from vb.sip.session import Session


async def connected(w: World, body: bytes = b"") -> tuple[Any, Session]:
    w.peer.acknowledge_answers()
    session = w.peer.call(body or sdp("0 8 101"))
    await settle()
    leg = w.leg
    leg.answer()
    await settle()
    return leg, session


def reinvite(w: World, session: Session, body: bytes, method: str = "INVITE") -> None:
    """A request inside the dialog by hand: the peer's agent has no verb for it."""
    assert session.dialog is not None
    core = w.peer.agent._core

    def send(now: float) -> None:
        assert session.dialog is not None
        request, hop = core.dialog_request(
            session.dialog, method, session.hop, body=body, content_type="application/sdp" if body else None
        )
        if method == "INVITE":
            core.layer.start_invite(request, hop, session, now, lambda response: b"")
        else:
            core.layer.start_request(request, hop, session, now)

    w.peer.endpoint.command(send)


def acknowledge(w: World, session: Session, sequence: int, body: bytes = b"") -> None:
    core = w.peer.agent._core

    def send(now: float) -> None:
        assert session.dialog is not None
        request, hop = core.dialog_request(
            session.dialog,
            "ACK",
            session.hop,
            sequence=sequence,
            body=body,
            content_type="application/sdp" if body else None,
        )
        core.layer.sends.append(Send(request.to_bytes(), hop))

    w.peer.endpoint.command(send)


def last_sequence(session: Session) -> int:
    assert session.dialog is not None
    return session.dialog.local_sequence


async def exchange(w: World, session: Session, body: bytes, ack: bytes = b"") -> str:
    """A re-INVITE and its ACK; the last final response to it."""
    reinvite(w, session, body)
    await settle()
    acknowledge(w, session, last_sequence(session), ack)
    await settle()
    return [text for text in w.sent("SIP/2.0 ") if f"CSeq: {last_sequence(session)} INVITE" in text][-1]


async def test_hold_and_unhold_by_every_direction() -> None:
    async with world() as w:
        leg, session = await connected(w)
        expected = ["leg.ringing", "leg.connected"]
        for direction, answer, state, told in [
            ("sendonly", "recvonly", "held", "leg.hold"),
            ("inactive", "inactive", "held", None),
            ("", "sendrecv", "held", None),  # no direction says nothing about hold
            ("sendrecv", "sendrecv", "connected", "leg.unhold"),
            ("sendrecv", "sendrecv", "connected", None),
            ("inactive", "inactive", "held", "leg.hold"),
            ("recvonly", "sendonly", "connected", "leg.unhold"),
        ]:
            response = await exchange(w, session, sdp("0 101", direction))
            assert response.startswith("SIP/2.0 200")
            assert f"a={answer}\r\n" in response
            assert (leg.state, leg.held) == (state, state == "held")
            expected += [told] if told else []
            assert w.events == expected
        assert leg.port.inbound.params.send is True


async def test_held_legs_are_sent_nothing() -> None:
    async with world() as w:
        leg, session = await connected(w)
        await exchange(w, session, sdp("0", "sendonly"))
        assert leg.port.inbound.params.send is False
        assert leg.port.inbound.params.receive_enabled is True


async def test_a_new_address_and_a_new_codec_take_effect() -> None:
    """RFC 3264 §8.3.1, §8.3.2."""
    async with world() as w:
        leg, session = await connected(w)
        assert leg.port.inbound.params.codec_name == "PCMU"
        await exchange(w, session, sdp("8 101", port=44000))
        params = leg.port.inbound.params
        assert (params.remote_host, params.remote_port, params.codec_name) == (PEER, 44000, "PCMA")


async def test_update_does_the_same() -> None:
    # RFC 3311
    async with world() as w:
        leg, session = await connected(w)
        reinvite(w, session, sdp("0", "sendonly", port=44000), "UPDATE")
        await settle()
        assert leg.state == "held"
        assert leg.port.inbound.params.remote_port == 44000


@pytest.mark.parametrize(
    ("body", "status"),
    [(sdp("18"), 488), (sdp().replace(b"RTP/AVP", b"RTP/SAVP"), 488), (b"nonsense", 400)],
)
async def test_a_refused_reinvite_leaves_the_session_as_it_was(body: bytes, status: int) -> None:
    # RFC 3261 §14.2
    async with world() as w:
        leg, session = await connected(w)
        before = leg.port.inbound.params
        reinvite(w, session, body)
        await settle()
        assert w.sent(f"SIP/2.0 {status}")
        assert leg.state == "connected"
        assert leg.port.inbound.params == before


async def test_a_reinvite_without_offer_gets_ours() -> None:
    async with world() as w:
        leg, session = await connected(w)
        response = await exchange(w, session, b"", ack=sdp("0 101", port=45000))
        assert "m=audio" in response
        assert leg.port.inbound.params.remote_port == 45000
        assert leg.state == "connected"


@pytest.mark.parametrize("answer", [b"", b"nonsense", sdp("18")])
async def test_a_reinvite_without_offer_whose_ack_has_no_usable_answer_changes_nothing(answer: bytes) -> None:
    # RFC 3261 §14.2: the session stays as it was; and the next exchange is read by itself
    async with world() as w:
        leg, session = await connected(w)
        before = leg.port.inbound.params
        response = await exchange(w, session, b"", ack=answer)
        assert "RTP/AVP 0 8 101" in response, "all that we can do, as for a new call"
        assert leg.port.inbound.params == before
        assert leg.state == "connected"
        await exchange(w, session, sdp("8 101", port=44000))
        assert leg.port.inbound.params.codec_name == "PCMA"


async def test_a_reinvite_whose_answer_is_never_acknowledged_ends_the_call() -> None:
    # RFC 3261 §14.2, §13.3.1.4: on either side
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=f"sip:bob@{PEER}"))
        await settle()
        session = w.peer.called
        w.peer.do(session.accept, sdp())
        await settle()
        assert leg.state == "connected"
        reinvite(w, session, sdp("0", "sendonly"))
        await trio.sleep(40)
        assert w.reasons() == ["ack_timeout"]


async def test_a_session_that_is_gone_takes_its_leg_along() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        w.service.on_event(SessionEnded(leg.session))
        await settle()
        assert w.reasons() == ["internal_error"]


async def answer_reinvite(w: World, status: int, body: bytes = b"") -> bytes:
    """The peer answers our re-INVITE; the offer that it got."""
    await settle()
    event = w.peer.last(ReinviteReceived)
    w.peer.do(event.session.respond_reinvite, status, body)
    await settle()
    offer: bytes = event.request.body
    return offer


async def test_hold_and_unhold_by_us() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        leg.hold()
        assert leg.state == "connected"  # until the peer agrees
        leg.hold()  # it is under way
        with pytest.raises(Conflict, match="a hold is under way"):
            leg.unhold()
        assert b"a=sendonly" in await answer_reinvite(w, 200, sdp("0 101", "recvonly"))
        assert (leg.state, leg.held) == ("held", True)
        assert leg.port.inbound.params.send is False
        leg.hold()  # again: no message, no event
        leg.unhold()
        leg.unhold()
        with pytest.raises(Conflict, match="an unhold is under way"):
            leg.hold()
        assert b"a=sendrecv" in await answer_reinvite(w, 200, sdp("0 101"))
        assert leg.state == "connected"
        assert leg.port.inbound.params.send is True
        leg.unhold()
        await settle()
        assert w.events[2:] == ["leg.hold", "leg.unhold"]
        assert w.recorder.events[-1].data == {"leg_type": "sip_inbound"}


async def test_a_peer_that_resumes_does_not_end_our_hold() -> None:
    async with world() as w:
        leg, session = await connected(w)
        leg.hold()
        await answer_reinvite(w, 200, sdp("0 101", "recvonly"))
        response = await exchange(w, session, sdp("0 101", "sendrecv"))
        assert "a=sendonly" in response
        assert leg.state == "held"
        assert leg.port.inbound.params.send is False
        leg.unhold()
        await answer_reinvite(w, 200, sdp("0 101", "sendonly"))  # now it is the peer that holds
        assert leg.state == "held"
        await exchange(w, session, sdp("0 101", "sendrecv"))
        assert leg.state == "connected"
        assert w.events[2:] == ["leg.hold", "leg.unhold"]


async def test_an_unhold_that_meets_491_is_a_new_offer_after_that_of_the_peer() -> None:
    """RFC 3264 §8, RFC 3261 §14.1: what the peer has changed meanwhile counts, and the version only grows."""
    async with world() as w:
        leg, session = await connected(w)
        leg.hold()
        first = await answer_reinvite(w, 200, sdp("0 101", "recvonly"))
        leg.unhold()
        await answer_reinvite(w, 491)
        between = await exchange(w, session, sdp("0 101", "sendrecv", port=40002))
        await trio.sleep(5)
        again = await answer_reinvite(w, 200, sdp("0 101", port=40002))
        assert b"a=sendrecv" in again
        assert leg.state == "connected"
        assert "leg.command_failed" not in w.events
        versions = [int(re.search(r"o=- \d+ (\d+)", text)[1]) for text in (first.decode(), between, again.decode())]  # type: ignore[index]
        assert versions == sorted(versions)


async def test_a_hold_that_comes_too_early_leaves_the_offer_under_way_alone() -> None:
    """The answer is read against the offer that was sent (RFC 3264 §7)."""
    async with world() as w:
        leg, _ = await connected(w)
        leg._refresh()
        with pytest.raises(Conflict, match="another INVITE"):
            leg.hold()
        assert b"a=sendrecv" in await answer_reinvite(w, 200, sdp("0 101"))
        assert leg._media.current.direction == "sendrecv"
        assert leg.state == "connected"


async def test_a_refused_hold_changes_nothing() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        leg.hold()
        await answer_reinvite(w, 488)
        assert leg.state == "connected"
        assert w.recorder.events[-1].data == {
            "command": "hold",
            "error": "hold re-INVITE: re-INVITE rejected: 488 Not Acceptable Here",
        }
        leg.hold()
        await answer_reinvite(w, 200, sdp("0 101", "recvonly"))
        assert leg.state == "held"


@pytest.mark.parametrize(("status", "reason"), [(481, "sip_481"), (408, "timeout"), (0, "timeout")])
async def test_a_hold_that_finds_the_dialog_dead_ends_the_call(status: int, reason: str) -> None:
    # RFC 3261 §12.2.1.2
    async with world(rtp_timeout=0.0) as w:
        leg, _ = await connected(w)
        if not status:
            w.network.down.add(PEER)
        leg.hold()
        if status:
            await answer_reinvite(w, status)
        await trio.sleep(80)
        assert w.events[2:] == ["leg.command_failed", "leg.disconnected"]
        assert w.reasons() == [reason]


async def test_a_hold_that_is_not_possible() -> None:
    async with world() as w:
        w.peer.call(sdp())
        await settle()
        for verb in (w.leg.hold, w.leg.unhold):
            with pytest.raises(Conflict, match="leg is ringing, expected connected or held"):
                verb()


async def test_digits_are_told_in_order() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        for digit in "1#":
            leg._notified(DtmfReceived(digit, 120))
        told = [event.data for event in w.recorder.of("dtmf.received")]
        assert told == [
            {"digit": "1", "seq": 1, "method": "rfc4733", "duration_ms": 120},
            {"digit": "#", "seq": 2, "method": "rfc4733", "duration_ms": 120},
        ]


async def test_speech_is_detected_when_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[bool] = []
    monkeypatch.setattr(Port, "detect_speech", lambda self, wanted: watched.append(wanted))
    for switched_on in (True, False):
        async with world(speech_detection=switched_on) as w:
            leg, _ = await connected(w)
            assert watched == [True]
            for event in (SpeechStarted(), SpeechStopped(), SpeechStarted()):
                leg._notified(event)
            leg.end("api_hangup")
            leg._notified(SpeechStopped())  # on its way when the leg ended
            await settle()
            told = [event for event in w.events if event.startswith("speaking") or event == "leg.disconnected"]
            assert told == [*["speaking.started", "speaking.stopped"] * 2, "leg.disconnected"]


async def test_digits_out() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        leg.send_dtmf("1d#")
        for wrong in ("", "12x", "E", "1 2"):
            with pytest.raises(Invalid):
                leg.send_dtmf(wrong)


async def test_more_digits_than_may_wait_are_a_conflict() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        for _ in range(4):
            leg.send_dtmf("0123456789abcd*#" * 4)  # 256 altogether
        with pytest.raises(Conflict, match="waiting"):
            leg.send_dtmf("1")


async def test_no_digits_to_a_peer_that_offered_none() -> None:
    async with world() as w:
        leg, _ = await connected(w, sdp("0"))
        with pytest.raises(Invalid, match="no DTMF channel"):
            leg.send_dtmf("1")


async def test_a_failed_row_ends_its_leg() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        leg._notified(RowFailed(OSError("gone")))
        await settle()
        assert w.reasons() == ["internal_error"]


async def test_silence_ends_the_call() -> None:
    async with world(rtp_timeout=30.0) as w:
        await connected(w)
        await trio.sleep(29)
        assert w.reasons() == []
        await trio.sleep(2)
        assert w.reasons() == ["rtp_timeout"]


async def test_silence_counts_from_the_last_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    async with world(rtp_timeout=30.0) as w:
        leg, _ = await connected(w)
        heard = trio.current_time() + 20
        monkeypatch.setattr(type(leg.port), "last_heard", property(lambda port: heard))
        await trio.sleep(49)
        assert w.reasons() == []
        await trio.sleep(2)
        assert w.reasons() == ["rtp_timeout"]


async def test_silence_is_no_reason_while_held_or_not_to_be_heard() -> None:
    async with world(rtp_timeout=30.0, hold_limit=7200.0) as w:
        _, session = await connected(w)
        await exchange(w, session, sdp("0", "sendonly"))
        await trio.sleep(3600)
        assert w.reasons() == []
        await exchange(w, session, sdp("0", "recvonly"))
        await trio.sleep(3600)
        assert w.reasons() == []
        await exchange(w, session, sdp("0", "sendrecv"))
        await trio.sleep(31)
        assert w.reasons() == ["rtp_timeout"]


async def test_a_held_call_ends_after_two_hours() -> None:
    async with world(rtp_timeout=30.0, hold_limit=7200.0) as w:
        _, session = await connected(w)
        await exchange(w, session, sdp("0", "inactive"))
        await trio.sleep(7199)
        assert w.reasons() == []
        await trio.sleep(2)
        assert w.reasons() == ["rtp_timeout"]


async def test_silence_never_ends_it_when_switched_off() -> None:
    async with world(rtp_timeout=0.0) as w:
        await connected(w)
        await trio.sleep(86400)
        assert w.reasons() == []


async def test_mute_and_deaf_reach_the_port_and_are_told_each_time() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        leg.set_muted(True)
        leg.set_muted(True)
        leg.set_deaf(True)
        assert leg.port.muted is True
        assert leg.port.deaf is True
        leg.set_muted(False)
        leg.set_deaf(False)
        assert w.events[2:] == ["leg.muted", "leg.muted", "leg.deaf", "leg.unmuted", "leg.undeaf"]


async def test_verbs_of_the_other_kind() -> None:
    async with world() as w:
        leg, _ = await connected(w)
        with pytest.raises(Conflict):
            leg.ring()
