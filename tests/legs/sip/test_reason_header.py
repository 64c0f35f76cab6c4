"""Why a call ended: what we say in BYE and CANCEL (RFC 3326), and what we make of what the peer says."""

from __future__ import annotations

from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
import trio

from tests.legs.sip.world import PEER, World, sdp, settle, world
from tests.sip.bench import request
from vb.call import reasons
from vb.call.lifetime import Cause
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.reason_header import reason_header, reason_of
from vb.sip.message import Request, parse_message


def bye(*lines: str) -> Request:
    message = parse_message(request("BYE", *lines))
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    ("reason", "value"),
    [
        ("api_hangup", 'Q.850;cause=16;text="api_hangup"'),
        ("ring_timeout", 'Q.850;cause=19;text="ring_timeout"'),
        ("rtp_timeout", 'Q.850;cause=102;text="rtp_timeout"'),
        ("busy", 'SIP;cause=486;text="busy"'),
        ("shutdown", 'SIP;cause=503;text="shutdown"'),
        ("connect_failed", 'SIP;cause=488;text="connect_failed"'),
        ("some_day", 'Q.850;cause=31;text="some_day"'),
    ],
)
def test_what_we_say(reason: str, value: str) -> None:
    assert reason_header(Cause(reason)) == ("Reason", value)


def test_every_reason_of_ours_can_be_said_and_read() -> None:
    words = [value for name, value in vars(reasons).items() if name.isupper() and isinstance(value, str)]
    assert len(words) >= 12
    for word in words:
        code, text = reason_of(bye(": ".join(reason_header(Cause(word)))))
        assert word in text
        assert code is None or 400 <= code < 700


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ((), (None, "")),
        (('Reason: SIP;cause=503;text="gone"',), (503, "gone")),
        (('Reason: sip ; cause = 200 ; text="Call completed \\"elsewhere\\""',), (200, 'Call completed "elsewhere"')),
        (("Reason: SIP;cause=480",), (480, "")),
        (('Reason: Q.850;cause=16;text="Normal", SIP;cause=600',), (600, "")),
        (('Reason: Q.850;cause=17;text="User busy"',), (None, 'Q.850;cause=17;text="User busy"')),
        (("Reason: Q.850;cause=16", "Reason: preemption;cause=1"), (None, "Q.850;cause=16")),
        (("Reason: SIP;cause=4800",), (None, "SIP;cause=4800")),
        (("Reason: SIP",), (None, "SIP")),
        ((f'Reason: SIP;cause=500;text="{"x" * 5000}"',), (500, "x" * 200)),
    ],
)
def test_what_the_peer_says(lines: tuple[str, ...], told: tuple[int | None, str]) -> None:
    assert reason_of(bye(*lines)) == told


@hypothesis.given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60))
def test_any_reason_is_read(value: str) -> None:
    code, text = reason_of(bye(f"Reason: {value}"))
    assert code is None or 100 <= code <= 699
    assert len(text) <= 200


async def connected(w: World) -> Any:
    w.peer.acknowledge_answers()
    session = w.peer.call(sdp())
    await settle()
    w.leg.answer()
    await settle()
    return session


def reason_line(text: str) -> str:
    return next(line for line in text.split("\r\n") if line.startswith("Reason:"))


async def test_our_bye_says_why() -> None:
    async with world() as w:
        await connected(w)
        w.leg.hangup()
        await settle()
        assert reason_line(w.sent("BYE")[0]) == 'Reason: Q.850;cause=16;text="api_hangup"'


@pytest.mark.parametrize(
    ("word", "value"), [(None, 'Q.850;cause=16;text="api_hangup"'), ("busy", 'SIP;cause=486;text="busy"')]
)
async def test_our_cancel_says_why(word: str | None, value: str) -> None:
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=f"sip:bob@{PEER}"))
        await settle()
        w.peer.do(w.peer.called.provisional)
        await settle()
        leg.hangup(word)
        await settle()
        assert reason_line(w.sent("CANCEL")[0]) == f"Reason: {value}"


async def test_a_cancel_says_why_and_it_is_told() -> None:
    async with world() as w:
        session = w.peer.call(sdp())
        await settle()
        w.peer.do(session.cancel, [("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
        await settle()
        data = w.recorder.of("leg.disconnected")[0].data
        assert data["cdr"]["reason"] == "caller_cancel"
        assert (data["sip_code"], data["sip_reason"]) == (200, "Call completed elsewhere")


async def test_the_agent_says_that_no_ack_came() -> None:
    async with world() as w:
        w.peer.call(sdp())  # and never acknowledges
        await settle()
        w.leg.answer()
        await trio.sleep(40)
        assert w.reasons() == ["ack_timeout"]
        assert reason_line(w.sent("BYE")[0]) == 'Reason: SIP;cause=408;text="no ACK"'


async def test_a_leg_has_its_messages_during_the_call_and_after() -> None:
    async with world() as w:
        session = await connected(w)
        leg = w.leg
        w.peer.do(session.bye, [("Reason", "Q.850;cause=16")])
        await settle()
        trace = w.platform.traces.get(leg.id)
        assert (trace.call_id, trace.ended, trace.dropped) == (session.call_id, "remote_bye", 0)
        told = [(m.direction, m.status or m.method) for m in trace.messages()]
        wanted = [("in", "INVITE"), ("out", 100), ("out", 200), ("in", "ACK"), ("in", "BYE"), ("out", 200)]
        assert told == wanted


async def test_an_outbound_leg_has_its_messages_from_the_first() -> None:
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=f"sip:bob@{PEER}"))
        await settle()
        w.peer.do(w.peer.called.reject, 486)
        await settle()
        trace = w.platform.traces.get(leg.id)
        assert trace.ended == "busy"
        assert [m.status or m.method for m in trace.messages()] == ["INVITE", 100, 486, "ACK"]
