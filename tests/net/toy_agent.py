"""A small agent for tests of the driver: it answers ``ping N`` and fires the timers that it was given."""

from __future__ import annotations

from math import inf

from vb.sip.effects import Hop, Send
from vb.sip.errors import RemoteError


class ToyAgent:
    """Records all that it is told; ``events`` are strings."""

    def __init__(self) -> None:
        self.received: list[tuple[bytes, Hop, float]] = []
        self.rejected: list[tuple[bytes, RemoteError, Hop]] = []
        self.failed: list[Hop] = []
        self.needed: set[int] = set()
        self.fired: list[tuple[float, float]] = []
        self.timers: list[float] = []
        self.sends: list[Send] = []
        self.events: list[str] = []

    def receive(self, data: bytes, source: Hop, now: float) -> None:
        self.received.append((data, source, now))
        if data.startswith(b"raise"):
            raise RuntimeError("a defect")
        if data.startswith(b"ping"):
            self.sends.append(Send(data.replace(b"ping", b"pong"), source))
        self.events.append(data.decode(errors="replace"))

    def reject_stream(self, head: bytes, error: RemoteError, source: Hop, now: float) -> None:
        self.rejected.append((head, error, source))
        self.sends.append(Send(b"refused", source))

    def transport_failed(self, hop: Hop, now: float) -> None:
        self.failed.append(hop)
        self.events.append("failed")

    def handle_timers(self, now: float) -> None:
        due = [at for at in self.timers if at <= now]
        self.timers = [at for at in self.timers if at > now]
        self.fired += [(at, now) for at in due]
        self.events += ["timer"] * len(due)

    def next_deadline(self) -> float:
        return min(self.timers, default=inf)

    def needs(self, hop: Hop) -> bool:
        return hop.connection in self.needed

    def take_sends(self) -> list[Send]:
        taken, self.sends = self.sends, []
        return taken

    def take_events(self) -> list[str]:
        taken, self.events = self.events, []
        return taken

    def send(self, data: bytes, hop: Hop, *, close: bool = False) -> None:
        self.sends.append(Send(data, hop, close))

    def arm(self, at: float) -> None:
        self.timers.append(at)
