"""One digit as the body of an INFO: ``application/dtmf-relay`` and ``application/dtmf``."""

from __future__ import annotations

import re

from vb.sip.errors import RemoteError

RELAY, PLAIN = "application/dtmf-relay", "application/dtmf"
LENGTH_MS = 160
"""Of a digit that says nothing about its length, and of ours."""

_FIELD = re.compile(rb"[ \t]*(signal|duration)[ \t]*[=:](.*)", re.IGNORECASE).fullmatch
# RFC 4733 §3.2 numbers the events; some phones send the numbers instead of the signs.
_NUMBERED = {"10": "*", "11": "#", "12": "A", "13": "B", "14": "C", "15": "D"}
_MAX_BODY = 512
_MAX_LENGTH_MS = 60_000


def read_digit(body: bytes) -> tuple[str, int]:
    """The digit and its milliseconds: ``Signal=5``, ``Duration=160`` on lines of their own, or the digit alone.

    Raises RemoteError 400.
    """
    if len(body) > _MAX_BODY:
        raise RemoteError(400, "Unreadable digit")
    matches = [match for line in body.splitlines() if (match := _FIELD(line)) is not None]
    fields = {match[1].lower(): match[2].strip().decode("ascii", "replace") for match in matches}
    sign = fields.get(b"signal", "" if fields else body.strip().decode("ascii", "replace")).upper()
    sign = _NUMBERED.get(sign, sign)
    if len(sign) != 1 or sign not in "0123456789*#ABCD":
        raise RemoteError(400, "Unreadable digit")
    length = fields.get(b"duration", "")
    readable = length.isascii() and length.isdigit() and len(length) < 9
    return sign, min(int(length), _MAX_LENGTH_MS) if readable else LENGTH_MS


def relay_body(digit: str) -> bytes:
    """One digit of ours, as `RELAY`."""
    return f"Signal={digit}\r\nDuration={LENGTH_MS}\r\n".encode()
