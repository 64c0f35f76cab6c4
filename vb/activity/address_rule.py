"""Which addresses a URL given by a program may lead to.

A server that fetches any URL is a door into the network it stands in. So every host is resolved here, every address
is judged, and the caller connects to the judged address itself: a name that resolves differently a moment later gains
nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

import attrs
import trio

AllowPrivate = Literal["none", "loopback", "all"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052 §2.1
_INSIDE = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
            "::/96",  # IPv4-compatible, RFC 4291 §2.5.5.1
            "64:ff9b:1::/48",  # NAT64 of a local network, RFC 8215
            "fec0::/10",  # site-local, RFC 3879
        ),
    )
)
"""What `ipaddress` takes for global although it leads inside, or nowhere."""


class AddressRefused(Exception):
    """The host has no address that the rule allows, or cannot be resolved."""


async def resolve_host(host: str, port: int) -> list[str]:
    """Addresses of ``host`` in the system's order, IPv4 and IPv6. Raises OSError (``socket.gaierror``)."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def _meant(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that carries it (mapped, 6to4, NAT64), else the address."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


@attrs.frozen
class AddressRule:
    """``none``: public addresses only; ``loopback``: those and this machine; ``all``: any unicast address."""

    allow: AllowPrivate = "loopback"
    resolve: Resolve = resolve_host

    def allows(self, text: str) -> bool:
        """Whether a numeric address may be connected to. Text that is no address is refused."""
        try:
            address = _meant(ipaddress.ip_address(text.partition("%")[0]))
        except ValueError:
            return False
        if address.is_multicast or address.is_unspecified or int(address) == 0xFFFFFFFF:
            return False
        if self.allow == "all" or (self.allow == "loopback" and address.is_loopback):
            return True
        return address.is_global and not any(
            address in network for network in _INSIDE if network.version == address.version
        )

    async def addresses(self, host: str, port: int) -> list[str]:
        """The allowed addresses of a host name or literal, at least one. Raises AddressRefused."""
        try:
            found = await self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise AddressRefused(f"cannot resolve {host}: {error}") from error
        allowed = [address for address in found if self.allows(address)]
        if not allowed:
            raise AddressRefused(f"{host} is not an address that may be fetched from")
        return allowed
