"""Where messages go: responses (RFC 3261 §18.2, RFC 3581), requests to the next hop (RFC 3261 §8.1.2, §12.2.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from vb.sip.effects import Hop, Transport
from vb.sip.errors import RemoteError
from vb.sip.grammar import split_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vb.sip.fields import NameAddr, Via
    from vb.sip.message import Request
    from vb.sip.uri import Uri

_TRANSPORTS: dict[str, Transport] = {"udp": "UDP", "tcp": "TCP", "tls": "TLS", "ws": "WS", "wss": "WSS"}

_WEB = ("WS", "WSS")


def default_port(transport: Transport) -> int:
    return 5061 if transport == "TLS" else 443 if transport == "WSS" else 80 if transport == "WS" else 5060


def stamp_via(request: Request, source: Hop) -> None:
    """Add ``received`` and fill ``rport`` in the top Via (§18.2.1, RFC 3581 §4): every response carries them."""
    via = request.via
    wants_port = any(name.lower() == "rport" for name, _ in via.params)
    if via.host == source.host and not wants_port:
        return
    params: list[tuple[str, str | None]] = []
    for name, value in via.params:
        lower = name.lower()
        if lower == "rport":
            params.append((name, str(source.port)))
        elif lower != "received":
            params.append((name, value))
    params.append(("received", source.host))
    _replace_top_via(request, attrs.evolve(via, params=tuple(params)))


def _replace_top_via(request: Request, via: Via) -> None:
    """The first line may hold several values, separated by commas; only the first one changes."""
    headers = request.headers
    line = headers.get("Via") or ""
    rest = split_values(line)[1:] if "," in line else []
    headers.set_first("Via", ", ".join([str(via), *rest]))
    headers.typed["top-via"] = via


def response_hops(request: Request, source: Hop, *, use_source_socket: bool) -> tuple[Hop, Hop | None]:
    """Where the responses go, and where they go when that connection is gone (§18.2.2).

    ``received`` is the packet source by construction, so the source itself is used.
    """
    via = request.via
    port = via.port or default_port(source.transport)
    if source.reliable:
        fallback = None if source.transport in _WEB else attrs.evolve(source, port=port, connection=0)
        return source, fallback
    if use_source_socket:
        return source, None
    for name, value in via.params:
        lower = name.lower()
        if lower == "maddr" and value:
            return attrs.evolve(source, host=value.strip("[]"), port=port), None
        if lower == "rport":
            port = source.port
    if port == source.port:
        return source, None
    return attrs.evolve(source, port=port), None


def hop_of(uri: Uri, like: Hop | None = None) -> Hop:
    """The next hop that a URI names. Without a transport parameter it is UDP, or TLS for sips (RFC 3263 §4.1).

    A name without a port is left to the DNS: port 0.

    ``like`` is the flow that we already have with the peer: its local address is kept for the same transport, its
    connection when the host is the same too, be it from another port: who opened it may have no open door of its own
    (RFC 5923 §3). A peer behind a WebSocket can be reached over nothing else.
    """
    named = (uri.param("transport") or "").lower()
    transport: Transport = _TRANSPORTS.get(named, "TLS" if uri.scheme == "sips" else "UDP")
    if uri.scheme == "sips":
        transport = "WSS" if transport in ("WS", "WSS") else "TLS"
    host = (uri.param("maddr") or uri.host).strip("[]")
    port = uri.port or (default_port(transport) if is_numeric(host) or transport in _WEB else 0)
    if like is not None and like.transport in _WEB and (transport in _WEB or host.endswith(".invalid")):
        return like  # RFC 7118 §5: such a peer has no address, and names itself so
    if like is None or like.transport != transport:
        return Hop(transport, host, port)
    if (host, port) == (like.host, like.port):
        return like
    if host == like.host:
        return attrs.evolve(like, port=port)
    return Hop(transport, host, port, 0, like.local)


def is_numeric(host: str) -> bool:
    """A name has a letter in its last label (§25.1)."""
    return ":" in host or host.rpartition(".")[2].isdigit()


def secured(uri: Uri) -> Uri:
    """The URI as a SIPS URI; ``transport=tls`` goes without saying there (§26.2.2)."""
    params = tuple(p for p in uri.params if (p[0].lower(), (p[1] or "").lower()) != ("transport", "tls"))
    return uri.with_(scheme="sips", params=params)


def wants_secure_contact(request: Request) -> bool:
    """Whether who answers ``request`` names itself by a SIPS URI (§12.1.1)."""
    if request.uri.scheme == "sips":
        return True
    try:
        parties = request.record_routes or request.contacts
    except RemoteError:
        return False
    return bool(parties) and parties[0].uri.scheme == "sips"


def is_loose(route: NameAddr) -> bool:
    return route.uri.has_param("lr")


def route_request(target: Uri, routes: Sequence[NameAddr]) -> tuple[Uri, list[str], Uri]:
    """Request-URI, Route values and the URI of the next hop, by §12.2.1.1: loose routes, or a strict first one."""
    if not routes:
        return target, [], target
    first = routes[0]
    if is_loose(first):
        return target, [str(route) for route in routes], first.uri
    # A strict router: its URI is the Request-URI, without what §19.1.1 forbids there, and the target goes last.
    params = tuple(p for p in first.uri.params if p[0].lower() != "method")
    strict = attrs.evolve(first.uri, params=params, headers=())
    return strict, [*(str(route) for route in routes[1:]), f"<{target}>"], first.uri
