"""A request of ours outside INVITE usages: OPTIONS, REGISTER, MESSAGE (RFC 3261 §8.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vb.sip.digest_client import DigestClient, renewed
from vb.sip.effects import Hop, RequestFailed, ResponseReceived

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.message import Request, Response
    from vb.sip.transaction import Cause, Transaction
    from vb.sip.transactions import ClientTransaction


class ClientRequest:
    """One request and its answer, challenges in between included. ``user_data`` belongs to whoever uses the agent."""

    __slots__ = (
        "_answered",
        "_core",
        "_credentials",
        "_others",
        "_transaction",
        "_tries",
        "hop",
        "request",
        "user_data",
    )

    def __init__(
        self,
        core: Core,
        request: Request,
        hop: Hop,
        credentials: DigestClient | None = None,
        others: Sequence[Hop] = (),
    ) -> None:
        self._core = core
        self._others = list(others)
        self._answered = False
        self._credentials = credentials
        self._tries = credentials.tries() if credentials is not None else None
        self._transaction: ClientTransaction | None = None
        self.request = request
        self.hop = hop
        self.user_data: object = None

    def start(self, now: float) -> None:
        """Called by the agent, and again after a challenge."""
        if self._credentials is not None:
            self._credentials.authorize(self.request)
        self._transaction = self._core.layer.start_request(self.request, self.hop, self, now)

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def call_id(self) -> str:
        return self.request.call_id

    def transaction_started(self, transaction: Transaction) -> None:
        """Nothing: it ends with its last transaction."""

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if self._tries is not None and self._tries.learn(response):
            self.request = renewed(self.request, self._core.new_branch(), self.request.cseq.number + 1)
            self.start(now)
            return
        if response.status == 503 and self._try_another(now):
            return
        self._answered = self._answered or response.status >= 200
        self._core.events.append(ResponseReceived(self, response))

    def receive_ack(self, request: Request, now: float) -> None:
        """Never: no INVITE is received here."""

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if transaction is self._transaction and not self._answered and not self._try_another(now):
            self._core.events.append(RequestFailed(self, "transport" if cause == "transport" else "timeout"))

    def _try_another(self, now: float) -> bool:
        """Whether another server is asked (RFC 3263 §4.3)."""
        if not self._others:
            return False
        hop = self._others.pop(0)
        self.request = self._core.redirected(self.request, self.hop, hop)
        self.hop = hop
        self.start(now)
        return True
