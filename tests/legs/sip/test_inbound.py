"""Inbound calls: parked, answered, refused, cancelled, forgotten (semantics of inbound SIP legs)."""

from __future__ import annotations

import json

import pytest
import trio

from tests.legs.sip.world import PEER, sdp, settle, world
from vb.call.errors import Conflict, Invalid, NotFound
from vb.call.events import Webhook
from vb.call.reasons import REJECTIONS
from vb.sip.effects import AnswerReceived, ByeReceived, RefusalReceived


async def test_ringing_tells_who_calls() -> None:
    async with world() as w:
        w.peer.call(sdp("8 0 101"), [("X-Order", "7"), ("X-App-ID", "shop"), ("Subject", "no")])
        await settle()
        (event,) = w.recorder.events
        fields = json.loads(event.json)
        assert fields == {
            "type": "leg.ringing",
            "timestamp": fields["timestamp"],
            "event_id": event.event_id,
            "instance_id": "node-1",
            "app_id": "shop",
            "leg_id": w.leg.id,
            "leg_type": "sip_inbound",
            "from": "alice",
            "to": "service",
            "sip_headers": {"X-Order": "7", "X-App-ID": "shop"},
            "offered_codecs": [
                {"name": "PCMA", "payload_type": 8, "clock_rate": 8000, "priority": 1},
                {"name": "PCMU", "payload_type": 0, "clock_rate": 8000, "priority": 2},
            ],
            "source_address": f"{PEER}:5060",
        }
        assert w.leg.view()["state"] == "ringing"
        assert w.sent("SIP/2.0 100")
        assert not w.sent("SIP/2.0 180")


async def test_a_whole_call_hung_up_by_the_operator() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp())
        await settle()
        leg = w.leg
        leg.answer()
        assert leg.answering
        await settle()
        assert w.events == ["leg.ringing", "leg.connected"]
        assert w.recorder.events[-1].data == {"leg_type": "sip_inbound", "codec": "PCMU", "srtp": ""}
        assert b"m=audio" in w.peer.last(AnswerReceived).response.body
        await trio.sleep(2)
        leg.hangup("busy")  # ignored: the call is answered
        with pytest.raises(NotFound):
            w.legs.get(leg.id)
        await settle()
        assert isinstance(w.peer.last(ByeReceived), ByeReceived)
        assert w.reasons() == ["api_hangup"]
        cdr = w.recorder.events[-1].data["cdr"]
        assert cdr["duration_answered"] == pytest.approx(2.04, abs=0.02)
        assert w.pool.in_use == 0


@pytest.mark.parametrize(("word", "status"), list(REJECTIONS.items()))
async def test_words_of_refusal(word: str, status: int) -> None:
    async with world() as w:
        w.peer.call(sdp())
        await settle()
        w.leg.hangup(word)
        await settle()
        assert w.peer.last(RefusalReceived).response.status == status
        assert w.reasons() == [word]


async def test_refusal_without_a_word_and_with_an_unknown_one() -> None:
    async with world() as w:
        w.peer.call(sdp())
        await settle()
        with pytest.raises(Invalid, match='unknown reason "because"'):
            w.leg.hangup("because")
        w.leg.hangup()
        await settle()
        assert w.peer.last(RefusalReceived).response.status == 480
        assert w.reasons() == ["api_hangup"]


async def test_the_caller_gives_up() -> None:
    async with world() as w:
        session = w.peer.call(sdp())
        await settle()
        leg = w.leg
        leg.ring()
        await settle()
        w.peer.do(session.cancel)
        await settle()
        assert w.peer.last(RefusalReceived).response.status == 487
        assert w.reasons() == ["caller_cancel"]
        with pytest.raises(Conflict):
            leg.answer()


async def test_nobody_decides() -> None:
    async with world(ring_limit=180.0) as w:
        w.peer.call(sdp())
        await trio.sleep(179)
        assert w.events == ["leg.ringing"]
        await trio.sleep(2)
        assert w.peer.last(RefusalReceived).response.status == 480
        assert w.reasons() == ["ring_timeout"]


async def test_the_caller_limits_the_wait_itself() -> None:
    async with world(ring_limit=180.0) as w:
        w.peer.call(sdp(), headers=[("Expires", "20")])
        await trio.sleep(19)
        assert w.events == ["leg.ringing"]
        await trio.sleep(2)
        assert w.peer.last(RefusalReceived).response.status == 487  # RFC 3261 §13.3.1
        assert w.reasons() == ["ring_timeout"]


async def test_an_answered_call_does_not_expire() -> None:
    async with world(rtp_timeout=0.0) as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp(), headers=[("Expires", "20")])
        await settle()
        w.leg.answer()
        await trio.sleep(30)
        assert w.leg.state == "connected"


async def test_early_media_locks_the_codec_and_the_description() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp("8 0 101"))
        await settle()
        w.leg.early_media("pcmu")
        await settle()
        assert w.leg.state == "early_media"
        early = w.peer.last(type(w.peer.events[-1])).response
        assert early.status == 183
        for verb in (w.leg.ring, w.leg.early_media):
            with pytest.raises(Conflict, match="leg is early_media, not ringing"):
                verb()
        w.leg.answer("PCMA")
        await settle()
        assert w.peer.last(AnswerReceived).response.body == early.body
        assert w.events == ["leg.ringing", "leg.connected"]
        with pytest.raises(Conflict, match="leg is connected, expected ringing or early_media"):
            w.leg.answer()


async def test_codec_by_name() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp("0 8 101"))
        await settle()
        with pytest.raises(Invalid, match='unknown codec "nonsense"'):
            w.leg.answer("nonsense")
        with pytest.raises(Invalid, match='codec "opus" not in remote offer'):
            w.leg.answer("opus")
        w.leg.answer("pcma")
        await settle()
        assert w.recorder.events[-1].data["codec"] == "PCMA"


async def test_no_codec_in_common() -> None:
    async with world() as w:
        w.peer.call(sdp("18 3"))
        await settle()
        assert "offered_codecs" not in w.recorder.events[0].fields
        w.leg.answer()
        await settle()
        assert w.peer.last(RefusalReceived).response.status == 488
        assert w.events == ["leg.ringing", "leg.command_failed", "leg.disconnected"]
        assert w.recorder.events[1].data["command"] == "answer"
        assert w.reasons() == ["not_acceptable"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"nonsense", 400), (sdp().replace(b"RTP/AVP", b"RTP/SAVP"), 488)],
)
async def test_offers_that_cannot_be_used_make_no_leg(body: bytes, status: int) -> None:
    async with world() as w:
        w.peer.call(body)
        await settle()
        assert w.peer.last(RefusalReceived).response.status == status
        assert w.events == []


async def test_invite_without_offer_gets_ours_and_answers_in_the_ack() -> None:
    # RFC 3261 §13.2.1
    async with world() as w:
        w.peer.acknowledge_answers(sdp("8 101"))
        w.peer.call()
        await settle()
        with pytest.raises(Conflict, match="no offer"):
            w.leg.early_media()
        w.leg.answer()
        await settle()
        assert b"m=audio" in w.peer.last(AnswerReceived).response.body
        assert w.events == ["leg.ringing", "leg.connected"]
        assert w.recorder.events[-1].data["codec"] == "PCMA"


async def test_invite_without_offer_whose_ack_has_no_answer() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call()
        await settle()
        w.leg.answer()
        await settle()
        assert w.events == ["leg.ringing", "leg.command_failed", "leg.disconnected"]
        assert w.reasons() == ["connect_failed"]
        assert isinstance(w.peer.last(ByeReceived), ByeReceived)


async def test_no_ack_ever() -> None:
    async with world() as w:
        w.peer.call(sdp())
        await settle()
        w.leg.answer()
        await trio.sleep(40)
        assert w.events == ["leg.ringing", "leg.disconnected"]
        assert w.reasons() == ["ack_timeout"]


async def test_hangup_between_200_and_ack_waits_with_the_bye() -> None:
    # RFC 3261 §15: a UAS must not send BYE before the ACK
    async with world() as w:
        session = w.peer.call(sdp())
        await settle()
        leg = w.leg
        leg.answer()
        await settle()
        leg.hangup()
        await settle()
        assert not w.sent("BYE")
        assert w.reasons() == ["api_hangup"]
        w.peer.do(session.ack)
        await settle()
        assert len(w.sent("BYE")) == 1
        assert w.events == ["leg.ringing", "leg.disconnected"]


async def test_bye_directly_behind_the_ack() -> None:
    async with world() as w:
        session = w.peer.call(sdp())
        await settle()
        w.leg.answer()
        await settle()
        w.peer.do(session.ack)
        w.peer.do(session.bye)
        await settle()
        assert w.events == ["leg.ringing", "leg.connected", "leg.disconnected"]
        assert w.reasons() == ["remote_bye"]


async def test_a_bye_that_overtakes_the_ack() -> None:
    async with world() as w:
        session = w.peer.call(sdp())
        await settle()
        w.leg.answer()
        await settle()
        w.network.weather = type(w.network.weather)(delay=0.03)
        w.peer.do(session.ack)
        w.network.weather = type(w.network.weather)(delay=0.001)
        w.peer.do(session.bye)
        await settle()
        assert w.events == ["leg.ringing", "leg.disconnected"]
        assert w.reasons() == ["remote_bye"]


async def test_the_reason_header_of_a_bye_is_told() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        session = w.peer.call(sdp())
        await settle()
        w.leg.answer()
        await settle()
        w.peer.do(session.bye, [("Reason", 'SIP;cause=503;text="gone"')])
        await settle()
        data = w.recorder.events[-1].data
        assert (data["sip_code"], data["sip_reason"]) == (503, "gone")


async def test_webhook_of_the_invite_or_the_global_one() -> None:
    everywhere = Webhook("http://global", "g")
    async with world(webhook=everywhere) as w:
        w.peer.call(sdp(), [("X-Webhook-URL", "http://leg/hook"), ("X-Webhook-Secret", "hush-hush")])
        await settle()
        assert w.recorder.events[0].route == Webhook("http://leg/hook", "hush-hush")
        assert b"hush-hush" not in w.recorder.events[0].json
        w.peer.call(sdp(), [("X-Webhook-URL", "ftp://no")])
        await settle()
        assert w.recorder.events[1].route == everywhere


async def test_ringing_by_itself() -> None:
    async with world(auto_ringing=True) as w:
        w.peer.call(sdp())
        await settle()
        assert len(w.sent("SIP/2.0 180")) == 1


@pytest.mark.parametrize("limits", [{"max_parked": 2}, {"max_calls": 2}])
async def test_too_many_calls(limits: dict[str, int]) -> None:
    async with world(**limits) as w:
        for _ in range(3):
            w.peer.call(sdp())
        await settle()
        refusal = w.peer.last(RefusalReceived).response
        assert refusal.status == 503
        assert refusal.headers.get("Retry-After")
        assert w.legs.active == 2
        w.legs.all()[0].hangup()
        w.peer.call(sdp())
        await settle()
        assert w.legs.active == 2


async def test_a_decided_call_is_not_parked() -> None:
    async with world(max_parked=1) as w:
        w.peer.acknowledge_answers()
        for n in range(3):
            w.peer.call(sdp())
            await settle()
            w.legs.all()[n].answer()
            await settle()
        assert w.service.parked == 0
        assert w.legs.active == 3


async def test_no_rtp_port_is_left() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp())
        await settle()
        w.pool._ports = range(2, 3)  # the only port of this pool is taken
        w.pool._in_use.add(2)
        w.leg.answer()
        await settle()
        refusal = w.peer.last(RefusalReceived).response
        assert refusal.status == 503
        assert w.events == ["leg.ringing", "leg.command_failed", "leg.disconnected"]
        assert w.reasons() == ["service_unavailable"]
        w.pool._ports = range(0)
        w.pool._in_use.clear()
        w.peer.call(sdp())
        await settle()
        w.leg.answer()
        await settle()
        assert w.events[-1] == "leg.connected"


async def test_a_crash_ends_that_leg_alone() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        session = w.peer.call(sdp())
        await settle()
        crashing = w.leg
        crashing.answer()
        await settle()
        crashing._reinvited = lambda request: 1 / 0
        other = w.peer.call(sdp())
        await settle()
        dialog_request = sdp("0", "sendonly")
        assert dialog_request
        assert session.dialog
        assert other
        w.service._guarded(crashing, lambda: crashing._reinvited(None))
        await settle()
        assert w.reasons() == ["internal_error"]
        assert [leg.state for leg in w.legs.all()] == ["ringing"]
        assert isinstance(w.peer.last(ByeReceived), ByeReceived)


async def test_shutdown_refuses_parked_and_hangs_up_connected() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp())
        await settle()
        w.leg.answer()
        w.peer.call(sdp())
        await settle()
        w.service.drain()
        for leg in w.legs.all():
            leg.end("shutdown")
        w.peer.call(sdp())
        await settle()
        assert sorted(w.peer.statuses())[-2:] == [503, 503]
        assert isinstance(w.peer.last(ByeReceived), ByeReceived)
        assert w.reasons() == ["shutdown", "shutdown"]
