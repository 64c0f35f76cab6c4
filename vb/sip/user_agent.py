"""The user agent core: the pure object that a driver feeds with messages and the time (RFC 3261 §8, §12.2.2, §18)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from random import Random

from vb.sip.client_request import ClientRequest
from vb.sip.config import UaConfig, UaStatistics
from vb.sip.core import Core, Lines, tagged
from vb.sip.effects import Event, Hop, InviteReceived, RequestReceived, Send
from vb.sip.errors import LocalError, RemoteError
from vb.sip.fields import NameAddr
from vb.sip.invite_server import InviteServer
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, Response, make_response, parse_message
from vb.sip.routing import hop_of, response_hops, route_request, stamp_via
from vb.sip.salvage import salvage
from vb.sip.session import Session
from vb.sip.transaction import Kind, State
from vb.sip.transactions import ServerTransaction
from vb.sip.ua_checks import Refusal, check_headers, check_method, refusal_of
from vb.sip.uri import Uri

__all__ = ["UaConfig", "UaStatistics", "UserAgent"]


class UserAgent:
    """Both roles of a SIP user agent. No I/O, no clock: every call gets ``now``, in seconds.

    After each call drain `take_sends` and `take_events`, and call `handle_timers` when `next_deadline` has come.
    """

    def __init__(self, config: UaConfig, rng: Random) -> None:
        self._core = Core(config, rng)
        self._layer = self._core.layer
        self._config = config
        self._received = 0
        self._sent = 0

    # The driver's side.

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """One whole message: a datagram, or what a `StreamFramer` gave. Never raises, whatever the bytes."""
        if not data.strip(b"\r\n\0 "):
            return  # a keep-alive (RFC 5626 §4.4.1)
        self._received += 1
        core = self._core
        core.source = source
        try:
            message = parse_message(data, self._config.limits)
        except RemoteError as error:
            self._refuse_malformed(data, error, source)
            return
        if isinstance(message, Request):
            self._receive_request(message, source, now)
        elif len(message.headers.values("Via")) != 1 or not self._layer.receive_response(message, now):
            core.dropped["response"] += 1  # §8.1.3.3: more than one Via; §18.1.2: no transaction

    def reject_stream(self, head: bytes, error: RemoteError, source: Hop, now: float) -> None:
        """The framing of a stream has failed: answer what began there, if that is possible. The driver closes."""
        self._received += 1
        self._refuse_malformed(head, error, source)

    def transport_failed(self, hop: Hop, now: float) -> None:
        """Sends to ``hop`` cannot be delivered (§17.1.4, §17.2.4). ``hop`` is that of the `Send`."""
        self._layer.transport_failed(hop, now)

    def handle_timers(self, now: float) -> None:
        self._layer.handle_timers(now)

    def next_deadline(self) -> float:
        """When `handle_timers` is due; inf when nothing waits."""
        return self._layer.next_deadline()

    def take_sends(self) -> list[Send]:
        sends, self._layer.sends = self._layer.sends, []
        self._sent += len(sends)
        return sends

    def take_events(self) -> list[Event]:
        events, self._core.events = self._core.events, []
        return events

    def statistics(self) -> UaStatistics:
        counts = self._layer.counts
        return UaStatistics(
            invite_clients=counts[Kind.INVITE_CLIENT],
            invite_servers=counts[Kind.INVITE_SERVER],
            non_invite_clients=counts[Kind.NON_INVITE_CLIENT],
            non_invite_servers=counts[Kind.NON_INVITE_SERVER],
            dialogs=len(self._core.dialogs),
            sessions=self._core.sessions,
            received=self._received,
            sent=self._sent + len(self._layer.sends),
            retransmitted=self._layer.retransmissions,
            dropped=dict(self._core.dropped),
        )

    # The user's side.

    def invite(
        self,
        *,
        target: Uri,
        from_: NameAddr,
        to: NameAddr,
        now: float,
        hop: Hop | None = None,
        headers: Lines = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        routes: Sequence[NameAddr] = (),
        call_id: str | None = None,
    ) -> InviteClientSession:
        """Call ``target`` (§13.2.1). ``hop`` overrides the next hop that ``routes`` or the target name."""
        local_tag = from_.tag or self._core.new_tag()
        request, hop, route_values = self._new_request(
            "INVITE",
            target,
            hop,
            from_=tagged(from_, local_tag),
            to=to,
            headers=headers,
            body=body,
            content_type=content_type,
            routes=routes,
            sequence=self._core.rng.randrange(1, 1 << 16),
            call_id=call_id,
        )
        session = InviteClientSession(self._core, request, hop, local_tag, route_values)
        session.start(now)
        return session

    def request(
        self,
        method: str,
        *,
        target: Uri,
        from_: NameAddr,
        to: NameAddr,
        now: float,
        hop: Hop | None = None,
        headers: Lines = (),
        body: bytes = b"",
        content_type: str | None = None,
        routes: Sequence[NameAddr] = (),
        cseq: int | None = None,
        call_id: str | None = None,
    ) -> ClientRequest:
        """Send a request outside any dialog; `ResponseReceived` or `RequestFailed` carry the result."""
        if method in ("INVITE", "ACK", "CANCEL"):
            raise LocalError(f"{method} is no request of its own")
        request, hop, _ = self._new_request(
            method,
            target,
            hop,
            from_=tagged(from_, self._core.new_tag()),
            to=to,
            headers=headers,
            body=body,
            content_type=content_type,
            routes=routes,
            sequence=cseq or 1,
            call_id=call_id,
        )
        client_request = ClientRequest(self._core, request, hop)
        self._layer.start_request(request, hop, client_request, now)
        return client_request

    def respond(
        self,
        event: RequestReceived,
        now: float,
        status: int,
        reason: str | None = None,
        headers: Lines = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> None:
        """Answer a request that was handed up. Raises LocalError when it has its final response."""
        transaction = event.transaction
        if not isinstance(transaction, ServerTransaction) or transaction.state not in (State.TRYING, State.PROCEEDING):
            raise LocalError("the request is answered already")
        response = self._core.response(
            event.request, status, reason, headers=headers, body=body, content_type=content_type
        )
        self._layer.respond(transaction, response, now)

    def _new_request(
        self,
        method: str,
        target: Uri,
        hop: Hop | None,
        *,
        from_: str,
        to: NameAddr,
        headers: Lines,
        body: bytes,
        content_type: str | None,
        routes: Sequence[NameAddr],
        sequence: int,
        call_id: str | None,
    ) -> tuple[Request, Hop, list[str]]:
        uri, route_values, next_uri = route_request(target, routes)
        if hop is None:
            hop = hop_of(next_uri)
        request = self._core.new_request(
            method,
            uri,
            hop,
            from_=from_,
            to=str(to),
            call_id=call_id or self._core.new_call_id(),
            sequence=sequence,
            routes=route_values,
            headers=headers,
            body=body,
            content_type=content_type,
        )
        return request, hop, route_values

    # Requests.

    def _receive_request(self, request: Request, source: Hop, now: float) -> None:
        try:
            transaction = self._layer.match(request)
            if transaction is not None:
                self._layer.receive_again(transaction, request, now)
            elif request.method == "ACK":
                self._receive_ack(request, now)
            else:
                stamp_via(request, source)  # §18.2.1
                if self._is_too_much(request):
                    self._refuse_statelessly(request, source, self._overloaded())
                else:
                    self._receive_new(request, source, now)
        except RemoteError as error:  # a field that only now had to be read, before a transaction existed
            self._refuse_statelessly(request, source, refusal_of(error))

    def _receive_new(self, request: Request, source: Hop, now: float) -> None:
        if request.method == "CANCEL":
            self._receive_cancel(request, source, now)
            return
        refusal = self._check(request)
        session = self._session_of(request)
        if refusal is not None:
            self._answer(request, source, session, now, refusal)
        elif session is not None:
            self._receive_in_dialog(session, request, source, now)
        elif request.method == "INVITE":
            self._receive_invite(request, source, now)
        elif request.method in self._config.handed_up:
            self._hand_up(request, source, None)
        else:
            self._answer(request, source, None, now, self._decide_outside(request, source))

    def _check(self, request: Request) -> Refusal | None:
        """§8.2, in its order; 481 for a dialog that we do not have comes before a look at the content (§12.2.2)."""
        refusal = check_method(request, self._config)
        if refusal is not None:
            return refusal
        if request.to.tag:
            if self._session_of(request) is None and request.method not in ("OPTIONS", "REGISTER"):
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

    def _receive_invite(self, request: Request, source: Hop, now: float) -> None:
        if self._config.max_sessions and self._core.active >= self._config.max_sessions:
            self._answer(request, source, None, now, self._overloaded())
            return
        session = InviteServerSession(self._core, request, source, self._core.new_tag())
        transaction = self._layer.start_server(request, source, session)
        assert isinstance(transaction, InviteServer)
        session.start(transaction, now)
        self._core.events.append(InviteReceived(session, request))

    def _receive_ack(self, request: Request, now: float) -> None:
        session = self._session_of(request)
        if session is None:
            self._core.dropped["ack"] += 1
        else:
            session.receive_ack(request, now)

    def _receive_cancel(self, request: Request, source: Hop, now: float) -> None:
        """§9.2: 481 without its INVITE, else 200, with the To tag that the INVITE's responses have."""
        invite = self._layer.match_cancel(request)
        if invite is None:
            self._answer(request, source, None, now, Refusal(481))
            return
        session = invite.user
        known = session if isinstance(session, Session) else None
        transaction = self._layer.start_server(request, source, known)
        self._core.respond(transaction, now, 200, to_tag=known.local_tag if known else invite.to_tag)
        if known is not None:
            known.receive_cancel(invite, request, now)

    def _receive_in_dialog(self, session: Session, request: Request, source: Hop, now: float) -> None:
        transaction = self._layer.start_server(request, source, session)
        dialog = session.dialog
        number = request.cseq.number
        if dialog is None or not dialog.receive_sequence(number):
            self._core.respond(transaction, now, 500)  # §12.2.2
        elif request.method in self._config.handed_up:
            self._core.events.append(RequestReceived(request, source, transaction, session))
        elif request.method == "BYE":
            session.receive_bye(transaction, now)
        elif request.method == "INVITE" or (request.method == "UPDATE" and request.body):
            session.receive_reinvite(transaction, now)
        elif request.method == "UPDATE":
            dialog.refresh_target(request)  # RFC 3311 §5.2
            self._core.respond(transaction, now, 200, headers=[self._core.contact(source)])
        else:
            refusal = self._decide_inside(request, source)
            self._core.respond(transaction, now, refusal.status, refusal.reason, headers=refusal.headers)

    # Decisions of our own.

    def _decide_outside(self, request: Request, source: Hop) -> Refusal:
        if request.method == "OPTIONS":
            return self._capabilities(source)
        if request.method == "REGISTER":
            return Refusal(403)
        if request.method in ("BYE", "UPDATE", "NOTIFY", "REFER"):
            return Refusal(481)
        return Refusal(405)

    def _decide_inside(self, request: Request, source: Hop) -> Refusal:
        if request.method == "OPTIONS":
            return self._capabilities(source)
        if request.method == "REFER":
            return Refusal(603)
        if request.method == "NOTIFY":
            return Refusal(481)  # RFC 6665 §4.1.3: no such subscription
        return Refusal(403 if request.method == "REGISTER" else 405)

    def _capabilities(self, source: Hop) -> Refusal:
        """§11.2: what a 200 to OPTIONS says, beside Allow and Supported."""
        headers = [
            self._core.contact(source),
            ("Accept", ", ".join(self._config.accept)),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
        ]
        if not self._config.supported:
            headers.append(("Supported", ""))
        return Refusal(200, tuple(headers))

    def _hand_up(self, request: Request, source: Hop, session: Session | None) -> None:
        transaction = self._layer.start_server(request, source, session)
        self._core.events.append(RequestReceived(request, source, transaction, session))

    def _answer(self, request: Request, source: Hop, session: Session | None, now: float, refusal: Refusal) -> None:
        transaction = self._layer.start_server(request, source, session)
        self._finish(transaction, refusal, now)

    def _finish(self, transaction: ServerTransaction, refusal: Refusal, now: float) -> None:
        tag = None
        if isinstance(transaction, InviteServer) and not transaction.request.to.tag:
            transaction.to_tag = tag = self._core.new_tag()
        self._core.respond(transaction, now, refusal.status, refusal.reason, to_tag=tag, headers=refusal.headers)

    # Stateless answers.

    def _is_too_much(self, request: Request) -> bool:
        most = self._config.max_transactions
        return bool(most) and len(self._layer) >= most and request.method not in ("CANCEL", "BYE")

    def _overloaded(self) -> Refusal:
        self._core.dropped["overload"] += 1
        return Refusal(503, (("Retry-After", str(self._config.retry_after)),))  # §21.5.4

    def _refuse_malformed(self, data: bytes, error: RemoteError, source: Hop) -> None:
        request = salvage(data, self._config.limits)
        if request is None or request.method == "ACK":
            self._core.dropped["malformed"] += 1
            return
        self._core.dropped["malformed"] += 1
        with contextlib.suppress(RemoteError):  # the rest of a Via line may be unreadable
            stamp_via(request, source)
        self._refuse_statelessly(request, source, refusal_of(error))

    def _refuse_statelessly(self, request: Request, source: Hop, refusal: Refusal) -> None:
        """§8.2.7: no transaction; a repeated request is answered again."""
        if request.method == "ACK":
            self._core.dropped["malformed"] += 1
            return
        hop, _ = response_hops(request, source, use_source_socket=self._config.use_source_socket)
        response: Response = make_response(
            request,
            refusal.status,
            refusal.reason,
            to_tag=self._core.new_tag(),
            headers=[*refusal.headers, ("Server", self._config.user_agent)],
        )
        self._layer.sends.append(Send(response.to_bytes(), hop))
