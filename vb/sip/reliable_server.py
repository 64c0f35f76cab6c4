"""Provisional responses that arrive for sure, from the side that sends them (RFC 3262 §3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from vb.sip.errors import RemoteError, bad_request
from vb.sip.grammar import parse_number
from vb.sip.timers import UsageTimer

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.invite_server import InviteServer
    from vb.sip.message import Request, Response
    from vb.sip.session import Session

_MOST_WAITING = 16
"""Responses that may wait for the PRACK of an earlier one."""
_MOST_RSEQ = 2**31 - 1


@attrs.frozen
class RAck:
    """Which response a PRACK acknowledges (§7.2)."""

    rseq: int
    cseq: int
    method: str


def rack_of(request: Request) -> RAck:
    """RAck of a PRACK. Raises RemoteError 400."""
    values = request.headers.get_all("RAck")
    parts = values[0].split() if len(values) == 1 else []
    if len(parts) != 3:
        raise bad_request("Unreadable RAck")
    return RAck(parse_number(parts[0], 2**32 - 1, "RAck"), parse_number(parts[1], 2**31 - 1, "RAck"), parts[2])


class ReliableServer:
    """The reliable 1xx of one INVITE: one at a time, each repeated until its PRACK, the others wait in order."""

    __slots__ = ("_core", "_interval", "_invite", "_rseq", "_session", "_waiting", "outstanding")

    def __init__(self, core: Core, session: Session, invite: InviteServer) -> None:
        self._core = core
        self._session = session
        self._invite = invite
        self._rseq = core.rng.randrange(1, _MOST_RSEQ - 1000)  # §3: so that it never wraps
        self._interval = 0.0
        self._waiting: list[Response] = []
        self.outstanding: Response | None = None
        """Sent, and without its PRACK."""

    def next_lines(self) -> list[tuple[str, str]]:
        """Header lines that make the next response reliable (§3)."""
        self._rseq += 1
        return [("Require", "100rel"), ("RSeq", str(self._rseq))]

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= _MOST_WAITING

    @property
    def owes_body(self) -> bool:
        """Whether a description of ours is on its way unacknowledged: until then there is no 2xx (§3)."""
        pending = [self.outstanding] if self.outstanding is not None else []
        return any(response.body for response in [*pending, *self._waiting])

    def send(self, response: Response, now: float) -> None:
        """Send it, or keep it until the one before has its PRACK (§3: not two at a time)."""
        if self.outstanding is not None:
            self._waiting.append(response)
            return
        self.outstanding = response
        self._interval = self._core.config.timers.t1
        self._session.start_timer(UsageTimer.PRACK_WAIT, now + self._core.config.timers.give_up)
        self._transmit(now)

    def _transmit(self, now: float) -> None:
        assert self.outstanding is not None
        self._session.start_timer(UsageTimer.RELIABLE, now + self._interval)
        self._core.layer.respond(self._invite, self.outstanding, now)

    def retransmit(self, now: float) -> None:
        """T1, then twice as long each time, without a bound but that of the wait (§3)."""
        if self.outstanding is not None:
            self._interval *= 2
            self._core.layer.retransmissions += 1
            self._transmit(now)

    def acknowledge(self, request: Request, now: float) -> Response | None:
        """The response that a PRACK acknowledges; None when it is not the one that waits: 481 (§3).

        Raises RemoteError for a RAck that cannot be read.
        """
        response, rack = self.outstanding, rack_of(request)
        if response is None or rack != RAck(int(response.headers.get("RSeq") or 0), response.cseq.number, "INVITE"):
            return None
        self.outstanding = None
        self._session.timers.stop(UsageTimer.RELIABLE, UsageTimer.PRACK_WAIT)
        return response

    def send_next(self, now: float) -> None:
        """After a PRACK: what has waited for it."""
        if self._waiting and self.outstanding is None:
            self.send(self._waiting.pop(0), now)

    def stop(self) -> None:
        """The INVITE has its final response. What waits without a description is not needed any more."""
        self._waiting.clear()
        self._session.timers.stop(UsageTimer.RELIABLE, UsageTimer.PRACK_WAIT)


def wants_reliable(request: Request) -> tuple[bool, bool]:
    """Whether the caller of an INVITE can take reliable 1xx, and whether it will have no others (§3)."""
    try:
        requires, supports = "100rel" in request.require, "100rel" in request.supported
    except RemoteError:
        return False, False
    return requires or supports, requires
