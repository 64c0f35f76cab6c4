"""The last messages of every call: to the right leg, the newest of them, in bounded memory."""

from __future__ import annotations

import time

import hypothesis
import hypothesis.strategies as st
import pytest

from vb.call.errors import NotFound
from vb.call.traces import CallTraces, TraceLimits, call_id_of
from vb.sip.effects import Hop

PEER = Hop("UDP", "192.0.2.1", 5060, local=("192.0.2.9", 5060))


def invite(call_id: str = "one", number: int = 1, size: int = 0) -> bytes:
    body = "x" * size
    return f"INVITE sip:a@h SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: {number} INVITE\r\n\r\n{body}".encode()


def bye(call_id: str = "one") -> bytes:
    return f"BYE sip:a@h SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 9 BYE\r\n\r\n".encode()


def traces(**limits: int) -> CallTraces:
    return CallTraces(TraceLimits(**limits), clock=lambda: 1000.0, now=lambda: 10.0)


@pytest.mark.parametrize(
    ("data", "call_id"),
    [
        (invite("a@b"), b"a@b"),
        (b"BYE sip:a SIP/2.0\r\ni: x \r\n\r\n", b"x"),
        (b"BYE sip:a SIP/2.0\r\nCALL-ID:x\r\n\r\n", b"x"),
        (b"BYE sip:a SIP/2.0\r\nCall-ID : x\r\n\r\n", b"x"),
        (b"\r\n\r\nBYE sip:a SIP/2.0\r\nCall-ID: x\r\n\r\n", b"x"),
        (b"BYE sip:a SIP/2.0\r\nTo: y\r\n\r\nv\r\nCall-ID: in-the-body\r\n", b""),
        (b"BYE sip:a SIP/2.0\r\ni: x\r\n\r\nv\r\nCall-ID: in-the-body\r\n", b"x"),
        (b"BYE sip:a SIP/2.0\r\nCall-ID: cut", b"cut"),
        (b"\r\n\r\n", b""),
    ],
)
def test_the_call_id_of_any_message(data: bytes, call_id: bytes) -> None:
    assert call_id_of(data) == call_id


@hypothesis.given(st.binary(max_size=200))
def test_any_bytes_are_recorded_or_not(data: bytes) -> None:
    kept = traces()
    for direction in ("in", "out", "error"):
        kept.record(direction, data, PEER, 0.0)
        kept.record(direction, b"INVITE " + data + b"\r\nCall-ID: x\r\n\r\n", PEER, 0.0)


def test_an_inbound_call_from_its_first_message_to_after_its_end() -> None:
    kept = traces()
    kept.record("in", invite(), PEER, 10.5)
    kept.claim("leg", "one")
    kept.record("out", b"SIP/2.0 486 Busy\r\nCall-ID: one\r\n\r\n", PEER, 10.6)
    kept.end("leg", "busy")
    kept.record("in", b"ACK sip:a SIP/2.0\r\nCall-ID: one\r\n\r\n", PEER, 10.7)
    trace = kept.get("leg")
    assert (trace.leg_id, trace.call_id, trace.dropped, trace.ended) == ("leg", "one", 0, "busy")
    messages = trace.messages()
    assert [message.start_line.split()[0] for message in messages] == ["INVITE", "SIP/2.0", "ACK"]
    assert [message.direction for message in messages] == ["in", "out", "in"]
    assert messages[0].at + trace.epoch == 1000.0
    assert messages[0].hop == PEER


def test_an_outbound_call_from_its_claim() -> None:
    kept = traces()
    kept.claim("leg", "")
    assert kept.get("leg").messages() == []
    kept.claim("leg", "one")
    kept.claim("leg", "one")
    kept.record("out", invite(), PEER, 11.0)
    kept.claim("leg", "two")  # another attempt
    kept.record("out", invite("two"), PEER, 12.0)
    assert len(kept.get("leg").messages()) == 2
    assert kept.get("leg").call_id == "two"


def test_a_call_that_comes_back_is_kept_until_both_legs_are_forgotten() -> None:
    kept = traces(ended=1)
    kept.claim("out", "one")
    kept.record("out", invite(), PEER, 1.0)
    kept.record("in", invite(), PEER, 1.1)
    kept.claim("in", "one")
    kept.end("out")
    kept.end("in")
    with pytest.raises(NotFound):
        kept.get("out")
    assert len(kept.get("in").messages()) == 2
    kept.claim("third", "x")
    kept.end("third")
    assert kept.statistics().bytes == 0


def test_strangers_and_other_messages_are_not_kept() -> None:
    kept = traces()
    kept.record("in", b"OPTIONS sip:a SIP/2.0\r\nCall-ID: one\r\n\r\n", PEER, 0.0)
    kept.record("in", bye(), PEER, 0.0)
    kept.record("out", invite("nobody's"), PEER, 0.0)
    kept.record("in", b"\r\n\r\n", PEER, 0.0)
    assert kept.statistics().calls == 0
    with pytest.raises(NotFound, match="leg not found"):
        kept.get("one")


def test_the_last_messages_are_kept() -> None:
    kept = traces(messages=200)
    kept.claim("leg", "one")
    for number in range(250):
        kept.record("in", invite(number=number), PEER, float(number))
    trace = kept.get("leg")
    assert (len(trace.messages()), trace.dropped) == (200, 50)
    assert trace.messages()[0].header("CSeq") == "50 INVITE"


def test_a_send_that_failed_is_marked_and_an_unreadable_one_kept() -> None:
    kept = traces()
    kept.claim("leg", "one")
    sent = invite()
    kept.record("out", sent, PEER, 1.0)
    kept.record("error", sent, PEER, 1.1)
    kept.record("error", bye(), PEER, 1.2)
    kept.record("error", bye("unknown"), PEER, 1.3)
    shown = [(message.direction, message.failed) for message in kept.get("leg").messages()]
    assert shown == [("out", True), ("in", True)]


def test_memory_is_bounded_for_one_call_for_strangers_and_in_all() -> None:
    kept = traces(call_bytes=10_000, unclaimed=10, total_bytes=50_000)
    kept.claim("leg", "one")
    for _ in range(100):
        kept.record("in", invite(size=3000), PEER, 0.0)
    assert 0 < kept.statistics().bytes <= 10_000
    for number in range(1000):
        kept.record("in", invite(f"stranger-{number}", size=500), PEER, 0.0)
    assert kept.statistics().calls <= 11
    for number in range(100):
        kept.claim(f"leg-{number}", f"call-{number}")
        kept.record("in", invite(f"call-{number}", size=2000), PEER, 0.0)
        if number % 2:
            kept.end(f"leg-{number}")
        assert kept.statistics().bytes <= 50_000
    assert kept.get("leg").messages()  # those alive are not robbed for others


class Steps:
    """What may happen, drawn by hypothesis; the sum of what is kept is checked at the end."""

    step = st.tuples(st.sampled_from(["in", "out", "error", "claim", "end"]), st.integers(0, 5), st.integers(0, 5))


@hypothesis.given(st.lists(Steps.step, max_size=60))
def test_the_books_balance(steps: list[tuple[str, int, int]]) -> None:
    kept = traces(messages=3, call_bytes=2000, ended=2, unclaimed=2, total_bytes=3000)
    for what, leg, call in steps:
        if what == "claim":
            kept.claim(f"leg-{leg}", f"call-{call}")
        elif what == "end":
            kept.end(f"leg-{leg}")
        else:
            kept.record(what, invite(f"call-{call}", size=leg * 200), PEER, 0.0)  # type: ignore[arg-type]
        calls = kept._calls.values()
        assert kept.statistics().bytes == sum(call.size for call in calls) <= 3000
        assert {call for legs in kept._legs.values() for call in legs} <= set(calls)
        assert set(kept._unclaimed) == {call.key for call in calls if not call.claims}
        assert len(kept._ended) <= 2


def test_recording_is_cheap() -> None:
    kept = CallTraces(now=lambda: 0.0)
    kept.claim("leg", "one")
    data = invite(size=300)
    started = time.perf_counter()
    for _ in range(20_000):
        kept.record("in", data, PEER, 0.0)
    assert (time.perf_counter() - started) / 20_000 < 20e-6  # about 1 µs; the bound allows for a busy machine
