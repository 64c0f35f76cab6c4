"""What can be wrong with a session description: it cannot be read, or it can be read and not be accepted."""

from __future__ import annotations


class SdpError(ValueError):
    """The bytes are no session description (RFC 8866). A SIP leg answers 400, or ends the call if it was an answer."""


class NotAcceptable(Exception):
    """The description is readable, but nothing in it suits us: no audio, no codec in common, SRTP demanded (488)."""
