from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sip.strategies import name_addrs, vias
from vb.sip.errors import RemoteError
from vb.sip.fields import (
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_media_type,
    parse_name_addr,
    parse_name_addrs,
    parse_sent_by,
    parse_tokens,
    parse_via,
)
from vb.sip.uri import Uri

BOB = Uri("sip", "bob", host="biloxi.com")


@given(name_addrs)
def test_addresses_parse_back_equal(value: NameAddr) -> None:
    assert parse_name_addr(str(value)) == value


@given(vias)
def test_vias_parse_back_equal(value: Via) -> None:
    assert parse_via(str(value)) == value


@given(st.text(max_size=40) | st.text('a"<>;,=:@\\ []/%', max_size=30))
def test_any_text_gives_the_documented_exception(text: str) -> None:
    parsers: tuple[Callable[[str], object], ...] = (parse_name_addr, parse_via, parse_sent_by, parse_cseq)
    for parse in parsers:
        try:
            value = parse(text)
        except RemoteError as error:
            assert error.status == 400  # noqa: PT017
        else:
            assert parse(str(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<sip:bob@biloxi.com>", NameAddr("", BOB)),
        ("sip:bob@biloxi.com", NameAddr("", BOB)),
        ("  sip:bob@biloxi.com  ;\ttag = x", NameAddr("", BOB, (("tag", "x"),))),
        ("sip:bob@biloxi.com;tag=x", NameAddr("", BOB, (("tag", "x"),))),  # §20: not the URI's
        ("Bob<sip:bob@biloxi.com>", NameAddr("Bob", BOB)),
        ("Bob  B. Builder <sip:bob@biloxi.com>", NameAddr("Bob B. Builder", BOB)),
        ("Jürgen (Sales) <sip:bob@biloxi.com>", NameAddr("Jürgen (Sales)", BOB)),
        ('"" <sip:bob@biloxi.com>', NameAddr("", BOB)),
        ('"Bell, <A>" <sip:bob@biloxi.com>', NameAddr("Bell, <A>", BOB)),
        ('"\\"B\\\\" <sip:bob@biloxi.com>;lr', NameAddr('"B\\', BOB, (("lr", None),))),
        ('"a"<sip:bob@biloxi.com>;x="q;\\"<>"', NameAddr("a", BOB, (("x", '"q;\\"<>"'),))),
        ('sip:bob@biloxi.com;x="<y>"', NameAddr("", BOB, (("x", '"<y>"'),))),
        ("<sip:bob@biloxi.com;lr>;a", NameAddr("", BOB.with_(params=(("lr", None),)), (("a", None),))),
        ("<sip:bob@biloxi.com>;tag=aGk=;y=[::1]:5", NameAddr("", BOB, (("tag", "aGk="), ("y", "[::1]:5")))),
        ("<tel:1;ext=2>", NameAddr("", Uri("tel", opaque="1;ext=2"))),
    ],
)
def test_addresses(text: str, value: NameAddr) -> None:
    assert parse_name_addr(text) == value
    assert parse_name_addr(str(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "bob", "bob@biloxi.com", "<>", "< sip:h >", "<sip:h", "sip:h>", "<sip:h>x", "<sip:h> ;", "<sip:h>;"),
        *('"bob <sip:h>', '"bob" sip:h', '"bob"', 'bo"b <sip:h>', "a, b <sip:h>", "a;b <sip:h>", "a:b <sip:h>"),
        *("<sip:h>;;a", "<sip:h>;=a", "<sip:h>;a=", '<sip:h>;a="', "<sip:h>;a b", "<sip:h>;a=b c", "<sip:h>,<sip:i>"),
        *("sip:h?a=b", "sip:a,b@h", "<<sip:h>>", "<sip:h>>", "a\\b <sip:h>", "a\x00 <sip:h>"),
    ],
)
def test_addresses_that_are_refused(text: str) -> None:
    with pytest.raises(RemoteError):
        parse_name_addr(text)


def test_parameters_are_found_in_any_case_and_without_quotes() -> None:
    value = parse_name_addr('<sip:h>;TAG=x;Y="a\\"b";z')
    assert value.tag == "x"
    assert value.param("y") == 'a"b'
    assert value.param("z") is None
    assert value.has_param("Z")
    assert not value.has_param("q")
    assert parse_name_addr("<sip:h>").tag is None


def test_copies_with_other_parameters() -> None:
    value = parse_name_addr("<sip:h>;a=1;Tag=x")
    assert str(value.with_tag("y")) == "<sip:h>;a=1;tag=y"
    assert str(value.without_param("tag")) == "<sip:h>;a=1"
    assert str(value) == "<sip:h>;a=1;Tag=x"
    via = parse_via("SIP/2.0/UDP h;rport;branch=z9hG4bK1")
    assert str(via.with_param("rport", "5060")) == "SIP/2.0/UDP h;branch=z9hG4bK1;rport=5060"


def test_display_names_cannot_leave_their_quotes() -> None:
    text = str(NameAddr('a" <sip:evil>\r\nX: y\\', BOB))
    assert "\r" not in text
    assert "\n" not in text
    assert parse_name_addr(text).uri == BOB


def test_lists() -> None:
    assert [str(v.uri) for v in parse_name_addrs(["<sip:a>", "sip:b"])] == ["sip:a", "sip:b"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("SIP/2.0/UDP h", Via("UDP", "h")),
        ("SIP/2.0/tcp H.example:5060;branch=x", Via("TCP", "h.example", 5060, (("branch", "x"),))),
        ("sip / 2.0 / UDP  h : 5060 ; branch = x ;y", Via("UDP", "h", 5060, (("branch", "x"), ("y", None)))),
        ("SIP/2.0/UDP [::1]:5060", Via("UDP", "::1", 5060)),
        ("SIP/7.0/X-Y h", Via("X-Y", "h", protocol="SIP/7.0")),
        ("SIP/2.0/UDP h;ttl=1;maddr=224.2.0.1", Via("UDP", "h", None, (("ttl", "1"), ("maddr", "224.2.0.1")))),
    ],
)
def test_vias(text: str, value: Via) -> None:
    """RFC 3261 §20.42."""
    assert parse_via(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", "SIP/2.0/UDP", "SIP/2.0 h", "SIP/2.0/UDP h:", "SIP/2.0/UDP h:65536", "SIP/2.0/UDP h;;", "SIP/2.0/UDP ;a"),
        *("SIP/2.0/UDP h h", "SIP/2.0/UDP u@h", "SIP/2.0/UDPh", "SIP/2.0/UDP h, SIP/2.0/UDP i", "SIP/2.0/UDP [h]"),
    ],
)
def test_vias_that_are_refused(text: str) -> None:
    with pytest.raises(RemoteError):
        parse_via(text)


@pytest.mark.parametrize(
    ("params", "received", "rport"),
    [
        ("", None, None),
        (";received=192.0.2.1;rport=5061", "192.0.2.1", 5061),
        (";received=[::1];rport", "::1", None),
        (";received;rport=x", None, None),
        (";rport=65536", None, None),
        (";rport=123456", None, None),
    ],
)
def test_what_a_server_wrote(params: str, received: str | None, rport: int | None) -> None:
    """RFC 3261 §18.2.1, RFC 3581 §4."""
    via = parse_via("SIP/2.0/UDP h" + params)
    assert (via.received, via.rport) == (received, rport)


@pytest.mark.parametrize("text", ["SIP/2.0/UDP h:5060;branch=x;;,", "SIP/2.0/UDP h:5060;branch=x, nonsense"])
def test_sent_by_of_what_cannot_be_read(text: str) -> None:
    assert parse_sent_by(text) == Via("UDP", "h", 5060, (("branch", "x"),))


def test_cseq() -> None:
    """RFC 3261 §20.16."""
    assert parse_cseq(" 0009 \t INVITE ") == CSeq(9, "INVITE")
    assert str(CSeq(9, "INVITE")) == "9 INVITE"
    for text in ("", "1", "INVITE", "1INVITE", "-1 INVITE", "1 IN VITE", "4294967296 INVITE", "1 @", "² INVITE"):
        with pytest.raises(RemoteError):
            parse_cseq(text)


def test_tokens_and_media_types() -> None:
    assert parse_tokens(["100rel", "timer"], "Require") == ("100rel", "timer")
    with pytest.raises(RemoteError, match="Unreadable Require"):
        parse_tokens(["a b"], "Require")
    assert parse_media_type("Application / SDP ;charset=x") == "application/sdp"
    for text in ("", "a", "a/", "/b", "a b/c", "a/b/c"):
        with pytest.raises(RemoteError):
            parse_media_type(text)
