"""Requests of ours go to the next server when one is out of reach, silent, or answers 503 (RFC 3263 §4.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sip.bench import OURS, Bench
from vb.sip.digest import Credentials
from vb.sip.effects import AnswerReceived, Hop, InviteFailed, RefusalReceived, RequestFailed, ResponseReceived
from vb.sip.fields import parse_name_addr
from vb.sip.message import Request, Response, make_response
from vb.sip.uri import parse_uri

ONE, TWO, THREE = Hop("UDP", "192.0.2.9", 5060), Hop("UDP", "192.0.2.10", 5062), Hop("TCP", "192.0.2.11", 5060)
US, THEM = parse_name_addr("<sip:vb@192.0.2.1>"), parse_name_addr("<sip:peer@example.com>")
SETTINGS: dict[str, Any] = {
    "contact": lambda hop: parse_uri(f"sip:192.0.2.1;transport={hop.transport.lower()}"),
    "sent_by": lambda hop: OURS,
}


def ask(bench: Bench, method: str = "INVITE", **more: Any) -> Any:
    options: dict[str, Any] = {
        "target": parse_uri("sip:peer@example.com"),
        "from_": US,
        "to": THEM,
        "now": bench.now,
        "hop": ONE,
        "others": (TWO, THREE),
    }
    if method == "INVITE":
        return bench.agent.invite(**(options | more))
    return bench.agent.request(method, **(options | more))


def last(bench: Bench) -> tuple[Request, Hop]:
    """The last request that was sent, and where."""
    request = [message for message in bench.drain() if isinstance(message, Request)][-1]
    return request, bench.sent[-1][2]


def answer(bench: Bench, request: Request, status: int, hop: Hop, *lines: tuple[str, str]) -> None:
    response = make_response(request, status, to_tag="t", headers=[("Contact", "<sip:peer@192.0.2.9>"), *lines])
    bench.agent.receive(response.to_bytes(), hop, bench.now)


def test_out_of_reach_then_503_then_an_answer() -> None:
    bench = Bench(**SETTINGS)
    session = ask(bench)
    first, hop = last(bench)
    assert hop == ONE
    bench.agent.transport_failed(ONE, bench.now)
    second, hop = last(bench)
    assert hop == TWO
    assert second.via.branch != first.via.branch
    assert [second.headers.get(name) for name in ("Call-ID", "CSeq", "From", "Contact")] == [
        first.headers.get(name) for name in ("Call-ID", "CSeq", "From", "Contact")
    ]
    answer(bench, second, 180, TWO)
    answer(bench, second, 503, TWO)
    third, hop = last(bench)
    assert (hop, third.via.transport, third.headers.get("Contact")) == (
        THREE,
        "TCP",
        "<sip:192.0.2.1;transport=tcp>",
    )
    answer(bench, third, 200, THREE)
    bench.drain()
    (told,) = bench.of(AnswerReceived)
    assert told.session is session  # type: ignore[union-attr]
    assert bench.of(InviteFailed) == bench.of(RefusalReceived) == []
    session.ack(bench.now)
    session.bye(bench.now)
    answer(bench, last(bench)[0], 200, ONE)
    bench.advance(64)
    assert bench.is_empty()


def test_silence_is_given_up_after_timer_b() -> None:
    bench = Bench(**SETTINGS)
    ask(bench, others=(TWO,))
    bench.drain()
    bench.advance(32)
    assert {hop for at, _, hop in bench.sent if at < 32} == {ONE}
    assert bench.sent[-1][2] == TWO
    bench.advance(32)
    assert [event.cause for event in bench.of(InviteFailed)] == ["timeout"]  # type: ignore[union-attr]
    assert bench.is_empty()


@pytest.mark.parametrize("status", [486, 500, 603])
def test_any_other_refusal_is_an_answer(status: int) -> None:
    bench = Bench(**SETTINGS)
    ask(bench)
    answer(bench, last(bench)[0], status, ONE)
    bench.drain()
    assert len(bench.of(RefusalReceived)) == 1
    bench.advance(64)
    assert bench.is_empty()


def test_the_last_503_is_told() -> None:
    bench = Bench(**SETTINGS)
    ask(bench, others=(TWO,))
    for hop in (ONE, TWO):
        answer(bench, last(bench)[0], 503, hop)
    bench.drain()
    (told,) = bench.of(RefusalReceived)
    assert told.response.status == 503  # type: ignore[union-attr]


def test_who_has_given_up_is_not_called_elsewhere() -> None:
    bench = Bench(**SETTINGS)
    session = ask(bench)
    request, _ = last(bench)
    session.cancel(bench.now)
    bench.agent.transport_failed(ONE, bench.now)
    bench.drain()
    assert [event.cause for event in bench.of(InviteFailed)] == ["transport"]  # type: ignore[union-attr]
    assert {hop for _, _, hop in bench.sent} == {ONE}
    assert request.method == "INVITE"


def test_credentials_are_not_sent_twice() -> None:
    bench = Bench(**SETTINGS)
    ask(bench, credentials=Credentials("vb", "secret"))
    challenge = ("WWW-Authenticate", 'Digest realm="example.com", nonce="1", qop="auth"')
    answer(bench, last(bench)[0], 401, ONE, challenge)
    again, _ = last(bench)
    answer(bench, again, 503, ONE)
    elsewhere, hop = last(bench)
    assert hop == TWO
    assert len(elsewhere.headers.get_all("Authorization")) == 1


def test_requests_outside_calls() -> None:
    bench = Bench(**SETTINGS)
    asked = ask(bench, "OPTIONS")
    answer(bench, last(bench)[0], 503, ONE)
    assert last(bench)[1] == TWO
    bench.agent.transport_failed(TWO, bench.now)
    request, hop = last(bench)
    assert hop == THREE == asked.hop
    answer(bench, request, 200, THREE)
    bench.drain()
    (told,) = bench.of(ResponseReceived)
    assert isinstance(told.response, Response)  # type: ignore[union-attr]
    assert told.response.status == 200  # type: ignore[union-attr]
    assert bench.of(RequestFailed) == []
    bench.advance(64)
    assert bench.is_empty()


def test_requests_that_nobody_takes() -> None:
    bench = Bench(**SETTINGS)
    ask(bench, "OPTIONS", others=(TWO,))
    bench.drain()
    for hop in (ONE, TWO):
        bench.agent.transport_failed(hop, bench.now)
        bench.drain()
    assert [event.cause for event in bench.of(RequestFailed)] == ["transport"]  # type: ignore[union-attr]
    assert bench.is_empty()
