"""Contact, Via, targets and parties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.call.errors import Invalid, Unavailable
from vb.legs.sip.identity import contact_of, custom_headers, from_of, loose, sent_by_of, target_of, to_of, user_of
from vb.legs.sip.settings import Address, SipSettings
from vb.sip.effects import Hop
from vb.sip.fields import parse_name_addr
from vb.sip.uri import parse_uri

BOTH = SipSettings(ipv4=Address("0.0.0.0", "192.0.2.1"), ipv6=Address("::1", "2001:db8::1"), port=5060)


@pytest.mark.parametrize(
    ("hop", "contact"),
    [
        (Hop("UDP", "192.0.2.9", 5060), "sip:192.0.2.1:5060"),
        (Hop("TCP", "192.0.2.9", 5060), "sip:192.0.2.1:5060;transport=tcp"),
        (Hop("UDP", "2001:db8::9", 5060), "sip:[2001:db8::1]:5060"),
    ],
)
def test_contact_by_the_way_there(hop: Hop, contact: str) -> None:
    assert str(contact_of(BOTH, hop)) == contact


def test_a_domain_stands_for_every_address() -> None:
    settings = SipSettings(ipv4=Address("127.0.0.1", "127.0.0.1"), domain="sip.example.test")
    assert sent_by_of(settings, Hop("UDP", "::1", 5060), 5070) == ("sip.example.test", 5070)


def test_without_the_peer_s_version_of_ip_the_other_one_is_named() -> None:
    settings = SipSettings(ipv4=Address("127.0.0.1", "127.0.0.1"))
    assert sent_by_of(settings, Hop("UDP", "::1", 5060))[0] == "127.0.0.1"
    with pytest.raises(Unavailable):
        settings.address_for("::1")
    assert settings.address_for("example.test").bind == "127.0.0.1"
    assert SipSettings(ipv6=Address("::1", "::1")).address_for("example.test").bind == "::1"


def test_proxies_are_loose_routers() -> None:
    assert str(loose(parse_uri("sip:p.example.test"))) == "sip:p.example.test;lr"
    assert str(loose(parse_uri("sip:p.example.test;lr"))) == "sip:p.example.test;lr"


@pytest.mark.parametrize(("party", "user"), [("<sip:bob@x>", "bob"), ("<sip:x>", ""), ("<tel:+49;a=b>", "+49")])
def test_user_parts(party: str, user: str) -> None:
    assert user_of(parse_name_addr(party)) == user


@given(st.text(max_size=60))
def test_any_text_as_a_target_is_a_uri_or_invalid(text: str) -> None:
    try:
        target = target_of(text)
    except Invalid:
        return
    assert target.host
    assert "\r" not in str(to_of(target))


@given(st.text(max_size=60))
def test_any_text_as_from_is_a_party_or_invalid(text: str) -> None:
    try:
        party = str(from_of(text, BOTH, "192.0.2.1"))
    except Invalid:
        return
    assert parse_name_addr(party).uri.host or parse_name_addr(party).uri.opaque
    assert not set("\r\n\0") & set(party)


@given(st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=3))
def test_any_headers_are_lines_or_invalid(headers: dict[str, str]) -> None:
    try:
        lines = custom_headers(headers)
    except Invalid:
        return
    for name, value in lines:
        assert not set("\r\n\0: ") & set(name)
        assert not set("\r\n\0") & set(value)


def test_not_too_many_headers() -> None:
    with pytest.raises(Invalid):
        custom_headers({f"X-{n}": "v" for n in range(65)})
