"""The REFERs of one session, both ways, and which of them a NOTIFY is about (RFC 3515 §2.4)."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from vb.sip.errors import LocalError, RemoteError
from vb.sip.refer import SIPFRAG, notification_of
from vb.sip.referral import ReferClient, Referral, ReferServer, refer_lines
from vb.sip.routing import wants_secure_contact

if TYPE_CHECKING:
    from vb.sip.core import Core, Lines
    from vb.sip.session import Session
    from vb.sip.transactions import ServerTransaction

_MOST = 8
"""Open REFERs of one session; the peer chooses how many it sends."""


class Referrals:
    """Opened with the session, closed with it: a subscription that shares the dialog does not outlive it here."""

    __slots__ = ("_core", "_of", "_open", "_received")

    def __init__(self, core: Core, session: Session) -> None:
        self._core = core
        self._of = weakref.ref(session)  # it has us: thousands that are over are to be freed without a collection
        self._open: list[Referral] = []
        self._received = False

    @property
    def _session(self) -> Session:
        session = self._of()
        assert session is not None
        return session

    def refer(
        self, now: float, refer_to: str, *, referred_by: str = "", headers: Lines = (), subscribe: bool = True
    ) -> ReferClient:
        """Ask the peer to call somebody (RFC 3515): `ReferAnswered`, then `ReferNotified` until it is done.

        ``refer_to`` is the value of Refer-To (`refer_to_value`), ``referred_by`` that of Referred-By. Without
        ``subscribe`` the peer is asked not to tell (RFC 4488). Raises LocalError when the session is not confirmed,
        or too many REFERs are open.
        """
        dialog = self._session.dialog
        if dialog is None or dialog.early or self._session.is_over:
            raise LocalError(f"REFER in state {self._session.state.value}")
        if len(self._open) >= _MOST:
            raise LocalError("too many REFERs")
        request, hop = self._core.dialog_request(
            dialog,
            "REFER",
            self._session.hop,
            headers=[*refer_lines(refer_to, referred_by, subscribe=subscribe), *headers],
        )
        referral = ReferClient(self._core, self._session, request, hop)
        self._open.append(referral)
        referral.start(now)
        return referral

    def receive_refer(self, transaction: ServerTransaction, now: float) -> None:
        """A REFER whose fields have been checked."""
        core, request = self._core, transaction.request
        assert request is not None
        if len(self._open) >= _MOST:
            core.respond(transaction, now, 491)
            return
        referral = ReferServer(core, self._session, transaction, request, first=not self._received)
        self._received = True
        self._open.append(referral)
        referral.start(now)

    def receive_notify(self, transaction: ServerTransaction, now: float) -> None:
        """200 and `ReferNotified`, or 481 without a REFER that it could be about (RFC 6665 §4.1.3)."""
        core, request = self._core, transaction.request
        assert request is not None
        if not any(isinstance(referral, ReferClient) for referral in self._open):
            core.respond(transaction, now, 481)
            return
        try:
            notification = notification_of(request)
        except RemoteError as error:
            lines = [("Accept", SIPFRAG)] if error.status == 415 else []
            lines += [("Allow-Events", "refer")] if error.status == 489 else []  # RFC 6665 §4.1.3
            core.respond(transaction, now, error.status, error.reason, headers=lines)
            return
        referral = self._find(notification.number)
        if referral is None:
            core.respond(transaction, now, 481)
            return
        secure = wants_secure_contact(request)
        core.respond(transaction, now, 200, headers=[core.contact(self._session.hop, secure=secure)])
        referral.receive_notify(notification, now)

    def forget(self, referral: Referral) -> None:
        if referral in self._open:
            self._open.remove(referral)

    def close(self, now: float) -> None:
        """The session ends."""
        for referral in list(self._open):
            referral.end("session", now)

    def _find(self, number: int | None) -> ReferClient | None:
        """By the id, which only the first REFER of a dialog may do without (§2.4.6): then the oldest open one."""
        for referral in self._open:
            if isinstance(referral, ReferClient) and number in (None, referral.number):
                return referral
        return None
