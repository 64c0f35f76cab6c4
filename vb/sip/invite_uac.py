"""The INVITE usage of the calling side: RFC 3261 §13.2, CANCEL (§9.1), and 2xx of forked INVITEs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from vb.sip.core import Core, Lines
from vb.sip.dialog import Dialog
from vb.sip.digest_client import credentials_of, renewed
from vb.sip.effects import (
    AnswerReceived,
    Hop,
    InviteFailed,
    ProvisionalReceived,
    RefusalReceived,
    Send,
)
from vb.sip.errors import LocalError
from vb.sip.headers import Headers
from vb.sip.reasons import ANSWERED_ELSEWHERE
from vb.sip.reliable_client import ReliableClient, rseq_of
from vb.sip.session import Session, SessionState
from vb.sip.timers import UsageTimer
from vb.sip.transaction import Cause, Transaction

if TYPE_CHECKING:
    from vb.sip.message import Request, Response
    from vb.sip.transactions import ClientTransaction, ServerTransaction

_MAX_DIALOGS = 16
"""How many early dialogs, or forked answers, of one INVITE are kept: a peer chooses their number."""


_DONE = object()


class InviteClientSession(Session):
    """An INVITE of ours. `ack` its `AnswerReceived` at once; `cancel` before that, `bye` after."""

    owns_call_id: ClassVar[bool] = True

    __slots__ = ("_acks", "_cancel_headers", "_cancel_sent", "_early", "_invite", "_others", "_reliable", "_routes")

    def __init__(
        self,
        core: Core,
        request: Request,
        hop: Hop,
        local_tag: str,
        routes: Sequence[str],
        others: Sequence[Hop] = (),
    ) -> None:
        super().__init__(core, request, hop, local_tag, SessionState.CALLING)
        self._others = list(others)
        self._invite: ClientTransaction | None = None
        self._routes = tuple(routes)
        self._early: dict[str, Dialog] = {}
        self._reliable = ReliableClient(core, self)
        self._acks: dict[str, Send | None] = {}  # by remote tag; None while the caller has not acknowledged
        self._cancel_headers: tuple[tuple[str, str], ...] | None = None
        self._cancel_sent = False

    def start(self, now: float) -> None:
        """Called once by the agent."""
        if self.credentials is not None:
            self._tries = self.credentials.tries()
        self._send_invite(now)

    def _send_invite(self, now: float) -> None:
        core, request = self._core, self.request
        if self.credentials is not None:
            self.credentials.authorize(request)
        self._invite = core.layer.start_invite(
            request, self.hop, self, now, lambda response: core.refusal_ack(request, response)
        )

    # Verbs.

    def cancel(self, now: float, headers: Lines = ()) -> None:
        """Give up the call before its answer (§9.1). Idempotent; without effect after a final response.

        CANCEL goes out with the first 1xx. `RefusalReceived` (487), `InviteFailed`, or, when a 2xx crosses, an ACK
        and a BYE with its `ByeCompleted` follow.
        """
        if self._cancel_headers is not None or self.state not in (SessionState.CALLING, SessionState.EARLY):
            return
        self._cancel_headers = tuple(Headers(headers))  # a bad value is the caller's error now, not a timer's later
        if self.state is SessionState.EARLY:
            self._send_cancel(now)

    def ack(self, now: float, body: bytes = b"", content_type: str = "application/sdp", headers: Lines = ()) -> None:
        """Acknowledge the 2xx (§13.2.2.4). Repeated 2xx are acknowledged again by the agent.

        Raises LocalError when there is no 2xx that waits for its ACK.
        """
        if self.dialog is None or self._acks.get(self.dialog.remote_tag, _DONE) is not None:
            raise LocalError(f"ACK in state {self.state.value}")
        if self.state is SessionState.ACCEPTED:  # else a BYE of the peer was faster: the ACK is owed all the same
            self.state = SessionState.CONFIRMED
        self._send_ack(self.dialog, body, content_type, headers)

    def prack(self, now: float, body: bytes) -> None:
        """Answer the offer of a reliable 1xx (RFC 3262 §5); only where our INVITE made none.

        Raises LocalError when no `ProvisionalReceived` waits for that.
        """
        dialog = self.dialog
        owed = self._reliable.owed(dialog.remote_tag) if dialog is not None else None
        if dialog is None or owed is None or self.is_over:
            raise LocalError("no reliable response waits for an answer")
        dialog.exchanged = True
        self._reliable.acknowledge(dialog, owed, now, body)

    def bye(self, now: float, headers: Lines = ()) -> None:
        """End the session: CANCEL before the answer, else BYE, after an ACK that is still owed (§15)."""
        if self.state in (SessionState.CALLING, SessionState.EARLY):
            self.cancel(now, headers)
            return
        if self.state is SessionState.ACCEPTED and self._bye_headers is None:
            self.ack(now)
        super().bye(now, headers)

    # From the transactions.

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if transaction is not self._invite:
            super().receive_response(transaction, response, now)
        elif response.status < 200:
            self._receive_provisional(response, now)
        elif response.status < 300:
            self._receive_success(response, now)
        elif not (
            self._answer_challenge(response, now)
            or self._ask_again(response, now)
            or (response.status == 503 and self._try_another(now))
        ):
            self._finish(now)
            self._tell_end(RefusalReceived(self, response))

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if transaction is self._invite:
            self._invite = None
            if self.state is SessionState.CALLING and self._try_another(now):
                pass
            elif not self._acks and self.state is not SessionState.TERMINATED:
                self._finish(now)
                self._tell_end(InviteFailed(self, "transport" if cause == "transport" else "timeout"))
        super().transaction_ended(transaction, cause, now)

    # From the agent.

    def dialog_with(self, remote_tag: str) -> Dialog | None:
        return self._early.get(remote_tag) or self.dialog

    def receive_bye(self, transaction: ServerTransaction, now: float) -> None:
        """Also from a callee that may not send one yet (§15): then the INVITE is given up too, by CANCEL."""
        unanswered = self.state is SessionState.EARLY
        super().receive_bye(transaction, now)
        if unanswered and self._invite is not None:
            if self._cancel_sent:
                self.start_timer(UsageTimer.CANCEL_WAIT, now + self._core.config.timers.give_up)
            else:
                self._cancel_headers = self._cancel_headers or ()
                self._send_cancel(now)

    # Inside.

    def _answer_challenge(self, response: Response, now: float) -> bool:
        """Whether the call goes on by a new INVITE with credentials (§22.2): in the same Call-ID, without a To tag."""
        if self._cancel_headers is not None or self._tries is None or not self._tries.learn(response):
            return False
        self._invite_again(now)
        return True

    def _ask_again(self, response: Response, now: float) -> bool:
        """After a 422: the same call with the interval that it asks for (RFC 4028 §7.3)."""
        timer = self.refresher.timer
        if response.status != 422 or self._cancel_headers is not None or not timer.refused(response):
            return False
        self._invite_again(now, timer.ask())
        return True

    def _try_another(self, now: float) -> bool:
        """Whether the call goes on at another server (RFC 3263 §4.3): this one is out of reach, silent, or says 503."""
        if not self._others or self._cancel_headers is not None:
            return False
        hop = self._others.pop(0)
        self._start_over()
        self.request = self._core.redirected(self.request, self.hop, hop)
        self.hop = hop
        self._send_invite(now)
        return True

    def _start_over(self) -> None:
        self._drop_dialogs()  # §12.3: a refusal ends the early ones
        self._early.clear()
        self._reliable = ReliableClient(self._core, self)
        self.dialog = None
        self.state = SessionState.CALLING

    def _invite_again(self, now: float, lines: Lines = ()) -> None:
        """The same call by a new INVITE, with ``lines`` in place of its own (§8.1.3.5)."""
        self._start_over()
        self.request = renewed(self.request, self._core.new_branch(), self.request.cseq.number + 1)
        for name, value in lines:
            self.request.headers.set(name, value)
        self._send_invite(now)

    def _receive_provisional(self, response: Response, now: float) -> None:
        if self.state is SessionState.CALLING:
            self.state = SessionState.EARLY
        if self._cancel_headers is not None:
            if not self._cancel_sent:
                self._send_cancel(now)  # §9.1: not before a provisional response
            return
        if response.status == 100:
            return
        dialog = self._early_dialog(response)
        rseq = rseq_of(response) if "100rel" in self._core.config.supported else None
        if rseq is None:
            self._core.events.append(ProvisionalReceived(self, response))
        elif dialog is not None and self._reliable.is_next(dialog.remote_tag, rseq):
            self._receive_reliable(dialog, response, now)

    def _early_dialog(self, response: Response) -> Dialog | None:
        """The dialog of a 1xx; there may be several, of a fork (§12.1.2)."""
        tag = response.to.tag
        if tag and tag not in self._early and len(self._early) < _MAX_DIALOGS:
            self._early[tag] = dialog = Dialog.of_client(self.request, response, self.local_tag)
            self._core.dialogs[dialog.id] = self
            if self.dialog is None:
                self.dialog = dialog
        return self._early.get(tag or "")

    def _receive_reliable(self, dialog: Dialog, response: Response, now: float) -> None:
        """RFC 3262 §4, §5: each gets its PRACK at once, unless that has to bring the answer to an offer in it."""
        if response.body and not self.request.body and not dialog.exchanged:
            self.dialog = dialog
            self._reliable.owe(dialog.remote_tag, response)
        else:
            dialog.exchanged = dialog.exchanged or bool(response.body)
            self._reliable.acknowledge(dialog, response, now)
        self._core.events.append(ProvisionalReceived(self, response))

    def _receive_success(self, response: Response, now: float) -> None:
        tag = response.to.tag or ""
        if tag in self._acks:
            ack = self._acks[tag]
            if ack is not None:
                self._core.layer.sends.append(ack)  # §13.2.2.4: the same ACK for every repeated 2xx
                self._core.layer.retransmissions += 1
        elif not self._acks:
            self._receive_answer(tag, response, now)
        elif len(self._acks) < _MAX_DIALOGS:
            # §13.2.2.4: another branch of a fork has answered too; one call is enough.
            dialog = Dialog.of_client(self.request, response, self.local_tag)
            self._send_ack(dialog)
            request, hop = self._core.dialog_request(dialog, "BYE", self.hop, headers=[ANSWERED_ELSEWHERE])
            if self.credentials is not None:
                self.credentials.authorize(request)
            self._core.layer.start_request(request, hop, self, now)

    def _receive_answer(self, tag: str, response: Response, now: float) -> None:
        core = self._core
        self._drop_dialogs()
        self.timers.stop(UsageTimer.CANCEL_WAIT)
        # The route set and target come from the 2xx, whatever the 1xx said (§13.2.2.4).
        self.dialog = dialog = Dialog.of_client(self.request, response, self.local_tag)
        dialog.early = False
        dialog.exchanged = True
        early = self._early.pop(tag, None)
        if early is not None:
            dialog.local_sequence = max(dialog.local_sequence, early.local_sequence)
            dialog.remote_sequence = early.remote_sequence
        self._early.clear()
        if core.config.use_source_socket and core.source is not None:
            self.hop = core.source
        core.dialogs[dialog.id] = self
        self._acks[tag] = None
        if self._cancel_headers is None:
            self.state = SessionState.ACCEPTED
            self.refresher.agreed(response, now)
            core.events.append(AnswerReceived(self, response))
        else:
            # The 2xx has crossed the CANCEL (§9.1): it is a call now, and it ends at once.
            self._send_ack(dialog)
            self._send_bye(now, self._cancel_headers)

    def _send_ack(
        self, dialog: Dialog, body: bytes = b"", content_type: str = "application/sdp", headers: Lines = ()
    ) -> None:
        request, hop = self._core.dialog_request(
            dialog,
            "ACK",
            self.hop,
            sequence=self.request.cseq.number,  # §13.2.2.4: the number of the INVITE
            headers=[*credentials_of(self.request), *headers],  # §13.2.2.4: those of the INVITE
            body=body,
            content_type=content_type if body else None,
        )
        self._acks[dialog.remote_tag] = ack = Send(request.to_bytes(), hop)
        self._core.layer.sends.append(ack)

    def _send_cancel(self, now: float) -> None:
        """§9.1: the INVITE's Request-URI, Via, From, To, Call-ID, Route and CSeq number."""
        self._cancel_sent = True
        request = self.request
        hop = self._invite.hop if self._invite is not None else self.hop  # §9.1: where the INVITE went
        cancel = self._core.new_request(
            "CANCEL",
            request.uri,
            hop,
            from_=request.headers.get("From") or "",
            to=request.headers.get("To") or "",
            call_id=self.call_id,
            sequence=request.cseq.number,
            routes=self._routes,
            headers=self._cancel_headers or (),
            branch=request.via.branch,
        )
        self._core.layer.start_request(cancel, hop, self, now)
        if self._invite is not None and not self._acks:
            self.start_timer(UsageTimer.CANCEL_WAIT, now + self._core.config.timers.give_up)

    def _drop_dialogs(self) -> None:
        for dialog in self._early.values():
            self._core.dialogs.pop(dialog.id, None)
        super()._drop_dialogs()

    def _expired(self, timer: object, now: float) -> None:
        if timer is UsageTimer.CANCEL_WAIT:
            # §9.1: no final response in 64*T1 after the CANCEL: the INVITE counts as cancelled.
            if self._invite is not None:
                self._core.layer.abandon(self._invite, now)
        else:
            super()._expired(timer, now)
