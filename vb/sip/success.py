"""A 2xx to an INVITE until its ACK (RFC 3261 §13.3.1.4): repeated on every transport, T1 doubling to T2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.timers import UsageTimer

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.invite_server import InviteServer
    from vb.sip.message import Request, Response
    from vb.sip.session import Session


class Success:
    """One 2xx. Its session's timers RETRANSMIT and ACK_WAIT are those of this."""

    __slots__ = ("_core", "_interval", "_response", "_session", "_transaction")

    def __init__(self, core: Core, session: Session, transaction: InviteServer, response: Response) -> None:
        self._core = core
        self._session = session
        self._transaction = transaction
        self._response = response
        self._interval = core.config.timers.t1

    @property
    def of_reinvite(self) -> bool:
        """Whether the INVITE came inside the dialog."""
        return bool(self._transaction.request_tag)

    def send(self, now: float) -> None:
        # Before the transaction's own Timer L of the same length, so that the end of the wait comes first.
        self._session.start_timer(UsageTimer.ACK_WAIT, now + self._core.config.timers.give_up)
        self._transmit(now)

    def repeat(self, now: float) -> None:
        self._interval = min(2 * self._interval, self._core.config.timers.t2)
        self._transmit(now)

    def is_acknowledged_by(self, request: Request) -> bool:
        """Whether this ACK is for this 2xx, and not for an earlier one (§13.2.2.4)."""
        return request.cseq.number == self._response.cseq.number

    def stop(self) -> None:
        self._session.timers.stop(UsageTimer.RETRANSMIT, UsageTimer.ACK_WAIT)

    def _transmit(self, now: float) -> None:
        self._session.start_timer(UsageTimer.RETRANSMIT, now + self._interval)
        self._core.layer.respond(self._transaction, self._response, now)
