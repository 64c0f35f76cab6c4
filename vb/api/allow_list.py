"""Who may talk to the API: addresses and networks; without a list, only this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import attrs

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """A comma-separated list of IPv4 and IPv6 addresses and CIDR networks. Raises ValueError naming the wrong one."""
    networks: list[Network] = []
    for item in filter(None, (part.strip() for part in text.split(","))):
        try:
            networks.append(ipaddress.ip_network(item, strict=False))
        except ValueError:
            raise ValueError(f"{item!r} is neither an IP address nor a CIDR network") from None
    return tuple(networks)


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@attrs.frozen
class AllowList:
    """No ``networks``: loopback only. ``trust_proxy``: the client is the leftmost X-Forwarded-For, if there is one."""

    networks: Sequence[Network] = ()
    trust_proxy: bool = False

    def allows(self, peer: str, forwarded_for: str | None = None) -> bool:
        """Whether the client behind socket address ``peer`` may talk to us. What is no address may not."""
        if self.trust_proxy and forwarded_for is not None:
            peer = forwarded_for.split(",")[0].strip()
        address = _address(peer)
        if address is None:
            return False
        if not self.networks:
            return address.is_loopback
        return any(address in network for network in self.networks if network.version == address.version)
