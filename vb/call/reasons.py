"""End reasons: the words of ``leg.disconnected``, and how they translate to and from SIP final responses."""

from __future__ import annotations

from typing import Final

API_HANGUP: Final = "api_hangup"
REMOTE_BYE: Final = "remote_bye"
CALLER_CANCEL: Final = "caller_cancel"
RING_TIMEOUT: Final = "ring_timeout"
MAX_DURATION: Final = "max_duration"
RTP_TIMEOUT: Final = "rtp_timeout"
ACK_TIMEOUT: Final = "ack_timeout"
SESSION_EXPIRED: Final = "session_expired"
INVITE_FAILED: Final = "invite_failed"
CONNECT_FAILED: Final = "connect_failed"
NOT_ACCEPTABLE: Final = "not_acceptable"
SERVICE_UNAVAILABLE: Final = "service_unavailable"
ROOM_DELETED: Final = "room_deleted"
TRANSFER_COMPLETED: Final = "transfer_completed"
TRANSFER_ORIGINATE_FAILED: Final = "transfer_originate_failed"
TRANSFER_CONNECT_FAILED: Final = "transfer_connect_failed"
INTERNAL_ERROR: Final = "internal_error"
SHUTDOWN: Final = "shutdown"
CHALLENGED: Final = "challenged"

# What an operator may say about a call that is not answered yet, and the final response an inbound caller gets for it.
REJECTIONS: Final[dict[str, int]] = {
    "busy": 486,
    "declined": 603,
    "rejected": 603,
    "unavailable": 480,
    "not_found": 404,
    "forbidden": 403,
    "server_error": 500,
}

# The final response to an unanswered INVITE when the leg ends for a cause of its own.
_FINALS: Final[dict[str, int]] = REJECTIONS | {
    API_HANGUP: 480,
    RING_TIMEOUT: 480,
    ROOM_DELETED: 480,
    NOT_ACCEPTABLE: 488,
    SERVICE_UNAVAILABLE: 503,
    SHUTDOWN: 503,
    INTERNAL_ERROR: 500,
    CHALLENGED: 401,
}

_WORDS: Final[dict[int, str]] = {
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    407: "unauthorized",
    408: "timeout",
    480: "unavailable",
    486: "busy",
    487: "cancelled",
    488: NOT_ACCEPTABLE,
    503: SERVICE_UNAVAILABLE,
    603: "declined",
}


def final_of(reason: str) -> int:
    """The SIP final response (400-699) that an unanswered caller gets when its leg ends with ``reason``."""
    return _FINALS.get(reason, 480)


def word_of(status: int) -> str:
    """The end reason for a final response (300-699) to our INVITE; a redirection is not followed."""
    if status < 400:
        return INVITE_FAILED
    return _WORDS.get(status, f"sip_{status}")
