from __future__ import annotations

import socket
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.activity.address_rule import AddressRefused, AddressRule, AllowPrivate

PUBLIC = ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"]
LOOPBACK = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]
PRIVATE = [
    "10.0.0.1",
    "172.16.5.5",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "fec0::1",
    "::a00:1",
    "::7f00:1",
    "192.0.0.8",
]
NEVER = ["0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255", "", "example.org", "1.2.3", "0x7f.1"]


@pytest.mark.parametrize(
    ("allow", "allowed", "refused"),
    [
        ("none", PUBLIC, LOOPBACK + PRIVATE + NEVER),
        ("loopback", PUBLIC + LOOPBACK, PRIVATE + NEVER),
        ("all", PUBLIC + LOOPBACK + PRIVATE, NEVER),
    ],
)
def test_what_each_setting_allows(allow: AllowPrivate, allowed: list[str], refused: list[str]) -> None:
    rule = AddressRule(allow)
    assert [address for address in allowed if not rule.allows(address)] == []
    assert [address for address in refused if rule.allows(address)] == []


@given(st.ip_addresses() | st.text())
def test_any_text_gets_a_verdict_and_none_allows_least(text: object) -> None:
    strict, middle, wide = (AddressRule(allow).allows(str(text)) for allow in ("none", "loopback", "all"))
    assert strict <= middle <= wide


async def test_a_name_gives_only_its_allowed_addresses() -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        assert (host, port) == ("mixed.test", 80)
        return ["10.0.0.1", "93.184.216.34", "127.0.0.1"]

    assert await AddressRule("none", resolve).addresses("mixed.test", 80) == ["93.184.216.34"]
    assert await AddressRule("loopback", resolve).addresses("mixed.test", 80) == ["93.184.216.34", "127.0.0.1"]


async def test_a_name_without_any_is_refused() -> None:
    async def inside(host: str, port: int) -> Sequence[str]:
        return ["10.0.0.1"]

    async def nowhere(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(AddressRefused, match="not an address that may be fetched"):
        await AddressRule("loopback", inside).addresses("intranet.test", 80)
    with pytest.raises(AddressRefused, match=r"cannot resolve nowhere\.test"):
        await AddressRule("all", nowhere).addresses("nowhere.test", 80)


@pytest.mark.realtime
async def test_the_system_resolver_knows_numbers() -> None:
    assert await AddressRule("all").addresses("127.0.0.1", 80) == ["127.0.0.1"]
    with pytest.raises(AddressRefused):
        await AddressRule("all").addresses("a" * 300 + ".test", 80)
