"""Requests that are too large for a datagram go by a transport that is no burden to the network (RFC 3261 §18.1.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from vb.sip.effects import Hop

if TYPE_CHECKING:
    from vb.sip.message import Request
    from vb.sip.transaction import Fallback


def prepare(request: Request, hop: Hop, largest: int) -> tuple[bytes, Hop, Fallback | None]:
    """What to send and where: by TCP if it is larger than ``largest`` octets (0: never) and was meant for UDP.

    Then the third is how to go back to UDP, should there be no TCP at the peer. The Via of the request follows. A peer
    that is known only by the datagrams that it sent us keeps to them: it may be behind a NAT, which lets no TCP through
    and would not even say so.
    """
    data = _written_for(request, hop)
    if hop.transport != "UDP" or hop.local is not None or not largest or len(data) <= largest:
        return data, hop, None
    stream = attrs.evolve(hop, transport="TCP", connection=0)
    return _written_for(request, stream), stream, lambda: (_written_for(request, hop), hop)


def _written_for(request: Request, hop: Hop) -> bytes:
    via = request.via
    if via.transport != hop.transport:
        request.headers.set_first("Via", str(attrs.evolve(via, transport=hop.transport)))
    return request.to_bytes()
