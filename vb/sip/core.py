"""What the usages of one user agent share: configuration, randomness, transactions, dialogs, how we write messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from vb.sip.config import UaConfig
from vb.sip.dialog import Dialog, DialogId
from vb.sip.digest_client import credentials_of, renewed
from vb.sip.effects import Event, Hop
from vb.sip.fields import NameAddr
from vb.sip.headers import Headers
from vb.sip.message import Request, Response, make_response
from vb.sip.routing import hop_of, route_request, secured
from vb.sip.session_timer import SessionTimer
from vb.sip.transactions import COOKIE, ServerTransaction, TransactionLayer
from vb.sip.uri import Uri

if TYPE_CHECKING:
    from vb.sip.session import Session

Lines = Iterable[tuple[str, str]]

_VIA_TRANSPORT = "SIP/2.0/"
_MOST_PAST = 256


def host_port(host: str, port: int) -> str:
    """A sent-by; IPv6 gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Core:
    """The common ground of a user agent. Nothing here decides anything."""

    def __init__(self, config: UaConfig, rng: Random) -> None:
        self.config = config
        self.rng = rng
        self.layer = TransactionLayer(
            config.timers, use_source_socket=config.use_source_socket, largest_datagram=config.largest_datagram
        )
        self.events: list[Event] = []
        self.dialogs: dict[DialogId, Session] = {}
        self.past_dialogs: dict[DialogId, None] = {}
        self.sessions = 0
        self.active = 0
        self.dropped: Counter[str] = Counter()
        self.source: Hop | None = None
        self._secret = f"{rng.getrandbits(128):x}"
        self._identity = [("Allow", ", ".join(config.allow)), ("Server", config.user_agent)]
        if config.supported:
            self._identity.insert(1, ("Supported", ", ".join(config.supported)))

    def remember_past(self, dialog: Dialog | None) -> None:
        """A call was and is over: an INVITE that would replace it is told so (RFC 3891 §3). The last ones only."""
        if dialog is None or dialog.early:
            return
        self.past_dialogs[dialog.id] = None
        if len(self.past_dialogs) > _MOST_PAST:
            del self.past_dialogs[next(iter(self.past_dialogs))]

    # Randomness.

    def new_tag(self) -> str:
        return f"{self.rng.getrandbits(64):016x}"

    def new_call_id(self) -> str:
        return f"{self.rng.getrandbits(128):032x}"

    def new_branch(self) -> str:
        return f"{COOKIE}{self.rng.getrandbits(80):020x}"

    def stateless_tag(self, request: Request) -> str:
        """The same To tag for a request and its retransmissions, without remembering them (§8.2.7)."""
        parts = [self._secret, *(request.headers.get(name) or "" for name in ("Via", "Call-ID", "CSeq"))]
        return sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    # Responses.

    def contact(self, hop: Hop, *, secure: bool = False) -> tuple[str, str]:
        """Our Contact line; ``secure``: by a SIPS URI (§8.1.1.8, §12.1.1)."""
        uri = self.config.contact(hop)
        return "Contact", f"<{secured(uri) if secure else uri}>"

    def response(
        self,
        request: Request,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        headers: Lines = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> Response:
        """A response with our identity (§8.2.6). A 100 has none, and no tag."""
        if status == 100:
            return make_response(request, status, reason)
        if to_tag is None and not request.to.tag:
            to_tag = self.new_tag()
        lines = [*headers, *self._identity]
        return make_response(
            request, status, reason, to_tag=to_tag, headers=lines, body=body, content_type=content_type
        )

    def respond(
        self,
        transaction: ServerTransaction,
        now: float,
        status: int,
        reason: str | None = None,
        *,
        to_tag: str | None = None,
        headers: Lines = (),
    ) -> None:
        """Answer without a body. Only before the final response."""
        assert transaction.request is not None
        response = self.response(transaction.request, status, reason, to_tag=to_tag, headers=headers)
        self.layer.respond(transaction, response, now)

    # Requests.

    def new_request(
        self,
        method: str,
        uri: Uri,
        hop: Hop,
        *,
        from_: str,
        to: str,
        call_id: str,
        sequence: int,
        routes: Sequence[str] = (),
        headers: Lines = (),
        body: bytes = b"",
        content_type: str | None = None,
        branch: str | None = None,
    ) -> Request:
        """A request with the fields of §8.1.1; what the caller's headers name themselves is not added twice."""
        lines: list[tuple[str, str]] = [
            ("Via", self._via(hop, branch or self.new_branch())),
            ("Max-Forwards", "70"),
            ("From", from_),
            ("To", to),
            ("Call-ID", call_id),
            ("CSeq", f"{sequence} {method}"),
        ]
        lines += [("Route", route) for route in routes]
        given = list(headers)
        named = {name.lower() for name, _ in given}
        if method not in ("CANCEL", "ACK", "BYE"):
            if "contact" not in named:
                # §8.1.1.8: the scheme of the Request-URI or of the first Route
                secure = uri.scheme == "sips" or (bool(routes) and routes[0].lower().startswith("<sips:"))
                lines.append(self.contact(hop, secure=secure))
            lines += [line for line in self._identity[:-1] if line[0].lower() not in named]
        if "user-agent" not in named:
            lines.append(("User-Agent", self.config.user_agent))
        lines += given
        if body and content_type and "content-type" not in named:
            lines.append(("Content-Type", content_type))
        return Request(method, uri, Headers(lines), body)

    def redirected(self, request: Request, old: Hop, hop: Hop) -> Request:
        """The same request for another server (RFC 3263 §4.3): with a new branch, and without credentials."""
        again = renewed(request, self.new_branch(), request.cseq.number)
        headers = again.headers
        headers.set("Via", self._via(hop, again.via.branch or ""))
        for secure in (False, True):
            if headers.get("Contact") == self.contact(old, secure=secure)[1]:
                headers.set(*self.contact(hop, secure=secure))
                break
        return again

    def dialog_request(
        self,
        dialog: Dialog,
        method: str,
        hop: Hop,
        *,
        sequence: int | None = None,
        headers: Lines = (),
        body: bytes = b"",
        content_type: str | None = None,
    ) -> tuple[Request, Hop]:
        """A request inside a dialog and its next hop (§12.2.1.1). ``hop`` is the flow we have with the peer."""
        uri, routes, next_uri = route_request(dialog.target, dialog.routes)
        to_hop = hop if self.config.use_source_socket else hop_of(next_uri, hop)
        request = self.new_request(
            method,
            uri,
            to_hop,
            from_=dialog.local,
            to=dialog.remote,
            call_id=dialog.call_id,
            sequence=dialog.next_sequence() if sequence is None else sequence,
            routes=routes,
            headers=headers,
            body=body,
            content_type=content_type,
        )
        return request, to_hop

    def asks(self) -> Lines:
        """What every new INVITE of ours asks for."""
        config = self.config
        lines = SessionTimer(config.min_se, config.session_expires).ask() if "timer" in config.supported else []
        return [*lines, ("Require", "100rel")] if config.require_100rel else lines

    def refusal_ack(self, request: Request, response: Response) -> bytes:
        """The ACK of a 300-699 to an INVITE: To of the response, all else of the INVITE (§17.1.1.3)."""
        headers = request.headers
        lines = [
            ("Via", str(request.via)),
            ("Max-Forwards", "70"),
            ("From", headers.get("From") or ""),
            ("To", response.headers.get("To") or ""),
            ("Call-ID", request.call_id),
            ("CSeq", f"{request.cseq.number} ACK"),
        ]
        lines += [("Route", route) for route in headers.get_all("Route")]
        lines += credentials_of(request)  # §22.1
        return Request("ACK", request.uri, Headers(lines), b"").to_bytes()

    def _via(self, hop: Hop, branch: str) -> str:
        return f"{_VIA_TRANSPORT}{hop.transport} {host_port(*self.config.sent_by(hop))};branch={branch};rport"


def tagged(address: NameAddr, tag: str) -> str:
    """A From value with our tag."""
    return str(address) if address.tag else f"{address};tag={tag}"
