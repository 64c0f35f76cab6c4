"""Whose fault it is: ours (`LocalError`) or the peer's (`RemoteError`, with the answer it deserves)."""

from __future__ import annotations


class SipError(Exception):
    """Base of every error of the SIP layer."""


class LocalError(SipError):
    """Our own caller misused the API: a verb in the wrong state, a header value with a line break."""


class RemoteError(SipError):
    """The peer sent something that this layer refuses. Every parser of ``vb.sip`` raises this and nothing else.

    ``status`` is the final response that a request of this kind deserves (RFC 3261 §21.4, §21.5): 400-599. A response
    that raises it is dropped (§18.1.2). ``reason`` is a short phrase without bytes of the peer, fit for a status line.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason


def bad_request(reason: str) -> RemoteError:
    """400: the syntax is wrong (RFC 3261 §21.4.1)."""
    return RemoteError(400, reason)
