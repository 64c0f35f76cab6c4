"""The calling side: answers, ACKs, CANCEL and its races, forks (RFC 3261 §9.1, §12.1.2, §13.2, §15, §17.1.1.3)."""

from __future__ import annotations

import pytest

from tests.sip.bench import PEER, Bench, request
from vb.sip.effects import (
    AnswerReceived,
    ByeCompleted,
    ByeReceived,
    Event,
    Hop,
    InviteFailed,
    ProvisionalReceived,
    RefusalReceived,
    ReinviteCompleted,
    SessionEnded,
)
from vb.sip.errors import LocalError
from vb.sip.fields import parse_name_addr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Request, make_response
from vb.sip.session import SessionState
from vb.sip.uri import parse_uri

SDP = b"v=0\r\n"


class Call(Bench):
    """An agent that has sent an INVITE."""

    def __init__(self, *, hop: Hop | None = None, routes: tuple[str, ...] = (), **settings: object) -> None:
        super().__init__(**settings)
        self.session: InviteClientSession = self.agent.invite(
            target=parse_uri("sip:peer@192.0.2.9"),
            hop=hop,
            from_=parse_name_addr("<sip:vb@192.0.2.1>"),
            to=parse_name_addr("<sip:peer@192.0.2.9>"),
            routes=[parse_name_addr(route) for route in routes],
            now=0.0,
            body=SDP,
        )
        [invite] = self.drain()
        assert isinstance(invite, Request)
        self.invite = invite

    def answer(
        self, status: int, tag: str = "peer", *, to: Request | None = None, lines: tuple[tuple[str, str], ...] = ()
    ) -> list[Request]:
        """A response of the peer; the requests that it caused."""
        headers = [("Contact", "<sip:peer@192.0.2.9:5066>"), *lines] if 100 < status < 300 else lines
        response = make_response(to or self.invite, status, to_tag=tag if status > 100 else None, headers=headers)
        self.agent.receive(response.to_bytes(), PEER, self.now)
        return self.requests(self.drain())

    def requests(self, messages: list[object]) -> list[Request]:
        return [message for message in messages if isinstance(message, Request)]

    def sent_times(self, method: str) -> list[float]:
        return [at for at, data, _ in self.sent if data.startswith(f"{method} ".encode())]

    def ends(self) -> list[type[Event]]:
        ends = (RefusalReceived, InviteFailed, ByeReceived, ByeCompleted, SessionEnded)
        return [type(event) for event in self.events if isinstance(event, ends)]

    def confirmed(self) -> Call:
        self.answer(200)
        self.session.ack(self.now)
        self.drain()
        return self


def test_what_an_invite_says() -> None:
    """§13.2.1, §8.1.1, §8.1.1.2, §8.1.1.3, §8.1.1.6, §8.1.1.7, §8.1.1.8; RFC 3581 §3 for rport."""
    invite = Call().invite
    assert str(invite.uri) == "sip:peer@192.0.2.9"
    assert invite.via.branch is not None
    assert invite.via.branch.startswith("z9hG4bK")
    assert (invite.via.host, invite.via.port, invite.via.has_param("rport")) == ("192.0.2.1", 5060, True)
    assert invite.max_forwards == 70
    assert invite.from_.tag
    assert invite.to.tag is None
    assert invite.headers.get("User-Agent") == "voiceblender"
    assert "INVITE" in invite.headers.values("Allow")
    assert invite.headers.get("Contact") == "<sip:vb@192.0.2.1:5060>"
    assert invite.content_type == "application/sdp"


def test_an_answered_call() -> None:
    """§13.2.2.1, §13.2.2.4, §15.1.1: the ACK in a branch of its own, the BYE with the next number (§12.2.1.1)."""
    call = Call()
    call.answer(100)
    call.answer(180)
    call.answer(200)
    call.session.ack(call.now)
    [ack] = call.requests(call.drain())
    assert (ack.method, str(ack.uri), ack.to.tag) == ("ACK", "sip:peer@192.0.2.9:5066", "peer")
    assert ack.cseq.number == call.invite.cseq.number  # §13.2.2.4
    assert ack.via.branch != call.invite.via.branch
    call.session.bye(call.now)
    [bye] = call.requests(call.drain())
    assert bye.cseq.number == call.invite.cseq.number + 1
    call.answer(200, to=bye)
    assert [type(event) for event in call.events] == [ProvisionalReceived, AnswerReceived, ByeCompleted]
    call.advance(60)
    assert call.ends() == [ByeCompleted, SessionEnded]
    assert call.is_empty()


def test_a_repeated_2xx_gets_the_same_ack() -> None:
    """§13.2.2.4."""
    call = Call().confirmed()
    first = call.sent[-1][1]
    call.answer(200)
    assert call.sent[-1][1] == first
    assert len(call.of(AnswerReceived)) == 1
    with pytest.raises(LocalError):
        call.session.ack(call.now)


def test_a_refusal_is_acked_by_the_transaction() -> None:
    """§17.1.1.3."""
    call = Call(routes=("<sip:192.0.2.50;lr>",))
    [ack] = call.answer(486)
    assert (ack.method, ack.via.branch, ack.to.tag) == ("ACK", call.invite.via.branch, "peer")
    assert ack.headers.values("Route") == ["<sip:192.0.2.50;lr>"]
    assert {hop.host for _, _, hop in call.sent} == {"192.0.2.50"}
    assert len(call.answer(486)) == 1
    call.advance(60)
    assert call.ends() == [RefusalReceived, SessionEnded]
    assert call.is_empty()


def test_nobody_answers() -> None:
    """§17.1.1.2, §8.1.3.1: Timer B is told."""
    call = Call()
    call.advance(60)
    assert call.sent_times("INVITE") == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert call.ends() == [InviteFailed, SessionEnded]
    assert call.is_empty()


def test_cancel_waits_for_the_first_provisional_response() -> None:
    """§9.1."""
    call = Call()
    call.session.cancel(call.now, headers=[("Reason", "SIP;cause=200")])
    call.session.cancel(call.now)
    assert call.drain() == []
    [cancel] = call.answer(100)
    assert cancel.method == "CANCEL"
    assert str(cancel.via) == str(call.invite.via)
    assert (cancel.uri, cancel.call_id, cancel.cseq.number) == (
        call.invite.uri,
        call.invite.call_id,
        call.invite.cseq.number,
    )
    assert cancel.headers.get("From") == call.invite.headers.get("From")
    assert cancel.headers.get("To") == call.invite.headers.get("To")
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    assert call.answer(180) == []
    call.answer(200, to=cancel)
    [ack] = call.answer(487)
    assert ack.method == "ACK"
    call.advance(60)
    assert call.ends() == [RefusalReceived, SessionEnded]
    assert call.is_empty()


def test_cancel_without_any_response_ends_with_timer_b() -> None:
    """§9.1."""
    call = Call()
    call.session.cancel(call.now)
    call.advance(31.9)
    assert call.ends() == []
    call.advance(0.2)
    assert call.sent_times("CANCEL") == []
    assert call.ends() == [InviteFailed, SessionEnded]
    assert call.is_empty()


def test_cancel_without_a_final_response_ends_after_64_t1() -> None:
    """§9.1."""
    call = Call()
    call.answer(180)
    call.advance(5)
    call.session.cancel(call.now)
    [cancel] = call.requests(call.drain())
    call.answer(200, to=cancel)
    call.advance(31.9)
    assert call.ends() == []
    call.advance(10)
    [event] = call.of(InviteFailed)
    assert isinstance(event, InviteFailed)
    assert event.cause == "timeout"
    assert call.ends() == [InviteFailed, SessionEnded]
    assert call.is_empty()


def test_a_2xx_that_crosses_the_cancel_is_acked_and_ended() -> None:
    """§9.1, §13.2.2.4, §15."""
    call = Call()
    call.answer(180)
    call.session.cancel(call.now)
    call.drain()
    ack, bye = call.answer(200)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert [request.method for request in call.answer(200)] == ["ACK"]
    call.answer(200, to=bye)
    assert call.of(AnswerReceived) == []
    call.advance(60)
    assert call.ends() == [ByeCompleted, SessionEnded]
    assert call.is_empty()


def test_a_2xx_before_a_waiting_cancel_goes_out() -> None:
    """§9.1."""
    call = Call()
    call.session.cancel(call.now)
    assert [request.method for request in call.answer(200)] == ["ACK", "BYE"]
    call.advance(60)
    assert call.sent_times("CANCEL") == []
    assert call.ends() == [ByeCompleted, SessionEnded]


def test_cancel_after_the_answer_does_nothing() -> None:
    """§9.1: not after a final response."""
    call = Call().confirmed()
    call.session.cancel(call.now)
    assert call.drain() == []
    assert call.session.state is SessionState.CONFIRMED


def test_bye_before_the_answer_is_a_cancel() -> None:
    """§15."""
    call = Call()
    call.answer(183)
    call.session.bye(call.now)
    [cancel] = call.requests(call.drain())
    assert cancel.method == "CANCEL"


def test_bye_instead_of_an_ack_sends_both() -> None:
    call = Call()
    call.answer(200)
    call.session.bye(call.now)
    assert [request.method for request in call.requests(call.drain())] == ["ACK", "BYE"]


def test_a_fork_that_answers_too_is_acked_and_ended() -> None:
    """§13.2.2.4."""
    call = Call()
    call.answer(180, "one")
    call.answer(180, "two")
    assert call.agent.statistics().dialogs == 2
    call.answer(200, "two")
    call.session.ack(call.now)
    call.drain()
    ack, bye = call.answer(200, "one")
    assert (ack.method, ack.to.tag, bye.method, bye.to.tag) == ("ACK", "one", "BYE", "one")
    assert [request.method for request in call.answer(200, "one")] == ["ACK"]
    call.answer(200, to=bye)
    assert len(call.of(AnswerReceived)) == 1
    assert call.session.state is SessionState.CONFIRMED
    assert call.session.remote_tag == "two"
    assert call.agent.statistics().dialogs == 1
    call.session.bye(call.now)
    call.advance(100)
    assert call.ends() == [ByeCompleted, SessionEnded]
    assert call.is_empty()


def test_a_peer_cannot_make_dialogs_without_end() -> None:
    call = Call()
    for n in range(100):
        call.answer(180, f"early{n}")
    assert call.agent.statistics().dialogs == 16
    for n in range(100):
        call.answer(200, f"fork{n}")
    assert call.agent.statistics().non_invite_clients == 15


def test_the_route_set_of_the_calling_side() -> None:
    """§12.1.2: Record-Route reversed, as the 2xx has it."""
    call = Call()
    call.answer(180, lines=(("Record-Route", "<sip:early.example.com;lr>"),))
    call.answer(200, lines=(("Record-Route", "<sip:far.example.com;lr>, <sip:192.0.2.60:5080;lr>"),))
    call.session.ack(call.now)
    [ack] = call.requests(call.drain())
    assert ack.headers.values("Route") == ["<sip:192.0.2.60:5080;lr>", "<sip:far.example.com;lr>"]
    assert call.sent[-1][2] == Hop("UDP", "192.0.2.60", 5080)


def test_a_strict_route_in_front() -> None:
    """§8.1.2, §12.2.1.1."""
    call = Call(routes=("<sip:192.0.2.50>", "<sip:192.0.2.51;lr>"))
    assert str(call.invite.uri) == "sip:192.0.2.50"
    assert call.invite.headers.values("Route") == ["<sip:192.0.2.51;lr>", "<sip:peer@192.0.2.9>"]
    assert call.sent[-1][2] == Hop("UDP", "192.0.2.50", 5060)


def test_the_peer_hangs_up() -> None:
    """§15.1.2."""
    call = Call().confirmed()
    tag = call.session.local_tag
    bye = request("BYE", to=f"<sip:vb@192.0.2.1>;tag={tag}", call_id=call.session.call_id, cseq=1)
    assert [r.status for r in call.receive(bye)] == [200]
    call.session.bye(call.now)
    assert call.drain() == []
    call.advance(60)
    assert call.ends() == [ByeReceived, SessionEnded]
    assert call.is_empty()


def test_a_callee_that_ends_before_it_answers() -> None:
    """It may not (§15); the INVITE is given up and the session ends once."""
    call = Call()
    call.answer(180)
    to = f"<sip:vb@192.0.2.1>;tag={call.session.local_tag}"
    call.agent.receive(request("BYE", to=to, call_id=call.session.call_id), PEER, call.now)
    [cancel] = call.requests(call.drain())
    assert cancel.method == "CANCEL"
    call.advance(100)
    assert call.ends() == [ByeReceived, SessionEnded]
    assert call.is_empty()


def test_a_callee_that_ends_a_call_that_is_cancelled_already() -> None:
    call = Call()
    call.answer(180)
    call.session.cancel(call.now)
    call.drain()
    to = f"<sip:vb@192.0.2.1>;tag={call.session.local_tag}"
    call.agent.receive(request("BYE", to=to, call_id=call.session.call_id), PEER, call.now)
    call.advance(100)
    assert len(call.sent_times("CANCEL")) > 1
    assert call.ends() == [ByeReceived, SessionEnded]
    assert call.is_empty()


def test_a_header_that_is_none_is_refused_at_once() -> None:
    call = Call()
    wrong = [("Reason", "a\r\nInjected: b")]
    with pytest.raises(LocalError):
        call.session.cancel(call.now, headers=wrong)
    call.confirmed()
    with pytest.raises(LocalError):
        call.session.bye(call.now, headers=wrong)
    assert call.session.state is SessionState.CONFIRMED


def test_a_bye_that_nobody_answers() -> None:
    """§15.1.1: the session is over all the same."""
    call = Call().confirmed()
    call.session.bye(call.now)
    call.advance(100)
    [event] = call.of(ByeCompleted)
    assert isinstance(event, ByeCompleted)
    assert event.response is None
    assert call.ends() == [ByeCompleted, SessionEnded]


def test_the_transport_fails() -> None:
    """§8.1.3.1, §17.1.4: it is told."""
    hop = Hop("TCP", "192.0.2.9", 5060)
    call = Call(hop=hop)
    call.agent.transport_failed(Hop("TCP", "192.0.2.10", 5060), call.now)
    assert call.drain() == []
    assert call.events == []
    call.agent.transport_failed(hop, call.now)
    call.drain()
    [event] = call.of(InviteFailed)
    assert isinstance(event, InviteFailed)
    assert event.cause == "transport"
    assert call.ends() == [InviteFailed, SessionEnded]
    assert call.is_empty()


def test_a_response_that_makes_no_dialog_is_dropped() -> None:
    """A Record-Route that cannot be read: as if it had not come."""
    call = Call()
    call.answer(180)
    call.answer(200, lines=(("Record-Route", "<sip:unbalanced"),))
    assert call.of(AnswerReceived) == []
    assert call.agent.statistics().dropped == {"malformed": 1}


def test_a_reinvite_of_ours() -> None:
    """§14.1."""
    call = Call().confirmed()
    call.session.reinvite(call.now, b"v=1\r\n")
    [invite] = call.requests(call.drain())
    assert (invite.cseq.number, invite.to.tag) == (call.invite.cseq.number + 1, "peer")
    assert invite.headers.get("Contact") == "<sip:vb@192.0.2.1:5060>"
    with pytest.raises(LocalError):
        call.session.reinvite(call.now, b"v=1\r\n")
    to = f"<sip:vb@192.0.2.1>;tag={call.session.local_tag}"
    theirs = request("INVITE", to=to, call_id=call.session.call_id, body="v=0\r\n")
    assert [r.status for r in call.receive(theirs)] == [491]  # §14.2
    assert [ack.method for ack in call.answer(200, to=invite)] == ["ACK"]
    assert [ack.method for ack in call.answer(200, to=invite)] == ["ACK"]
    assert len(call.of(ReinviteCompleted)) == 1
    call.session.reinvite(call.now, b"v=1\r\n")
    [invite] = call.requests(call.drain())
    [ack] = call.answer(488, to=invite)
    assert ack.via.branch == invite.via.branch
    assert call.session.state is SessionState.CONFIRMED


def test_a_reinvite_that_meets_491_is_tried_again() -> None:
    """§14.1: after 2.1 to 4 s for the owner of the Call-ID."""
    call = Call().confirmed()
    call.session.reinvite(call.now, b"v=1\r\n")
    [invite] = call.requests(call.drain())
    for _ in range(2):
        call.answer(491, to=invite)
        assert call.of(ReinviteCompleted) == []
        assert call.requests(call.advance(2.0)) == []  # 2.1 to 4 s, for the call is ours
        [invite] = [message for message in call.requests(call.advance(2.1)) if message.method == "INVITE"][:1]
    call.answer(491, to=invite)
    [event] = call.of(ReinviteCompleted)
    assert isinstance(event, ReinviteCompleted)
    assert event.response is not None
    assert event.response.status == 491


def test_a_reinvite_that_is_tried_again_has_a_new_offer() -> None:
    """§14.1; RFC 3264 §8."""
    call = Call().confirmed()
    offers = iter((b"v=1\r\n", b"v=2\r\n"))
    call.session.reinvite(call.now, lambda: next(offers))
    [invite] = call.requests(call.drain())
    with pytest.raises(LocalError):
        call.session.reinvite(call.now, lambda: next(offers))
    call.answer(491, to=invite)
    [again] = [message for message in call.requests(call.advance(4.1)) if message.method == "INVITE"][:1]
    assert (invite.body, again.body) == (b"v=1\r\n", b"v=2\r\n")


def test_a_reinvite_without_answer_and_one_that_outlives_its_session() -> None:
    call = Call().confirmed()
    call.session.reinvite(call.now, b"v=1\r\n")
    call.advance(40)
    [event] = call.of(ReinviteCompleted)
    assert isinstance(event, ReinviteCompleted)
    assert event.response is None
    call.session.reinvite(call.now, b"v=1\r\n")
    [invite] = call.requests(call.drain())
    call.answer(100, to=invite)
    call.session.bye(call.now)
    call.advance(100)
    assert len(call.of(ReinviteCompleted)) == 1
    assert call.ends() == [ByeCompleted, SessionEnded]
    assert call.is_empty()
