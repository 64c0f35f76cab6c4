"""MESSAGE (RFC 3428): answered and published, inside a call and outside."""

from __future__ import annotations

from typing import Any

import pytest

from tests.legs.sip.test_in_call import connected
from tests.legs.sip.world import PEER, World, settle, world
from vb.sip.core import Core
from vb.sip.effects import Hop, Send
from vb.sip.fields import NameAddr
from vb.sip.session import Session
from vb.sip.uri import parse_uri


def message(w: World, body: bytes, content_type: str | None = "text/plain", headers: Any = ()) -> None:
    to = parse_uri("sip:service@192.0.2.1")
    w.peer.endpoint.command(
        lambda now: w.peer.agent.request(
            "MESSAGE",
            target=to,
            from_=NameAddr("Alice", parse_uri(f"sip:alice@{PEER}")),
            to=NameAddr("", to),
            now=now,
            headers=headers,
            body=body,
            content_type=content_type,
        )
    )


async def test_outside_any_call() -> None:
    async with world() as w:
        message(w, "grüße".encode(), "text/plain;charset=UTF-8")
        await settle()
        assert w.peer.statuses() == [200]
        (event,) = w.recorder.of("sip.message_received")
        assert event.leg_id == ""
        assert event.data == {
            "from": f"sip:alice@{PEER}",
            "to": "sip:service@192.0.2.1",
            "content_type": "text/plain;charset=UTF-8",
            "body": "grüße",
        }
        (answer,) = w.sent("SIP/2.0 200")
        assert "Contact:" not in answer  # RFC 3428 §7
        assert "MESSAGE" in answer.partition("Allow: ")[2].partition("\r\n")[0]


async def test_inside_a_call_it_is_of_its_leg() -> None:
    async with world() as w:
        leg, session = await connected(w)
        in_dialog(w, session, b"hi")
        await settle()
        (event,) = w.recorder.of("sip.message_received")
        assert (event.leg_id, event.data["body"]) == (leg.id, "hi")
        assert leg.state == "connected"


def in_dialog(w: World, session: Session, body: bytes) -> None:
    core: Core = session._core
    assert session.dialog is not None
    request, hop = core.dialog_request(session.dialog, "MESSAGE", session.hop, body=body, content_type="text/plain")
    w.peer.endpoint.command(lambda now: core.layer.sends.append(Send(request.to_bytes(), hop)))


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"x", None, (), 400),
        (b"x", "text/plain", [("Content-Encoding", "gzip")], 415),
        (b"", None, (), 200),
        (b"\xff\x00", "application/octet-stream", (), 200),
    ],
)
async def test_odd_bodies(body: bytes, content_type: str | None, headers: Any, status: int) -> None:
    async with world() as w:
        message(w, body, content_type, headers)
        await settle()
        assert w.peer.statuses() == [status]
        events = w.recorder.of("sip.message_received")
        assert len(events) == (status == 200)
        assert all({"from", "to", "content_type", "body"} <= event.fields.keys() for event in events)


async def test_a_repeated_message_is_one_event() -> None:
    async with world() as w:
        message(w, b"once")
        await settle()
        (sent,) = [p for p in w.network.log if p.data.startswith(b"MESSAGE")]
        again = Send(sent.data, Hop("UDP", "192.0.2.1", 5060))
        w.peer.endpoint.command(lambda now: w.peer.agent._core.layer.sends.append(again))
        await settle()
        assert len(w.recorder.of("sip.message_received")) == 1
        assert len(w.sent("SIP/2.0 200")) == 2
