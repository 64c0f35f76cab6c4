"""Where a call of ours goes: to a URI, through a proxy, or to a phone that has registered."""

from __future__ import annotations

import attrs

from vb.legs.sip.identity import loose, proxy_of
from vb.legs.sip.outbound_request import check_transport
from vb.sip.effects import Hop
from vb.sip.fields import NameAddr
from vb.sip.location import Binding
from vb.sip.routing import hop_of, is_numeric
from vb.sip.uri import Uri


@attrs.frozen
class Destination:
    """Request-URI and Routes of an INVITE, and its next hops in turn; none of those is known yet where it is empty.

    ``host`` is the peer, by which our own address is chosen.
    """

    target: Uri
    routes: tuple[NameAddr, ...]
    hops: tuple[Hop, ...]
    host: str


def destination_of(target: Uri, outbound_proxy: str, default_proxy: Uri | None) -> Destination:
    """For whoever is not registered. Raises Invalid or Unavailable for what cannot be reached."""
    proxy = proxy_of(outbound_proxy) if outbound_proxy else None
    if proxy is None and default_proxy is not None:
        proxy = loose(default_proxy)
    check_transport(target, proxy)
    return Destination(target, (NameAddr("", proxy),) if proxy is not None else (), (), (proxy or target).host)


def bound_destination(binding: Binding) -> Destination:
    """For a registered phone: its contact, through its Path (RFC 3327), over the flow that it registered by."""
    flow = binding.flow
    if binding.path:
        first = binding.path[0].uri
        known = is_numeric(first.param("maddr") or first.host) or flow.transport in ("WS", "WSS")
        return Destination(binding.contact, binding.path, (hop_of(first, flow),) if known else (), flow.host)
    own = hop_of(binding.contact)
    # Its connection may be gone; a phone with a door of its own is reached by that.
    hops = (flow, own) if flow.transport in ("TCP", "TLS") and is_numeric(own.host) and own.port else (flow,)
    return Destination(binding.contact, (), hops, flow.host)
