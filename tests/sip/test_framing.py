from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.strategies import messages
from vb.sip.framing import StreamFramer
from vb.sip.limits import Limits
from vb.sip.message import Message, parse_message
from vb.sip.salvage import salvage

HEAD = (
    b"BYE sip:h SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\nFrom: <sip:a@c>;tag=1\r\nTo: <sip:h>;tag=2\r\n"
    b"Call-ID: x\r\nCSeq: 2 BYE\r\n"
)
BYE = HEAD + b"Content-Length: 0\r\n\r\n"
INFO = HEAD.replace(b"BYE", b"INFO") + b"Content-Type: text/plain\r\nl : 5\r\n\r\nhello"


def feed_in_pieces(framer: StreamFramer, data: bytes, size: int) -> list[bytes]:
    return [m for at in range(0, len(data), size) for m in framer.feed(data[at : at + size])]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 10_000])
def test_messages_in_pieces(size: int) -> None:
    framer = StreamFramer()
    assert feed_in_pieces(framer, BYE + INFO + BYE, size) == [BYE, INFO, BYE]
    assert framer.error is None


@given(st.lists(messages, max_size=3), st.lists(st.integers(1, 200), min_size=1, max_size=5), st.integers(0, 3))
def test_any_messages_in_any_pieces(values: list[Message], sizes: list[int], pings: int) -> None:
    data = (b"\r\n\r\n" * pings).join([value.to_bytes() for value in values])
    framer = StreamFramer()
    found: list[bytes] = []
    at = 0
    while at < len(data):
        found += framer.feed(data[at : at + sizes[at % len(sizes)]])
        at += sizes[at % len(sizes)]
    assert [parse_message(text) for text in found] == values
    assert framer.error is None
    assert framer.take_pongs() == pings * max(0, len(values) - 1)


def test_keep_alives() -> None:
    """RFC 5626 §4.4.1: CRLFCRLF is a ping; a CRLF alone is a pong, or nothing (RFC 3261 §7.5)."""
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n\r\n") == []
    assert framer.take_pongs() == 1
    assert framer.take_pongs() == 0
    assert framer.feed(BYE) == [BYE]
    assert framer.take_pongs() == 0
    assert framer.feed(b"\r\n\r") == []
    assert framer.feed(b"\n" + BYE) == [BYE]
    assert framer.take_pongs() == 1


def test_without_content_length() -> None:
    """RFC 3261 §18.3 demands it; a message without a Content-Type has no body, any other cannot be cut."""
    framer = StreamFramer()
    assert framer.feed(HEAD + b"\r\n" + BYE) == [HEAD + b"\r\n", BYE]
    assert framer.feed(HEAD + b"c: text/plain\r\n\r\nhello") == []
    assert framer.error is not None
    assert framer.error.status == 400
    assert framer.error_head.startswith(HEAD)


def test_folded_content_length() -> None:
    folded = HEAD + b"Content-Length:\r\n 5\r\n\r\n"
    assert StreamFramer().feed(folded + b"helloBYE") == [folded + b"hello"]
    trailing = HEAD + b"L: 5\r\n \r\n\r\n"
    assert StreamFramer().feed(trailing + b"hello") == [trailing + b"hello"]


@pytest.mark.parametrize("value", [b"-1", b"x", b"", b"5 5", b"5\r\nl: 5", b"0x5", b"5\r\n 5"])
def test_unreadable_content_length(value: bytes) -> None:
    framer = StreamFramer()
    assert framer.feed(BYE + HEAD + b"Content-Length: " + value + b"\r\n\r\n") == [BYE]
    assert framer.error is not None
    assert framer.error.status == 400
    head = salvage(framer.error_head)
    assert head is not None
    assert head.call_id == "x"
    assert framer.feed(BYE) == []


@pytest.mark.parametrize("length", [b"65536", b"2000000000", b"9" * 30])
def test_a_huge_body_is_refused_before_it_comes(length: bytes) -> None:
    """413 as soon as the head is there; nothing is kept for it."""
    framer = StreamFramer()
    assert framer.feed(HEAD + b"Content-Length: " + length + b"\r\n\r\n") == []
    assert framer.error is not None
    assert framer.error.status == 413
    assert salvage(framer.error_head) is not None


def test_a_body_up_to_the_limit() -> None:
    head = HEAD + b"Content-Length: 65000\r\n\r\n"
    data = head + b"x" * 65000
    assert StreamFramer(Limits(message=len(data))).feed(data) == [data]
    framer = StreamFramer(Limits(message=len(data) - 1))
    assert framer.feed(data) == []
    assert framer.error is not None
    assert framer.error.status == 413


@pytest.mark.parametrize("size", [1, 3, 100_000])
def test_a_head_without_end(size: int) -> None:
    limits = Limits(message=3000, header=1000)
    endless = StreamFramer(limits)
    feed_in_pieces(endless, HEAD + b"X: y\r\n" * 1000, size)
    assert endless.error is not None
    assert endless.error.status == 413
    finished = StreamFramer(limits)
    feed_in_pieces(finished, HEAD + b"X: y\r\n" * 1000 + b"\r\n", size)
    assert finished.error is not None
    assert finished.error.status == 413
    noise = StreamFramer(limits)
    feed_in_pieces(noise, b"\x16\x03\x01" * 1000, size)
    assert noise.error is not None
    assert noise.error.status == 414
    assert len(noise.error_head) <= limits.message


def test_what_begins_no_message() -> None:
    framer = StreamFramer()
    assert framer.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n") == []
    assert framer.error is not None
    assert framer.error.status == 400


def test_cost_of_small_pieces_is_linear() -> None:
    """One INVITE of 64 KiB in pieces of three octets, and a thousand small messages in one piece."""
    started = time.perf_counter()
    big = HEAD + b"Content-Length: 64000\r\n\r\n" + b"\r\n" * 32000
    assert feed_in_pieces(StreamFramer(), big, 3) == [big]
    head = HEAD + b"X: " + b"y" * 10 + b"\r\n"
    long_head = head + (b"Z: z\r\n" * 9000) + b"Content-Length: 0\r\n\r\n"
    assert feed_in_pieces(StreamFramer(), long_head, 3) == [long_head]
    assert len(StreamFramer().feed(BYE * 1000)) == 1000
    assert time.perf_counter() - started < 1
