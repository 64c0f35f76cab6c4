"""The INVITE usage of the called side: RFC 3261 §13.3, with CANCEL (§9.2) and BYE in an early dialog (§15.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.core import Core, Lines
from vb.sip.dialog import Dialog
from vb.sip.effects import Hop, InviteCancelled
from vb.sip.errors import LocalError
from vb.sip.invite_server import InviteServer
from vb.sip.routing import wants_secure_contact
from vb.sip.session import Session, SessionState, request_of
from vb.sip.timers import UsageTimer

if TYPE_CHECKING:
    from vb.sip.message import Request, Response
    from vb.sip.transactions import ServerTransaction

_REPEAT = 60.0
"""Seconds between repeated 1xx, which keep proxies from giving up (§13.3.1.1)."""


class InviteServerSession(Session):
    """A received INVITE: answer it with `provisional`, `accept` or `reject`.

    Each raises LocalError when the INVITE has its final response already, also one that the agent sent itself
    (487 after CANCEL or BYE).
    """

    __slots__ = ("_invite", "_ringing")

    def __init__(self, core: Core, request: Request, source: Hop, local_tag: str) -> None:
        super().__init__(core, request, source, local_tag, SessionState.EARLY)
        self._invite: InviteServer | None = None
        self._ringing: Response | None = None
        self.dialog = Dialog.of_server(request, local_tag, core.rng.randrange(1, 1 << 16))
        core.dialogs[self.dialog.id] = self

    def start(self, transaction: InviteServer, now: float) -> None:
        """Called once by the agent."""
        self._invite = transaction
        transaction.to_tag = self.local_tag
        if self._core.config.auto_trying:
            self._core.respond(transaction, now, 100)

    def provisional(
        self,
        now: float,
        status: int = 180,
        reason: str | None = None,
        headers: Lines = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
    ) -> None:
        """A 101-199 in our early dialog; repeated every minute (§13.3.1.1)."""
        if not 100 < status < 200:
            raise LocalError(f"{status} is no provisional response with a tag")
        response = self._response(status, reason, headers, body, content_type)
        self._core.layer.respond(self._undecided(), response, now)
        self._ringing = response
        self.start_timer(UsageTimer.REPEAT_PROVISIONAL, now + _REPEAT)

    def accept(
        self, now: float, body: bytes, headers: Lines = (), content_type: str = "application/sdp", status: int = 200
    ) -> None:
        """The 2xx (§13.3.1.4); `AckReceived` or `AckTimeout` follows."""
        invite = self._undecided()
        response = self._response(status, None, headers, body, content_type)
        for line in self.refresher.answer(self.request, now):
            response.headers.add(*line)
        self._stop_ringing()
        self.request.headers.compact()
        self.state = SessionState.ACCEPTED
        assert self.dialog is not None
        self.dialog.early = False
        self.dialog.exchanged = True
        self._send_success(invite, response, now)

    def reject(self, now: float, status: int, reason: str | None = None, headers: Lines = ()) -> None:
        """A final 300-699 (§13.3.1.2, §13.3.1.3): the session is over; `SessionEnded` follows its ACK."""
        if not 300 <= status < 700:
            raise LocalError(f"{status} is no refusal")
        invite = self._undecided()
        self._refuse(invite, now, status, reason, headers)
        self.release()

    # From the agent.

    def receive_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        if self.state is SessionState.EARLY and request_of(transaction).method == "INVITE":
            self._refuse_for_now(transaction, now)  # §14.2: a second INVITE before the final response to the first
        else:
            super().receive_reinvite(transaction, now)

    def receive_cancel(self, invite: InviteServer, request: Request, now: float) -> None:
        if invite is not self._invite:
            super().receive_cancel(invite, request, now)
        elif self.state is SessionState.EARLY:
            self._refuse(invite, now, 487)
            self._tell_end(InviteCancelled(self, request))
            self.release()

    # Inside.

    def _undecided(self) -> InviteServer:
        if self._invite is None or self.state is not SessionState.EARLY:
            raise LocalError(f"the INVITE is decided already: {self.state.value}")
        return self._invite

    def _response(self, status: int, reason: str | None, headers: Lines, body: bytes, content_type: str) -> Response:
        """A response that makes a dialog: with Record-Route and Contact (§12.1.1)."""
        lines = [("Record-Route", value) for value in self.request.headers.get_all("Record-Route")]
        lines.append(self._core.contact(self.hop, secure=wants_secure_contact(self.request)))
        lines += headers
        return self._core.response(
            self.request,
            status,
            reason,
            to_tag=self.local_tag,
            headers=lines,
            body=body,
            content_type=content_type if body else None,
        )

    def _refuse(
        self, invite: InviteServer, now: float, status: int, reason: str | None = None, headers: Lines = ()
    ) -> None:
        self._stop_ringing()
        self._finish(now)
        self._core.respond(invite, now, status, reason, to_tag=self.local_tag, headers=headers)

    def _refuse_pending(self, now: float) -> None:
        if self.state is SessionState.EARLY and self._invite is not None:
            self._refuse(self._invite, now, 487)
        super()._refuse_pending(now)

    def _stop_ringing(self) -> None:
        self._ringing = None
        self.timers.stop(UsageTimer.REPEAT_PROVISIONAL)

    def _expired(self, timer: object, now: float) -> None:
        if timer is UsageTimer.REPEAT_PROVISIONAL:
            if self._ringing is not None and self._invite is not None:
                self._core.layer.respond(self._invite, self._ringing, now)
                self.start_timer(UsageTimer.REPEAT_PROVISIONAL, now + _REPEAT)
        else:
            super()._expired(timer, now)
