"""What a request of the peer says beside what SIP and SDP proper make of it."""

from __future__ import annotations

import re

_DIRECTION = re.compile(rb"^a=(?:sendrecv|sendonly|recvonly|inactive)[ \t]*\r?$", re.MULTILINE)
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - hold by address (RFC 3264 §8.4), nothing is bound


def states_direction(description: bytes, host: str) -> bool:
    """Whether a description says which way its media flows, by an attribute or by ``host``, its RTP address."""
    return _DIRECTION.search(description) is not None or host in _NOWHERE
