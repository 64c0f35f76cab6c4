"""RFC 4475 and RFC 5118: every message of both, against its verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vb.sip.errors import RemoteError
from vb.sip.framing import StreamFramer
from vb.sip.message import Message, Request, Response, make_response, parse_message
from vb.sip.salvage import salvage
from vb.sip.validate import validate

DATA = Path(__file__).parent.parent / "data"
RFC4475: list[dict[str, Any]] = json.loads((DATA / "rfc4475/verdicts.json").read_text())
RFC5118: list[dict[str, Any]] = json.loads((DATA / "rfc5118/verdicts.json").read_text())

# Verdict S: the syntax is fine, the meaning is not. None: the parser lets it pass, as the verdict allows.
SEMANTIC: dict[str, int | None] = {
    "escruri": 400,
    "baddate": None,  # "400 or ignore Date"
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,  # "501 preferred or 400"
    "insuf": 400,
    "multi01": 400,
    "mcl01": 400,
}
# Refused, but no request, or without a Via: nobody to answer.
UNANSWERED = {"scalarlg", "bigcode", "test"}


def octets(name: str, folder: str = "rfc4475") -> bytes:
    return (DATA / folder / f"{name}.dat").read_bytes()


def checked(data: bytes) -> Message:
    message = parse_message(data)
    validate(message)
    return message


def request(name: str, folder: str = "rfc4475") -> Request:
    message = parse_message(octets(name, folder))
    assert isinstance(message, Request)
    return message


def test_all_are_here() -> None:
    assert len(RFC4475) == 50  # 49, and test.dat that no section mentions
    assert len(RFC5118) == 12
    assert {v["wellformed"] for v in RFC4475} == {"Y", "N", "S", "-"}
    assert {v["name"] for v in RFC4475 if v["wellformed"] == "S"} == set(SEMANTIC)


@pytest.mark.parametrize("verdict", RFC4475, ids=lambda v: v["name"])
def test_verdict_of_rfc4475(verdict: dict[str, Any]) -> None:
    data = octets(verdict["name"])
    status = {"Y": None, "N": 400, "-": 400}.get(verdict["wellformed"], SEMANTIC.get(verdict["name"]))
    if status is None:
        message = checked(data)
        assert isinstance(message, Request if verdict["kind"] == "req" else Response)
        assert parse_message(message.to_bytes()) == message
        return
    with pytest.raises(RemoteError) as caught:
        checked(data)
    assert caught.value.status == status


@pytest.mark.parametrize("verdict", RFC5118, ids=lambda v: v["name"])
def test_verdict_of_rfc5118(verdict: dict[str, Any]) -> None:
    data = octets(verdict["name"], "rfc5118")
    if verdict["wellformed"] == "N":
        with pytest.raises(RemoteError, match="400"):
            checked(data)
    else:
        message = checked(data)
        assert parse_message(message.to_bytes()) == message


@pytest.mark.parametrize("verdict", [v for v in RFC4475 if v["wellformed"] != "Y"], ids=lambda v: v["name"])
def test_what_is_refused_can_still_be_answered(verdict: dict[str, Any]) -> None:
    """RFC 3261 §8.2.6: the Via of the request, and whatever else of the copied fields is there."""
    data = octets(verdict["name"])
    head = salvage(data)
    if verdict["name"] in UNANSWERED:
        assert head is None
        return
    assert head is not None
    response = make_response(head, 400, to_tag="mine").to_bytes()
    via = next(line for line in data.split(b"\r\n") if line.startswith(b"Via:"))
    assert via.split(b":", 1)[1].strip() in response
    assert (b";tag=mine" in response) == (b"\r\nTo:" in data and verdict["name"] != "lwsruri")


def test_repaired_baddn_is_still_bad() -> None:
    """RFC 4475 §3.1.2.15: a comma in an unquoted display name."""
    with pytest.raises(RemoteError, match="Unreadable address"):
        parse_message(octets("baddn.crlf"))


def test_wsinv() -> None:
    """RFC 4475 §3.1.1.1: white space and folds wherever the grammar has them."""
    message = request("wsinv")
    assert message.to.tag == "1918181833n"
    assert message.from_.display == 'J Rosenberg \\"'
    assert message.from_.tag == "98asjd8"
    assert message.max_forwards == 68
    assert (message.cseq.number, message.cseq.method) == (9, "INVITE")
    assert [(v.transport, v.host, v.branch) for v in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.headers.get("Subject") == ""
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.headers.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    (contact,) = message.contacts
    assert contact.display == 'Quoted string ""'
    assert contact.params == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    (route,) = message.routes
    assert route.uri.has_param("lr")
    assert route.uri.param("unknownwith") == "value"
    assert len(message.body) == 150


def test_intmeth() -> None:
    """RFC 4475 §3.1.1.2: every character that may stand in a method, a user part, a display name, a tag."""
    message = request("intmeth")
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert message.uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert message.uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert message.uri.host == "example.com"
    assert message.to.display == "BEL:\x07 NUL:\x00 DEL:\x7f"
    assert message.from_.display == "token1~` token2'+_ token3*%!.-"
    assert message.from_.tag == "_token~1'+`*%!-."
    assert message.from_.param("fromParam''~+*_!.-%") == "работающий"
    assert message.headers.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"


def test_escapes() -> None:
    """RFC 4475 §3.1.1.3, §3.1.1.4: escapes mean characters, NUL among them."""
    message = request("esc01")
    assert message.uri.user == "sips:user@example.com"
    assert message.to.uri.user == "user"
    (contact,) = message.contacts
    assert contact.uri.params == (("lr", None), ("name", "value%41"))
    assert [c.uri.user for c in request("escnull").contacts] == ["\x00", "\x00\x00"]


def test_percent_that_is_no_escape() -> None:
    """RFC 4475 §3.1.1.5."""
    message = request("esc02")
    assert message.method == "RE%47IST%45R"
    assert message.to.display == "%Z%45"
    assert len(message.contacts) == 2


def test_datagram_with_a_second_message() -> None:
    """RFC 4475 §3.1.1.8: what follows the first message in a datagram is ignored; on a stream it is the next one."""
    assert request("dblreq").body == b""
    framer = StreamFramer()
    first, second = framer.feed(octets("dblreq"))
    assert parse_message(first).cseq.method == "REGISTER"
    assert parse_message(second).cseq.method == "INVITE"
    assert framer.error is not None  # its body is longer than it says: what is left of it begins no message


def test_body_with_nul() -> None:
    """RFC 4475 §3.1.1.11: 553 octets of multipart, byte for byte."""
    message = request("mpart01")
    assert len(message.body) == 553
    assert message.body == octets("mpart01").partition(b"\r\n\r\n")[2]
    assert message.content_type == "multipart/mixed"


def test_user_with_semicolon() -> None:
    """RFC 4475 §3.1.1.9."""
    assert request("semiuri").uri.user == "user;par=u@example.net"


def test_reason_phrases() -> None:
    """RFC 4475 §3.1.1.12, §3.1.1.13."""
    unusual = parse_message(octets("unreason"))
    assert isinstance(unusual, Response)
    assert unusual.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    empty = parse_message(octets("noreason"))
    assert isinstance(empty, Response)
    assert (empty.status, empty.reason) == (100, "")


def test_header_parameters_are_not_uri_parameters() -> None:
    """RFC 4475 §3.3.12, §3.3.13."""
    (outside,) = request("cparam01").contacts
    assert outside.has_param("unknownparam")
    assert outside.uri.params == ()
    (inside,) = request("cparam02").contacts
    assert inside.params == ()
    assert inside.uri.has_param("unknownparam")


def test_escaped_header_in_a_binding() -> None:
    """RFC 4475 §3.3.14: kept, and given back as it came."""
    (contact,) = request("regescrt").contacts
    assert contact.uri.headers == (("Route", "<sip:sip.example.com>"),)
    assert str(contact.uri) == "sip:user@example.com?Route=%3Csip:sip.example.com%3E"


def test_stream_verdicts() -> None:
    """RFC 4475 §3.1.2.2, §3.1.2.3, §3.3.9: what a stream does with a Content-Length that cannot be."""
    waiting = StreamFramer()
    assert waiting.feed(octets("clerr")) == []
    assert waiting.error is None
    for name in ("ncl", "mcl01"):
        framer = StreamFramer()
        assert framer.feed(octets(name)) == []
        assert framer.error is not None
        assert framer.error.status == 400
        assert salvage(framer.error_head) is not None


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        ("port-ambiguous", "2001:db8::10:5070", None),
        ("port-unambiguous", "2001:db8::10", 5070),
        ("ipv6-bug-abnf-3-colons", "2001:db8::192.0.2.1", None),
        ("ipv6-correct-abnf-2-colons", "2001:db8::192.0.2.1", None),
    ],
)
def test_ipv6_hosts(name: str, host: str, port: int | None) -> None:
    """RFC 5118 §4.3, §4.4, §4.10."""
    uri = request(name, "rfc5118").uri
    assert (uri.host, uri.port) == (host, port)
    assert ":::" not in str(uri)


def test_received_with_and_without_delimiters() -> None:
    """RFC 5118 §4.5."""
    for name in ("via-received-param-with-delim", "via-received-param-no-delim"):
        assert request(name, "rfc5118").via.received == "2001:db8::9:255"


def test_ipv4_mapped_addresses() -> None:
    """RFC 5118 §4.9."""
    message = request("ipv4-mapped-ipv6", "rfc5118")
    assert [(v.host, v.port) for v in message.vias] == [("::ffff:192.0.2.10", 19823), ("::ffff:192.0.2.2", None)]
    assert message.contacts[0].uri.host == "::ffff:192.0.2.2"
