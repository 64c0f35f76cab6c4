from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.strategies import messages
from vb.sip.errors import LocalError, RemoteError
from vb.sip.headers import Headers
from vb.sip.limits import Limits
from vb.sip.message import REASONS, Message, Request, Response, make_response, parse_message
from vb.sip.uri import Uri

INVITE = (
    b"INVITE sip:room@10.0.0.1:5060 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.2:5061;branch=z9hG4bK-1;rport\r\n"
    b"Via: SIP/2.0/TCP proxy.example.com;branch=z9hG4bK-2\r\n"
    b"From: alice <sip:alice@10.0.0.2>;tag=a1\r\n"
    b"To: <sip:room@10.0.0.1>\r\n"
    b"Call-ID: 1-77@10.0.0.2\r\n"
    b"CSeq: 1 INVITE\r\n"
    b"Timestamp: 54\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Content-Length: 4\r\n"
    b"\r\n"
    b"v=0\n"
)


def request(data: bytes = INVITE) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def refusal(data: bytes, limits: Limits | None = None) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        parse_message(data, limits or Limits())
    return caught.value


@given(messages)
def test_what_is_written_parses_back_equal(message: Message) -> None:
    again = parse_message(message.to_bytes())
    assert again == message
    assert again.from_ == message.from_
    assert again.to == message.to
    assert again.vias == message.vias
    assert again.cseq == message.cseq


@given(st.binary(max_size=300))
def test_any_octets_give_the_documented_exception(data: bytes) -> None:
    assert refusal(data).status in range(400, 600)


@given(messages, st.data())
def test_damaged_messages_give_the_documented_exception(message: Message, data: st.DataObject) -> None:
    octets = bytearray(message.to_bytes())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    try:
        parse_message(bytes(octets))
    except RemoteError as error:
        assert error.status in (400, 505)  # noqa: PT017


def test_a_request_reads_as_it_says() -> None:
    message = request()
    assert message.method == "INVITE"
    assert message.uri == Uri("sip", "room", host="10.0.0.1", port=5060)
    assert message.via.branch == "z9hG4bK-1"
    assert len(message.vias) == 2
    assert message.from_.tag == "a1"
    assert message.to.tag is None
    assert message.body == b"v=0\n"


def test_octets_beyond_content_length_are_dropped() -> None:
    """RFC 3261 §18.3."""
    assert request(INVITE + b"trailing").body == b"v=0\n"


def test_without_content_length_the_rest_is_the_body() -> None:
    """RFC 3261 §18.3: in a datagram."""
    assert request(INVITE.replace(b"Content-Length: 4\r\n", b"") + b"more").body == b"v=0\nmore"


def test_a_short_body_is_400() -> None:
    """RFC 3261 §18.3."""
    assert refusal(INVITE[:-1]).status == 400


def test_empty_lines_before_the_start_line_are_ignored() -> None:
    """RFC 3261 §7.5."""
    assert request(b"\r\n\r\n" + INVITE).method == "INVITE"


def test_names_in_any_case_and_compact() -> None:
    """RFC 3261 §7.3.1, §7.3.3."""
    data = INVITE.replace(b"From:", b"f :").replace(b"To:", b"T\t:").replace(b"Call-ID", b"I").replace(b"Via:", b"vIA:")
    assert request(data) == request()


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"SIP/2.0\r\nVia: SIP/2.0/UDP", b"SIP/3.0\r\nVia: SIP/2.0/UDP", 505),  # §21.5.6
        (b" SIP/2.0\r\nVia: SIP/2.0/UDP", b" sip/2.0\r\nVia: SIP/2.0/UDP", None),  # §7.1: case-insensitive
        (b" SIP/2.0\r\nVia: SIP/2.0/UDP", b" HTTP/1.1\r\nVia: SIP/2.0/UDP", 400),
        (b"INVITE sip", b"INV(ITE sip", 400),
        (b"INVITE sip", b"INVITE  sip", 400),
        (b"sip:room@10.0.0.1:5060 ", b"", 400),
        (b"sip:room@10.0.0.1:5060", b"sip:room@10.0.0.1:65536", 400),
        (b"sip:room@10.0.0.1:5060", b"room", 400),
        (b"sip:room@10.0.0.1:5060", b"nobody:knows", None),  # 416 is another's to say
        (b"1 INVITE", b"1 ACK", 400),  # §8.1.1.5
        (b"1 INVITE", b"1 invite", 400),  # methods are case-sensitive
        (b"1 INVITE", b"x INVITE", 400),
        (b"1 INVITE", b"4294967295 INVITE", None),
        (b"1 INVITE", b"4294967296 INVITE", 400),
        (b"CSeq: 1 INVITE\r\n", b"", 400),
        (b"From: alice <sip:alice@10.0.0.2>;tag=a1\r\n", b"", 400),
        (b"To: <sip:room@10.0.0.1>\r\n", b"", 400),
        (b"To: <sip:room@10.0.0.1>\r\n", b"To: <sip:a@b>\r\nt: <sip:a@b>\r\n", 400),
        (b"Call-ID: 1-77@10.0.0.2\r\n", b"", 400),
        (b"Call-ID: 1-77@10.0.0.2\r\n", b"Call-ID: \r\n", 400),
        (b"Call-ID: 1-77@10.0.0.2\r\n", b"Call-ID: 1 2\r\n", 400),
        (b"Via", b"X-Via", 400),
        (b"SIP/2.0/UDP 10.0.0.2:5061", b"SIP/2.0/UDP", 400),
        (b"Content-Length: 4", b"Content-Length: -4", 400),
        (b"Content-Length: 4", b"Content-Length: +4", 400),
        (b"Content-Length: 4", "Content-Length: ٤".encode(), 400),
        (b"Content-Length: 4", b"Content-Length: 4\r\nl: 4", 400),
        (b"Content-Length: 4", b"Content-Length: " + b"9" * 5000, 400),
        (b"Content-Length: 4", b"Content-Length: 00004", None),
        (b"Timestamp: 54", b"Timestamp 54", 400),
        (b"Timestamp: 54", b"Time stamp: 54", 400),
        (b"Timestamp: 54", b": 54", 400),
        (b"Timestamp: 54", b"X: a\nY: b", 400),
        (b"Timestamp: 54", b"X: a\rb", 400),
        (b"Timestamp: 54", b"X: a\x00b", 400),
        (b"Timestamp: 54", b'X: "a\\\x00b"', None),  # §25.1 quoted-pair
        (b"Timestamp: 54", b"X: \xff", 400),  # §7.3.1: UTF-8
        (b"Timestamp: 54", b"X: \xc3\xbc\r\n \t folded", None),
        (b"\r\nVia: SIP", b"\r\n Via: SIP", 400),  # a fold of the start line
    ],
)
def test_what_is_refused(old: bytes, new: bytes, status: int | None) -> None:
    assert old in INVITE
    data = INVITE.replace(old, new)
    if status is None:
        request(data)
    else:
        assert refusal(data).status == status


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"SIP/2.0 200 OK", 200),
        (b"sip/2.0 486 ", 486),
        (b"SIP/2.0 180", 180),
        (b"SIP/2.0 699 \xc3\xbc", 699),
        (b"SIP/2.0 99 x", None),
        (b"SIP/2.0 700 x", None),
        (b"SIP/2.0 2000 x", None),
        (b"SIP/2.0  200 OK", None),
        (b"SIP/3.0 200 OK", None),
        (b"SIP/2.0", None),
    ],
)
def test_status_lines(line: bytes, status: int | None) -> None:
    data = line + b"\r\n" + INVITE.partition(b"\r\n")[2]
    if status is None:
        refusal(data)
    else:
        message = parse_message(data)
        assert isinstance(message, Response)
        assert message.status == status


def test_limits() -> None:
    """Every size and count has a bound, and an answer of its own."""
    limits = Limits(message=2000, header=300, headers=12)
    assert refusal(INVITE + b"x" * 2000, limits).status == 413
    assert refusal(INVITE.replace(b"room@", b"r" * 300 + b"@"), limits).status == 414
    assert refusal(INVITE.replace(b"Timestamp: 54", b"X: " + b"y" * 300), limits).status == 400
    assert refusal(INVITE.replace(b"Timestamp: 54", b"X: y\r\n" + b" y\r\n" * 200 + b"Z: z"), limits).status == 400
    assert refusal(INVITE.replace(b"Timestamp: 54", b"X: y\r\n" * 5 + b"Z: z"), limits).status == 400
    parse_message(INVITE.replace(b"Timestamp: 54", b"X: y\r\n" * 3 + b"Z: z"), limits)


@pytest.mark.parametrize(
    "value",
    [
        b",",
        b";",
        b" ",
        b"\t",
        b'"',
        b'"\\',
        b"<",
        b">",
        b"<>",
        b"a,",
        b";a",
        b";a=",
        b'""',
        b"%",
        b"[",
        b":",
        b"\r\n ",
        b"=a",
    ],
)
def test_cost_is_linear(value: bytes) -> None:
    """A message of 64 KiB of one thing in the fields that are parsed costs milliseconds; quadratic would be minutes."""
    room = 60_000 // len(value) * value
    started = time.perf_counter()
    for old, new in (
        (b"<sip:room@10.0.0.1>", b"<sip:room@10.0.0.1>" + room),
        (b"From: ", b"From: " + room),
        (b"sip:alice@", b"sip:" + room + b"alice@"),
        (b";rport", room),
        (b"Timestamp: 54", b"Contact: " + room),
        (b"Timestamp: 54", b"Timestamp" + room),
    ):
        try:
            message = parse_message(INVITE.replace(old, new), Limits(header=70_000, headers=70_000))
            message.headers.values("To")
            message.contacts  # noqa: B018
        except RemoteError:
            pass
    assert time.perf_counter() - started < 2


def test_a_response_copies_what_the_rfc_says() -> None:
    """RFC 3261 §8.2.6."""
    response = make_response(request(), 180, to_tag="b2", headers=[("Contact", "<sip:vb@10.0.0.1>")])
    assert response.to_bytes() == (
        b"SIP/2.0 180 Ringing\r\n"
        b"Via: SIP/2.0/UDP 10.0.0.2:5061;branch=z9hG4bK-1;rport\r\n"
        b"Via: SIP/2.0/TCP proxy.example.com;branch=z9hG4bK-2\r\n"
        b"From: alice <sip:alice@10.0.0.2>;tag=a1\r\n"
        b"To: <sip:room@10.0.0.1>;tag=b2\r\n"
        b"Call-ID: 1-77@10.0.0.2\r\n"
        b"CSeq: 1 INVITE\r\n"
        b"Timestamp: 54\r\n"
        b"Contact: <sip:vb@10.0.0.1>\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_a_tag_that_is_there_stays() -> None:
    inside = request(INVITE.replace(b"To: <sip:room@10.0.0.1>", b"To: <sip:room@10.0.0.1>;tag=z"))
    assert make_response(inside, 200, to_tag="b2").to.tag == "z"
    addr_spec = request(INVITE.replace(b"To: <sip:room@10.0.0.1>", b"To: sip:room@10.0.0.1"))
    assert make_response(addr_spec, 200, to_tag="b2").to.tag == "b2"


def test_a_response_with_a_body() -> None:
    response = make_response(request(), 200, "Fine", body=b"v=0", content_type="application/sdp")
    again = parse_message(response.to_bytes())
    assert again == response
    assert isinstance(again, Response)
    assert (again.reason, again.body, again.content_type) == ("Fine", b"v=0", "application/sdp")


def test_reason_phrases() -> None:
    assert make_response(request(), 487).reason == "Request Terminated"
    assert make_response(request(), 499).reason == "Bad Request"  # §8.1.3.2: like x00 of its class
    assert make_response(request(), 499, "").reason == ""
    assert all(100 <= status <= 699 for status in REASONS)


def test_nothing_given_by_our_own_side_adds_a_line() -> None:
    with pytest.raises(LocalError):
        make_response(request(), 200, "OK\r\nX: y")
    with pytest.raises(LocalError):
        make_response(request(), 200, headers=[("X", "a\r\nY: b")])


def test_content_length_is_written_from_the_body() -> None:
    message = Request("ACK", Uri("sip", host="h"), Headers([("Content-Length", "99"), ("X", "y")]), b"four")
    assert message.to_bytes() == b"ACK sip:h SIP/2.0\r\nX: y\r\nContent-Length: 4\r\n\r\nfour"


def test_equality_is_of_content() -> None:
    assert request() == request()
    assert request() != request(INVITE.replace(b"a1", b"a2"))
    assert request() != make_response(request(), 200)
    assert make_response(request(), 200) != make_response(request(), 201)
