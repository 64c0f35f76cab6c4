"""Provisional responses that arrive for sure, from the side that gets them (RFC 3262 §4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vb.sip.errors import RemoteError
from vb.sip.grammar import parse_number

if TYPE_CHECKING:
    from vb.sip.core import Core
    from vb.sip.dialog import Dialog
    from vb.sip.message import Response
    from vb.sip.session import Session


def rseq_of(response: Response) -> int | None:
    """RSeq of a reliable 1xx (§7.1); None for any other, also for one that cannot be read."""
    values = response.headers.get_all("RSeq")
    try:
        if len(values) != 1 or "100rel" not in response.require or not 100 < response.status < 200:
            return None
        return parse_number(values[0].strip(), 2**32 - 1, "RSeq")
    except RemoteError:
        return None


class ReliableClient:
    """What has come of the reliable 1xx of one INVITE, by dialog. PRACK itself is sent here."""

    __slots__ = ("_core", "_last", "_owed", "_session")

    def __init__(self, core: Core, session: Session) -> None:
        self._core = core
        self._session = session
        self._last: dict[str, int] = {}  # by remote tag
        self._owed: dict[str, Response] = {}  # whose PRACK the user sends, because it holds an answer

    def is_next(self, tag: str, rseq: int) -> bool:
        """Whether this response is the next of its dialog (§4): repeated ones and those after a gap are dropped."""
        last = self._last.get(tag)
        if last is not None and rseq != last + 1:
            return False
        self._last[tag] = rseq
        return True

    def owe(self, tag: str, response: Response) -> None:
        self._owed[tag] = response

    def owed(self, tag: str) -> Response | None:
        """The response whose PRACK waits for the user's answer, once."""
        return self._owed.pop(tag, None)

    def acknowledge(self, dialog: Dialog, response: Response, now: float, body: bytes = b"") -> None:
        """The PRACK (§4), a request of its own in the early dialog."""
        rack = f"{response.headers.get('RSeq')} {response.cseq.number} INVITE"
        request, hop = self._core.dialog_request(
            dialog,
            "PRACK",
            self._session.hop,
            headers=[("RAck", rack)],
            body=body,
            content_type="application/sdp" if body else None,
        )
        if self._session.credentials is not None:
            self._session.credentials.authorize(request)
        self._core.layer.start_request(request, hop, self._session, now)
