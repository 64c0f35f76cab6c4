"""Requests of ours inside a dialog that change nothing of it, such as INFO (RFC 6086): RFC 3261 §12.2.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.digest_client import renewed
from vb.sip.effects import DialogRequestCompleted
from vb.sip.errors import LocalError

if TYPE_CHECKING:
    from vb.sip.core import Core, Lines
    from vb.sip.effects import Hop
    from vb.sip.message import Request, Response
    from vb.sip.session import Session
    from vb.sip.transaction import Cause, Transaction
    from vb.sip.transactions import ClientTransaction


class InDialog:
    """The verb of a session for such requests."""

    __slots__ = ("_core", "_session")

    def __init__(self, core: Core, session: Session) -> None:
        self._core = core
        self._session = session

    def send(
        self, now: float, method: str, *, headers: Lines = (), body: bytes = b"", content_type: str | None = None
    ) -> DialogRequest:
        """Send one; `DialogRequestCompleted` follows. Raises LocalError without a dialog or once the session is over.

        Over UDP requests may overtake each other: whose order matters, waits for the end of the one before.
        """
        session, core = self._session, self._core
        if session.dialog is None or session.is_over:
            raise LocalError(f"{method} in state {session.state.value}")
        request, hop = core.dialog_request(
            session.dialog, method, session.hop, headers=headers, body=body, content_type=content_type
        )
        sent = DialogRequest(core, session, request, hop)
        sent.start(now)
        return sent


class DialogRequest:
    """One request and its answer, a challenge in between included."""

    __slots__ = ("_answered", "_core", "_hop", "_transaction", "_tries", "request", "session")

    def __init__(self, core: Core, session: Session, request: Request, hop: Hop) -> None:
        self._core = core
        self._hop = hop
        self._answered = False
        self._transaction: ClientTransaction | None = None
        self._tries = session.credentials.tries() if session.credentials is not None else None
        self.session = session
        self.request = request

    def start(self, now: float) -> None:
        """Called by the session, and again after a challenge."""
        if self.session.credentials is not None:
            self.session.credentials.authorize(self.request)
        self._transaction = self._core.layer.start_request(self.request, self._hop, self, now)

    # From the transaction.

    def transaction_started(self, transaction: Transaction) -> None:
        self.session.transaction_started(transaction)

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200 or self._answered or transaction is not self._transaction:
            return
        dialog = self.session.dialog
        if dialog is not None and not self.session.is_over and self._tries is not None and self._tries.learn(response):
            self.request = renewed(self.request, self._core.new_branch(), dialog.next_sequence())
            self.start(now)
            return
        self._complete(response)

    def receive_ack(self, request: Request, now: float) -> None:
        """Never: this is the client side."""

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if transaction is self._transaction:
            self._complete(None)
        self.session.transaction_ended(transaction, cause, now)

    def _complete(self, response: Response | None) -> None:
        if not self._answered:
            self._answered = True
            self._core.events.append(DialogRequestCompleted(self.session, self, response))
