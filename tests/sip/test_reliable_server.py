"""Reliable provisional responses as the called side sends them (RFC 3262 §3), with UPDATE before the answer."""

from __future__ import annotations

import pytest

from tests.sip.bench import Bench, request
from vb.sip.config import ALLOW
from vb.sip.effects import (
    InviteReceived,
    PrackReceived,
    PrackTimeout,
    ReinviteReceived,
    SessionEnded,
)
from vb.sip.errors import LocalError, RemoteError
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, Response, parse_message
from vb.sip.reliable_server import RAck, rack_of
from vb.sip.session import SessionState

SETTINGS: dict[str, object] = {"supported": ("100rel", "timer"), "allow": (*ALLOW, "PRACK")}
SDP = b"v=0\r\n"


class Called(Bench):
    """An agent that has got an INVITE whose caller supports 100rel."""

    def __init__(self, *lines: str, body: str = "v=0\r\n", **settings: object) -> None:
        super().__init__(**SETTINGS | settings)
        self.receive(request("INVITE", *(lines or ("Supported: 100rel",)), body=body))
        self.cseq = 1

    @property
    def session(self) -> InviteServerSession:
        [event] = self.of(InviteReceived)
        assert isinstance(event, InviteReceived)
        return event.session

    def inside(self, method: str, *lines: str, body: str = "") -> list[Response]:
        self.cseq += 1
        to = f"<sip:vb@192.0.2.1>;tag={self.session.local_tag}"
        return self.receive(request(method, *lines, branch=f"z9hG4bK{self.cseq}", to=to, cseq=self.cseq, body=body))

    def prack(self, rseq: int | str, *, body: str = "") -> list[Response]:
        return self.inside("PRACK", f"RAck: {rseq} 1 INVITE", body=body)

    def provisionals(self) -> list[tuple[float, Response]]:
        return [
            (at, response)
            for at, data, _ in self.sent
            if isinstance(response := parse_message(data), Response)
            if 100 < response.status < 200
        ]

    def rseq(self) -> int:
        return int(self.provisionals()[-1][1].headers.get("RSeq") or 0)


# The side that is called.


def test_a_1xx_with_a_description_is_repeated_until_its_prack() -> None:
    """§3: T1, then twice as long each time."""
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    call.advance(4)
    assert [at for at, _ in call.provisionals()] == [0, 0.5, 1.5, 3.5]
    response = call.provisionals()[0][1]
    assert response.require == ("100rel",)
    assert 0 < call.rseq() < 2**31
    [answer] = call.prack(call.rseq())
    assert (answer.status, answer.cseq.method) == (200, "PRACK")
    call.advance(60)
    assert len(call.provisionals()) == 4
    assert not call.of(PrackReceived)


@pytest.mark.parametrize(
    ("lines", "settings"),
    [(("Supported: timer",), {}), (("Supported: 100rel",), {"supported": ("timer",)})],
)
def test_not_when_one_side_does_not_know_it(lines: tuple[str, ...], settings: dict[str, object]) -> None:
    call = Called(*lines, **settings)
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    call.advance(30)
    [(_, response)] = call.provisionals()
    assert "RSeq" not in response.headers
    assert not call.session.can_be_reliable


def test_without_a_body_only_for_callers_that_require_it() -> None:
    for line, reliable in (("Supported: 100rel", False), ("Require: 100rel", True)):
        call = Called(line)
        call.session.provisional(0.0, 180)
        call.drain()
        assert ("RSeq" in call.provisionals()[0][1].headers) is reliable


def test_who_insists_refuses_all_others() -> None:
    """RFC 3261 §21.4.16; and §8.2.2.3 where it is switched off."""
    bench = Bench(**SETTINGS, require_100rel=True)
    [_, refusal] = [*bench.receive(request("OPTIONS", branch="z9hG4bKo")), *bench.receive(request())]
    assert (refusal.status, refusal.require) == (421, ("100rel",))
    [refusal] = Bench(allow=ALLOW).receive(request("INVITE", "Require: 100rel"))
    assert (refusal.status, refusal.headers.get("Unsupported")) == (420, "100rel")


def test_no_prack_ever() -> None:
    """§3: after 64*T1 the INVITE is refused with a 5xx."""
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.session.accept(0.0, SDP)
    call.advance(31.9)
    assert call.session.state is SessionState.EARLY
    call.advance(0.2)
    assert call.statuses[-1] == 504
    assert len(call.of(PrackTimeout)) == 1
    call.advance(60)
    assert len(call.of(SessionEnded)) == 1
    assert call.is_empty()


def test_one_at_a_time_and_in_order() -> None:
    call = Called("Require: 100rel")
    for status in (180, 181, 183):
        call.session.provisional(0.0, status)
    call.drain()
    assert [r.status for _, r in call.provisionals()] == [180]
    first = call.rseq()
    for number, status in ((1, 181), (2, 183)):
        call.prack(call.rseq())
        assert (call.rseq(), call.provisionals()[-1][1].status) == (first + number, status)
    for _ in range(16):
        call.session.provisional(0.0)
    with pytest.raises(LocalError, match="too many"):
        call.session.provisional(0.0)


@pytest.mark.parametrize("rack", ["1 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 UPDATE"])
def test_a_prack_for_nothing_is_481(rack: str) -> None:
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    assert [r.status for r in call.inside("PRACK", f"RAck: {rack.format(rseq=call.rseq())}")] == [481]
    assert [r.status for r in call.prack(call.rseq())] == [200]
    assert [r.status for r in call.prack(call.rseq())] == [481], "each once"


@pytest.mark.parametrize("lines", [(), ("RAck: x 1 INVITE",), ("RAck: 1 INVITE",)])
def test_a_prack_that_cannot_be_read(lines: tuple[str, ...]) -> None:
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    assert [r.status for r in call.inside("PRACK", *lines)] == [400]


def test_pracks_outside() -> None:
    call = Called()
    assert [r.status for r in call.prack(1)] == [481]
    assert [r.status for r in Bench(**SETTINGS).receive(request("PRACK"))] == [481]
    assert [r.status for r in Bench().receive(request("PRACK"))] == [405]


def test_rack() -> None:
    message = parse_message(request("PRACK", "RAck: 776656  1 INVITE"))
    assert isinstance(message, Request)
    assert rack_of(message) == RAck(776656, 1, "INVITE")
    with pytest.raises(RemoteError):
        rack_of(parse_message(request("PRACK", "RAck: 99999999999 1 INVITE")))  # type: ignore[arg-type]


def test_the_2xx_waits_for_the_prack_and_says_nothing_again() -> None:
    """§3; §5 and RFC 6337 §2.2: the exchange is complete, so the 2xx has no description."""
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.session.accept(0.0, SDP)
    call.drain()
    assert call.session.state is SessionState.EARLY
    with pytest.raises(LocalError):
        call.session.accept(0.0, SDP)
    with pytest.raises(LocalError):
        call.session.provisional(0.0)
    answers = call.prack(call.rseq())
    assert [(r.status, r.cseq.method, r.body) for r in answers] == [(200, "PRACK", b""), (200, "INVITE", b"")]
    assert call.session.state is SessionState.ACCEPTED


def test_the_2xx_does_not_wait_for_a_ringing() -> None:
    call = Called("Require: 100rel")
    call.session.provisional(0.0, 180)
    call.session.accept(0.0, SDP)
    call.drain()
    assert call.statuses == [100, 180, 200]
    assert [r.status for r in call.prack(call.rseq())] == [200]
    assert call.session.state is SessionState.ACCEPTED


def test_a_refusal_waits_for_nothing() -> None:
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.session.accept(0.0, SDP)
    call.session.reject(0.0, 480)
    call.drain()
    assert call.statuses == [100, 183, 480]
    assert call.prack(call.rseq())[0].status == 481
    call.advance(100)
    assert call.is_empty()


def test_a_cancel_between() -> None:
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.session.accept(0.0, SDP)
    call.receive(request("CANCEL"))
    assert sorted(call.statuses[-2:]) == [200, 487]
    call.advance(100)
    assert call.is_empty()


def test_an_offer_in_the_1xx_and_its_answer_in_the_prack() -> None:
    """§5: the INVITE made no offer."""
    call = Called(body="")
    call.session.provisional(0.0, 183, body=b"offer")
    call.session.accept(0.0, b"offer")
    call.drain()
    call.prack(call.rseq(), body="answer")
    [event] = call.of(PrackReceived)
    assert isinstance(event, PrackReceived)
    assert event.request.body == b"answer"
    assert parse_message(call.sent[-1][1]).body == b""
    assert call.statuses[-1] == 200


def test_a_prack_without_the_answer_it_owes() -> None:
    call = Called(body="")
    call.session.provisional(0.0, 183, body=b"offer")
    call.drain()
    assert [r.status for r in call.prack(call.rseq())] == [200]
    [event] = call.of(PrackReceived)
    assert isinstance(event, PrackReceived)
    assert event.request.body == b""


def test_a_new_offer_in_the_prack() -> None:
    """§5: answered in the 2xx of the PRACK."""
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    assert call.prack(call.rseq(), body="offer") == []
    assert len(call.of(ReinviteReceived)) == 1
    call.session.respond_reinvite(0.0, 200, b"answer")
    [response] = call.drain()
    assert isinstance(response, Response)
    assert (response.cseq.method, response.status, response.body) == ("PRACK", 200, b"answer")
    assert "Session-Expires" not in response.headers


def test_long_ringing_is_repeated_reliably_with_a_number_of_its_own() -> None:
    """§3: every two and a half minutes; without the description, which was acknowledged."""
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    first = call.rseq()
    call.prack(first)
    call.advance(151)
    again = call.provisionals()[-1][1]
    assert (again.status, again.body, again.headers.get("RSeq")) == (183, b"", str(first + 1))
    call.prack(first + 1)
    call.session.accept(call.now, SDP)
    call.drain()
    assert call.statuses[-1] == 200


# UPDATE before the answer, called side.


def test_update_with_an_offer_before_the_first_is_answered_is_500() -> None:
    """RFC 3311 §5.2: a Retry-After between 0 and 10 s."""
    call = Called()
    [refusal] = call.inside("UPDATE", body="offer")
    assert refusal.status == 500
    assert 0 <= int(refusal.headers.get("Retry-After") or -1) <= 10


def test_update_while_our_offer_has_no_answer_is_491() -> None:
    call = Called(body="")
    call.session.provisional(0.0, 183, body=b"offer")
    call.drain()
    assert [r.status for r in call.inside("UPDATE", body="offer")] == [491]


def test_update_in_an_early_dialog() -> None:
    call = Called()
    call.session.provisional(0.0, 183, body=SDP)
    call.drain()
    call.prack(call.rseq())
    call.inside("UPDATE", body="offer")
    assert len(call.of(ReinviteReceived)) == 1
    [refusal] = call.inside("UPDATE", body="offer")  # §5.2: the one before has no answer yet
    assert (refusal.status, "Retry-After" in refusal.headers) == (500, True)
    call.session.respond_reinvite(call.now, 200, b"answer")
    [response] = call.drain()
    assert isinstance(response, Response)
    assert (response.status, response.body) == (200, b"answer")


def test_update_without_an_offer_moves_the_target() -> None:
    """RFC 3311 §5.2."""
    call = Called()
    call.session.provisional(0.0, 180)
    assert call.session.dialog is not None
    data = request(
        "UPDATE",
        branch="z9hG4bKu",
        to=f"<sip:vb@192.0.2.1>;tag={call.session.local_tag}",
        cseq=2,
        contact="<sip:peer@192.0.2.77:5099>",
    )
    [response] = call.receive(data)[-1:]
    assert response.status == 200
    assert str(call.session.dialog.target) == "sip:peer@192.0.2.77:5099"
