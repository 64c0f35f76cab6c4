"""The Reason header (RFC 3326): why we end a call, and why the peer says it does."""

from __future__ import annotations

import re
from typing import Final

from vb.call.lifetime import Cause
from vb.call.reasons import (
    ACK_TIMEOUT,
    API_HANGUP,
    CONNECT_FAILED,
    INTERNAL_ERROR,
    MAX_DURATION,
    NOT_ACCEPTABLE,
    REJECTIONS,
    RING_TIMEOUT,
    ROOM_DELETED,
    RTP_TIMEOUT,
    SERVICE_UNAVAILABLE,
    SHUTDOWN,
    TRANSFER_COMPLETED,
)
from vb.sip.errors import RemoteError
from vb.sip.message import Request

# ITU-T Q.850 §2.2.7: 16 normal call clearing, 19 no answer from user, 102 recovery on timer expiry.
_Q850: Final[dict[str, int]] = {
    API_HANGUP: 16,
    ROOM_DELETED: 16,
    TRANSFER_COMPLETED: 16,
    RING_TIMEOUT: 19,
    MAX_DURATION: 102,
    RTP_TIMEOUT: 102,
    "session_expired": 102,
}
_SIP: Final[dict[str, int]] = REJECTIONS | {
    ACK_TIMEOUT: 408,
    "timeout": 408,
    CONNECT_FAILED: 488,
    NOT_ACCEPTABLE: 488,
    INTERNAL_ERROR: 500,
    SERVICE_UNAVAILABLE: 503,
    SHUTDOWN: 503,
}
_NORMAL: Final = 31  # normal, unspecified
_STATUS = re.compile(r"\bcause[ \t]*=[ \t]*([1-6][0-9]{2})\b", re.IGNORECASE)
_TEXT = re.compile(r'\btext[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_LONGEST_TEXT = 200


def reason_header(cause: Cause) -> tuple[str, str]:
    """The header line of our BYE or CANCEL. Its text is the end reason, as in ``leg.disconnected``."""
    status = _SIP.get(cause.reason)
    protocol = f"SIP;cause={status}" if status else f"Q.850;cause={_Q850.get(cause.reason, _NORMAL)}"
    return "Reason", f'{protocol};text="{cause.reason}"'


def reason_of(request: Request) -> tuple[int | None, str]:
    """Cause and text of a SIP Reason; without one, (None, the first of another protocol as it is); else (None, "")."""
    other = ""
    try:
        values = request.headers.values("Reason")
    except RemoteError:  # no list at all; the call ends all the same
        return None, ""
    for value in values:
        protocol, _, params = value.partition(";")
        status, text = _STATUS.search(params), _TEXT.search(params)
        if protocol.strip().lower() == "sip" and status is not None:
            return int(status[1]), re.sub(r"\\(.)", r"\1", text[1])[:_LONGEST_TEXT] if text else ""
        other = other or value.strip()[:_LONGEST_TEXT]
    return None, other
