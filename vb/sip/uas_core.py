"""The UAS core: what happens to a received request (RFC 3261 §8.2, §9.2, §12.2.2, §13.3, §18.2)."""

from __future__ import annotations

import contextlib

import attrs

from vb.sip.core import Core
from vb.sip.effects import Hop, InviteReceived, RequestReceived, Send
from vb.sip.errors import RemoteError, SipError
from vb.sip.invite_server import InviteServer
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, make_response
from vb.sip.multipart import description_of
from vb.sip.replaces import replaces_of
from vb.sip.replacing import find_replaced
from vb.sip.routing import response_hops, stamp_via, wants_secure_contact
from vb.sip.salvage import salvage
from vb.sip.session import Session
from vb.sip.source_rate import SourceRate, Verdict
from vb.sip.transactions import ServerKey, ServerTransaction, server_key
from vb.sip.ua_checks import Refusal, check_headers, check_method, refusal_of


@attrs.frozen(eq=False)
class Arrival:
    """A request, where it came from, when, and the key of its transaction, taken before the Via is stamped."""

    request: Request
    source: Hop
    now: float
    key: ServerKey


class UasCore:
    """Routes requests to their transaction, dialog or new session, or answers them itself."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._layer = core.layer
        self._config = core.config
        self._rate = SourceRate(core.config.source_rate)

    def receive(self, request: Request, source: Hop, now: float) -> None:
        """A request that could be parsed."""
        try:
            key = server_key(request)
            transaction = self._layer.match(key, request)
            if transaction is not None:
                self._layer.receive_again(transaction, request, now)
            elif request.method == "ACK":
                self._receive_ack(request, now)
            else:
                verdict = self._judge(request, source, now)
                if verdict is Verdict.IGNORE:
                    return
                stamp_via(request, source)  # §18.2.1
                if verdict is Verdict.REFUSE or self._is_too_much(request):
                    self._refuse_statelessly(request, source, self._overloaded())
                else:
                    self._receive_new(Arrival(request, source, now, key))
        except RemoteError as error:  # a field that only now had to be read, before a transaction existed
            self._refuse_statelessly(request, source, refusal_of(error))

    def _receive_new(self, arrival: Arrival) -> None:
        request = arrival.request
        if request.method == "CANCEL":
            self._receive_cancel(arrival)
            return
        session = self._session_of(request)
        refusal = self._check(request, session)
        if refusal is not None:
            self._answer(arrival, session, refusal)
        elif session is not None:
            self._receive_in_dialog(session, arrival)
        elif request.method == "INVITE":
            self._receive_invite(arrival)
        elif request.method in self._config.handed_up:
            transaction = self._start(arrival, None)
            self._core.events.append(RequestReceived(request, arrival.source, transaction))
        else:
            self._answer(arrival, None, self._decide_outside(request, arrival.source))

    def _check(self, request: Request, session: Session | None) -> Refusal | None:
        """§8.2, in its order; 481 for a dialog that we do not have comes before a look at the content (§12.2.2)."""
        refusal = check_method(request, self._config)
        if refusal is not None:
            return refusal
        if request.to.tag:
            if session is None and request.method not in ("OPTIONS", "REGISTER"):
                return Refusal(481)
        elif self._layer.is_merged(request):
            return Refusal(482)  # §8.2.2.2
        try:
            return check_headers(request, self._config)
        except RemoteError as error:
            return refusal_of(error)

    def _session_of(self, request: Request) -> Session | None:
        tag = request.to.tag
        if not tag:
            return None
        return self._core.dialogs.get((request.call_id, tag, request.from_.tag or ""))

    def _receive_invite(self, arrival: Arrival) -> None:
        if self._config.max_sessions and self._core.active >= self._config.max_sessions:
            self._answer(arrival, None, self._overloaded())
            return
        try:
            replaces = replaces_of(arrival.request)
            replaced = find_replaced(self._core, replaces) if replaces is not None else None
        except RemoteError as error:
            self._answer(arrival, None, refusal_of(error))
            return
        session = InviteServerSession(self._core, arrival.request, arrival.source, self._core.new_tag())
        transaction = self._start(arrival, session)
        assert isinstance(transaction, InviteServer)
        session.start(transaction, arrival.now)
        self._core.events.append(InviteReceived(session, arrival.request, replaced))

    def _receive_ack(self, request: Request, now: float) -> None:
        session = self._session_of(request)
        if session is None:
            self._core.dropped["ack"] += 1
        else:
            session.receive_ack(request, now)

    def _receive_cancel(self, arrival: Arrival) -> None:
        """§9.2: 481 without its INVITE, else 200, with the To tag that the INVITE's responses have."""
        invite = self._layer.match_cancel(arrival.key)
        if invite is None:
            self._answer(arrival, None, Refusal(481))
            return
        session = invite.user if isinstance(invite.user, Session) else None
        transaction = self._start(arrival, session)
        self._core.respond(transaction, arrival.now, 200, to_tag=session.local_tag if session else invite.to_tag)
        if session is not None:
            session.receive_cancel(invite, arrival.request, arrival.now)

    def _receive_in_dialog(self, session: Session, arrival: Arrival) -> None:
        request, source, now = arrival.request, arrival.source, arrival.now
        transaction = self._start(arrival, session)
        dialog = session.dialog_with(request.from_.tag or "")
        if self._config.use_source_socket:
            session.hop = source
        if session.is_over and request.method != "BYE":
            self._core.respond(transaction, now, 481)  # our BYE is on its way: the dialog is gone (§15.1.1)
        elif dialog is None or not dialog.receive_sequence(request.cseq.number):
            self._core.respond(transaction, now, 500)  # §12.2.2
        elif request.method in self._config.handed_up:
            self._core.events.append(RequestReceived(request, source, transaction, session))
        elif request.method == "BYE":
            session.receive_bye(transaction, now)
        elif request.method == "INVITE" or (request.method == "UPDATE" and description_of(request)):
            session.receive_reinvite(transaction, now)
        elif request.method == "UPDATE":
            session.receive_refresh(transaction, now)
        elif request.method == "PRACK":
            session.receive_prack(transaction, now)
        elif request.method == "REFER" and session.dialog is not None and not session.dialog.early:
            session.referrals.receive_refer(transaction, now)
        elif request.method == "NOTIFY":
            session.referrals.receive_notify(transaction, now)
        else:
            refusal = self._decide_inside(request, source)
            self._core.respond(transaction, now, refusal.status, refusal.reason, headers=refusal.headers)

    def _start(self, arrival: Arrival, session: Session | None) -> ServerTransaction:
        return self._layer.start_server(arrival.key, arrival.request, arrival.source, session)

    # Decisions of our own.

    def _decide_outside(self, request: Request, source: Hop) -> Refusal:
        if request.method == "OPTIONS":
            return self._capabilities(request, source)
        if request.method == "REGISTER":
            return Refusal(403)
        if request.method in ("BYE", "UPDATE", "PRACK", "NOTIFY", "REFER"):
            return Refusal(481)
        return Refusal(405)

    def _decide_inside(self, request: Request, source: Hop) -> Refusal:
        if request.method == "OPTIONS":
            return self._capabilities(request, source)
        if request.method == "REFER":
            return Refusal(603)  # of a call that is not answered yet
        return Refusal(403 if request.method == "REGISTER" else 405)

    def _contact(self, request: Request, source: Hop) -> tuple[str, str]:
        return self._core.contact(source, secure=wants_secure_contact(request))

    def _capabilities(self, request: Request, source: Hop) -> Refusal:
        """§11.2: what a 200 to OPTIONS says, beside Allow and Supported."""
        headers = [
            self._contact(request, source),
            ("Accept", ", ".join(self._config.accept)),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
        ]
        if not self._config.supported:
            headers.append(("Supported", ""))
        return Refusal(200, tuple(headers))

    def _answer(self, arrival: Arrival, session: Session | None, refusal: Refusal) -> None:
        transaction = self._start(arrival, session)
        tag = None
        if isinstance(transaction, InviteServer) and not transaction.request_tag:
            transaction.to_tag = tag = self._core.new_tag()
        self._core.respond(
            transaction, arrival.now, refusal.status, refusal.reason, to_tag=tag, headers=refusal.headers
        )

    # Stateless answers.

    def _judge(self, request: Request, source: Hop, now: float) -> Verdict:
        """By the rate of the source. What ends calls, and what belongs to one, is always served."""
        if request.method in ("CANCEL", "BYE") or self._session_of(request) is not None:
            return Verdict.SERVE
        verdict = self._rate.judge(source.host, now)
        if verdict is not Verdict.SERVE:
            self._core.dropped["rate"] += 1
        return verdict

    def _is_too_much(self, request: Request) -> bool:
        most = self._config.max_transactions
        return bool(most) and len(self._layer) >= most and request.method not in ("CANCEL", "BYE")

    def _overloaded(self) -> Refusal:
        self._core.dropped["overload"] += 1
        return Refusal(503, (("Retry-After", str(self._config.retry_after)),))  # §21.5.4

    def refuse_malformed(self, data: bytes, error: RemoteError, source: Hop, now: float) -> None:
        """A message that could not be parsed: the error's status, if a response can be routed; counted anyway."""
        self._core.dropped["malformed"] += 1
        if self._rate.judge(source.host, now) is Verdict.IGNORE:
            return
        request = salvage(data, self._config.limits)
        if request is None or request.method == "ACK":
            return
        hop, _ = response_hops(request, source, use_source_socket=self._config.use_source_socket)
        with contextlib.suppress(SipError):  # the rest of a Via line may be unreadable: then it goes back as it came
            stamp_via(request, source)
        self._send_stateless(request, hop, refusal_of(error))

    def _refuse_statelessly(self, request: Request, source: Hop, refusal: Refusal) -> None:
        """§8.2.7: no transaction; a repeated request is answered again."""
        if request.method == "ACK":
            self._core.dropped["malformed"] += 1
            return
        hop, _ = response_hops(request, source, use_source_socket=self._config.use_source_socket)
        self._send_stateless(request, hop, refusal)

    def _send_stateless(self, request: Request, hop: Hop, refusal: Refusal) -> None:
        response = make_response(
            request,
            refusal.status,
            refusal.reason,
            to_tag=self._core.stateless_tag(request),
            headers=[*refusal.headers, ("Server", self._config.user_agent)],
        )
        self._layer.sends.append(Send(response.to_bytes(), hop))
