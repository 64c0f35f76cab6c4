"""INVITE with Replaces: which of our sessions it is about, and when the answer is no (RFC 3891 §3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sip.bench import PEER, Bench, request
from vb.sip.core import Core
from vb.sip.effects import Hop, InviteReceived, ReferReceived
from vb.sip.fields import parse_name_addr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, make_response
from vb.sip.replacing import replaces_for_peer
from vb.sip.session import Session, SessionState
from vb.sip.uri import parse_uri

SDP = b"v=0\r\n"
CAROL = Hop("UDP", "192.0.2.7", 5060)


def replacing(bench: Bench, replaces: str, number: int = 1) -> Any:
    """Carol's INVITE with that Replaces: the event, or the status of the refusal."""
    before = len(bench.of(InviteReceived))
    data = request(
        "INVITE",
        f"Replaces: {replaces}",
        branch=f"z9hG4bKcarol{number}",
        from_="<sip:carol@192.0.2.7>;tag=carol",
        call_id=f"carol-{number}",
        via="SIP/2.0/UDP 192.0.2.7:5060",
        body="v=0\r\n",
    )
    responses = bench.receive(data, CAROL)
    events = bench.of(InviteReceived)
    return events[-1] if len(events) > before else responses[-1].status


def called(bench: Bench, *, answer: bool = True) -> InviteServerSession:
    bench.receive(request(body="v=0\r\n"))
    event: Any = bench.of(InviteReceived)[-1]
    session: InviteServerSession = event.session
    if answer:
        session.accept(bench.now, SDP)
        ack = request("ACK", to=f"<sip:vb@192.0.2.1>;tag={session.local_tag}", branch="z9hG4bKack")
        bench.drain()
        bench.receive(ack)
        assert session.state is SessionState.CONFIRMED
    return session


def calling(bench: Bench, status: int) -> InviteClientSession:
    session = bench.agent.invite(
        target=parse_uri("sip:bob@192.0.2.9:5060"),
        from_=parse_name_addr("<sip:vb@192.0.2.1>"),
        to=parse_name_addr("<sip:bob@192.0.2.9>"),
        now=bench.now,
        body=SDP,
    )
    [invite] = bench.drain()
    assert isinstance(invite, Request)
    response = make_response(invite, status, to_tag="bob", headers=[("Contact", "<sip:bob@192.0.2.9>")])
    bench.agent.receive(response.to_bytes(), PEER, bench.now)
    bench.drain()
    if status == 200:
        session.ack(bench.now)
        bench.drain()
    return session


def name(session: Session, more: str = "") -> str:
    """What the peer of the session sees: its own tag is the from-tag (§3)."""
    dialog = session.dialog
    assert dialog is not None
    return f"{dialog.call_id};to-tag={dialog.local_tag};from-tag={dialog.remote_tag}{more}"


@pytest.mark.parametrize("make", [called, lambda bench: calling(bench, 200)])
def test_a_confirmed_call_can_be_replaced(make: Any) -> None:
    """RFC 3891 §3."""
    bench = Bench()
    session = make(bench)
    event = replacing(bench, name(session))
    assert event.replaces is session
    event.session.accept(bench.now, SDP)
    session.bye(bench.now)
    assert any(isinstance(m, Request) and m.method == "BYE" for m in bench.drain())


def test_an_early_call_of_ours_can_be_replaced() -> None:
    """RFC 3891 §3."""
    bench = Bench()
    session = calling(bench, 180)
    assert replacing(bench, name(session, ";early-only")).replaces is session
    assert replacing(bench, name(session), 2).replaces is session


def test_an_early_call_of_the_peer_is_not_ours_to_give_away() -> None:
    """RFC 3891 §3: 481."""
    bench = Bench()
    assert replacing(bench, name(called(bench, answer=False))) == 481


def test_early_only_and_answered_is_busy() -> None:
    """RFC 3891 §3: 486."""
    bench = Bench()
    assert replacing(bench, name(called(bench), ";early-only")) == 486


@pytest.mark.parametrize("value", ["nobody@h;to-tag=1;from-tag=2", "call-1;to-tag=x;from-tag=peer"])
def test_no_such_call(value: str) -> None:
    """RFC 3891 §3: 481."""
    bench = Bench()
    called(bench)
    assert replacing(bench, value) == 481


def test_a_tag_in_the_wrong_place_is_no_match() -> None:
    bench = Bench()
    dialog = called(bench).dialog
    assert dialog is not None
    assert replacing(bench, f"{dialog.call_id};to-tag={dialog.remote_tag};from-tag={dialog.local_tag}") == 481


def test_a_call_that_is_over_is_declined() -> None:
    """RFC 3891 §3: 603."""
    bench = Bench()
    session = called(bench)
    value = name(session)
    session.bye(bench.now)
    bench.drain()
    assert replacing(bench, value) == 603  # the BYE is on its way
    bench.advance(100)
    assert replacing(bench, value, 2) == 603


def test_past_calls_are_remembered_for_a_while_only() -> None:
    core: Core = Bench().agent._core
    bench = Bench()
    session = called(bench)
    assert session.dialog is not None
    for number in range(1000):
        session.dialog.call_id = str(number)
        core.remember_past(session.dialog)
    assert len(core.past_dialogs) == 256
    assert ("999", session.local_tag, "peer") in core.past_dialogs


def test_a_peer_without_a_tag_is_named_by_zero() -> None:
    """§3: "0" matches the missing tag of RFC 2543."""
    bench = Bench()
    bench.receive(request(from_="<sip:peer@192.0.2.9>", body="v=0\r\n"))
    event: Any = bench.of(InviteReceived)[-1]
    event.session.accept(bench.now, SDP)
    bench.drain()
    value = f"call-1;to-tag={event.session.local_tag};from-tag=0"
    assert replacing(bench, value).replaces is event.session


def test_malformed_replaces_is_400() -> None:
    """RFC 3891 §3, §6.1."""
    bench = Bench()
    assert replacing(bench, "call-1;to-tag=1") == 400


def test_how_a_third_party_is_told_of_a_call() -> None:
    """§7: the tags are those of our peer, who will receive the INVITE."""
    session = calling(Bench(), 200)
    replaces = replaces_for_peer(session)
    assert replaces is not None
    assert (replaces.to_tag, replaces.from_tag) == ("bob", session.local_tag)


def test_a_refer_before_the_answer_is_declined() -> None:
    bench = Bench()
    session = called(bench, answer=False)
    to = f"<sip:vb@192.0.2.1>;tag={session.local_tag}"
    refer = request("REFER", "Refer-To: <sip:x@y>", to=to, cseq=2, branch="z9hG4bKrefer")
    assert [response.status for response in bench.receive(refer)] == [603]
    assert bench.of(ReferReceived) == []


def inside(session: Session, method: str, *lines: str, cseq: int = 2, body: str = "") -> bytes:
    to = f"<sip:vb@192.0.2.1>;tag={session.local_tag}"
    from_ = f"<sip:peer@192.0.2.9>;tag={session.remote_tag}"
    return request(
        method,
        *lines,
        to=to,
        from_=from_,
        cseq=cseq,
        call_id=session.call_id,
        branch=f"z9hG4bK{method}{cseq}",
        body=body,
        content_type="message/sipfrag;version=2.0",
    )


def test_notifys_that_are_about_nothing_of_ours() -> None:
    """RFC 6665 §4.1.3: 481; a known REFER, but another package or body: 489, 415, 400."""
    bench = Bench()
    session = calling(bench, 200)
    state = "Subscription-State: active;expires=60"
    frag = "SIP/2.0 180 Ringing\r\n"
    assert [r.status for r in bench.receive(inside(session, "NOTIFY", "Event: refer", state, body=frag))] == [481]
    referral = session.referrals.refer(bench.now, "<sip:x@y>")
    bench.drain()
    number = referral.number
    for cseq, (lines, body, status) in enumerate(
        [
            (("Event: presence", state), "", 489),
            ((state,), "", 489),
            (("Event: refer", state), "nonsense", 400),
            (("Event: refer",), frag, 400),
            ((f"Event: refer;id={number + 1}", state), frag, 481),
            ((f"Event: refer;id={number}", state), frag, 200),
        ],
        3,
    ):
        [response] = bench.receive(inside(session, "NOTIFY", *lines, cseq=cseq, body=body))
        assert response.status == status
        assert ("Allow-Events" in response.headers) == (status == 489)
