"""New requests per second and source: served, refused, ignored."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.bench import PEER, Bench, request
from vb.sip.effects import Hop
from vb.sip.source_rate import SourceRate, Verdict

SERVE, REFUSE, IGNORE = Verdict.SERVE, Verdict.REFUSE, Verdict.IGNORE


def test_served_then_refused_then_ignored_and_served_again() -> None:
    rate = SourceRate(2)
    assert [rate.judge("a", 0.0) for _ in range(6)] == [SERVE, SERVE, REFUSE, REFUSE, IGNORE, IGNORE]
    assert rate.judge("b", 0.0) is SERVE
    assert [rate.judge("a", 0.5) for _ in range(3)] == [SERVE, REFUSE, IGNORE]
    assert [rate.judge("a", 1e9) for _ in range(3)] == [SERVE, SERVE, REFUSE]
    assert rate.judge("a", 0.0) is REFUSE  # a clock that goes back gives nothing


def test_no_rate_no_bound() -> None:
    rate = SourceRate(0)
    assert {rate.judge("a", 0.0) for _ in range(1000)} == {SERVE}
    assert len(rate) == 0


def test_the_source_that_was_heard_longest_ago_is_forgotten() -> None:
    rate = SourceRate(1, max_sources=2)
    assert [rate.judge(source, 0.0) for source in "abacb"] == [SERVE, SERVE, REFUSE, SERVE, SERVE]
    assert len(rate) == 2


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from("ab")), max_size=200), st.sampled_from([0.5, 1, 7]))
def test_never_more_than_the_rate_and_a_burst(steps: list[tuple[float, str]], rate: float) -> None:
    table = SourceRate(rate)
    now = 0.0
    served = {"a": 0, "b": 0}
    for pause, source in steps:
        now += pause
        served[source] += table.judge(source, now) is SERVE
        assert served[source] <= max(1, rate) + rate * now + 1e-6


def new(number: int, method: str = "OPTIONS") -> bytes:
    return request(method, branch=f"z9hG4bK{number}", call_id=f"call-{number}")


def test_a_flood_is_refused_and_then_met_with_silence() -> None:
    bench = Bench(source_rate=2)
    answers = [bench.receive(new(number)) for number in range(6)]
    assert [[response.status for response in each] for each in answers] == [[200], [200], [503], [503], [], []]
    assert answers[2][0].headers.get("Retry-After") == "5"
    assert [response.status for response in bench.receive(new(0))] == [200]  # a retransmission is not new
    assert [r.status for r in bench.receive(new(9), Hop("UDP", "192.0.2.77", 5060))] == [200]
    assert bench.agent.statistics().dropped["rate"] == 4
    bench.advance(0.5)
    assert [response.status for response in bench.receive(new(10))] == [200]


def test_what_ends_a_call_is_always_served() -> None:
    bench = Bench(source_rate=1)
    bench.receive(new(1, "INVITE"))
    for number in range(2, 6):
        bench.receive(new(number))
    assert [r.status for r in bench.receive(request("CANCEL", branch="z9hG4bK1", call_id="call-1"))] == [200, 487]
    assert [r.status for r in bench.receive(new(7, "BYE"))] == [481]
    assert bench.receive(new(1, "ACK")) == []


def test_malformed_requests_count() -> None:
    bench = Bench(source_rate=1)
    broken = request("OPTIONS").replace(b"CSeq: 1 OPTIONS", b"CSeq: x")
    assert [len(bench.receive(broken, PEER)) for _ in range(4)] == [1, 1, 0, 0]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "OPTIONS"])
def test_requests_of_a_dialog_do_not_count(method: str) -> None:
    bench = Bench(source_rate=1)
    bench.receive(request("INVITE", body="v=0\r\n"))
    session = bench.events[0].session  # type: ignore[union-attr]
    session.accept(bench.now, b"v=0\r\n")
    bench.drain()
    to = f"<sip:vb@192.0.2.1>;tag={session.local_tag}"
    bench.receive(request("ACK", branch="z9hG4bKack", to=to))
    for number in range(2, 12):
        bench.receive(request(method, branch=f"z9hG4bK{number}", to=to, cseq=number))
    assert bench.agent.statistics().dropped.get("rate", 0) == 0
