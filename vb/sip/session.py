"""What both sides of an INVITE usage share: the end by BYE, 2xx until ACK, and requests inside the dialog."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from vb.sip.core import Core, Lines
from vb.sip.dialog import Dialog
from vb.sip.digest_client import DigestClient, Tries
from vb.sip.effects import (
    AckReceived,
    AckTimeout,
    ByeCompleted,
    ByeReceived,
    Event,
    Hop,
    ReinviteReceived,
    SessionEnded,
    UpdateCompleted,
)
from vb.sip.errors import LocalError
from vb.sip.headers import Headers
from vb.sip.in_dialog import InDialog
from vb.sip.invite_server import InviteServer
from vb.sip.reasons import NO_ACK
from vb.sip.referrals import Referrals
from vb.sip.refresh import Refresher
from vb.sip.reinvite import Body, Offer, Reinvite
from vb.sip.routing import wants_secure_contact
from vb.sip.success import Success
from vb.sip.timers import TimerTable, UsageTimer
from vb.sip.transaction import Cause, Transaction
from vb.sip.update import Update

if TYPE_CHECKING:
    from vb.sip.message import Request, Response
    from vb.sip.transactions import ClientTransaction, ServerTransaction


class SessionState(enum.Enum):
    """CALLING: an INVITE of ours without any response. EARLY: no final response yet. ACCEPTED: a 2xx without its ACK.
    CONFIRMED: both. TERMINATED: over for the caller, even while transactions still wait for retransmissions."""

    CALLING = "calling"
    EARLY = "early"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


class Session:
    """One INVITE and what grows out of it. ``hop`` is where the peer is, ``request`` the INVITE.

    ``user_data`` belongs to whoever uses the agent.
    """

    owns_call_id: ClassVar[bool] = False

    __slots__ = (
        "__weakref__",
        "_bye",
        "_bye_headers",
        "_core",
        "_ended",
        "_open",
        "_pending",
        "_reinvite",
        "_success",
        "_told",
        "_tries",
        "_update",
        "call_id",
        "credentials",
        "dialog",
        "hop",
        "local_tag",
        "referrals",
        "refresher",
        "request",
        "state",
        "timers",
        "user_data",
    )

    def __init__(self, core: Core, request: Request, hop: Hop, local_tag: str, state: SessionState) -> None:
        self._core = core
        self.request = request
        self.hop = hop
        self.call_id = request.call_id
        self.local_tag = local_tag
        self.dialog: Dialog | None = None
        self.state = state
        self.timers = TimerTable()
        self.user_data: object = None
        self.referrals = Referrals(core, self)
        self._open = 0
        self._ended = False
        self._told = False
        self._bye: ClientTransaction | None = None
        self._bye_headers: Lines | None = None
        self._pending: ServerTransaction | None = None
        self._reinvite: Reinvite | None = None
        self._success: Success | None = None
        self._update: Update | None = None
        self.refresher = Refresher(core, self)
        self._tries: Tries | None = None
        self.credentials: DigestClient | None = None
        """What answers challenges of our requests in this dialog."""
        core.sessions += 1
        core.active += 1

    @property
    def remote_tag(self) -> str | None:
        return self.dialog.remote_tag if self.dialog else None

    @property
    def unacknowledged(self) -> bool:
        """Whether a 2xx of ours still waits for its ACK."""
        return self._success is not None

    @property
    def inside(self) -> InDialog:
        """Requests in the dialog that change nothing of it."""
        return InDialog(self._core, self)

    # Verbs.

    def bye(self, now: float, headers: Lines = ()) -> None:
        """End a confirmed session (RFC 3261 §15.1.1). Idempotent.

        Before the ACK of our 2xx it is delayed until that comes or 64*T1 have passed (§15). Raises LocalError
        for a received INVITE that has no final response yet: that is rejected instead.
        """
        if self.state is SessionState.TERMINATED or self._bye_headers is not None:
            return
        if self.dialog is None or self.state not in (SessionState.ACCEPTED, SessionState.CONFIRMED):
            raise LocalError(f"BYE in state {self.state.value}")
        lines = tuple(Headers(headers))  # a bad value is the caller's error now, not the ACK's later
        if self._success is not None:
            self._bye_headers = lines
        else:
            self._send_bye(now, lines)

    def reinvite(self, now: float, body: Body, headers: Lines = (), content_type: str = "application/sdp") -> None:
        """Change the session by a re-INVITE (§14.1); `ReinviteCompleted` tells what became of it.

        A 491 is tried again by the agent, twice at most; a ``body`` that is a function makes each try's offer (RFC 3264
        §8). Raises LocalError when the session is not confirmed or an INVITE of either side is in progress.
        """
        if self.state is not SessionState.CONFIRMED or self.dialog is None or self._bye_headers is not None:
            raise LocalError(f"re-INVITE in state {self.state.value}")
        if self.is_changing:
            raise LocalError("another INVITE of this session is in progress")
        offer = Offer(body, content_type, tuple(Headers(headers)))
        self._reinvite = Reinvite(self._core, self, self.dialog, offer)
        self._reinvite.send(now)

    def update(self, now: float, body: bytes, headers: Lines = (), content_type: str = "application/sdp") -> None:
        """Change the session by an UPDATE (RFC 3311 §5.1), also before the answer; `UpdateCompleted` follows.

        Raises LocalError when the first offer has no answer yet, or another change is in progress.
        """
        dialog = self.dialog
        if dialog is None or self.is_over or self._bye_headers is not None or not dialog.exchanged:
            raise LocalError(f"UPDATE in state {self.state.value}")
        if self.is_changing or self.is_updating:
            raise LocalError("another offer of this session is in progress")
        self.start_update(now, Offer(body, content_type, tuple(Headers(headers))), self._updated)

    def respond_reinvite(
        self,
        now: float,
        status: int,
        body: bytes = b"",
        headers: Lines = (),
        *,
        reason: str | None = None,
        content_type: str = "application/sdp",
    ) -> None:
        """Answer the pending re-INVITE or UPDATE (§14.2, RFC 3311). Raises LocalError when none is pending.

        A 2xx to a re-INVITE is repeated until its ACK, as that of the first INVITE.
        """
        transaction = self._pending
        if transaction is None:
            raise LocalError("no re-INVITE is pending")
        lines = [*headers]
        if 200 <= status < 300 and request_of(transaction).method != "PRACK":
            lines += self.refresher.answer(request_of(transaction), now)
        if status < 300:
            lines.insert(0, self._core.contact(self.hop, secure=wants_secure_contact(request_of(transaction))))
        response = self._core.response(
            request_of(transaction),
            status,
            reason,
            headers=lines,
            body=body,
            content_type=content_type if body else None,
        )
        if status >= 200:
            self._pending = None
        if isinstance(transaction, InviteServer) and 200 <= status < 300:
            self._send_success(transaction, response, now)
        else:
            self._core.layer.respond(transaction, response, now)

    # From the agent: requests inside the dialog.

    def dialog_with(self, remote_tag: str) -> Dialog | None:
        """The dialog that a request with that From tag belongs to."""
        return self.dialog

    def receive_reinvite(self, transaction: ServerTransaction, now: float) -> None:
        """A re-INVITE or an UPDATE with an offer. Sequence and content have been checked."""
        core = self._core
        request = request_of(transaction)
        dialog = self.dialog_with(request.from_.tag or "")
        assert dialog is not None
        if self._pending is not None:
            self._refuse_for_now(transaction, now)  # §14.2, RFC 3311 §5.2: before we answered the first
        elif self._glares():
            core.respond(transaction, now, 491)  # §14.2, RFC 3311 §5.2: an offer of ours is still in progress
        elif self.state is not SessionState.CONFIRMED and not (request.method == "UPDATE" and dialog.exchanged):
            self._refuse_early(transaction, now)
        else:
            dialog.refresh_target(request)  # §12.2.2, RFC 3311 §5.2
            if request.method == "INVITE" and core.config.auto_trying:
                core.respond(transaction, now, 100)
            self._pending = transaction
            core.events.append(ReinviteReceived(self, request))

    def receive_refresh(self, transaction: ServerTransaction, now: float) -> None:
        """An UPDATE without an offer: a new target, and a refresh of the session (RFC 3311 §5.2, RFC 4028 §7.4)."""
        request = request_of(transaction)
        dialog = self.dialog_with(request.from_.tag or "")
        assert dialog is not None
        dialog.refresh_target(request)
        contact = self._core.contact(self.hop, secure=wants_secure_contact(request))
        lines = [contact, *self.refresher.answer(request, now)]
        self._core.respond(transaction, now, 200, headers=lines)

    def receive_prack(self, transaction: ServerTransaction, now: float) -> None:
        """No response of ours waits for it (RFC 3262 §3)."""
        self._core.respond(transaction, now, 481)

    def receive_bye(self, transaction: ServerTransaction, now: float) -> None:
        """§15.1.2. One that crosses ours is answered, and told by `ByeCompleted` alone."""
        request = request_of(transaction)
        self._core.respond(transaction, now, 200)
        if self.state is SessionState.TERMINATED:
            return
        self._refuse_pending(now)
        self._finish(now)
        self._tell_end(ByeReceived(self, request))
        self.release()

    def receive_cancel(self, invite: InviteServer, request: Request, now: float) -> None:
        """A CANCEL of an INVITE of this session; its 200 has been sent (§9.2)."""
        if invite is self._pending:
            self._pending = None
            self._core.respond(invite, now, 487)

    def receive_ack(self, request: Request, now: float) -> None:
        """The ACK of a 2xx (§13.3.1.4); a repeated one has nothing to do."""
        if self._success is None or not self._success.is_acknowledged_by(request):
            return
        reinvite = self._success.of_reinvite
        self._stop_success()
        if self.state is SessionState.ACCEPTED:
            self.state = SessionState.CONFIRMED
        if self.state is not SessionState.TERMINATED:
            self._core.events.append(AckReceived(self, request, reinvite))
        if self._bye_headers is not None:
            self._send_bye(now, self._bye_headers)

    # From a re-INVITE of ours.

    @property
    def is_over(self) -> bool:
        return self.state is SessionState.TERMINATED

    @property
    def is_changing(self) -> bool:
        """An offer of either side has no answer yet, or one of ours waits for its next try."""
        waits = self._reinvite is not None and self._reinvite.waits
        return self._glares() or self._pending is not None or waits

    @property
    def is_updating(self) -> bool:
        """An UPDATE of ours is in progress, with or without an offer."""
        return self._update is not None and self._update.in_progress

    def retry_later(self, timer: UsageTimer, now: float) -> None:
        """After a 491: the side that owns the Call-ID waits longer (§14.1)."""
        least, most = (2.1, 4.0) if self.owns_call_id else (0.0, 2.0)
        self.start_timer(timer, now + self._core.rng.uniform(least, most))

    def start_update(
        self, now: float, offer: Offer | None, completed: Callable[[Response | None, float], None]
    ) -> None:
        assert self.dialog is not None
        self._update = Update(self._core, self, self.dialog, offer, completed)
        self._update.send(now)

    def _updated(self, response: Response | None, now: float) -> None:
        if not self.is_over:
            self._core.events.append(UpdateCompleted(self, response))

    # From the transactions.

    def transaction_started(self, transaction: Transaction) -> None:
        """One more transaction has to end before the session has."""
        self._open += 1

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is self._bye and response.status >= 200:
            if self._tries is not None and self._tries.learn(response):
                self._transmit_bye(now)
            else:
                self._bye_completed(response)

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        self._open -= 1
        if transaction is self._bye:
            self._bye_completed(None)
        self.release()

    def handle_timers(self, now: float) -> None:
        for timer in self.timers.take_expired(now):
            self._expired(timer, now)

    # For the two sides.

    def _expired(self, timer: object, now: float) -> None:
        if timer is UsageTimer.RETRANSMIT:
            if self._success is not None:
                self._success.repeat(now)
        elif timer is UsageTimer.ACK_WAIT:
            self._stop_success()
            self._core.events.append(AckTimeout(self))
            self._send_bye(now, self._bye_headers or (NO_ACK,))
        elif timer is UsageTimer.REINVITE_RETRY and self._reinvite is not None and not self.is_over:
            if self._success is not None or self._pending is not None:
                self.retry_later(UsageTimer.REINVITE_RETRY, now)  # the peer was faster: after its turn
            else:
                self._reinvite.send(now)
        elif timer is UsageTimer.REINVITE_WAIT and self._reinvite is not None:
            self._reinvite.give_up(now)
        elif timer is UsageTimer.UPDATE_RETRY and self._update is not None and not self.is_over:
            self._update.send(now)
        elif timer in (UsageTimer.REFRESH, UsageTimer.SESSION_EXPIRES) and not self.is_over:
            self.refresher.expired(timer, now)

    def _glares(self) -> bool:
        """An INVITE of ours, or a 2xx of ours without its ACK, is in progress (§14.2, RFC 5407 §3.1.4)."""
        updates = self._update is not None and self._update.in_progress and self._update.offer is not None
        return self._success is not None or updates or (self._reinvite is not None and self._reinvite.in_progress)

    def _refuse_for_now(self, transaction: ServerTransaction, now: float) -> None:
        """500 with a random Retry-After of 0 to 10 s (§14.2, RFC 3311 §5.2)."""
        retry = [("Retry-After", str(self._core.rng.randrange(11)))]
        self._core.respond(transaction, now, 500, headers=retry)

    def _refuse_early(self, transaction: ServerTransaction, now: float) -> None:
        """A new offer while the first has no answer; ours, unless the side says otherwise (RFC 3311 §5.2)."""
        self._core.respond(transaction, now, 491)

    def _tell_end(self, event: Event) -> None:
        """One event tells how a session ended, whatever else still arrives."""
        if not self._told:
            self._told = True
            self._core.events.append(event)

    def _send_success(self, transaction: InviteServer, response: Response, now: float) -> None:
        self._success = Success(self._core, self, transaction, response)
        self._success.send(now)

    def _stop_success(self) -> None:
        if self._success is not None:
            self._success.stop()
            self._success = None

    def _send_bye(self, now: float, headers: Lines) -> None:
        assert self.dialog is not None
        self._refuse_pending(now)
        self._finish(now)
        self._core.dialogs[self.dialog.id] = self  # a BYE that crosses ours still finds its dialog
        self._bye_headers = headers
        self._tries = self.credentials.tries() if self.credentials is not None else None
        self._transmit_bye(now)

    def _transmit_bye(self, now: float) -> None:
        """The BYE, and again with credentials after a challenge (§22.2)."""
        assert self.dialog is not None
        request, hop = self._core.dialog_request(self.dialog, "BYE", self.hop, headers=self._bye_headers or ())
        if self.credentials is not None:
            self.credentials.authorize(request)
        self._bye = self._core.layer.start_request(request, hop, self, now)

    def _bye_completed(self, response: Response | None) -> None:
        self._bye = None
        self._drop_dialogs()
        self._tell_end(ByeCompleted(self, response))

    def _refuse_pending(self, now: float) -> None:
        """§15.1.2: requests that are still unanswered when the session ends get 487."""
        self.referrals.close(now)
        pending, self._pending = self._pending, None
        if pending is not None:
            self._core.respond(pending, now, 487)

    def _finish(self, now: float) -> None:
        """Over for the caller: nothing of ours is repeated any more, the dialog is forgotten."""
        self._stop_success()
        self.timers.clear()
        if self.state is not SessionState.TERMINATED:
            self._core.remember_past(self.dialog)
            self.state = SessionState.TERMINATED
            self._core.active -= 1
            self.request.headers.compact()
        if self._reinvite is not None and self._reinvite.waits:
            self.start_timer(UsageTimer.REINVITE_WAIT, now + self._core.config.timers.give_up)
        self._drop_dialogs()

    def _drop_dialogs(self) -> None:
        if self.dialog is not None:
            self._core.dialogs.pop(self.dialog.id, None)

    def start_timer(self, timer: UsageTimer, at: float) -> None:
        self.timers.start(timer, at)
        self._core.layer.deadlines.update(self)

    def release(self) -> None:
        """Tell the end once, when no transaction is left."""
        if self.state is SessionState.TERMINATED and not self._open and not self._ended:
            self._ended = True
            self._core.layer.deadlines.discard(self)
            self._core.sessions -= 1
            self._core.events.append(SessionEnded(self))


def request_of(transaction: ServerTransaction) -> Request:
    """The request that still waits for its final response."""
    assert transaction.request is not None
    return transaction.request
