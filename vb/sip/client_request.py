"""A request of ours outside INVITE usages: OPTIONS, REGISTER, MESSAGE (RFC 3261 §8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.effects import Hop, RequestFailed, ResponseReceived

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.message import Request, Response
    from vb.sip.transaction import Cause, Transaction
    from vb.sip.transactions import ClientTransaction


class ClientRequest:
    """One request and its answer. ``user_data`` belongs to whoever uses the agent."""

    __slots__ = ("_answered", "_core", "hop", "request", "user_data")

    def __init__(self, core: Core, request: Request, hop: Hop) -> None:
        self._core = core
        self._answered = False
        self.request = request
        self.hop = hop
        self.user_data: object = None

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def call_id(self) -> str:
        return self.request.call_id

    def transaction_started(self, transaction: Transaction) -> None:
        """Nothing: it ends with its only transaction."""

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self._answered = self._answered or response.status >= 200
        self._core.events.append(ResponseReceived(self, response))

    def receive_ack(self, request: Request, now: float) -> None:
        """Never: no INVITE is received here."""

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if not self._answered:
            self._core.events.append(RequestFailed(self, "transport" if cause == "transport" else "timeout"))
