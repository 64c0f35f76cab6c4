"""A re-INVITE of ours: RFC 3261 §14.1, with its retry after a 491."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from vb.sip.digest_client import credentials_of
from vb.sip.effects import ReinviteCompleted, Send
from vb.sip.reliable_client import ReliableClient, rseq_of
from vb.sip.timers import UsageTimer
from vb.sip.transaction import Cause, State, Transaction

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.dialog import Dialog
    from vb.sip.message import Request, Response
    from vb.sip.session import Session
    from vb.sip.transactions import ClientTransaction

Body = bytes | Callable[[], bytes]
_MAX_TRIES = 3


@attrs.frozen
class Offer:
    """What a re-INVITE carries. A function makes the body anew for each try, after what the peer has changed since."""

    body: Body
    content_type: str
    headers: tuple[tuple[str, str], ...]

    def make(self) -> bytes:
        return self.body() if callable(self.body) else self.body


class Reinvite:
    """One re-INVITE until its final response; the ACK of a 2xx is sent here, and again for every repeated 2xx."""

    __slots__ = (
        "_ack",
        "_answer",
        "_challenges",
        "_core",
        "_credentials",
        "_dialog",
        "_reliable",
        "_session",
        "_transaction",
        "_tries",
        "in_progress",
        "offer",
        "waits",
    )

    def __init__(self, core: Core, session: Session, dialog: Dialog, offer: Offer) -> None:
        self._core = core
        self._session = session
        self._dialog = dialog
        self._transaction: ClientTransaction | None = None
        self._ack: Send | None = None
        self._tries = 0
        self._reliable = ReliableClient(core, session)
        self._answer = b""  # of a reliable 1xx
        self._challenges = session.credentials.tries() if session.credentials is not None else None
        self._credentials: list[tuple[str, str]] = []
        self.offer = offer
        self.waits = True
        """Not completed: no final response yet, or waiting for the next try."""
        self.in_progress = True
        """No response at all that ends this try: an INVITE of the peer is glare now (§14.2)."""

    def send(self, now: float) -> None:
        core, offer = self._core, self.offer
        self._tries += 1
        self._reliable, self._answer = ReliableClient(core, self._session), b""
        self.in_progress = True
        request, hop = core.dialog_request(
            self._dialog,
            "INVITE",
            self._session.hop,
            headers=[*self._session.refresher.ask(), *offer.headers],
            body=offer.make(),
            content_type=offer.content_type,
        )
        if self._session.credentials is not None:
            self._session.credentials.authorize(request)
            self._credentials = credentials_of(request)
        self._transaction = core.layer.start_invite(
            request, hop, self, now, lambda response: core.refusal_ack(request, response)
        )

    def give_up(self, now: float) -> None:
        """The session is over and the peer has owed an answer for 64*T1."""
        if self._transaction is not None and self._transaction.state is not State.TERMINATED:
            self._core.layer.abandon(self._transaction, now)

    # From the transaction.

    def transaction_started(self, transaction: Transaction) -> None:
        self._session.transaction_started(transaction)

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200:
            self._receive_provisional(response, now)
            return
        self.in_progress = False
        if response.status < 300:
            self._acknowledge(response, now)
        elif self._tries_again(response, now):
            return
        self._complete(response, now)

    def receive_ack(self, request: Request, now: float) -> None:
        """Never: this is the client side."""

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if cause != "normal":
            self._complete(None, now)
        self._session.transaction_ended(transaction, cause, now)

    def _receive_provisional(self, response: Response, now: float) -> None:
        """A reliable one gets its PRACK (RFC 3262 §4); a description in it is the answer, and the 2xx has none (§5)."""
        core = self._core
        rseq = rseq_of(response) if "100rel" in core.config.supported else None
        if rseq is not None and not self._session.is_over and self._reliable.is_next(response.to.tag or "", rseq):
            self._answer = self._answer or response.body
            self._reliable.acknowledge(self._dialog, response, now)

    def _tries_again(self, response: Response, now: float) -> bool:
        session = self._session
        if session.is_over:
            return False
        if self._challenges is not None and self._challenges.learn(response):
            self.send(now)
            return True
        if self._tries >= _MAX_TRIES:
            return False
        if response.status == 491:
            session.retry_later(UsageTimer.REINVITE_RETRY, now)
            return True
        if response.status == 422 and session.refresher.timer.refused(response):
            self.send(now)  # RFC 4028 §7.3
            return True
        return False

    def _acknowledge(self, response: Response, now: float) -> None:
        if self._ack is None:
            if not self._session.is_over:
                self._session.refresher.agreed(response, now)
            self._dialog.refresh_target(response)  # §12.2.1.2
            request, hop = self._core.dialog_request(
                self._dialog,
                "ACK",
                self._session.hop,
                sequence=response.cseq.number,
                headers=self._credentials,  # §13.2.2.4
            )
            self._ack = Send(request.to_bytes(), hop)
        self._core.layer.sends.append(self._ack)

    def _complete(self, response: Response | None, now: float) -> None:
        if self.waits:
            self.waits = self.in_progress = False
            if response is not None and self._answer and response.status < 300:
                response = attrs.evolve(response, body=self._answer)
            if not self._session.is_over:
                if response is None or response.status >= 300:
                    self._session.refresher.failed(now)
                self._core.events.append(ReinviteCompleted(self._session, response))
