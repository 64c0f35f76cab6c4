"""An UPDATE of ours: RFC 3311 §5.1, with its retries after 491, 500 and 422."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from vb.sip.timers import UsageTimer
from vb.sip.transaction import Cause, Transaction

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.dialog import Dialog
    from vb.sip.message import Request, Response
    from vb.sip.reinvite import Offer
    from vb.sip.session import Session
    from vb.sip.transactions import ClientTransaction

_MAX_TRIES = 3


class Update:
    """One UPDATE until its final response, which ``completed`` is told: None after a timeout or transport error.

    Without an ``offer`` it changes nothing and only refreshes the session (RFC 4028 §7.4).
    """

    __slots__ = ("_challenges", "_completed", "_core", "_dialog", "_session", "_tries", "in_progress", "offer")

    def __init__(
        self,
        core: Core,
        session: Session,
        dialog: Dialog,
        offer: Offer | None,
        completed: Callable[[Response | None, float], None],
    ) -> None:
        self._core = core
        self._session = session
        self._dialog = dialog
        self._completed = completed
        self._tries = 0
        self._challenges = session.credentials.tries() if session.credentials is not None else None
        self.offer = offer
        self.in_progress = True

    def send(self, now: float) -> None:
        self._tries += 1
        offer, credentials = self.offer, self._session.credentials
        request, hop = self._core.dialog_request(
            self._dialog,
            "UPDATE",
            self._session.hop,
            headers=[*self._session.refresher.ask(), *(offer.headers if offer else ())],
            body=offer.make() if offer else b"",
            content_type=offer.content_type if offer else None,
        )
        if credentials is not None:
            credentials.authorize(request)
        self._core.layer.start_request(request, hop, self, now)

    # From the transaction.

    def transaction_started(self, transaction: Transaction) -> None:
        self._session.transaction_started(transaction)

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200 or not self.in_progress:
            return
        session = self._session
        if response.status < 300:
            self._dialog.refresh_target(response)  # RFC 3311 §5.1: it is a target refresh request
            if not session.is_over:
                session.refresher.agreed(response, now)
        elif not session.is_over and self._tries_again(response, now):
            return
        self._complete(response, now)

    def _tries_again(self, response: Response, now: float) -> bool:
        session = self._session
        if self._challenges is not None and self._challenges.learn(response):
            self.send(now)
            return True
        if self._tries >= _MAX_TRIES:
            return False
        if response.status == 422 and session.refresher.timer.refused(response):
            self.send(now)  # RFC 4028 §7.3
            return True
        if response.status in (491, 500):
            session.retry_later(UsageTimer.UPDATE_RETRY, now)  # §5.1: as after the 491 of a re-INVITE
            return True
        return False

    def receive_ack(self, request: Request, now: float) -> None:
        """Never: this is the client side."""

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if cause != "normal":
            self._complete(None, now)
        self._session.transaction_ended(transaction, cause, now)

    def _complete(self, response: Response | None, now: float) -> None:
        if self.in_progress:
            self.in_progress = False
            self._completed(response, now)
