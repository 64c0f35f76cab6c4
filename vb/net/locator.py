"""Where a SIP URI leads: transport, addresses and ports in the order to try them (RFC 3263 §4)."""

from __future__ import annotations

from collections.abc import Collection

import attrs
import trio

from vb.net.addresses import numeric_family
from vb.net.records import Srv
from vb.net.resolver import MAX_SERVERS, ResolveError, Resolver
from vb.sip.effects import Hop, Transport
from vb.sip.routing import default_port, hop_of
from vb.sip.uri import Uri

MAX_TARGETS = 16
_NAPTR_SERVICES: dict[str, Transport] = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}
_SRV_PREFIXES: tuple[tuple[str, Transport], ...] = (("_sip._udp", "UDP"), ("_sip._tcp", "TCP"), ("_sips._tcp", "TLS"))


@attrs.frozen
class _Service:
    """One SRV name, and the transport by which its servers are reached."""

    transport: Transport
    name: str


class Locator:
    """Asks the DNS by ``resolver``. ``transports`` are those that we can send by."""

    def __init__(self, resolver: Resolver, transports: Collection[Transport], timeout: float = 10.0) -> None:
        self._resolver = resolver
        self._transports = transports
        self._timeout = timeout

    async def locate(self, uri: Uri) -> list[Hop]:
        """The targets of a request to ``uri``, best first, drawn anew by the weights of the servers each time.

        The next one is for when a target cannot be reached or answers 503 (§4.3).

        Raises:
            ResolveError: there is none, or none in time.
        """
        hop = hop_of(uri)
        if numeric_family(hop.host) is not None:
            return [hop]
        with trio.move_on_after(self._timeout):
            targets = await self._targets(uri, hop)
            if targets:
                return targets[:MAX_TARGETS]
        raise ResolveError(f"no server for {hop.host!r}")

    async def _targets(self, uri: Uri, hop: Hop) -> list[Hop]:
        if hop.port:  # §4.2: a port is given, so only the address is wanted
            return await self._addresses(hop, [Srv(0, 0, hop.port, hop.host.lower())])
        found_any = False
        for service in await self._services(uri, hop):
            servers = await self._resolver.srv(service.name)
            found_any = found_any or bool(servers)
            here = [server for server in servers if server.target][:MAX_SERVERS]
            targets = await self._addresses(attrs.evolve(hop, transport=service.transport), here)
            if targets:
                return targets
        if found_any:
            return []  # RFC 2782: there are SRV records, so the domain itself is no server
        return await self._addresses(hop, [Srv(0, 0, default_port(hop.transport), hop.host.lower())])

    async def _services(self, uri: Uri, hop: Hop) -> list[_Service]:
        """The services to ask for, best first (§4.1)."""
        domain = hop.host.lower()
        if self._resolver.is_known(domain):
            return []
        secure = uri.scheme == "sips"
        if uri.has_param("transport") and not secure:
            return [
                _Service(hop.transport, f"{prefix}.{domain}") for prefix, by in _SRV_PREFIXES if by == hop.transport
            ]
        usable = {by for by in self._transports if by == "TLS" or not secure}
        named = [
            _Service(transport, record.replacement)
            for record in await self._resolver.naptr(domain)
            if record.flags == "s" and (transport := _NAPTR_SERVICES.get(record.service)) in usable and transport
        ]
        return named or [_Service(by, f"{prefix}.{domain}") for prefix, by in _SRV_PREFIXES if by in usable]

    async def _addresses(self, hop: Hop, servers: list[Srv]) -> list[Hop]:
        name = hop.host.lower() if hop.transport == "TLS" else ""
        return [
            attrs.evolve(hop, host=str(address), port=server.port, name=name)
            for server in servers
            for address in await self._resolver.records("ADDRESS", server.target)
        ]
