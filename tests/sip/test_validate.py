from __future__ import annotations

import pytest

from vb.sip.errors import RemoteError
from vb.sip.message import Request, make_response, parse_message
from vb.sip.validate import is_qvalue, validate

HEAD = (
    "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP c\r\nFrom: <sip:a@c>;tag=1\r\nTo: <sip:h>\r\nCall-ID: x\r\n"
    "CSeq: 1 REGISTER\r\n"
)


def with_line(line: str) -> Request:
    message = parse_message(f"{HEAD}{line}\r\n\r\n".encode())
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize(
    "line",
    [
        "X: anything;;,,",
        "Via: SIP/2.0/TCP d, SIP/2.0/X [::1]:5",
        "Contact: *",
        "Contact: <sip:a>;expires=0;q=0.5, sip:b",
        "Contact:",
        "Max-Forwards: 255",
        "Expires: 4294967295",
        "Route: <sip:p;lr>,<sip:q;lr>",
        "Record-Route: <sip:p;lr>",
        "Require: 100rel , timer",
        "Supported:",
        "Allow: INVITE, ACK",
        "Content-Type: application/sdp;x=y",
        "Date: yesterday",
    ],
)
def test_what_passes(line: str) -> None:
    validate(with_line(line))


@pytest.mark.parametrize(
    "line",
    [
        "Via: nonsense",
        "Via: SIP/2.0/TCP d,",
        "Contact: *, <sip:a>",
        "Contact: <sip:a>\r\nContact: *",
        "Contact: <sip:a>;expires=4294967296",
        "Contact: <sip:a>;expires=soon",
        "Contact: <sip:a>;q=1.1",
        "Contact: sip:a?b=c",
        'Contact: "a',
        "Contact: <sip:a>,,<sip:b>",
        "Max-Forwards: 256",
        "Max-Forwards: many",
        "Max-Forwards: 1\r\nMax-Forwards: 1",
        "Expires: 4294967296",
        "Expires: -1",
        "Route: p",
        "Record-Route: <sip:p",
        "Require: a b",
        "Supported: a/b",
        "Allow: INVITE,,ACK",
        "Proxy-Require: @",
        "Unsupported: (",
        "Content-Type: sdp",
        "Content-Type: a/b\r\nContent-Type: a/b",
    ],
)
def test_what_is_refused(line: str) -> None:
    """Never by the parser, so that there is a request to answer; always by `validate`."""
    message = with_line(line)
    with pytest.raises(RemoteError) as caught:
        validate(message)
    assert caught.value.status == 400
    make_response(message, 400).to_bytes()


def test_star_is_for_register() -> None:
    """RFC 3261 §10.2.2."""
    message = with_line("Contact: *")
    assert message.contact_is_star
    assert message.contacts == ()
    invite = parse_message((HEAD.replace("REGISTER", "INVITE") + "Contact: *\r\n\r\n").encode())
    with pytest.raises(RemoteError):
        validate(invite)


def test_request_uri_has_no_headers() -> None:
    """RFC 3261 §19.1.1, table 1."""
    with pytest.raises(RemoteError):
        validate(parse_message((HEAD.replace("sip:h SIP", "sip:h?a=b SIP") + "\r\n").encode()))


@pytest.mark.parametrize(
    ("text", "good"),
    [
        *(("0", True), ("1", True), ("0.5", True), ("0.333", True), ("1.000", True), ("0.", True), ("1.", True)),
        *(("1.001", False), ("2", False), ("", False), (".5", False), ("0.1234", False), ("0.x", False), ("-0", False)),
        ("0.²", False),
    ],
)
def test_qvalue(text: str, good: bool) -> None:
    assert is_qvalue(text) == good
