"""Before the answer: reliable 183 and PRACK, UPDATE, delayed offers, forks (RFC 3262, RFC 3311, RFC 3261 §13.2.2.4)."""

from __future__ import annotations

import pytest
import trio

from tests.legs.sip.test_in_call import reinvite
from tests.legs.sip.world import PEER, World, sdp, settle, world
from tests.sim.network import Weather
from vb.call.errors import Conflict
from vb.legs.sip.early_answers import EarlyAnswers
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.effects import AnswerReceived, Event, ProvisionalReceived, RefusalReceived
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, Response, make_response
from vb.sip.session import SessionState
from vb.sip.uri import parse_uri

BOB = f"sip:bob@{PEER}"
RELIABLE = ("100rel",)


def remote(w: World) -> tuple[str, int]:
    params = w.leg.port.inbound.params
    return params.remote_host, params.remote_port


# Calls that come in.


async def test_early_media_is_acknowledged_and_the_answer_waits_for_it() -> None:
    # RFC 3262 §3, RFC 6337 §2.2
    async with world(peer_supports=RELIABLE) as w:
        w.peer.acknowledge_answers()
        w.peer.call(sdp())
        await settle()
        w.leg.early_media()
        w.leg.answer()
        assert w.sent("SIP/2.0 200") == []
        await settle()
        [early] = w.sent("SIP/2.0 183")
        assert "Require: 100rel" in early
        assert "m=audio" in early
        assert "m=audio" not in w.sent("SIP/2.0 200")[-1]
        assert w.leg.state == "connected"
        assert remote(w) == (PEER, 40000)
        assert w.events == ["leg.ringing", "leg.connected"]


async def test_a_caller_that_never_acknowledges_early_media() -> None:
    async with world() as w:
        w.peer.call(sdp(), [("Supported", "100rel")])  # which is not true
        await settle()
        w.leg.early_media()
        await trio.sleep(33)
        assert w.peer.last(RefusalReceived).response.status == 504
        assert w.reasons() == ["ack_timeout"]
        assert w.recorder.events[-1].data["sip_code"] == 504


async def test_a_delayed_offer_with_early_media() -> None:
    # RFC 3262 §5: our offer in the 183, its answer in the PRACK
    async with world(peer_supports=RELIABLE) as w:
        session = w.peer.call()

        def react(event: Event) -> None:
            if isinstance(event, ProvisionalReceived) and event.response.body:
                w.peer.do(session.prack, sdp("8 101"))
            elif isinstance(event, AnswerReceived):
                w.peer.do(session.ack)

        w.peer.on_event = react
        await settle()
        w.leg.early_media()
        await settle()
        assert w.leg.state == "early_media"
        assert remote(w) == (PEER, 40000)
        assert w.leg.port.inbound.params.codec_name == "PCMA"
        w.leg.answer()
        await settle()
        assert w.events == ["leg.ringing", "leg.connected"]
        assert "m=audio" not in w.sent("SIP/2.0 200")[-1]


@pytest.mark.parametrize("answer", [b"", b"nonsense", sdp("18")])
async def test_a_delayed_offer_whose_prack_has_no_usable_answer(answer: bytes) -> None:
    async with world(peer_supports=RELIABLE) as w:
        session = w.peer.call()

        def react(event: Event) -> None:
            if isinstance(event, ProvisionalReceived) and event.response.body:
                w.peer.do(session.prack, answer)

        w.peer.on_event = react
        await settle()
        w.leg.early_media()
        await settle()
        assert w.events == ["leg.ringing", "leg.command_failed", "leg.disconnected"]
        assert w.reasons() == ["connect_failed"]
        assert w.peer.last(RefusalReceived).response.status == 480


@pytest.mark.parametrize("answer", [b"", b"nonsense", sdp("18")])
async def test_a_delayed_offer_whose_ack_has_no_usable_answer(answer: bytes) -> None:
    # RFC 3261 §13.2.1: then BYE
    async with world() as w:
        w.peer.acknowledge_answers(answer)
        w.peer.call()
        await settle()
        w.leg.answer()
        await settle()
        assert w.reasons() == ["connect_failed"]
        assert len(w.sent("BYE")) == 1


async def test_early_media_needs_an_offer_or_a_caller_that_acknowledges() -> None:
    async with world() as w:
        w.peer.call()
        await settle()
        with pytest.raises(Conflict, match="no offer"):
            w.leg.early_media()


async def test_update_moves_early_media() -> None:
    # RFC 3311 §5.2
    async with world(peer_supports=RELIABLE) as w:
        session = w.peer.call(sdp())
        await settle()
        w.leg.ring()
        await settle()
        reinvite(w, session, sdp(port=41000), "UPDATE")
        await settle()
        assert w.sent("SIP/2.0 500")  # nothing is answered yet
        w.leg.early_media()
        await settle()
        reinvite(w, session, sdp("0 101", port=42000), "UPDATE")
        await settle()
        assert remote(w) == (PEER, 42000)
        assert w.leg.state == "early_media"


# Calls that we make.


async def called(w: World) -> InviteServerSession:
    w.service.create_outbound(OutboundRequest(to=BOB))
    await settle()
    return w.peer.called


async def test_a_180_with_a_description_is_early_media_too() -> None:
    async with world() as w:
        session = await called(w)
        w.peer.do(session.provisional, 180, body=sdp("0"))
        await settle()
        assert w.leg.state == "early_media"
        assert w.events == ["leg.ringing", "leg.early_media"]


async def test_a_2xx_without_a_description_keeps_the_early_one() -> None:
    async with world() as w:
        session = await called(w)
        w.peer.do(session.provisional, 183, body=sdp("0"))
        await settle()
        w.peer.do(session.accept, b"")
        await settle()
        assert w.leg.state == "connected"
        assert remote(w) == (PEER, 40000)


async def test_a_2xx_without_any_description_is_no_call() -> None:
    async with world() as w:
        session = await called(w)
        w.peer.do(session.provisional, 183)
        w.peer.do(session.accept, b"")
        await settle()
        assert w.reasons() == ["connect_failed"]
        assert len(w.sent("BYE")) == 1


async def test_after_a_reliable_answer_the_2xx_has_no_say() -> None:
    # RFC 3261 §13.2.1, RFC 3262 §5
    async with world(peer_supports=RELIABLE) as w:
        session = await called(w)
        w.peer.do(session.provisional, 183, body=sdp("0"))
        await settle()
        assert len(w.sent("PRACK")) == 1
        assert w.leg.state == "early_media"
        w.peer.do(session.update, sdp("8", port=43000))
        await settle()
        assert remote(w) == (PEER, 43000)
        w.peer.do(session.accept, sdp("0"))
        await settle()
        assert w.leg.state == "connected"
        assert remote(w) == (PEER, 43000)
        assert w.recorder.events[-1].data["codec"] == "PCMA"


def respond(w: World, status: int, tag: str, body: bytes = b"", host: str = PEER) -> None:
    """A response of one branch of a fork, by hand."""
    text = w.sent("INVITE")[0].encode()
    from vb.sip.message import parse_message

    invite = parse_message(text)
    assert isinstance(invite, Request)
    contact = parse_uri(f"sip:{tag}@{host}")
    response = make_response(
        invite,
        status,
        to_tag=tag,
        headers=[("Contact", f"<{contact}>")],
        body=body,
        content_type="application/sdp" if body else None,
    )
    socket = w.network._sockets["192.0.2.1", 5060]
    socket.put(trio.current_time(), (response.to_bytes(), PEER, 5060, "192.0.2.1"))


@pytest.mark.parametrize("said_in_200", [True, False])
async def test_of_a_fork_the_branch_that_answers_is_heard(said_in_200: bool) -> None:
    # RFC 3261 §13.2.2.4: and a second answer is acknowledged and ended
    async with world() as w:
        await called(w)
        respond(w, 183, "one", sdp("0", port=41000))
        await settle()
        respond(w, 183, "two", sdp("8", port=42000))
        await settle()
        assert remote(w) == (PEER, 41000)
        respond(w, 200, "two", sdp("8", port=42000) if said_in_200 else b"")
        await settle()
        assert remote(w) == (PEER, 42000)
        assert w.recorder.events[-1].data["codec"] == "PCMA"
        respond(w, 200, "one", sdp("0", port=41000))
        await settle()
        assert w.leg.state == "connected"
        assert remote(w) == (PEER, 42000)
        assert [text.split(" ")[1] for text in w.sent("ACK")] == [f"sip:two@{PEER}", f"sip:one@{PEER}"]
        assert [text.split(" ")[1] for text in w.sent("BYE")] == [f"sip:one@{PEER}"]


async def test_a_branch_without_a_description_does_not_get_that_of_another() -> None:
    async with world() as w:
        await called(w)
        respond(w, 183, "one", sdp("0", port=41000))
        await settle()
        respond(w, 200, "two")
        await settle()
        assert w.reasons() == ["connect_failed"]


def test_branches_are_bounded() -> None:
    answers = EarlyAnswers()
    for number in range(40):
        answers.note(_response(str(number), b"x"))
    assert answers.answer_of(_response("3", b"")) == b"x"
    assert answers.answer_of(_response("30", b"")) == b""


def _response(tag: str, body: bytes) -> Response:
    headers = [("Via", "SIP/2.0/UDP a;branch=z9hG4bK1"), ("From", "<sip:a@a>;tag=a"), ("To", "<sip:b@b>")]
    from vb.sip.headers import Headers

    request = Request("INVITE", parse_uri("sip:b@b"), Headers([*headers, ("Call-ID", "c"), ("CSeq", "1 INVITE")]), b"")
    return make_response(request, 200, to_tag=tag, body=body, content_type="application/sdp" if body else None)


@pytest.mark.parametrize("loss", [0.1, 0.3, 0.45])
@pytest.mark.parametrize("delayed", [False, True])
async def test_early_media_through_a_bad_network(loss: float, delayed: bool) -> None:
    """Whatever is lost, the call is up with its audio in place, or over; never half of it."""
    weather = Weather(loss=loss, duplicate=0.2, delay=0.02, jitter=0.3)
    async with world(weather, peer_supports=RELIABLE, rtp_timeout=0.0) as w:
        sessions = [w.peer.call(b"" if delayed else sdp("8 101")) for _ in range(10)]

        def react(event: Event) -> None:
            if isinstance(event, ProvisionalReceived) and event.response.body and delayed:
                w.peer.do(event.session.prack, sdp("8 101"))
            elif isinstance(event, AnswerReceived):
                w.peer.do(event.session.ack)

        w.peer.on_event = react
        for _ in range(60):
            await trio.sleep(1)
            for leg in w.legs.all():
                if leg.state == "ringing":
                    leg.early_media()
                elif leg.state == "early_media" and not leg.answering:
                    leg.answer()
        await trio.sleep(120)
        up = [leg for leg in w.legs.all() if leg.state == "connected"]
        assert len(up) == len(w.legs.all()) >= 5
        assert {leg.port.inbound.params.codec_name for leg in up} == {"PCMA"}
        assert {leg.port.inbound.params.remote_port for leg in up} == {40000}
        assert sum(session.state is SessionState.CONFIRMED for session in sessions) == len(up)
        assert set(w.reasons()) <= {"ack_timeout"}
