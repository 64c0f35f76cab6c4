"""A leg without a peer, and a port without a socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs

from vb.call.events import Event, EventBus
from vb.call.leg import Leg
from vb.call.lifetime import Cause
from vb.rtp.report import RemoteReport


@attrs.frozen
class FakeStatistics:
    received: int = 0
    lost: int = 0
    jitter_ms: float = 0.0
    mos: float | None = None
    gaps: int = 0
    concealed: int = 0
    rtt: float | None = None
    remote_report: RemoteReport | None = None


class FakePort:
    def __init__(self, statistics: FakeStatistics | None = None) -> None:
        self.muted = False
        self.deaf = False
        self.detects_speech = False
        self.closed = 0
        self._statistics = statistics or FakeStatistics()

    def statistics(self) -> FakeStatistics:
        return self._statistics

    def detect_speech(self, wanted: bool) -> None:
        self.detects_speech = wanted

    def close(self) -> None:
        self.closed += 1


class FakeLeg(Leg):
    """Records what happened to it, in order, together with the events about it."""

    def __init__(self, bus: EventBus, story: list[str] | None = None, **options: Any) -> None:
        super().__init__("sip_inbound", bus, **options)
        self.story = story if story is not None else []

    def say_goodbye(self, cause: Cause) -> None:
        self.story.append(f"goodbye:{cause.reason}")

    def release_media(self) -> None:
        self.story.append("released")

    def connect(self) -> None:
        self.mark_connected()


class Recorder:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.bus = EventBus("node-1", clock=lambda: 1_000_000_000.25)
        self.bus.subscribe(self.events.append)

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def of(self, type_: str) -> list[Event]:
        return [event for event in self.events if event.type == type_]

    @contextmanager
    def story(self) -> Iterator[list[str]]:
        lines: list[str] = []
        unsubscribe = self.bus.subscribe(lambda event: lines.append(event.type))
        yield lines
        unsubscribe()
