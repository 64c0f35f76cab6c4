"""What a request of the peer says beside what SIP and SDP proper make of it."""

from __future__ import annotations

import re

from vb.sip.message import Request

_DIRECTION = re.compile(rb"^a=(?:sendrecv|sendonly|recvonly|inactive)[ \t]*\r?$", re.MULTILINE)
_CAUSE = re.compile(r"\bcause\s*=\s*(\d{3})\b", re.IGNORECASE)
_TEXT = re.compile(r'\btext\s*=\s*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_NOWHERE = ("0.0.0.0", "::")  # noqa: S104 - hold by address (RFC 3264 §8.4), nothing is bound
_LONGEST_TEXT = 200


def states_direction(description: bytes, host: str) -> bool:
    """Whether a description says which way its media flows, by an attribute or by ``host``, its RTP address."""
    return _DIRECTION.search(description) is not None or host in _NOWHERE


def reason_of(request: Request) -> tuple[int | None, str]:
    """Cause and text of a SIP Reason header (RFC 3326), (None, "") without one."""
    for value in request.headers.values("Reason"):
        protocol, _, params = value.partition(";")
        cause = _CAUSE.search(params)
        if protocol.strip().lower() == "sip" and cause is not None:
            text = _TEXT.search(params)
            return int(cause[1]), re.sub(r"\\(.)", r"\1", text[1])[:_LONGEST_TEXT] if text else ""
    return None, ""
