"""What a request of the peer says beside what SIP and SDP proper make of it."""

from __future__ import annotations

import logging
import re

from vb.sip.errors import RemoteError
from vb.sip.message import Message
from vb.sip.multipart import description_of

log = logging.getLogger("vb.legs")

_DIRECTION = re.compile(rb"^a=(?:sendrecv|sendonly|recvonly|inactive)[ \t]*\r?$", re.MULTILINE)
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - hold by address (RFC 3264 §8.4), nothing is bound


def states_direction(description: bytes, host: str) -> bool:
    """Whether a description says which way its media flows, by an attribute or by ``host``, its RTP address."""
    return _DIRECTION.search(description) is not None or host in _NOWHERE


def described(message: Message) -> bytes:
    """The session description in a message, b"" when there is none that can be found (RFC 5621 for several parts)."""
    try:
        return description_of(message)
    except RemoteError as error:
        log.info("body cannot be used", extra={"call_id": message.call_id, "error": error.reason})
        return b""
