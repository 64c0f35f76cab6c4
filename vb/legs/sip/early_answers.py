"""Which description counts when a call of ours is answered: that of the branch that answers (RFC 3261 §13.2.2.4)."""

from __future__ import annotations

from vb.legs.sip.peer_request import described
from vb.sip.message import Response
from vb.sip.reliable_client import rseq_of

_MOST = 16


class EarlyAnswers:
    """The first description of every early dialog of one INVITE, by the peer's tag; ``running`` is whose is heard."""

    def __init__(self) -> None:
        self.running = ""
        self._first: dict[str, tuple[bytes, bool]] = {}

    def note(self, response: Response) -> None:
        """A 1xx with a description."""
        tag = response.to.tag or ""
        if tag not in self._first and len(self._first) < _MOST:
            self._first[tag] = described(response), rseq_of(response) is not None

    def run(self, response: Response) -> None:
        """This one's description is in force."""
        self.running = response.to.tag or ""

    def answer_of(self, response: Response) -> bytes | None:
        """The description to take from a 2xx; None when what is in force stays.

        An answer in a reliable 1xx is final: what the 2xx says besides is ignored (RFC 3261 §13.2.1). After any other
        1xx the 2xx has the word; without a word it means what its branch said before.
        """
        tag = response.to.tag or ""
        early, reliable = self._first.get(tag, (b"", False))
        said = described(response)
        if not early or (said and not reliable):
            return said
        return None if tag == self.running else early
