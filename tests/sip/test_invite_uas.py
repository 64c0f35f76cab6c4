"""The called side: answers, repetition, races of CANCEL and BYE, re-INVITE (RFC 3261 §9.2, §12, §13.3, §14.2, §15)."""

from __future__ import annotations

import pytest

from tests.sip.bench import PEER, Bench, request
from vb.sip.effects import (
    AckReceived,
    AckTimeout,
    ByeCompleted,
    ByeReceived,
    Hop,
    InviteCancelled,
    InviteReceived,
    ReinviteReceived,
    SessionEnded,
)
from vb.sip.errors import LocalError
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, Response
from vb.sip.session import SessionState

SDP = b"v=0\r\n"
SCHEDULE_2XX = [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def ringing(bench: Bench, data: bytes | None = None, source: Hop = PEER) -> InviteServerSession:
    bench.receive(data or request(body="v=0\r\n"), source)
    event = bench.of(InviteReceived)[-1]
    assert isinstance(event, InviteReceived)
    return event.session


def accepted(bench: Bench) -> InviteServerSession:
    session = ringing(bench)
    session.accept(bench.now, SDP)
    bench.drain()
    return session


def inside(
    session: InviteServerSession, method: str, *lines: str, cseq: int = 2, branch: str = "", **more: str
) -> bytes:
    """A request of the peer in the dialog."""
    branch = branch or f"z9hG4bK{method}{cseq}"
    to = f"<sip:vb@192.0.2.1>;tag={session.local_tag}"
    return request(method, *lines, to=to, cseq=cseq, branch=branch, **more)  # type: ignore[arg-type]


def confirmed(bench: Bench) -> InviteServerSession:
    session = accepted(bench)
    bench.receive(inside(session, "ACK", cseq=1))
    assert session.state is SessionState.CONFIRMED
    return session


def test_a_call_from_invite_to_bye() -> None:
    """§13.3.1, §15.1.2."""
    bench = Bench()
    session = ringing(bench)
    session.provisional(bench.now)
    session.accept(bench.now, SDP)
    bench.drain()
    bench.receive(inside(session, "ACK", cseq=1))
    bench.receive(inside(session, "BYE"))
    assert bench.statuses == [100, 180, 200, 200]
    assert [type(event) for event in bench.events] == [InviteReceived, AckReceived, ByeReceived]
    bench.advance(33)
    assert len(bench.of(SessionEnded)) == 1
    assert bench.is_empty()


def test_what_a_2xx_says() -> None:
    """§13.3.1.4, §12.1.1: Contact and Record-Route; §8.2.6.2."""
    bench = Bench()
    session = ringing(
        bench, request("INVITE", "Record-Route: <sip:p2;lr>, <sip:p1;lr>", "Timestamp: 54", body="v=0\r\n")
    )
    session.accept(bench.now, SDP, headers=[("X-Mine", "1")])
    [answer] = bench.drain()
    assert isinstance(answer, Response)
    headers = answer.headers
    assert headers.get("Contact") == "<sip:vb@192.0.2.1:5060>"
    assert headers.values("Allow")[:2] == ["INVITE", "ACK"]
    assert headers.get("Server") == "voiceblender"
    assert headers.get("Timestamp") == "54"
    assert headers.values("Record-Route") == ["<sip:p2;lr>", "<sip:p1;lr>"]
    assert headers.get("X-Mine") == "1"
    assert answer.content_type == "application/sdp"
    assert answer.to.tag == session.local_tag


@pytest.mark.parametrize("source", [PEER, Hop("TCP", "192.0.2.9", 41000, 3)])
def test_a_2xx_is_repeated_until_64_t1_on_every_transport(source: Hop) -> None:
    """§13.3.1.4, and then BYE."""
    bench = Bench()
    session = ringing(bench, source=source)
    session.accept(bench.now, SDP)
    bench.drain()
    bench.advance(31.9)
    assert [at for at, data, _ in bench.sent if data.startswith(b"SIP/2.0 200")] == SCHEDULE_2XX
    [bye] = [message for message in bench.advance(0.1) if isinstance(message, Request)]
    assert bye.method == "BYE"
    assert len(bench.of(AckTimeout)) == 1
    bench.advance(100)
    assert [type(event) for event in bench.events] == [InviteReceived, AckTimeout, ByeCompleted, SessionEnded]
    assert bench.is_empty()


def test_the_ack_stops_the_repetition_and_is_told_once() -> None:
    """§13.3.1.4."""
    bench = Bench()
    session = accepted(bench)
    bench.advance(2)
    bench.receive(inside(session, "ACK", cseq=1))
    bench.receive(inside(session, "ACK", cseq=1))
    assert bench.advance(60) == []
    assert len(bench.of(AckReceived)) == 1


def test_an_ack_in_the_branch_of_its_invite_counts_too() -> None:
    bench = Bench()
    session = accepted(bench)
    bench.receive(inside(session, "ACK", cseq=1, branch="z9hG4bKone"))
    assert session.state is SessionState.CONFIRMED


def test_bye_waits_for_the_ack() -> None:
    """§15: the called side may not send BYE before the ACK."""
    bench = Bench()
    session = accepted(bench)
    session.bye(bench.now)
    session.bye(bench.now)
    assert bench.drain() == []
    bench.agent.receive(inside(session, "ACK", cseq=1), PEER, bench.now)
    [bye] = bench.drain()
    assert isinstance(bye, Request)
    assert (bye.method, str(bye.uri)) == ("BYE", "sip:peer@192.0.2.9:5060")
    assert bye.from_.tag == session.local_tag
    assert bye.to.tag == "peer"


def test_bye_overtakes_the_ack() -> None:
    """§15.1.2."""
    bench = Bench()
    session = accepted(bench)
    [ok] = bench.receive(inside(session, "BYE"))
    assert ok.status == 200
    bench.receive(inside(session, "ACK", cseq=1))
    assert bench.advance(60) == []
    assert [type(event) for event in bench.events] == [InviteReceived, ByeReceived, SessionEnded]
    assert bench.is_empty()


def test_a_repeated_bye_is_told_once() -> None:
    bench = Bench()
    session = confirmed(bench)
    assert [r.status for r in bench.receive(inside(session, "BYE"))] == [200]
    assert [r.status for r in bench.receive(inside(session, "BYE"))] == [200]
    assert [r.status for r in bench.receive(inside(session, "BYE", cseq=3))] == [481]
    assert len(bench.of(ByeReceived)) == 1


def test_bye_in_an_early_dialog() -> None:
    """§15.1.2: 200, and 487 to the INVITE that waits."""
    bench = Bench()
    session = ringing(bench)
    session.provisional(bench.now)
    bench.drain()
    assert sorted(r.status for r in bench.receive(inside(session, "BYE"))) == [200, 487]
    assert len(bench.of(ByeReceived)) == 1
    with pytest.raises(LocalError):
        session.accept(bench.now, SDP)


def test_byes_that_cross() -> None:
    bench = Bench()
    session = confirmed(bench)
    session.bye(bench.now)
    bench.drain()
    assert [r.status for r in bench.receive(inside(session, "BYE"))] == [200]
    bench.advance(100)
    assert [type(e) for e in bench.events] == [InviteReceived, AckReceived, ByeCompleted, SessionEnded]


def test_after_our_bye_the_dialog_is_gone() -> None:
    """§15.1.1, §12.2.2: 481."""
    bench = Bench()
    session = confirmed(bench)
    session.bye(bench.now)
    bench.drain()
    for cseq, method in enumerate(("INVITE", "UPDATE", "OPTIONS", "REFER"), 2):
        lines = ("Refer-To: <sip:a@b>",)
        assert [r.status for r in bench.receive(inside(session, method, *lines, cseq=cseq))] == [481]
    assert bench.of(ReinviteReceived) == []


def cancel(branch: str = "z9hG4bKone") -> bytes:
    return request("CANCEL", branch=branch, contact="")


def test_cancel_before_the_answer() -> None:
    """§9.2: 200, and 487 to the INVITE."""
    bench = Bench()
    session = ringing(bench)
    session.provisional(bench.now)
    bench.drain()
    ok, refused = bench.receive(cancel())
    assert (ok.status, ok.cseq.method, refused.status, refused.cseq.method) == (200, "CANCEL", 487, "INVITE")
    assert ok.to.tag == refused.to.tag == session.local_tag  # §9.2
    assert len(bench.of(InviteCancelled)) == 1
    with pytest.raises(LocalError):
        session.accept(bench.now, SDP)
    with pytest.raises(LocalError):
        session.reject(bench.now, 486)
    bench.receive(request("ACK", to=f"<sip:vb@192.0.2.1>;tag={session.local_tag}"))
    bench.advance(100)
    assert len(bench.of(SessionEnded)) == 1
    assert bench.is_empty()


def test_cancel_after_the_answer_changes_nothing() -> None:
    """§9.2."""
    bench = Bench()
    session = accepted(bench)
    assert [r.status for r in bench.receive(cancel())] == [200]
    assert session.state is SessionState.ACCEPTED
    assert bench.of(InviteCancelled) == []


def test_cancel_of_nothing() -> None:
    """§9.2: 481."""
    bench = Bench()
    ringing(bench)
    assert [r.status for r in bench.receive(cancel("z9hG4bKother"))] == [481]


def test_cancel_matches_by_the_rules_of_rfc_2543() -> None:
    """§9.2, §17.2.3."""
    bench = Bench()
    ringing(bench, request(branch="1", body="v=0\r\n"))
    assert [r.status for r in bench.receive(cancel("1"))] == [200, 487]


def test_a_refusal_is_repeated_until_its_ack() -> None:
    """§13.3.1.3, §17.2.1."""
    bench = Bench()
    session = ringing(bench)
    session.reject(bench.now, 486)
    bench.drain()
    bench.advance(4)
    assert bench.statuses == [100, 486, 486, 486, 486]
    bench.receive(request("ACK", to=f"<sip:vb@192.0.2.1>;tag={session.local_tag}"))
    bench.advance(100)
    assert bench.statuses.count(486) == 4
    assert len(bench.of(SessionEnded)) == 1
    assert bench.is_empty()


def test_verbs_out_of_range() -> None:
    session = ringing(Bench())
    for wrong in (lambda: session.provisional(0.0, 200), lambda: session.reject(0.0, 200), lambda: session.bye(0.0)):
        with pytest.raises(LocalError):
            wrong()


def test_a_provisional_response_is_repeated_every_minute() -> None:
    """§13.3.1.1."""
    bench = Bench()
    session = ringing(bench)
    session.provisional(bench.now, 183, body=SDP)
    bench.drain()
    bench.advance(150)
    assert bench.statuses == [100, 183, 183, 183]
    session.reject(bench.now, 480)
    bench.drain()
    bench.advance(100)
    assert bench.statuses.count(183) == 3


def test_a_reinvite_is_handed_up_and_its_2xx_repeated_until_the_ack() -> None:
    """§14.2, §13.3.1.4."""
    bench = Bench()
    session = confirmed(bench)
    trying = bench.receive(inside(session, "INVITE", body="v=1\r\n", contact="<sip:new@192.0.2.10>"))
    assert [r.status for r in trying] == [100]
    assert len(bench.of(ReinviteReceived)) == 1
    session.respond_reinvite(bench.now, 200, SDP)
    bench.drain()
    bench.advance(1.6)
    assert bench.statuses.count(200) == 4  # the first INVITE, then this one at 0, 0.5, 1.5
    bench.receive(inside(session, "ACK", cseq=2))
    assert [getattr(event, "reinvite", None) for event in bench.of(AckReceived)] == [False, True]
    session.bye(bench.now)
    [bye] = bench.drain()
    assert isinstance(bye, Request)
    assert str(bye.uri) == "sip:new@192.0.2.10"  # §12.2.2: the remote target moved
    assert bench.sent[-1][2].host == "192.0.2.10"


def test_reinvites_that_come_too_early_or_out_of_order() -> None:
    bench = Bench()
    session = ringing(bench)
    session.provisional(bench.now)
    bench.drain()
    [again] = bench.receive(inside(session, "INVITE", cseq=2, body="v=1\r\n"))
    assert again.status == 500  # §14.2: before the final response to the first
    assert 0 <= int(again.headers.get("Retry-After") or "-1") <= 10
    session.accept(bench.now, SDP)
    bench.drain()
    assert [r.status for r in bench.receive(inside(session, "INVITE", cseq=3, body="v=1\r\n"))] == [491]
    bench.receive(inside(session, "ACK", cseq=1))
    assert [r.status for r in bench.receive(inside(session, "INVITE", cseq=2, branch="z9hG4bKlate"))] == [
        500
    ]  # §12.2.2
    bench.receive(inside(session, "INVITE", cseq=5, body="v=1\r\n"))
    assert [r.status for r in bench.receive(inside(session, "INVITE", cseq=6, body="v=1\r\n"))] == [500]
    session.respond_reinvite(bench.now, 488)
    with pytest.raises(LocalError):
        session.respond_reinvite(bench.now, 200, SDP)
    assert session.state is SessionState.CONFIRMED


def test_a_reinvite_can_be_cancelled_and_ends_with_its_session() -> None:
    bench = Bench()
    session = confirmed(bench)
    bench.receive(inside(session, "INVITE", body="v=1\r\n"))
    to = f"<sip:vb@192.0.2.1>;tag={session.local_tag}"
    statuses = [r.status for r in bench.receive(request("CANCEL", to=to, cseq=2, branch="z9hG4bKINVITE2"))]
    assert statuses == [200, 487]
    bench.receive(inside(session, "INVITE", cseq=3, body="v=1\r\n"))
    assert sorted(r.status for r in bench.receive(inside(session, "BYE", cseq=4))) == [200, 487]
    bench.advance(100)
    assert bench.is_empty()


def test_a_reinvite_without_ack_ends_the_session() -> None:
    """§14.2: then BYE."""
    bench = Bench()
    session = confirmed(bench)
    bench.receive(inside(session, "INVITE", body="v=1\r\n"))
    session.respond_reinvite(bench.now, 200, SDP)
    bench.drain()
    bench.advance(100)
    assert len(bench.of(AckTimeout)) == 1
    assert len(bench.of(SessionEnded)) == 1
    assert bench.is_empty()


def test_update_with_and_without_an_offer() -> None:
    """RFC 3311 §5.2."""
    bench = Bench()
    session = confirmed(bench)
    [ok] = bench.receive(inside(session, "UPDATE", contact="<sip:moved@192.0.2.11>"))
    assert ok.status == 200
    assert "Contact" in ok.headers
    assert bench.receive(inside(session, "UPDATE", cseq=3, body="v=1\r\n")) == []
    assert len(bench.of(ReinviteReceived)) == 1
    session.respond_reinvite(bench.now, 200, SDP)
    [answer] = bench.drain()
    assert isinstance(answer, Response)
    assert (answer.status, answer.cseq.method) == (200, "UPDATE")
    assert bench.advance(3) == []
    assert session.dialog is not None
    assert session.dialog.target.host == "192.0.2.9"


@pytest.mark.parametrize(
    ("method", "lines", "status"),
    [
        ("OPTIONS", (), 200),
        ("REFER", (), 400),
        ("NOTIFY", (), 481),
        ("INFO", (), 405),
        ("MESSAGE", (), 405),
        ("PRACK", (), 405),
        ("REGISTER", (), 403),
    ],
)
def test_other_requests_inside(method: str, lines: tuple[str, ...], status: int) -> None:
    bench = Bench()
    session = confirmed(bench)
    assert [r.status for r in bench.receive(inside(session, method, *lines))] == [status]
    assert session.state is SessionState.CONFIRMED


def test_the_route_set_of_the_called_side() -> None:
    """§12.1.1: Record-Route in order; loose routing (§12.2.1.1)."""
    bench = Bench()
    data = request(
        "INVITE", "Record-Route: <sip:p1.example.com;lr>", "Record-Route: <sip:192.0.2.77:5070;lr>", body="v=0\r\n"
    )
    session = ringing(bench, data)
    session.accept(bench.now, SDP)
    bench.drain()
    bench.receive(inside(session, "ACK", cseq=1))
    session.bye(bench.now)
    [bye] = bench.drain()
    assert isinstance(bye, Request)
    assert str(bye.uri) == "sip:peer@192.0.2.9:5060"
    assert bye.headers.values("Route") == ["<sip:p1.example.com;lr>", "<sip:192.0.2.77:5070;lr>"]
    assert bench.sent[-1][2] == Hop("UDP", "p1.example.com", 0)


def test_a_strict_router() -> None:
    """§12.2.1.1: its URI becomes the Request-URI, the target the last Route."""
    bench = Bench()
    session = ringing(bench, request("INVITE", "Record-Route: <sip:192.0.2.77:5070>", body="v=0\r\n"))
    session.accept(bench.now, SDP)
    bench.drain()
    bench.receive(inside(session, "ACK", cseq=1))
    session.bye(bench.now)
    [bye] = bench.drain()
    assert isinstance(bye, Request)
    assert str(bye.uri) == "sip:192.0.2.77:5070"
    assert bye.headers.values("Route") == ["<sip:peer@192.0.2.9:5060>"]
    assert bench.sent[-1][2] == Hop("UDP", "192.0.2.77", 5070)


def test_use_source_socket_ignores_contact_and_via() -> None:
    bench = Bench(use_source_socket=True)
    nat = Hop("UDP", "203.0.113.5", 40000, local=("192.0.2.1", 5060))
    session = ringing(bench, source=nat)
    session.accept(bench.now, SDP)
    bench.drain()
    bench.receive(inside(session, "ACK", cseq=1), nat)
    session.bye(bench.now)
    bench.drain()
    assert {hop for _, _, hop in bench.sent} == {nat}
