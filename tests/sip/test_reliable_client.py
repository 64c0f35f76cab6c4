"""Reliable provisional responses as the calling side gets them (RFC 3262 §4), with UPDATE before the answer."""

from __future__ import annotations

import pytest

from tests.sip.bench import PEER, Bench, request
from vb.sip.config import ALLOW
from vb.sip.effects import AnswerReceived, ProvisionalReceived, ReinviteCompleted, UpdateCompleted
from vb.sip.errors import LocalError
from vb.sip.fields import parse_name_addr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Request, make_response
from vb.sip.reliable_client import rseq_of
from vb.sip.uri import parse_uri

SETTINGS: dict[str, object] = {"supported": ("100rel", "timer"), "allow": (*ALLOW, "PRACK")}
SDP = b"v=0\r\n"


class Calling(Bench):
    """An agent that has sent an INVITE."""

    def __init__(self, body: bytes = SDP, **settings: object) -> None:
        super().__init__(**SETTINGS | settings)
        self.session: InviteClientSession = self.agent.invite(
            target=parse_uri("sip:peer@192.0.2.9"),
            from_=parse_name_addr("<sip:vb@192.0.2.1>"),
            to=parse_name_addr("<sip:peer@192.0.2.9>"),
            now=0.0,
            body=body,
        )
        [invite] = self.drain()
        assert isinstance(invite, Request)
        self.invite = invite

    def answer(
        self, status: int, rseq: int = 0, *, tag: str = "peer", body: bytes = b"", to: Request | None = None
    ) -> list[Request]:
        lines = [("Contact", "<sip:peer@192.0.2.9:5066>")]
        lines += [("Require", "100rel"), ("RSeq", str(rseq))] if rseq else []
        response = make_response(
            to or self.invite, status, to_tag=tag, headers=lines, body=body, content_type="application/sdp"
        )
        self.agent.receive(response.to_bytes(), PEER, self.now)
        return [message for message in self.drain() if isinstance(message, Request)]


def test_prack_is_sent_for_each_response_in_its_dialog() -> None:
    """§4, §7.2."""
    call = Calling()
    [prack] = call.answer(183, 5000, body=SDP)
    assert (prack.method, str(prack.uri), prack.to.tag) == ("PRACK", "sip:peer@192.0.2.9:5066", "peer")
    assert prack.headers.get("RAck") == f"5000 {call.invite.cseq.number} INVITE"
    assert prack.cseq.number == call.invite.cseq.number + 1
    assert prack.body == b""
    [second] = call.answer(180, 5001)
    assert second.cseq.number == prack.cseq.number + 1
    assert [event.response.status for event in call.of(ProvisionalReceived)] == [183, 180]  # type: ignore[union-attr]


def test_repeated_ones_and_those_after_a_gap_are_dropped() -> None:
    """§4: in order; the peer repeats what we have not acknowledged."""
    call = Calling()
    call.answer(183, 10)
    assert call.answer(183, 10) == []
    assert call.answer(180, 12) == []
    assert len(call.answer(181, 11)) == 1
    assert len(call.answer(180, 12)) == 1
    assert [event.response.status for event in call.of(ProvisionalReceived)] == [183, 181, 180]  # type: ignore[union-attr]
    assert len(call.answer(183, 3, tag="other")) == 1, "each branch of a fork counts for itself"


def test_prack_is_repeated_until_its_answer() -> None:
    call = Calling()
    [prack] = call.answer(183, 10)
    call.advance(2)
    assert len([data for _, data, _ in call.sent if data.startswith(b"PRACK")]) == 3
    call.answer(200, to=prack)
    call.advance(10)
    assert len([data for _, data, _ in call.sent if data.startswith(b"PRACK")]) == 3
    call.answer(200)
    assert len(call.of(AnswerReceived)) == 1


def test_ordinary_ones_are_taken_as_they_come() -> None:
    call = Calling()
    assert call.answer(180) == call.answer(180) == []
    assert len(call.of(ProvisionalReceived)) == 2
    off = Calling(supported=())
    assert off.answer(183, 10) == []
    assert len(off.of(ProvisionalReceived)) == 1


def test_rseq() -> None:
    """RFC 3262 §7.1."""
    for lines, value in (
        ((("Require", "100rel"), ("RSeq", "7")), 7),
        ((("RSeq", "7"),), None),
        ((("Require", "100rel"),), None),
        ((("Require", "100rel"), ("RSeq", "x")), None),
    ):
        assert rseq_of(make_response(Calling().invite, 183, to_tag="a", headers=lines)) == value
        assert rseq_of(make_response(Calling().invite, 200, to_tag="a", headers=lines)) is None


def test_the_answer_goes_into_the_prack_where_the_1xx_made_the_offer() -> None:
    """§5."""
    call = Calling(body=b"")
    assert call.answer(183, 10, body=b"offer") == []
    call.session.prack(0.0, b"answer")
    [prack] = call.drain()
    assert isinstance(prack, Request)
    assert (prack.method, prack.body, prack.content_type) == ("PRACK", b"answer", "application/sdp")
    with pytest.raises(LocalError):
        call.session.prack(0.0, b"answer")
    assert len(call.answer(183, 11)) == 1


def test_who_insists_says_so() -> None:
    assert Calling(require_100rel=True).invite.require == ("100rel",)
    assert Calling().invite.supported == ("100rel", "timer")


def test_update_of_ours_in_an_early_dialog() -> None:
    """RFC 3311 §5.1: not before the first offer has its answer, reliably."""
    call = Calling()
    call.answer(180)
    with pytest.raises(LocalError):
        call.session.update(0.0, b"offer")
    call.answer(183, 10, body=SDP)
    call.session.update(0.0, b"offer")
    [update] = call.drain()
    assert isinstance(update, Request)
    assert (update.method, update.body) == ("UPDATE", b"offer")
    with pytest.raises(LocalError):
        call.session.update(0.0, b"offer")
    call.answer(200, to=update, body=b"answer")
    [event] = call.of(UpdateCompleted)
    assert isinstance(event, UpdateCompleted)
    assert event.response is not None
    assert event.response.body == b"answer"


def test_update_of_the_peer_while_ours_is_in_progress_is_491() -> None:
    """RFC 3311 §5.2, §5.3; and ours is tried again after its own 491."""
    call = Calling()
    call.answer(183, 10, body=SDP)
    call.session.update(0.0, b"offer")
    [update] = [message for message in call.drain() if isinstance(message, Request)]
    theirs = request(
        "UPDATE",
        to=f"<sip:vb@192.0.2.1>;tag={call.session.local_tag}",
        call_id=call.session.call_id,
        body="offer",
    )
    assert [r.status for r in call.receive(theirs)] == [491]
    call.answer(491, to=update)
    assert not call.of(UpdateCompleted)
    again = [message for message in call.advance(4) if isinstance(message, Request) and message.method == "UPDATE"]
    assert again
    assert again[0].body == b"offer"
    assert again[0].cseq.number == update.cseq.number + 1


def test_update_of_the_peer_before_it_has_answered() -> None:
    call = Calling()
    call.answer(180)
    theirs = request(
        "UPDATE",
        to=f"<sip:vb@192.0.2.1>;tag={call.session.local_tag}",
        call_id=call.session.call_id,
        body="offer",
    )
    assert [r.status for r in call.receive(theirs)] == [491]


def test_a_reliable_1xx_to_a_reinvite_has_the_answer() -> None:
    """§4 says all INVITEs; the 2xx has no description then."""
    call = Calling()
    call.answer(200, body=SDP)
    call.session.ack(0.0)
    call.drain()
    call.session.reinvite(0.0, b"offer")
    [invite] = call.drain()
    assert isinstance(invite, Request)
    [prack] = call.answer(183, 77, to=invite, body=b"answer")
    assert prack.headers.get("RAck") == f"77 {invite.cseq.number} INVITE"
    [ack] = call.answer(200, to=invite)
    assert ack.method == "ACK"
    [event] = call.of(ReinviteCompleted)
    assert isinstance(event, ReinviteCompleted)
    assert event.response is not None
    assert event.response.body == b"answer"


@pytest.mark.parametrize("line", ['Allow: "', "Session-Expires: ,", 'Require: "', "RSeq: 1 2", 'Supported: "', 'x: "'])
def test_responses_that_cannot_be_read_do_no_harm(line: str) -> None:
    call = Calling(session_expires=1800)
    name, _, value = line.partition(": ")
    for status in (183, 200):
        headers = [("Contact", "<sip:peer@192.0.2.9:5066>"), (name, value)]
        response = make_response(call.invite, status, to_tag="peer", headers=headers, body=SDP)
        call.agent.receive(response.to_bytes(), PEER, call.now)
    call.drain()
    assert len(call.of(AnswerReceived)) == 1
