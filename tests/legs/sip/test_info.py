"""INFO (RFC 6086): digits of the peer, digits of ours, and what is no digit."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio

from tests.legs.sip.test_in_call import connected
from tests.legs.sip.world import World, sdp, settle, world
from tests.sim.network import Weather
from vb.call.errors import Invalid
from vb.legs.sip.outbound_request import OutboundRequest
from vb.media.events import DtmfReceived
from vb.sip.effects import DialogRequestCompleted, RequestReceived
from vb.sip.session import Session

BOTH = ("rfc4733", "info")


async def info(
    w: World, session: Session, body: bytes, content_type: str | None = "application/dtmf-relay", headers: Any = ()
) -> int:
    """Send one; the status of its answer."""
    w.peer.do(session.inside.send, "INFO", body=body, content_type=content_type, headers=headers)
    await settle()
    status: int = w.peer.last(DialogRequestCompleted).response.status
    return status


@pytest.mark.parametrize(
    ("body", "content_type", "digit", "length"),
    [
        (b"Signal=5\r\nDuration=250\r\n", "application/dtmf-relay", "5", 250),
        (b"Signal= *\nDuration: 90", "Application/DTMF-Relay", "*", 90),
        (b"Signal=11\r\n", "application/dtmf-relay", "#", 160),
        (b"Signal=a\r\nDuration=soon\r\n", "application/dtmf-relay", "A", 160),
        (b"Signal=1\r\nDuration=99999999\r\n", "application/dtmf-relay", "1", 60_000),
        (b"7", "application/dtmf", "7", 160),
        (b"10\r\n", "application/dtmf", "*", 160),
    ],
)
async def test_a_digit_is_told(body: bytes, content_type: str, digit: str, length: int) -> None:
    async with world(dtmf_methods=BOTH) as w:
        leg, session = await connected(w)
        assert await info(w, session, body, content_type) == 200
        (event,) = w.recorder.of("dtmf.received")
        assert event.leg_id == leg.id
        assert event.data == {"digit": digit, "seq": 1, "method": "info", "duration_ms": length}


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"", None, (), 200),  # RFC 2976: a probe whether the call is alive
        (b"x", "text/plain", (), 415),
        (b"x", "text/plain", [("Content-Disposition", "signal;handling=optional")], 200),  # RFC 3261 §20.11
        (b"Signal=5", "application/dtmf-relay", [("Content-Encoding", "gzip")], 415),
        (b"Signal=5", None, (), 400),
        (b"Signal=55", "application/dtmf-relay", (), 400),
        (b"Duration=55", "application/dtmf-relay", (), 400),
        (b"!", "application/dtmf", (), 400),
        (b"\xff" * 600, "application/dtmf", (), 400),
        (b"5", "application/dtmf", [("Info-Package", "foo")], 469),  # RFC 6086 §4.2.2
    ],
)
async def test_what_is_no_digit(body: bytes, content_type: str | None, headers: Any, status: int) -> None:
    async with world(dtmf_methods=BOTH) as w:
        leg, session = await connected(w)
        assert await info(w, session, body, content_type, headers) == status
        assert "dtmf.received" not in w.events
        assert leg.state == "connected"
        answer = w.peer.last(DialogRequestCompleted).response
        if status == 415:
            assert answer.headers.values("Accept") == ["application/dtmf-relay", "application/dtmf"]
        assert ("Recv-Info" in answer.headers) == (status == 469)


async def test_a_call_that_does_not_listen_to_info() -> None:
    async with world() as w:
        _, session = await connected(w)
        assert await info(w, session, b"Signal=5\r\n") == 415
        assert w.peer.last(DialogRequestCompleted).response.headers.get("Accept") == ""
        assert "dtmf.received" not in w.events


async def test_a_press_that_is_told_twice_counts_once() -> None:
    async with world(dtmf_methods=BOTH) as w:
        leg, session = await connected(w)
        assert await info(w, session, b"Signal=5") == 200
        leg._notified(DtmfReceived("5", 100))
        assert len(w.recorder.of("dtmf.received")) == 1
        await trio.sleep(6)
        leg._notified(DtmfReceived("5", 100))
        assert [event.data["method"] for event in w.recorder.of("dtmf.received")] == ["info", "rfc4733"]


async def test_methods_of_one_call() -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        session = w.peer.call(sdp("0 101"))
        await settle()
        leg = w.leg
        with pytest.raises(Invalid, match="unknown dtmf method"):
            leg.answer(dtmf=["smoke"])
        with pytest.raises(Invalid, match="inband"):
            leg.answer(dtmf=["inband"])
        leg.answer(dtmf=["INFO"])
        await settle()
        assert "telephone-event" not in w.sent("SIP/2.0 200")[0]
        assert await info(w, session, b"Signal=5") == 200
        assert len(w.recorder.of("dtmf.received")) == 1


async def outbound(w: World, allow: str | None = None, dtmf: tuple[str, ...] = ("info",)) -> Any:
    leg = w.service.create_outbound(OutboundRequest(to="sip:bob@192.0.2.2", dtmf=dtmf))
    await settle()
    headers = [("Allow", allow)] if allow is not None else []
    w.peer.do(w.peer.called.accept, sdp("0 101"), headers=headers)
    await settle()
    return leg


def bodies(w: World) -> list[str]:
    return [text.partition("\r\n\r\n")[2] for text in w.sent("INFO ")]


async def test_digits_of_ours_go_one_after_the_other() -> None:
    async with world() as w:
        uas = w.peer.agent._uas
        uas._config = attrs.evolve(uas._config, handed_up=frozenset({"INFO"}))
        leg = await outbound(w, allow="INFO")
        assert "telephone-event" not in w.sent("INVITE ")[0]
        answered: list[int] = []

        def answer(event: Any) -> None:
            if isinstance(event, RequestReceived):
                answered.append(len(bodies(w)))
                w.peer.endpoint.command(lambda now: w.peer.agent.respond(event, now, 200))

        w.peer.on_event = answer
        leg.send_dtmf("1a")
        assert bodies(w) == ["Signal=1\r\nDuration=160\r\n"]
        leg.send_dtmf("#")
        await settle()
        assert bodies(w) == [f"Signal={digit}\r\nDuration=160\r\n" for digit in "1A#"]
        assert answered == [1, 2, 3]
        assert "leg.command_failed" not in w.events


async def test_a_peer_that_refuses_info() -> None:
    async with world() as w:
        leg = await outbound(w, allow="INVITE, INFO")  # it says so, and means it not
        leg.send_dtmf("123")
        await settle()
        assert len(bodies(w)) == 1
        (event,) = w.recorder.of("leg.command_failed")
        assert event.data == {"command": "dtmf", "error": "INFO rejected: 405 Method Not Allowed"}
        assert leg.state == "connected"


async def test_a_peer_that_is_silent_has_gone() -> None:
    """RFC 3261 §12.2.1.2."""
    async with world(rtp_timeout=0.0) as w:
        leg = await outbound(w, allow="INFO")
        w.network.weather = Weather(loss=1.0)
        leg.send_dtmf("1")
        await leg.wait_ended()
        assert w.reasons() == ["timeout"]


async def test_a_peer_without_info_in_allow() -> None:
    async with world() as w:
        leg = await outbound(w, allow="INVITE, ACK, BYE", dtmf=("info", "rfc4733"))
        leg.send_dtmf("1")
        await settle()
        assert bodies(w) == []
        leg = w.service.create_outbound(OutboundRequest(to="sip:bob@192.0.2.2", dtmf=("info",)))
        with pytest.raises(Invalid, match="no DTMF channel"):
            leg.send_dtmf("1")


async def test_outside_a_call() -> None:
    async with world(dtmf_methods=BOTH) as w:
        _, session = await connected(w)
        w.peer.do(session.bye)
        await settle()
        assert "INFO" in w.sent("SIP/2.0 200")[0].partition("Allow: ")[2].partition("\r\n")[0]
