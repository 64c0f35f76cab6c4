"""The INVITE usage of the called side: RFC 3261 §13.3, with CANCEL (§9.2) and BYE in an early dialog (§15.1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.core import Core, Lines
from vb.sip.dialog import Dialog
from vb.sip.effects import Hop, InviteCancelled, PrackReceived, PrackTimeout, ReinviteReceived
from vb.sip.errors import LocalError, RemoteError
from vb.sip.invite_server import InviteServer
from vb.sip.multipart import description_of
from vb.sip.reliable_server import ReliableServer, wants_reliable
from vb.sip.routing import wants_secure_contact
from vb.sip.session import Session, SessionState, request_of
from vb.sip.timers import UsageTimer

if TYPE_CHECKING:
    from vb.sip.message import Request, Response
    from vb.sip.transactions import ServerTransaction

_REPEAT = 60.0
"""Seconds between repeated 1xx, which keep proxies from giving up (§13.3.1.1)."""
_REPEAT_RELIABLE = 150.0
"""The same for reliable ones (RFC 3262 §3)."""


class InviteServerSession(Session):
    """A received INVITE: answer it with `provisional`, `accept` or `reject`.

    Each raises LocalError when the INVITE has its final response already, also one that the agent sent itself
    (487 after CANCEL or BYE).
    """

    __slots__ = ("_accepting", "_invite", "_must_be_reliable", "_reliable", "_ringing", "can_be_reliable")

    def __init__(self, core: Core, request: Request, source: Hop, local_tag: str) -> None:
        super().__init__(core, request, source, local_tag, SessionState.EARLY)
        self._invite: InviteServer | None = None
        self._ringing: Response | None = None
        self._reliable: ReliableServer | None = None
        self._accepting: Response | None = None  # the 2xx, while a PRACK is to come before it
        can, must = wants_reliable(request) if "100rel" in core.config.supported else (False, False)
        self.can_be_reliable = can
        """Whether a 1xx with a body is sent reliably (RFC 3262 §3), so that it may make or answer an offer."""
        self._must_be_reliable = must
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
        """A 101-199 in our early dialog; repeated every minute (§13.3.1.1).

        It is sent reliably, and in its turn, when the caller wants that, or can take it and there is a body (RFC 3262).
        """
        if not 100 < status < 200:
            raise LocalError(f"{status} is no provisional response with a tag")
        invite = self._undecided()
        if self._must_be_reliable or (self.can_be_reliable and body):
            self._send_reliably(invite, now, status, reason, headers, body, content_type)
            return
        response = self._response(status, reason, headers, body, content_type)
        self._core.layer.respond(invite, response, now)
        self._ringing = response
        self.start_timer(UsageTimer.REPEAT_PROVISIONAL, now + _REPEAT)

    def accept(
        self, now: float, body: bytes, headers: Lines = (), content_type: str = "application/sdp", status: int = 200
    ) -> None:
        """The 2xx (§13.3.1.4); `AckReceived` or `AckTimeout` follows.

        It waits for the PRACK of a reliable 1xx with a body; `PrackTimeout` may come instead (RFC 3262 §3). After that
        exchange a body in the 2xx would be one too many: it is left out (RFC 3262 §5, RFC 6337 §2.2).
        """
        self._undecided()
        assert self.dialog is not None
        reliable = self._reliable
        if self.dialog.exchanged or (reliable is not None and reliable.owes_body):
            body = b""
        response = self._response(status, None, headers, body, content_type)
        if reliable is not None and reliable.owes_body:
            self._accepting = response
        else:
            self._accept(response, now)

    def _accept(self, response: Response, now: float) -> None:
        invite, self._accepting = self._invite, None
        assert invite is not None
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
        self._accepting = None
        invite = self._undecided()
        self._refuse(invite, now, status, reason, headers)
        self.release()

    # From the agent.

    def receive_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        if self.state is SessionState.EARLY and request_of(transaction).method == "INVITE":
            self._refuse_for_now(transaction, now)  # §14.2: a second INVITE before the final response to the first
        else:
            super().receive_reinvite(transaction, now)

    def receive_prack(self, transaction: ServerTransaction, now: float) -> None:
        """RFC 3262 §3, §5."""
        request = request_of(transaction)
        try:
            response = self._reliable.acknowledge(request, now) if self._reliable is not None else None
        except RemoteError as error:
            self._core.respond(transaction, now, error.status, error.reason)
            return
        if self._reliable is None or response is None:
            super().receive_prack(transaction, now)
            return
        assert self.dialog is not None
        if description_of(request) and self.dialog.exchanged:  # a new offer
            self._pending = transaction
            self._core.events.append(ReinviteReceived(self, request))
        else:
            self._core.respond(transaction, now, 200)
            if response.body and not self.dialog.exchanged:
                self.dialog.exchanged = bool(description_of(request))
                self._core.events.append(PrackReceived(self, request))
        if self.state is not SessionState.EARLY:
            return
        self._reliable.send_next(now)
        if self._accepting is not None and not self._reliable.owes_body:
            self._accept(self._accepting, now)

    def receive_cancel(self, invite: InviteServer, request: Request, now: float) -> None:
        if invite is not self._invite:
            super().receive_cancel(invite, request, now)
        elif self.state is SessionState.EARLY:
            self._refuse(invite, now, 487)
            self._tell_end(InviteCancelled(self, request))
            self.release()

    def release(self) -> None:
        super().release()
        if self._ended:
            self._invite = None  # it has us as its user: neither is to keep the other

    # Inside.

    def _undecided(self) -> InviteServer:
        if self._invite is None or self.state is not SessionState.EARLY or self._accepting is not None:
            raise LocalError(f"the INVITE is decided already: {self.state.value}")
        return self._invite

    def _send_reliably(
        self,
        invite: InviteServer,
        now: float,
        status: int,
        reason: str | None,
        headers: Lines,
        body: bytes,
        content_type: str,
    ) -> None:
        assert self.dialog is not None
        if self._reliable is None:
            self._reliable = ReliableServer(self._core, self, invite)
        if self._reliable.is_full:
            raise LocalError("too many provisional responses wait for their PRACK")
        lines = [*headers, *self._reliable.next_lines()]
        self._ringing = response = self._response(status, reason, lines, body, content_type)
        if body and description_of(self.request):
            self.dialog.exchanged = True  # this is the answer (RFC 3262 §5)
        self.start_timer(UsageTimer.REPEAT_PROVISIONAL, now + _REPEAT_RELIABLE)
        self._reliable.send(response, now)

    def _refuse_early(self, transaction: ServerTransaction, now: float) -> None:
        if description_of(self.request):
            self._refuse_for_now(transaction, now)  # RFC 3311 §5.2: we have not answered the peer's offer
        else:
            super()._refuse_early(transaction, now)

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
        if self._reliable is not None:
            self._reliable.stop()

    def _expired(self, timer: object, now: float) -> None:
        if timer is UsageTimer.REPEAT_PROVISIONAL:
            self._ring_again(now)
        elif timer is UsageTimer.RELIABLE and self._reliable is not None:
            self._reliable.retransmit(now)
        elif timer is UsageTimer.PRACK_WAIT and self._invite is not None:
            self._refuse(self._invite, now, 504)  # RFC 3262 §3: a 5xx
            self._tell_end(PrackTimeout(self))
            self.release()
        else:
            super()._expired(timer, now)

    def _ring_again(self, now: float) -> None:
        ringing = self._ringing
        if ringing is None or self._invite is None:
            return
        if self._reliable is None or "RSeq" not in ringing.headers:
            self._core.layer.respond(self._invite, ringing, now)
            self.start_timer(UsageTimer.REPEAT_PROVISIONAL, now + _REPEAT)
        elif self._accepting is None:
            self._send_reliably(self._invite, now, ringing.status, ringing.reason, (), b"", "")
