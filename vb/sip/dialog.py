"""Dialogs: RFC 3261 §12. One value per peer tag; it knows how to address requests, not how to send them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.errors import RemoteError
from vb.sip.fields import NameAddr, parse_name_addr

if TYPE_CHECKING:
    from vb.sip.message import Request, Response
    from vb.sip.uri import Uri

DialogId = tuple[str, str, str]  # Call-ID, local tag, remote tag (§12)


class Dialog:
    """Both ends, the route set, the remote target and the two sequence numbers.

    ``local`` and ``remote`` are whole From/To values, tags included. ``remote_sequence`` is None until the peer sent a
    request. ``exchanged``: the first offer has its answer, so that UPDATE may make new ones (RFC 3311 §5.1). The remote
    tag is empty for peers of RFC 2543 (§12.1.1).
    """

    __slots__ = (
        "call_id",
        "early",
        "exchanged",
        "local",
        "local_sequence",
        "local_tag",
        "remote",
        "remote_sequence",
        "remote_tag",
        "routes",
        "target",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str,
        target: Uri,
        routes: tuple[NameAddr, ...],
        local_sequence: int,
        remote_sequence: int | None,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.target = target
        self.routes = routes
        self.local_sequence = local_sequence
        self.remote_sequence = remote_sequence
        self.early = True
        self.exchanged = False

    @property
    def id(self) -> DialogId:
        return self.call_id, self.local_tag, self.remote_tag

    @classmethod
    def of_server(cls, request: Request, local_tag: str, local_sequence: int) -> Dialog:
        """The dialog of a received request (§12.1.1)."""
        from_ = request.from_
        return cls(
            call_id=request.call_id,
            local=f"{request.headers.get('To')};tag={local_tag}",
            local_tag=local_tag,
            remote=request.headers.get("From") or "",
            remote_tag=from_.tag or "",
            target=contact_of(request) or from_.uri,
            routes=tuple(request.record_routes),
            local_sequence=local_sequence,
            remote_sequence=request.cseq.number,
        )

    @classmethod
    def of_client(cls, request: Request, response: Response, local_tag: str) -> Dialog:
        """The dialog of a response to our request (§12.1.2); the route set is the Record-Route reversed."""
        return cls(
            call_id=request.call_id,
            local=request.headers.get("From") or "",
            local_tag=local_tag,
            remote=response.headers.get("To") or "",
            remote_tag=response.to.tag or "",
            target=contact_of(response) or request.uri,
            routes=tuple(reversed(response.record_routes)),
            local_sequence=request.cseq.number,
            remote_sequence=None,
        )

    def next_sequence(self) -> int:
        self.local_sequence += 1
        return self.local_sequence

    def receive_sequence(self, number: int) -> bool:
        """False when a request came out of order: it is answered 500 (§12.2.2)."""
        if self.remote_sequence is not None and number < self.remote_sequence:
            return False
        self.remote_sequence = number
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """The Contact of a target refresh request or its 2xx replaces the remote target (§12.2.1.2, §12.2.2)."""
        self.target = contact_of(message) or self.target


def contact_of(message: Request | Response) -> Uri | None:
    """The URI of the first Contact; None without one, or when it is ``*``, unreadable, or no SIP URI."""
    value = next(iter(message.headers.values("Contact")), None)
    if value is None or value.strip() == "*":
        return None
    try:
        uri = parse_name_addr(value).uri
    except RemoteError:
        return None
    return uri if uri.scheme in ("sip", "sips") else None
