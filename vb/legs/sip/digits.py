"""The digits of one call, both ways: by which methods they are heard and sent, each once and in order."""

from __future__ import annotations

import logging
import re
import weakref
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio

from vb.call.errors import Invalid
from vb.call.reasons import word_of
from vb.legs.sip.dtmf_relay import RELAY, relay_body
from vb.sip.errors import LocalError, RemoteError

if TYPE_CHECKING:
    from vb.legs.sip.sip_leg import SipLeg
    from vb.sip.in_dialog import DialogRequest
    from vb.sip.message import Request, Response

log = logging.getLogger("vb.legs")

METHODS = ("rfc4733", "info", "inband")
"""What a call may be asked to use; ``inband`` is not built."""
SAME_PRESS_S = 5.0
"""Some peers tell one press by two methods: this long after a digit the other methods are not listened to."""

_DIGITS = re.compile(r"[0-9*#A-Da-d]+").fullmatch
_MAX_DIGITS = 256
_MAX_WAITING = 1024


def methods_of(names: Sequence[str], configured: Sequence[str]) -> tuple[str, ...]:
    """The methods that a request names, else the configured ones. Raises Invalid for one that is unknown."""
    wanted = tuple(dict.fromkeys(name.strip().lower() for name in names))
    unknown = [name for name in wanted if name not in METHODS]
    if unknown:
        raise Invalid(f"unknown dtmf method: {unknown[0]}")
    if "inband" in wanted:
        raise Invalid("dtmf method inband is not built yet")
    return wanted or tuple(configured)


class LegDigits:
    """``methods``: what is heard, and in which order one is chosen to send by."""

    def __init__(self, leg: SipLeg, methods: Sequence[str]) -> None:
        self._leg: SipLeg = weakref.proxy(leg)  # the leg has us; it is to be gone once nobody else has it
        self.methods = tuple(methods)
        self._count = 0
        self._last = ("", 0.0)  # method and time of the last digit
        self._allow: tuple[str, ...] = ()  # of the peer; none: it has not said
        self._waiting: deque[str] = deque()
        self._sent: DialogRequest | None = None

    def learn(self, message: Request | Response) -> None:
        """What the peer says that it takes, in its INVITE or its answer (RFC 3261 §20.5)."""
        try:
            self._allow = tuple(message.headers.values("Allow"))
        except RemoteError:  # unbalanced quotes
            log.debug("unreadable Allow", extra={"leg_id": self._leg.id})

    def heard(self, digit: str, duration_ms: int, method: str) -> None:
        """The peer has pressed a key: ``dtmf.received``."""
        now = trio.current_time()
        last, at = self._last
        if method not in self.methods or (last not in ("", method) and now - at < SAME_PRESS_S):
            return
        self._last = method, now
        self._count += 1
        self._leg.publish(
            "dtmf.received", {"digit": digit, "seq": self._count, "method": method, "duration_ms": duration_ms}
        )

    def send(self, digits: str) -> None:
        """Send digits by the first method that the peer takes too. Raises Invalid."""
        if not digits:
            raise Invalid("digits required")
        if not _DIGITS(digits) or len(digits) > _MAX_DIGITS:
            raise Invalid("digits must be 0-9, *, #, A-D")
        for method in self.methods:
            if method == "rfc4733" and self._leg.send_telephone_events(digits.upper()):
                return
            if method == "info" and self._leg.connected_at is not None and (not self._allow or "INFO" in self._allow):
                if len(self._waiting) + len(digits) > _MAX_WAITING:
                    raise Invalid("too many digits wait to be sent")
                self._waiting.extend(digits.upper())
                self._send_next()
                return
        raise Invalid("no DTMF channel available")

    def completed(self, sent: DialogRequest, response: Response | None) -> None:
        """One INFO of ours has ended: the next may go."""
        if sent is not self._sent:
            return
        self._sent = None
        if response is not None and response.status < 300:
            self._send_next()
            return
        self._waiting.clear()
        told = "no answer" if response is None else f"{response.status} {response.reason}"
        self._leg.publish("leg.command_failed", {"command": "dtmf", "error": f"INFO rejected: {told[:200]}"})
        if response is None:  # RFC 3261 §12.2.1.2: the dialog is dead
            self._leg.end(word_of(408))
        elif response.status in (408, 481):
            self._leg.end(word_of(response.status), sip_code=response.status, sip_reason=response.reason[:200])

    def _send_next(self) -> None:
        """One at a time: over UDP they would overtake each other."""
        if self._sent is not None or not self._waiting:
            return
        body = relay_body(self._waiting.popleft())
        inside = self._leg.session.inside

        def send(now: float) -> None:  # events may come before the verb returns
            self._sent = inside.send(now, "INFO", body=body, content_type=RELAY)

        try:
            self._leg.command(send)
        except LocalError as error:  # the call ends in this instant
            self._waiting.clear()
            log.debug("no INFO", extra={"leg_id": self._leg.id, "error": str(error)})
