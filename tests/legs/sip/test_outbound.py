"""Outbound calls: what the INVITE says, progress, answers, refusals, limits."""

from __future__ import annotations

import json
import re

import pytest
import trio

from tests.legs.sip.world import PEER, World, sdp, settle, world
from vb.call.errors import Invalid, Unavailable
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.digest import Credentials, digest, hash_credentials
from vb.sip.effects import ByeReceived, InviteCancelled
from vb.sip.uri import parse_uri

BOB = f"sip:bob@{PEER}"


def invite_of(w: World) -> str:
    return w.sent("INVITE")[0]


def line(text: str, name: str) -> str | None:
    found = re.search(rf"^{name}: (.*?)\r$", text, re.MULTILINE)
    return found and found[1]


async def test_ringing_is_told_at_creation() -> None:
    async with world() as w:
        request = OutboundRequest(to=BOB, from_="1000", headers={"X-Order": "7"}, app_id="shop")
        leg = w.service.create_outbound(request)
        (event,) = w.recorder.events
        fields = json.loads(event.json)
        for name in ("timestamp", "event_id", "instance_id", "leg_id"):
            del fields[name]
        assert fields == {
            "type": "leg.ringing",
            "app_id": "shop",
            "leg_type": "sip_outbound",
            "uri": BOB,
            "from": "1000",
            "sip_headers": {"X-Order": "7"},
        }
        assert leg.view() == {
            "id": leg.id,
            "type": "sip_outbound",
            "state": "ringing",
            "muted": False,
            "deaf": False,
            "accept_dtmf": True,
            "held": False,
            "app_id": "shop",
        }


async def test_what_is_to_be_done_before_the_leg_is_announced() -> None:
    async with world() as w:
        known: list[bool] = []
        w.service.create_outbound(
            OutboundRequest(to=BOB), lambda leg: known.append(w.legs.get(leg.id) is leg and w.events == [])
        )
        assert known == [True]
        assert w.events == ["leg.ringing"]


@pytest.mark.parametrize(
    ("given", "from_", "identity"),
    [
        ("", '"gw" <sip:gw@192.0.2.1>', None),
        ("1000", "<sip:1000@192.0.2.1>", "<sip:1000@192.0.2.1>"),
        ("+49301234", "<sip:+49301234@192.0.2.1>", "<sip:+49301234@192.0.2.1>"),
        ("sip:alice@example.test", "<sip:alice@example.test>", "<sip:alice@example.test>"),
        ("alice@example.test", "<sip:alice@example.test>", "<sip:alice@example.test>"),
        ('"Alice" <sip:alice@example.test>', '"Alice" <sip:alice@example.test>', '"Alice" <sip:alice@example.test>'),
    ],
)
async def test_forms_of_from(given: str, from_: str, identity: str | None) -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, from_=given))
        text = invite_of(w)
        assert re.sub(r";tag=.*", "", line(text, "From") or "") == from_
        assert line(text, "P-Asserted-Identity") == identity
        assert line(text, "To") == f"<{BOB}>"
        assert line(text, "Contact") == "<sip:192.0.2.1:5060>"
        assert line(text, "User-Agent") == "gw"


async def test_a_domain_names_us() -> None:
    async with world(domain="sip.example.test") as w:
        w.service.create_outbound(OutboundRequest(to=BOB, from_="1000", privacy="id"))
        text = invite_of(w)
        assert "<sip:1000@sip.example.test>" in text
        assert line(text, "Contact") == "<sip:sip.example.test:5060>"
        assert line(text, "Privacy") == "id"
        assert "SIP/2.0/UDP sip.example.test:5060" in text
        assert "c=IN IP4 192.0.2.1" in text


async def test_to_has_neither_port_nor_parameters() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=f"sip:bob@{PEER}:5060;user=phone?X-A=1"))
        text = invite_of(w)
        assert text.startswith(f"INVITE sip:bob@{PEER}:5060;user=phone SIP/2.0")
        assert line(text, "To") == f"<sip:bob@{PEER}>"


async def test_through_a_proxy() -> None:
    async with world(outbound_proxy=parse_uri("sip:198.51.100.7")) as w:
        w.service.create_outbound(OutboundRequest(to="sip:far@example.test", outbound_proxy=f"sip:{PEER};lr"))
        await settle()
        text = invite_of(w)
        assert text.startswith("INVITE sip:far@example.test SIP/2.0")
        assert line(text, "Route") == f"<sip:{PEER};lr>"
        assert w.peer.called is not None


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (OutboundRequest(to=""), "invalid SIP URI: empty URI"),
        (OutboundRequest(to="not a uri"), "invalid SIP URI: invalid uri scheme"),
        (OutboundRequest(to="http://example.test"), "invalid SIP URI: invalid uri scheme"),
        (OutboundRequest(to=BOB, codecs=["nonsense"]), "unknown codec: nonsense"),
        (OutboundRequest(to=BOB, outbound_proxy="not a uri"), "invalid outbound_proxy: invalid uri scheme"),
        (OutboundRequest(to=BOB, headers={"X-Evil": "a\r\nX-Injected: yes"}), "invalid value of header X-Evil"),
        (OutboundRequest(to=BOB, headers={"X-Half": "\ud800"}), "invalid value of header X-Half"),
        (OutboundRequest(to=BOB, headers={"Call-ID": "x"}), "header Call-ID cannot be set"),
        (OutboundRequest(to=BOB, headers={"i": "x"}), "header i cannot be set"),
        (OutboundRequest(to=BOB, headers={"From": "<sip:fake@x>"}), "header From cannot be set"),
        (OutboundRequest(to=BOB, headers={"Bad Name": "v"}), "invalid header name"),
        (OutboundRequest(to=BOB, from_="a\r\nb"), "invalid from"),
        (OutboundRequest(to=BOB, from_="<not a uri>"), "invalid from"),
        (OutboundRequest(to=BOB, privacy="id\r\nX: y"), "invalid privacy"),
        (OutboundRequest(to=BOB, ring_timeout=-1), "ring_timeout"),
    ],
)
async def test_what_is_refused_before_anything_happens(request_: OutboundRequest, complaint: str) -> None:
    async with world() as w:
        with pytest.raises(Invalid) as refusal:
            w.service.create_outbound(request_)
        assert complaint in refusal.value.message
        assert w.events == []
        assert w.pool.in_use == 0
        assert w.agent.statistics().sessions == 0


@pytest.mark.parametrize(
    "to", ["sips:bob@example.test;transport=ws", "sip:bob@example.test;transport=wss", "sip:bob@[2001:db8::1]"]
)
async def test_no_way_there(to: str) -> None:
    async with world() as w:
        with pytest.raises(Unavailable):
            w.service.create_outbound(OutboundRequest(to=to))
        assert w.events == []


async def test_no_rtp_port() -> None:
    async with world() as w:
        w.pool._ports = range(2, 3)
        w.pool._in_use.add(2)
        with pytest.raises(Unavailable):
            w.service.create_outbound(OutboundRequest(to=BOB))
        w.pool._in_use.clear()


async def test_custom_headers_go_out_as_they_are() -> None:
    async with world() as w:
        headers = {"X-Utf8": "Grüße", "Subject": "hello", "P-Asserted-Identity": "<sip:other@x>"}
        w.service.create_outbound(OutboundRequest(to=BOB, from_="1000", headers=headers))
        text = invite_of(w)
        assert "X-Utf8: Grüße\r\n" in text
        assert text.count("P-Asserted-Identity") == 1


async def test_a_whole_call_that_the_callee_ends() -> None:
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=BOB, codecs=["PCMA", "PCMU"]))
        await settle()
        session = w.peer.called
        assert b"RTP/AVP 8 0 101" in session.request.body
        w.peer.do(session.provisional)
        await settle()
        assert w.events == ["leg.ringing"]
        w.peer.do(session.accept, sdp("8 101"))
        await settle()
        assert w.events == ["leg.ringing", "leg.connected"]
        assert w.recorder.events[-1].data == {"leg_type": "sip_outbound", "codec": "PCMA", "srtp": ""}
        assert leg.port is not None
        assert leg.port.remote == (PEER, 40000)
        w.peer.do(session.bye)
        await settle()
        assert w.reasons() == ["remote_bye"]


async def test_early_media_once_then_the_answer_counts() -> None:
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=BOB))
        await settle()
        session = w.peer.called
        w.peer.do(session.provisional, 180)
        await settle()
        assert leg.state == "ringing"
        w.peer.do(session.provisional, 183, body=sdp("0"))
        w.peer.do(session.provisional, 183, body=sdp("0", port=41000))
        await settle()
        assert leg.state == "early_media"
        assert leg.port is not None
        assert leg.port.remote == (PEER, 40000)
        w.peer.do(session.accept, sdp("8", port=42000))
        await settle()
        assert w.events == ["leg.ringing", "leg.early_media", "leg.connected"]
        assert leg.port.remote == (PEER, 42000)
        assert w.recorder.events[-1].data["codec"] == "PCMA"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (486, "busy"),
        (480, "unavailable"),
        (404, "not_found"),
        (403, "forbidden"),
        (401, "unauthorized"),
        (408, "timeout"),
        (487, "cancelled"),
        (488, "not_acceptable"),
        (503, "service_unavailable"),
        (603, "declined"),
        (500, "sip_500"),
        (302, "invite_failed"),
    ],
)
async def test_refusals(status: int, reason: str) -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB))
        await settle()
        w.peer.do(w.peer.called.reject, status)
        await settle()
        assert w.reasons() == [reason]
        assert w.recorder.events[-1].data["sip_code"] == status
        assert w.recorder.events[-1].data["cdr"]["duration_answered"] == 0


async def test_nobody_there_at_all() -> None:
    async with world() as w:
        w.network.down.add(PEER)
        w.service.create_outbound(OutboundRequest(to=BOB))
        await trio.sleep(40)
        assert w.reasons() == ["invite_failed"]


@pytest.mark.parametrize("provisional", [True, False])
async def test_ring_timeout_at_the_asked_second(provisional: bool) -> None:
    async with world() as w:
        if not provisional:
            w.network.down.add(PEER)
        w.service.create_outbound(OutboundRequest(to=BOB, ring_timeout=3))
        await trio.sleep(2.99)
        assert w.reasons() == []
        await trio.sleep(0.1)
        assert w.reasons() == ["ring_timeout"]
        await settle()
        if provisional:
            assert isinstance(w.peer.last(InviteCancelled), InviteCancelled)


async def test_hangup_while_ringing_is_a_cancel() -> None:
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=BOB))
        await settle()
        with pytest.raises(Invalid, match="unknown reason"):
            leg.hangup("because")
        leg.hangup("busy")
        await settle()
        assert w.reasons() == ["busy"]
        assert isinstance(w.peer.last(InviteCancelled), InviteCancelled)


async def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    # RFC 3261 §9.1
    async with world() as w:
        leg = w.service.create_outbound(OutboundRequest(to=BOB))
        await settle()
        session = w.peer.called
        leg.hangup()
        w.peer.do(session.accept, sdp())
        await settle()
        assert w.events == ["leg.ringing", "leg.disconnected"]
        assert isinstance(w.peer.last(ByeReceived), ByeReceived)
        assert len(w.sent("ACK")) == 1


@pytest.mark.parametrize("body", [b"", b"nonsense", sdp("18"), sdp().replace(b"RTP/AVP", b"RTP/SAVP")])
async def test_an_answer_that_cannot_be_used(body: bytes) -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB))
        await settle()
        w.peer.do(w.peer.called.accept, body)
        await settle()
        assert w.events == ["leg.ringing", "leg.disconnected"]
        assert w.reasons() == ["connect_failed"]
        assert isinstance(w.peer.last(ByeReceived), ByeReceived)


async def test_max_duration_from_the_answer() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, max_duration=2))
        await trio.sleep(10)
        w.peer.do(w.peer.called.accept, sdp())
        await trio.sleep(2.1)
        assert w.reasons() == ["max_duration"]
        assert w.recorder.events[-1].data["cdr"]["duration_answered"] == 2.0


async def test_a_bye_in_the_early_dialog() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, ring_timeout=1))
        await settle()
        session = w.peer.called
        w.peer.do(session.provisional)
        w.peer.do(session.accept, sdp())
        w.peer.do(session.bye)
        await settle()
        assert w.reasons() == ["remote_bye"]
        assert w.events.count("leg.disconnected") == 1


def challenge(realm: str = "lab", nonce: str = "n1", more: str = ', algorithm=MD5, qop="auth"') -> str:
    return f'Digest realm="{realm}", nonce="{nonce}"{more}'


async def refused_with(w: World, status: int, value: str) -> None:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    w.peer.do(w.peer.called.reject, status, None, [(name, value)])
    await settle()


@pytest.mark.parametrize(("status", "header"), [(401, "Authorization"), (407, "Proxy-Authorization")])
async def test_a_challenge_is_answered_in_the_same_call(status: int, header: str) -> None:
    # RFC 3261 §22.2: same Call-ID, same From tag, next CSeq
    async with world() as w:
        request = OutboundRequest(to=BOB, from_="1000", auth=Credentials("u1", "pw1"))
        leg = w.service.create_outbound(request)
        await settle()
        await refused_with(w, status, challenge())
        first, second = w.sent("INVITE")
        assert line(first, "Call-ID") == line(second, "Call-ID")
        assert line(first, "From") == line(second, "From")
        numbers = [int((line(text, "CSeq") or "").split()[0]) for text in (first, second)]
        assert numbers[1] == numbers[0] + 1
        answer = line(second, header) or ""
        cnonce = re.search(r'cnonce="(\w+)"', answer)
        assert cnonce is not None
        assert first.partition("\r\n\r\n")[2] == second.partition("\r\n\r\n")[2]
        expected = digest(
            "MD5",
            ha1=hash_credentials("MD5", "u1", "lab", "pw1"),
            method="INVITE",
            uri=BOB,
            nonce="n1",
            nc="00000001",
            cnonce=cnonce[1],
            qop="auth",
        )
        assert f'response="{expected}"' in answer
        w.peer.do(w.peer.called.accept, sdp())
        await settle()
        assert leg.state == "connected"
        assert w.events == ["leg.ringing", "leg.connected"]
        leg.hangup()
        await trio.sleep(40)
        assert w.agent.statistics().sessions == 0


async def test_a_proxy_and_the_callee_may_both_ask() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, auth=Credentials("", "pw")))
        await settle()
        await refused_with(w, 407, challenge("proxy"))
        await refused_with(w, 401, challenge("callee"))
        third = w.sent("INVITE")[2]
        assert 'realm="proxy"' in (line(third, "Proxy-Authorization") or "")
        assert 'realm="callee"' in (line(third, "Authorization") or "")
        assert 'username="gw"' in third


async def test_wrong_credentials_are_tried_once() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, auth=Credentials("u", "bad")))
        await settle()
        for nonce in ("n1", "n2"):
            await refused_with(w, 401, challenge(nonce=nonce))
        assert len(w.sent("INVITE")) == 2
        assert w.reasons() == ["unauthorized"]
        assert w.pool.in_use == 0


async def test_a_stale_nonce_is_worth_another_try_but_not_for_ever() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, auth=Credentials("u", "p")))
        await settle()
        for nonce in ("n1", "n2", "n3"):
            await refused_with(w, 401, challenge(nonce=nonce, more=", stale=true"))
        assert len(w.sent("INVITE")) == 3
        assert w.reasons() == ["unauthorized"]


@pytest.mark.parametrize("value", ['Basic realm="x"', 'Digest realm="x"', "nonsense", challenge(more=", algorithm=X")])
async def test_a_challenge_that_cannot_be_answered(value: str) -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, auth=Credentials("u", "p")))
        await settle()
        await refused_with(w, 401, value)
        assert w.reasons() == ["unauthorized"]


async def test_ring_timeout_counts_from_the_first_invite_and_cancels_the_second() -> None:
    async with world() as w:
        w.service.create_outbound(OutboundRequest(to=BOB, ring_timeout=2, auth=Credentials("u", "p")))
        await trio.sleep(1)
        await refused_with(w, 401, challenge())
        await trio.sleep(1)
        assert w.reasons() == ["ring_timeout"]
        assert isinstance(w.peer.last(InviteCancelled), InviteCancelled)
