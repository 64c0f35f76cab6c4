"""Our own address, without sending anything."""

from __future__ import annotations

import ipaddress

import pytest

from vb.net import own_address
from vb.net.own_address import default_address


@pytest.mark.parametrize("version", [4, 6])
def test_it_is_an_address_of_that_version(version: int) -> None:
    address = ipaddress.ip_address(default_address(version).partition("%")[0])
    assert address.version == version
    assert not address.is_unspecified


def test_without_a_route_it_is_the_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_route(*arguments: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(own_address.socket, "socket", no_route)
    assert default_address(4) == "127.0.0.1"
    assert default_address(6) == "::1"
