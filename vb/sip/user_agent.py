"""The user agent: the pure object that a driver feeds with messages and the time (RFC 3261 §8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from vb.sip.client_request import ClientRequest
from vb.sip.config import UaConfig, UaStatistics
from vb.sip.core import Core, Lines, tagged
from vb.sip.digest import Credentials
from vb.sip.digest_client import DigestClient
from vb.sip.effects import Event, Hop, RequestReceived, Send
from vb.sip.errors import LocalError, RemoteError
from vb.sip.fields import NameAddr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Request, Response, parse_message
from vb.sip.routing import hop_of, route_request
from vb.sip.transaction import Kind, State
from vb.sip.transactions import ServerTransaction
from vb.sip.uas_core import UasCore
from vb.sip.uri import Uri

__all__ = ["UaConfig", "UaStatistics", "UserAgent"]


class UserAgent:
    """Both roles of a SIP user agent. No I/O, no clock: every call gets ``now``, in seconds.

    After each call drain `take_sends` and `take_events`, and call `handle_timers` when `next_deadline` has come.
    """

    def __init__(self, config: UaConfig, rng: Random) -> None:
        self._core = Core(config, rng)
        self._layer = self._core.layer
        self._uas = UasCore(self._core)
        self._config = config
        self._received = 0
        self._sent = 0
        self.also_needed: list[Callable[[Hop], bool]] = []
        """Asked by `needs` beside our own dialogs."""

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
            self._uas.refuse_malformed(data, error, source, now)
            return
        if isinstance(message, Request):
            self._uas.receive(message, source, now)
        elif not _is_readable(message):
            core.dropped["malformed"] += 1
        elif not self._layer.receive_response(message, now):
            core.dropped["response"] += 1  # §18.1.2: no transaction

    def reject_stream(self, head: bytes, error: RemoteError, source: Hop, now: float) -> None:
        """The framing of a stream has failed: answer what began there, if that is possible. The driver closes."""
        self._received += 1
        self._uas.refuse_malformed(head, error, source, now)

    def transport_failed(self, hop: Hop, now: float) -> None:
        """Sends to ``hop`` cannot be delivered (§17.1.4, §17.2.4). ``hop`` is that of the `Send`."""
        self._layer.transport_failed(hop, now)

    def handle_timers(self, now: float) -> None:
        self._layer.handle_timers(now)

    def next_deadline(self) -> float:
        """When `handle_timers` is due; inf when nothing waits."""
        return self._layer.next_deadline()

    def needs(self, hop: Hop) -> bool:
        """Whether a dialog, or somebody else, needs the peer at ``hop``: there may be no other way between us."""
        here = hop.transport, hop.host, hop.port
        return any(
            session.hop.connection == hop.connection
            or (session.hop.transport, session.hop.host, session.hop.port) == here
            for session in self._core.dialogs.values()
        ) or any(asked(hop) for asked in self.also_needed)

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

    def pending(self) -> int:
        """What still waits for a peer: requests for a final response, 2xx and refusals of INVITEs for their ACK.

        0 means that whoever stops now owes nobody anything; for the end of a process.
        """
        unacknowledged = sum(session.unacknowledged for session in self._core.dialogs.values())
        return self._layer.pending + unacknowledged

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
        cseq: int | None = None,
        call_id: str | None = None,
        credentials: Credentials | DigestClient | None = None,
        others: Sequence[Hop] = (),
    ) -> InviteClientSession:
        """Call ``target`` (§13.2.1). ``hop`` overrides the next hop that ``routes`` or the target name.

        ``others`` are tried in turn when a hop cannot be reached, says nothing, or answers 503 (RFC 3263 §4.3).

        With ``credentials`` the agent answers challenges of the INVITE and of all that follows in its dialog (§22);
        a `DigestClient` keeps what it learns for other calls to the same server.
        A second try of the same call (after a 401) takes the ``call_id``, the From tag and the next ``cseq`` of the
        first (§8.1.3.5).
        """
        local_tag = from_.tag or self._core.new_tag()
        request, hop, route_values = self._new_request(
            "INVITE",
            target,
            hop,
            from_=tagged(from_, local_tag),
            to=to,
            headers=[*self._core.asks(), *headers],
            body=body,
            content_type=content_type,
            routes=routes,
            sequence=cseq or self._core.rng.randrange(1, 1 << 16),
            call_id=call_id,
        )
        session = InviteClientSession(self._core, request, hop, local_tag, route_values, others)
        session.credentials = self._digest_client(credentials)
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
        credentials: Credentials | DigestClient | None = None,
        others: Sequence[Hop] = (),
    ) -> ClientRequest:
        """Send a request outside any dialog; `ResponseReceived` or `RequestFailed` carry the result.

        With ``credentials`` the agent answers challenges itself, and tries ``others``, as in `invite`.
        """
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
        client_request = ClientRequest(self._core, request, hop, self._digest_client(credentials), others)
        client_request.start(now)
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

    def _digest_client(self, credentials: Credentials | DigestClient | None) -> DigestClient | None:
        if isinstance(credentials, Credentials):
            return DigestClient(credentials, self._core.rng)
        return credentials

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


def _is_readable(response: Response) -> bool:
    """One Via, ours (§8.1.3.3), and nothing that fails later when a dialog is made of it (§12.1.2)."""
    try:
        response.record_routes  # noqa: B018  reading is checking
        response.contacts  # noqa: B018
        return len(response.headers.values("Via")) == 1
    except RemoteError:
        return False
