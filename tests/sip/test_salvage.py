from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.strategies import requests
from vb.sip.errors import RemoteError
from vb.sip.limits import Limits
from vb.sip.message import Request, Response, make_response, parse_message
from vb.sip.salvage import UNREADABLE_URI, salvage

DATA = (
    b"INVITE < SIP/2.0\r\n"
    b"v: SIP/2.0/UDP c:5061;branch=z9hG4bK1, SIP/2.0/UDP d\r\n"
    b"Via: SIP/2.0/UDP e\r\n"
    b"Subject: not copied\r\n"
    b"From: \xff <sip:a@c>;tag=1\r\n"
    b'To: "open <sip:h>\r\n'
    b"Call-ID: x\r\n"
    b"Call-ID: y\r\n"
    b"CSeq: 99999999999\r\n INVITE\r\n"
    b"Content-Length: -1\r\n"
    b"\r\n"
    b"Via: not a header\r\n"
)


def salvaged(data: bytes) -> Request:
    head = salvage(data)
    assert head is not None
    return head


@given(requests())
def test_a_good_request_is_salvaged_with_its_routing(request: Request) -> None:
    head = salvaged(request.to_bytes())
    assert head.method == request.method
    assert head.uri == request.uri
    assert head.via == request.via
    assert make_response(head, 400).to_bytes() == make_response(request, 400).to_bytes()


@given(st.binary(max_size=200))
def test_any_octets(data: bytes) -> None:
    assert salvage(data) is None or b"via" in data.lower()


def test_what_a_response_copies() -> None:
    """RFC 3261 §8.2.6.2, and octets that are no UTF-8 go back as they came."""
    head = salvaged(DATA)
    assert head.uri == UNREADABLE_URI
    assert (head.via.host, head.via.port, head.via.branch) == ("c", 5061, "z9hG4bK1")
    assert make_response(head, 400, to_tag="t").to_bytes() == (
        b"SIP/2.0 400 Bad Request\r\n"
        b"Via: SIP/2.0/UDP c:5061;branch=z9hG4bK1, SIP/2.0/UDP d\r\n"
        b"Via: SIP/2.0/UDP e\r\n"
        b"From: \xff <sip:a@c>;tag=1\r\n"
        b'To: "open <sip:h>;tag=t\r\n'
        b"Call-ID: x\r\n"
        b"CSeq: 99999999999 INVITE\r\n"
        b"Content-Length: 0\r\n\r\n"
    )


def test_a_response_to_another_version_is_readable() -> None:
    data = DATA.replace(b"<", b"sip:h", 1).replace(b" SIP/2.0\r", b" SIP/3.0\r").replace(b'"open ', b"")
    data = data.replace(b"\xff ", b"").replace(b"99999999999", b"5")
    with pytest.raises(RemoteError) as caught:
        parse_message(data)
    assert caught.value.status == 505
    response = parse_message(make_response(salvaged(data), 505, to_tag="t").to_bytes())
    assert isinstance(response, Response)
    assert (response.status, response.cseq.number, response.call_id, response.to.tag) == (505, 5, "x", "t")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"INVITE",
        b"INVITE sip:h SIP/2.0\r\n\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP c\r\n\r\n",
        b"INVITE sip:h SIP/2.0\r\nVia: nonsense\r\n\r\n",
        b"INVITE sip:h SIP/2.0\r\nVia: \r\n\r\n",
        b"INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP c:99999\r\n\r\n",
        b"INVITE sip:h SIP/2.0\r\nVia: SIP/2.0/UDP [:::]\r\n\r\n",
        b"IN VITE\r\n",
    ],
)
def test_nobody_to_answer(data: bytes) -> None:
    assert salvage(data) is None


def test_an_unfinished_head_is_enough() -> None:
    assert salvaged(b"BYE sip:h SIP/2.0\r\nVia: SIP/2.0/TCP c\r\nX: y").via.host == "c"


def test_limits() -> None:
    limits = Limits(message=4000, header=100, headers=10)
    many = b"BYE sip:h SIP/2.0\r\n" + b"X: y\r\n" * 20 + b"Via: SIP/2.0/TCP c\r\n\r\n"
    assert salvage(many, limits) is None
    long = b"BYE sip:h SIP/2.0\r\nVia: SIP/2.0/TCP c;x=" + b"y" * 200 + b"\r\n\r\n"
    assert salvage(long, limits) is None
