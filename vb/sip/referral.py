"""One REFER and the subscription that it makes, on either side (RFC 3515 §2.4.4 to §2.4.6)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

from vb.sip.digest_client import Tries, renewed
from vb.sip.effects import ReferAnswered, ReferNotified, ReferralCause, ReferralEnded, ReferReceived
from vb.sip.errors import LocalError
from vb.sip.refer import (
    SIPFRAG_VERSION,
    Notification,
    refer_to_of,
    referred_by_of,
    sipfrag,
    wants_subscription,
)
from vb.sip.routing import wants_secure_contact
from vb.sip.timers import TimerTable, UsageTimer
from vb.sip.transaction import Cause, Transaction

if TYPE_CHECKING:
    from vb.sip.core import Core, Lines
    from vb.sip.effects import Hop
    from vb.sip.message import Request, Response
    from vb.sip.session import Session
    from vb.sip.transactions import ClientTransaction, ServerTransaction

EXPIRES = 60
"""Seconds that a subscription lives without news; every NOTIFY says so, and starts them anew (RFC 3515 §2.4.4)."""
_MAX_QUEUE = 8
_MOST_EXPIRES = 3600
_REFUSED = frozenset({404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604})
"""Responses to a NOTIFY after which nobody is subscribed any more (RFC 5057 §5.1)."""


class Referral:
    """What both sides share: a life inside its session, and one deadline."""

    __slots__ = ("_core", "ended", "number", "session", "timers", "user_data")

    def __init__(self, core: Core, session: Session, number: int) -> None:
        self._core = core
        self.session = session
        self.number = number
        """The CSeq number of the REFER, which names the subscription (§2.4.6)."""
        self.timers = TimerTable()
        self.ended = False
        self.user_data: object = None

    # As the user of its transactions.

    def transaction_started(self, transaction: Transaction) -> None:
        self.session.transaction_started(transaction)

    def receive_ack(self, request: Request, now: float) -> None:
        """Never: no INVITE belongs to a referral."""

    def handle_timers(self, now: float) -> None:
        if self.timers.take_expired(now):
            self.end("timeout", now)

    def end(self, cause: ReferralCause, now: float) -> None:
        """Over, before everything was told: `ReferralEnded`. Idempotent."""
        if not self.ended:
            self._stop()
            self._core.events.append(ReferralEnded(self, cause))

    def _stop(self) -> None:
        self.ended = True
        self._core.layer.deadlines.discard(self)
        self.session.referrals.forget(self)

    def _wait(self, until: float) -> None:
        self.timers.start(UsageTimer.SUBSCRIPTION, until)
        self._core.layer.deadlines.update(self)


class ReferClient(Referral):
    """A REFER of ours. `ReferAnswered` tells what the peer thinks of it, each `ReferNotified` what came of it."""

    __slots__ = ("_answered", "_hop", "_request", "_transaction", "_tries")

    def __init__(self, core: Core, session: Session, request: Request, hop: Hop) -> None:
        super().__init__(core, session, request.cseq.number)
        self._answered = False
        self._request = request
        self._hop = hop
        self._transaction: ClientTransaction | None = None
        self._tries = session.credentials.tries() if session.credentials is not None else None

    def start(self, now: float) -> None:
        """Called by the session, and again after a challenge."""
        if self.session.credentials is not None:
            self.session.credentials.authorize(self._request)
        self._transaction = self._core.layer.start_request(self._request, self._hop, self, now)

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200 or self._answered or transaction is not self._transaction:
            return
        if not self.ended and self._tries is not None and self._tries.learn(response):
            assert self.session.dialog is not None
            sequence = self.session.dialog.next_sequence()
            self._request, self.number = renewed(self._request, self._core.new_branch(), sequence), sequence
            self.start(now)
            return
        self._answered = True
        if self.ended:
            return  # everything was told by a NOTIFY that overtook the response (RFC 3515 §2.4.4)
        self._core.events.append(ReferAnswered(self, response))
        if response.status >= 300 or not wants_subscription(response.headers.get_all("Refer-Sub")):
            self._stop()  # refused, or done without a subscription (RFC 4488 §4)
        elif not self.timers.running(UsageTimer.SUBSCRIPTION):
            self._wait(now + self._core.config.timers.give_up)  # Timer N (RFC 6665 §4.1.2.4)

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if transaction is self._transaction and not self._answered and not self.ended:
            self._answered = True
            self._stop()
            self._core.events.append(ReferAnswered(self, None))
        self.session.transaction_ended(transaction, cause, now)

    def receive_notify(self, notification: Notification, now: float) -> None:
        """One NOTIFY; its 200 has been sent."""
        state = notification.state
        if state.terminated:
            self._stop()
        else:
            expires = EXPIRES if state.expires is None else min(state.expires, _MOST_EXPIRES)
            # Some seconds of grace: the last NOTIFY may be on its way (RFC 6665 §4.1.2.4).
            self._wait(now + expires + self._core.config.timers.give_up)
        self._core.events.append(ReferNotified(self, notification.status, notification.reason, state))


@attrs.frozen
class _News:
    """One NOTIFY to send. ``state`` is its Subscription-State."""

    status: int
    reason: str | None = None
    state: str = f"active;expires={EXPIRES}"
    last: bool = False


class ReferServer(Referral):
    """A REFER of the peer: `accept` or `reject` it; then tell how the call goes by `notify`, and once by `complete`.

    NOTIFYs go out one after the other, the next when the one before is answered, so that none overtakes (RFC 6665
    §4.2.1.4). ``refer_to`` is what to do, ``referred_by`` the value to copy into the INVITE (RFC 3892 §3).
    """

    __slots__ = (
        "_accepted",
        "_event",
        "_news",
        "_sending",
        "_sent",
        "_subscribed",
        "_transaction",
        "_tries",
        "refer_to",
        "referred_by",
    )

    def __init__(
        self, core: Core, session: Session, transaction: ServerTransaction, request: Request, *, first: bool
    ) -> None:
        super().__init__(core, session, request.cseq.number)
        self.refer_to = refer_to_of(request)
        self.referred_by = referred_by_of(request)
        # §2.4.6: every REFER in a dialog but the first has its number in the NOTIFYs.
        self._event = "refer" if first else f"refer;id={self.number}"
        self._transaction: ServerTransaction | None = transaction
        self._subscribed = wants_subscription(request.headers.get_all("Refer-Sub"))
        self._accepted = False
        self._news: deque[_News] = deque()
        self._sending: ClientTransaction | None = None
        self._sent: _News | None = None
        self._tries: Tries | None = None

    def start(self, now: float) -> None:
        """Called once by the session: 64*T1 for a decision, for so long the peer waits (Timer F)."""
        self._wait(now + self._core.config.timers.give_up)
        self._core.events.append(ReferReceived(self))

    # Verbs.

    @property
    def accepted(self) -> bool:
        return self._accepted

    @property
    def subscribed(self) -> bool:
        """Whether anybody hears what `notify` and `complete` tell."""
        return self._accepted and not self.ended

    def accept(self, now: float) -> None:
        """202, and at once the first NOTIFY, 100 Trying (RFC 3515 §2.4.4). Raises LocalError when it is decided."""
        core, transaction = self._core, self._undecided()
        secure = transaction.request is not None and wants_secure_contact(transaction.request)
        lines = [core.contact(self.session.hop, secure=secure)]
        if not self._subscribed:
            lines.append(("Refer-Sub", "false"))  # RFC 4488 §4
        core.respond(transaction, now, 202, headers=lines)
        self._transaction = None
        self._accepted = True
        if self._subscribed:
            self.notify(now, 100)
        else:
            self._stop()

    def reject(self, now: float, status: int = 603, reason: str | None = None) -> None:
        """A final 300-699. Raises LocalError when it is decided, or for a reason with a line break."""
        if not 300 <= status < 700:
            raise LocalError(f"{status} is no refusal")
        self._core.respond(self._undecided(), now, status, reason)
        self._transaction = None
        self._stop()

    def notify(self, now: float, status: int, reason: str | None = None) -> None:
        """Tell how the call goes (100-699). Without effect when nobody listens (any more)."""
        self._tell(_News(status, reason), now)

    def complete(self, now: float, status: int, reason: str | None = None) -> None:
        """Tell the outcome and end the subscription (RFC 3515 §2.4.7)."""
        self._tell(_News(status, reason, "terminated;reason=noresource", last=True), now)

    # From the session.

    def end(self, cause: ReferralCause, now: float) -> None:
        if self.ended:
            return
        transaction, self._transaction = self._transaction, None
        if transaction is not None:
            # RFC 3261 §15.1.2: the call ended before the decision; or nobody decided while the peer waited.
            self._core.respond(transaction, now, 603 if cause == "timeout" else 487)
        last = self._news[-1] if self._news else None
        self._news.clear()
        if cause == "timeout" and self._accepted:
            # RFC 6665 §4.4.1: nothing was told for so long that the peer is left alone.
            last = _News(100, None, "terminated;reason=timeout", last=True)
        if last is not None and last.last and cause != "refused":
            self._send(last, now)  # at once: no answer can be waited for any more
            if cause == "session":
                return
        super().end(cause, now)

    # From the transactions of the NOTIFYs.

    def receive_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        if response.status < 200 or transaction is not self._sending:
            return
        self._sending = None
        if self._sent is not None and self._tries is not None and self._tries.learn(response):
            self._transmit(self._sent, now)
        elif response.status in _REFUSED:
            self.end("refused", now)
        else:
            self._pump(now)

    def transaction_ended(self, transaction: Transaction, cause: Cause, now: float) -> None:
        if transaction is self._sending:
            self._sending = None
            self.end("refused", now)
        self.session.transaction_ended(transaction, cause, now)

    # Inside.

    def _undecided(self) -> ServerTransaction:
        if self._transaction is None:
            raise LocalError("the REFER is decided already")
        return self._transaction

    def _tell(self, news: _News, now: float) -> None:
        if not self._accepted or self.ended or (self._news and self._news[-1].last):
            return
        if len(self._news) >= _MAX_QUEUE:
            self._news.popleft()  # the peer is slow: what is newer says more
        self._news.append(news)
        self._pump(now)

    def _pump(self, now: float) -> None:
        if self._sending is None and self._news:
            self._send(self._news.popleft(), now)

    def _send(self, news: _News, now: float) -> None:
        credentials = self.session.credentials
        self._tries = credentials.tries() if credentials is not None else None
        self._transmit(news, now)
        if news.state.startswith("active"):
            self._wait(now + EXPIRES)
        elif "noresource" in news.state:
            self._stop()

    def _transmit(self, news: _News, now: float) -> None:
        """The NOTIFY, and again with credentials after a challenge (RFC 3261 §22.2)."""
        core, dialog = self._core, self.session.dialog
        assert dialog is not None
        request, hop = core.dialog_request(
            dialog,
            "NOTIFY",
            self.session.hop,
            headers=[("Event", self._event), ("Subscription-State", news.state)],
            body=sipfrag(news.status, news.reason),
            content_type=SIPFRAG_VERSION,
        )
        if self.session.credentials is not None:
            self.session.credentials.authorize(request)
        self._sent = news
        self._sending = core.layer.start_request(request, hop, self, now)


def refer_lines(refer_to: str, referred_by: str, *, subscribe: bool) -> Lines:
    """The header lines of a REFER of ours."""
    lines = [("Refer-To", refer_to)]
    if referred_by:
        lines.append(("Referred-By", referred_by))  # RFC 3892 §2
    if not subscribe:
        lines.append(("Refer-Sub", "false"))  # RFC 4488 §4
    return lines
