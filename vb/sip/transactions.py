"""The transaction layer: which transaction a message belongs to (RFC 3261 §17.1.3, §17.2.3), and all their timers."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Protocol

from vb.sip.effects import Hop, Send
from vb.sip.invite_client import InviteClient
from vb.sip.invite_server import InviteServer
from vb.sip.large_request import prepare
from vb.sip.non_invite_client import NonInviteClient
from vb.sip.non_invite_server import NonInviteServer
from vb.sip.routing import response_hops
from vb.sip.timers import Deadlines, TimerValues
from vb.sip.transaction import Cause, Effect, Kind, PassUp, State, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from vb.sip.message import Request, Response

COOKIE = "z9hG4bK"

ClientTransaction = InviteClient | NonInviteClient
ServerTransaction = InviteServer | NonInviteServer
ServerKey = tuple[str, ...]

_UNANSWERED = frozenset({State.CALLING, State.TRYING, State.PROCEEDING})


class TransactionUser(Protocol):
    """What a transaction reports to. Called between two steps, so it may start and answer other transactions."""

    def transaction_started(self, transaction: Transaction) -> None: ...

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None: ...

    def receive_ack(self, request: Request, now: float) -> None: ...

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None: ...


def server_key(request: Request) -> ServerKey:
    """What requests of one server transaction have in common (§17.2.3); an ACK has the key of its INVITE.

    A branch without the magic cookie, or with nothing behind it, is matched by the rules of RFC 2543.
    """
    via = request.via
    branch = via.branch or ""
    method = "INVITE" if request.method == "ACK" else request.method
    if len(branch) > len(COOKIE) and branch[: len(COOKIE)].lower() == COOKIE.lower():
        return branch.lower(), via.host, str(via.port), method
    cseq = str(request.cseq.number)
    return "", str(request.uri), request.from_.tag or "", request.call_id, cseq, str(via), method


class TransactionLayer:
    """All transactions of one agent. ``sends`` collects what is to be written, in order."""

    def __init__(self, values: TimerValues, *, use_source_socket: bool, largest_datagram: int = 0) -> None:
        self.sends: list[Send] = []
        self.deadlines = Deadlines()
        self.counts: Counter[Kind] = Counter()
        self.retransmissions = 0
        self._values = values
        self._use_source_socket = use_source_socket
        self._largest_datagram = largest_datagram
        self._clients: dict[tuple[str, str], ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._merged: dict[tuple[str, str, int, str], ServerTransaction] = {}
        self._by_hop: dict[Hop, dict[Transaction, None]] = {}

    def __len__(self) -> int:
        return len(self._clients) + len(self._servers)

    @property
    def pending(self) -> int:
        """How many still want something of their peer: a final response, or the ACK of a refused INVITE."""
        clients = sum(transaction.state in _UNANSWERED for transaction in self._clients.values())
        servers = sum(
            transaction.kind is Kind.INVITE_SERVER and transaction.state is State.COMPLETED
            for transaction in self._servers.values()
        )
        return clients + servers

    # Client side.

    def start_invite(
        self, request: Request, hop: Hop, user: TransactionUser, now: float, make_ack: Callable[[Response], bytes]
    ) -> InviteClient:
        key = request.via.branch or "", "INVITE"
        data, hop, fallback = prepare(request, hop, self._largest_datagram)
        transaction = InviteClient(key, data, hop, self._values, make_ack, fallback)
        self._start_client(transaction, key, user, now)
        return transaction

    def start_request(self, request: Request, hop: Hop, user: TransactionUser, now: float) -> NonInviteClient:
        key = request.via.branch or "", request.method
        data, hop, fallback = prepare(request, hop, self._largest_datagram)
        transaction = NonInviteClient(key, data, hop, self._values, fallback)
        self._start_client(transaction, key, user, now)
        return transaction

    def _start_client(
        self, transaction: ClientTransaction, key: tuple[str, str], user: TransactionUser, now: float
    ) -> None:
        self._clients[key] = transaction
        self._add(transaction, user)
        self.carry_out(transaction, transaction.start(now), now)

    def receive_response(self, response: Response, now: float) -> bool:
        """False when no client transaction matches (§17.1.3)."""
        key = response.via.branch or "", response.cseq.method
        transaction = self._clients.get(key)
        if transaction is None:
            return False
        self.carry_out(transaction, transaction.receive(response, now), now)
        return True

    # Server side.

    def match(self, key: ServerKey, request: Request) -> ServerTransaction | None:
        """The transaction of a repeated request or of an ACK, by its `server_key`."""
        transaction = self._servers.get(key)
        if transaction is None or key[0]:
            return transaction
        # RFC 2543: the To tags must agree; that of an ACK with the one we put into the response.
        tag = request.to.tag
        if request.method != "ACK":
            return transaction if tag == transaction.request_tag else None
        own = transaction.to_tag if isinstance(transaction, InviteServer) else None
        return transaction if tag == (own or transaction.request_tag) else None

    def match_cancel(self, key: ServerKey) -> InviteServer | None:
        """The INVITE that the CANCEL with that key means (§9.2): all is the same but the method."""
        transaction = self._servers.get((*key[:-1], "INVITE"))
        return transaction if isinstance(transaction, InviteServer) else None

    def receive_again(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self.carry_out(transaction, transaction.receive_request(request, now), now, again=request.method != "ACK")

    def is_merged(self, request: Request) -> bool:
        """The same request came over another path (§8.2.2.2); asked only for requests that match no transaction."""
        return not request.to.tag and _merge_key(request) in self._merged

    def start_server(
        self, key: ServerKey, request: Request, source: Hop, user: TransactionUser | None
    ) -> ServerTransaction:
        hop, fallback = response_hops(request, source, use_source_socket=self._use_source_socket)
        make = InviteServer if request.method == "INVITE" else NonInviteServer
        transaction = make(key, request, hop, fallback, self._values)
        self._servers[key] = transaction
        if not request.to.tag and request.method != "CANCEL":
            transaction.merge_key = merge_key = _merge_key(request)
            self._merged.setdefault(merge_key, transaction)
        self._add(transaction, user)
        return transaction

    def respond(self, transaction: ServerTransaction, response: Response, now: float) -> None:
        """Send a response; once more the same 2xx to an INVITE repeats it (§13.3.1.4)."""
        again = transaction.state is State.ACCEPTED
        self.carry_out(transaction, transaction.respond(response, now), now, again=again)

    # All.

    def carry_out(self, transaction: Transaction, effects: list[Effect], now: float, *, again: bool = False) -> None:
        user: TransactionUser | None = transaction.user
        for effect in effects:
            if isinstance(effect, Send):
                self.sends.append(effect)
                self.retransmissions += again
            elif isinstance(effect, PassUp):
                if user is not None:
                    self._pass_up(transaction, user, effect.message, now)
            else:
                self._remove(transaction)
                if user is not None:
                    user.transaction_ended(transaction, effect.cause, now)
        if transaction.state is not State.TERMINATED:
            self.deadlines.update(transaction)

    def _pass_up(
        self, transaction: Transaction, user: TransactionUser, message: Request | Response, now: float
    ) -> None:
        if isinstance(transaction, InviteClient | NonInviteClient):
            user.receive_response(transaction, message, now)  # type: ignore[arg-type]
        else:
            user.receive_ack(message, now)  # type: ignore[arg-type]

    def abandon(self, transaction: Transaction, now: float) -> None:
        """The user gives up a transaction (§9.1: no final response after a CANCEL)."""
        if transaction.state is not State.TERMINATED:
            transaction.state = State.TERMINATED
            self._remove(transaction)
            if transaction.user is not None:
                transaction.user.transaction_ended(transaction, "timeout", now)

    def transport_failed(self, hop: Hop, now: float) -> None:
        for transaction in list(self._by_hop.get(hop, ())):
            before = transaction.hop
            effects = transaction.transport_error(now)
            if transaction.hop is not before:
                self._forget_hop(transaction, before)
                self._by_hop.setdefault(transaction.hop, {})[transaction] = None
            self.carry_out(transaction, effects, now)

    def handle_timers(self, now: float) -> None:
        while (timed := self.deadlines.take_due(now)) is not None:
            if isinstance(timed, Transaction):
                self.carry_out(timed, timed.handle_timers(now), now, again=True)
            else:
                timed.handle_timers(now)
                self.deadlines.update(timed)

    def next_deadline(self) -> float:
        return self.deadlines.next_deadline() if self.deadlines else inf

    def _add(self, transaction: Transaction, user: TransactionUser | None) -> None:
        transaction.user = user
        self.counts[transaction.kind] += 1
        self._by_hop.setdefault(transaction.hop, {})[transaction] = None
        if user is not None:
            user.transaction_started(transaction)

    def _remove(self, transaction: Transaction) -> None:
        self.counts[transaction.kind] -= 1
        self.deadlines.discard(transaction)
        self._forget_hop(transaction, transaction.hop)
        if isinstance(transaction, InviteServer | NonInviteServer):
            if self._servers.get(transaction.key) is transaction:  # type: ignore[call-overload]
                del self._servers[transaction.key]
            if self._merged.get(transaction.merge_key) is transaction:  # type: ignore[call-overload]
                del self._merged[transaction.merge_key]
        else:
            self._clients.pop(transaction.key, None)  # type: ignore[call-overload]

    def _forget_hop(self, transaction: Transaction, hop: Hop) -> None:
        same = self._by_hop.get(hop)
        if same is not None:
            same.pop(transaction, None)
            if not same:
                del self._by_hop[hop]


def _merge_key(request: Request) -> tuple[str, str, int, str]:
    """§8.2.2.2: From tag, Call-ID and CSeq."""
    return request.call_id, request.from_.tag or "", request.cseq.number, request.method
