"""Who may talk to the API."""

from __future__ import annotations

import pytest

from vb.api.allow_list import AllowList, parse_networks


def test_without_a_list_only_loopback() -> None:
    nobody = AllowList()
    assert [a for a in ("127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1") if not nobody.allows(a)] == []
    assert [a for a in ("10.0.0.1", "::2", "::ffff:10.0.0.1", "", "localhost", "unix") if nobody.allows(a)] == []


def test_networks_of_both_families() -> None:
    allowed = AllowList(parse_networks(" 10.0.0.0/8, 192.0.2.7 ,2001:db8::/32,"))
    for address in ("10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.1.2.3"):
        assert allowed.allows(address)
    for address in ("127.0.0.1", "192.0.2.8", "2001:db9::1", "::a01:203"):
        assert not allowed.allows(address)


def test_the_leftmost_forwarded_address_when_trusted() -> None:
    networks = parse_networks("10.0.0.0/8")
    assert AllowList(networks, trust_proxy=True).allows("192.0.2.1", "10.1.1.1, 192.0.2.1")
    assert not AllowList(networks, trust_proxy=True).allows("10.1.1.1", "192.0.2.1, 10.1.1.1")
    assert AllowList(networks, trust_proxy=True).allows("10.1.1.1")
    assert not AllowList(networks).allows("192.0.2.1", "10.1.1.1")
    for unreadable in ("garbage", "", "10.1.1.1:80", "[::1]"):
        assert not AllowList(networks, trust_proxy=True).allows("10.1.1.1", unreadable)


@pytest.mark.parametrize("text", ["10.0.0.0/33", "host", "1.2.3", "10.0.0.1;10.0.0.2"])
def test_a_list_that_cannot_be_read_names_the_item(text: str) -> None:
    with pytest.raises(ValueError, match="neither an IP address nor a CIDR network"):
        parse_networks(text)
