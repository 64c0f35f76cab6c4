"""What the driver needs of the protocol objects that it drives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from vb.sip.effects import Hop, Send
from vb.sip.errors import RemoteError

EventT_co = TypeVar("EventT_co", covariant=True)


class Agent(Protocol[EventT_co]):
    """A pure protocol core: input and time go in, sends, events and the next deadline come out."""

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        """One whole message."""

    def reject_stream(self, head: bytes, error: RemoteError, source: Hop, now: float) -> None:
        """The bytes of a connection cannot be cut into messages; the connection closes after what this sends."""

    def transport_failed(self, hop: Hop, now: float) -> None:
        """A send to ``hop`` could not be delivered (RFC 3261 §17.1.4)."""

    def handle_timers(self, now: float) -> None:
        """Do what is due at ``now``."""

    def next_deadline(self) -> float:
        """When ``handle_timers`` is wanted next, on the clock of ``now``; inf when nothing is armed."""

    def needs(self, hop: Hop) -> bool:
        """Whether what still goes on may need the connection ``hop``; asked when it has long been idle."""

    def take_sends(self) -> Sequence[Send]:
        """The writes wanted since the last call, in order."""

    def take_events(self) -> Sequence[EventT_co]:
        """What happened since the last call, in order."""


class Framer(Protocol):
    """Cuts the byte stream of one connection into messages (RFC 3261 §18.3)."""

    @property
    def error(self) -> RemoteError | None: ...

    @property
    def error_head(self) -> bytes: ...

    def feed(self, data: bytes) -> Sequence[bytes]: ...

    def take_pongs(self) -> int: ...
