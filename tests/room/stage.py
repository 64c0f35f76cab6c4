"""A stage for rooms without sockets: legs whose ports are played and heard by hand, tick by tick."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import trio
import trio.testing

from tests.call.fakes import FakePort, FakeStatistics
from vb.call.errors import CommandError, Conflict
from vb.call.events import Event, EventBus, Webhook
from vb.call.leg import Leg, LegType
from vb.call.legs import Legs
from vb.call.lifetime import Cause
from vb.room.rooms import Rooms

if TYPE_CHECKING:
    from vb.media.clock import MediaClock
    from vb.media.port import Port


class StageHandle:
    def __init__(self, owner: list[Any], entry: Any) -> None:
        self._owner = owner
        self._entry = entry
        owner.append(entry)

    def remove(self) -> None:
        if self._entry in self._owner:
            self._owner.remove(self._entry)


class StageBridge:
    def __init__(self, a: StageMix, b: StageMix) -> None:
        self.a = a
        self.b = b
        self.a_to_b = self.b_to_a = True
        for mix in (a, b):
            mix.bridges.append(self)

    def remove(self) -> None:
        for mix in (self.a, self.b):
            mix.bridges.remove(self)


class StageMix:
    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.closed = False
        self.members: list[StagePort] = []
        self.sources: list[tuple[Any, Callable[[BaseException | None], None]]] = []
        self.taps: list[Any] = []
        self.routes: dict[Any, set[Any]] = {}
        self.bridges: list[Any] = []

    def set_routes(self, routes: dict[Any, list[Any]]) -> None:
        self.routes = {listener: set(heard) - {listener} for listener, heard in routes.items()}

    def bridge(self, other: StageMix) -> StageBridge:
        return StageBridge(self, other)

    def add_source(self, source: Any, *, on_end: Callable[[BaseException | None], None]) -> StageHandle:
        return StageHandle(self.sources, (source, on_end))

    def add_tap(self, write: Any) -> StageHandle:
        return StageHandle(self.taps, write)

    def close(self) -> None:
        self.closed = True
        self.sources.clear()
        self.taps.clear()

    def tick(self, number: int) -> np.ndarray:
        heard = read_all(self.sources, self.rate // 50)
        for tap in tuple(self.taps):
            tap(heard.copy(), self.rate, number)
        return heard


class StagePort(FakePort):
    rate = 8000

    def __init__(self) -> None:
        super().__init__(FakeStatistics())
        self.mix: StageMix | None = None
        self.sources: list[Any] = []
        self.taps: list[tuple[str, Any]] = []
        self.says = np.zeros(160, np.int16)
        self.digits = ""

    def join(self, mix: StageMix) -> None:
        assert self.mix is None
        self.mix = mix
        mix.members.append(self)

    def leave(self) -> None:
        if self.mix is not None:
            self.mix.members.remove(self)
            self.mix = None

    def add_source(self, source: Any, *, on_end: Callable[[BaseException | None], None]) -> StageHandle:
        return StageHandle(self.sources, (source, on_end))

    def add_tap(self, side: str, write: Any) -> StageHandle:
        return StageHandle(self.taps, (side, write))

    def tick(self, number: int) -> np.ndarray:
        hears = read_all(self.sources, 160)
        for side, write in tuple(self.taps):
            write((self.says if side == "in" else hears).copy(), 8000, number)
        return hears


def read_all(sources: list[Any], samples: int) -> np.ndarray:
    heard = np.zeros(samples, np.int16)
    for entry in tuple(sources):
        source, on_end = entry
        frame = source.read(samples)
        if frame is None:
            sources.remove(entry)
            on_end(None)
        else:
            heard += frame
    return heard


class StageClock:
    def __init__(self) -> None:
        self.mixes: list[StageMix] = []

    def open_mix(self, rate: int) -> StageMix:
        self.mixes.append(StageMix(rate))
        return self.mixes[-1]


class StageLeg(Leg):
    """A leg that answers when the test says so; ``goodbyes`` are what its peer was told."""

    def __init__(self, bus: EventBus, type_: LegType, **options: Any) -> None:
        super().__init__(type_, bus, **options)
        self.goodbyes: list[str] = []
        self.answers = 0
        self.answer_refused: Conflict | None = None
        self.ends_when_answered = ""
        self.digits = ""
        self.digits_refused: CommandError | None = None

    def answer(self, codec: str | None = None, codecs: list[str] | None = None, dtmf: Sequence[str] = ()) -> None:
        if self.answer_refused is not None:
            raise self.answer_refused
        self.answers += 1
        if self.ends_when_answered:
            self.end(self.ends_when_answered)

    def open_media(self) -> StagePort:
        port = StagePort()
        self.attach_port(cast("Port", port))
        return port

    def connect(self) -> StagePort:
        port = self.stage_port if self.port is not None else self.open_media()
        self.mark_connected()
        return port

    def start_early_media(self) -> None:
        self.open_media()
        self.state = "early_media"
        self.publish("leg.early_media", {"leg_type": self.type})

    @property
    def stage_port(self) -> StagePort:
        assert self.port is not None
        return cast(StagePort, self.port)

    def send_dtmf(self, digits: str) -> None:
        if self.digits_refused is not None:
            raise self.digits_refused
        self.digits += digits

    def say_goodbye(self, cause: Cause) -> None:
        self.goodbyes.append(cause.reason)

    def release_media(self) -> None:
        """Nothing was borrowed."""


class Stage:
    """Everything below the API, made of the real rooms and legs and false media."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.events: list[Event] = []
        self.bus = EventBus("node-1", clock=lambda: 1_000_000_000.0)
        self.bus.subscribe(self.events.append)
        self.clock = StageClock()
        self.legs = Legs()
        self.rooms = Rooms(cast("MediaClock", self.clock), self.bus, self.legs)
        self.ticks = 0

    async def leg(
        self,
        type_: LegType = "sip_inbound",
        *,
        connected: bool = True,
        webhook: Webhook | None = None,
        app_id: str = "",
    ) -> StageLeg:
        leg = StageLeg(self.bus, type_, webhook=webhook, app_id=app_id)
        self.legs.add(leg)
        self.nursery.start_soon(leg.live)
        await trio.testing.wait_all_tasks_blocked()
        if connected:
            leg.connect()
            self.events.clear()
        return leg

    async def tick(self, count: int = 1) -> None:
        """Media ticks and time pass: 20 ms each."""
        for _ in range(count):
            for leg in self.legs.all():
                if leg.port is not None:
                    cast(StagePort, leg.port).tick(self.ticks)
            for mix in self.clock.mixes:
                mix.tick(self.ticks)
            self.ticks += 1
            await trio.sleep(0.02)

    async def settle(self) -> None:
        await trio.testing.wait_all_tasks_blocked()

    def of(self, type_: str) -> list[Event]:
        """The events of one type so far."""
        return [event for event in self.events if event.type == type_]

    def said(self, clear: bool = True) -> list[str]:
        """The events so far, one line each: type, then what tells them apart."""
        lines = [line_of(event) for event in self.events]
        if clear:
            self.events.clear()
        return lines


def line_of(event: Event) -> str:
    what = [event.type, *(name for name in (event.room_id,) if name)]
    if "cdr" in event.data:
        what.append(event.data["cdr"]["reason"])
    what += [str(event.data[key]) for key in ("reason", "played_ms", "command", "error") if key in event.data]
    return " ".join(what)


@asynccontextmanager
async def open_stage() -> AsyncIterator[Stage]:
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        await nursery.start(stage.rooms.run)
        yield stage
        nursery.cancel_scope.cancel()
