"""Rooms, playback and recording over the real media clock, ticked by hand, with phones on loopback sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import trio
import trio.testing

from tests.media.stage import Peer
from tests.media.stage import Stage as Media
from tests.room.stage import StageLeg, line_of
from vb.activity.address_rule import AddressRule
from vb.activity.fetch import Fetcher, FetchSettings
from vb.activity.playback import Playbacks
from vb.activity.recording import Recordings
from vb.call.events import Event, EventBus
from vb.call.leg import LegType
from vb.call.legs import Legs
from vb.dsp.wav import parse_wav_channels
from vb.media.port import Port
from vb.media.sources import SourceHandle
from vb.room.rooms import Rooms

RATE = 8000


def tone(frequency: int, seconds: float, level: int = 8000, rate: int = RATE) -> np.ndarray:
    return (level * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.int16)


def level_at(samples: np.ndarray, frequency: int, rate: int = RATE) -> float:
    """Amplitude of one frequency."""
    if len(samples) == 0:
        return 0.0
    turn = np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / rate)
    return float(2 * abs(np.dot(samples.astype(float), turn)) / len(samples))


class Phone:
    """A leg and the phone at its other end. ``script`` is what it says, frame by frame; then silence."""

    def __init__(self, leg: StageLeg, peer: Peer) -> None:
        self.leg = leg
        self.peer = peer
        self.script = np.zeros(0, np.int16)
        self.heard = np.zeros(0, np.int16)

    def say(self, samples: np.ndarray) -> None:
        self.script = samples.copy()

    def turn(self) -> None:
        frame, self.script = self.script[:160], self.script[160:]
        self.peer.say(np.concatenate([frame, np.zeros(160 - len(frame), np.int16)]))

    def listen(self) -> None:
        self.heard = np.concatenate([self.heard, self.peer.heard_frames()])

    def forget(self) -> None:
        self.heard = np.zeros(0, np.int16)


class Files(httpx.AsyncBaseTransport):
    """A file server: path to body; ``gate`` holds every answer back."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.gate: trio.Event | None = None
        self.slow: set[str] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.gate is not None:
            await self.gate.wait()
        if request.url.path in self.slow:
            await trio.sleep_forever()
        body = self.bodies.get(request.url.path)
        return httpx.Response(404) if body is None else httpx.Response(200, stream=_Whole(body))


class _Whole(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


class Studio:
    def __init__(self, nursery: trio.Nursery, folder: Path) -> None:
        self.nursery = nursery
        self.folder = folder
        self.events: list[Event] = []
        self.bus = EventBus("node-1", clock=lambda: 1_000_000_000.0)
        self.bus.subscribe(self.events.append)
        self.media = Media("epoll")
        self.legs = Legs()
        self.rooms = Rooms(self.media.clock, self.bus, self.legs)
        self.files = Files()
        settings = FetchSettings(AddressRule("loopback"))
        self.playbacks = Playbacks(self.bus, Fetcher(httpx.AsyncClient(transport=self.files), settings))
        self.recordings = Recordings(self.bus, folder)
        self.phones: list[Phone] = []
        self.sources = 0
        self._sounding = trio.Event()

    async def phone(self, type_: LegType = "sip_inbound", *, connected: bool = True) -> Phone:
        leg = StageLeg(self.bus, type_)
        self.legs.add(leg)
        self.nursery.start_soon(leg.live)
        await trio.testing.wait_all_tasks_blocked()
        phone = Phone(leg, self.media.peer())
        self.phones.append(phone)
        self._count_sources(phone.peer.port)
        if connected:
            leg.attach_port(phone.peer.port)
            leg.mark_connected()
            self.media.settle(phone.peer)
            phone.peer.packets()
            self.events.clear()
        return phone

    def _count_sources(self, port: Port) -> None:
        add_source = port.add_source

        def counted(*args: Any, **kwargs: Any) -> SourceHandle:
            handle = add_source(*args, **kwargs)
            self.sources += 1
            self._sounding.set()
            return handle

        port.add_source = counted  # type: ignore[method-assign]

    async def sounding(self, sources: int = 1) -> None:
        """Return when so many playbacks have come so far as to be heard by their legs."""
        with trio.fail_after(10):
            while self.sources < sources:
                self._sounding = trio.Event()
                await self._sounding.wait()

    async def tick(self, count: int = 1) -> None:
        """Ticks of 20 ms, as fast as they go; tasks that a tick woke have run when it returns."""
        for _ in range(count):
            for phone in self.phones:
                if phone.leg.port is not None:
                    phone.turn()
            self.media.tick()
            for phone in self.phones:
                if phone.leg.port is not None:
                    phone.listen()
            await trio.lowlevel.checkpoint()
        await self.settle()

    async def settle(self) -> None:
        """Every task has done what it can; threads are not waited for."""
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        await trio.testing.wait_all_tasks_blocked()

    async def quiet(self) -> None:
        """Every task and every thread has done what it can."""
        await self.settle()
        while self.playbacks._decoders.borrowed_tokens or self.recordings._limiter.borrowed_tokens:
            await trio.lowlevel.checkpoint()
        await self.settle()

    async def until(self, type_: str) -> None:
        """Wait for an event that a thread has to come before."""
        came = trio.Event()

        def heard(event: Event) -> None:
            if event.type == type_:
                came.set()

        unsubscribe = self.bus.subscribe(heard)
        if not any(event.type == type_ for event in self.events):
            with trio.fail_after(10):
                await came.wait()
        unsubscribe()
        await self.settle()

    async def any_event(self) -> None:
        """Wait for whatever is published next, which a thread has to come before."""
        came = trio.Event()
        unsubscribe = self.bus.subscribe(lambda _: came.set())
        try:
            await came.wait()
        finally:
            unsubscribe()

    def said(self) -> list[str]:
        lines = [line_of(event) for event in self.events]
        self.events.clear()
        return lines

    @staticmethod
    def mode(file: str) -> int:
        return Path(file).stat().st_mode & 0o7777

    def left_over(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


def wav(path: str) -> tuple[int, np.ndarray]:
    """Rate and int16[frames, channels]."""
    return parse_wav_channels(Path(path).read_bytes())


@asynccontextmanager
async def open_studio(folder: Path) -> AsyncIterator[Studio]:
    async with trio.open_nursery() as nursery:
        studio = Studio(nursery, folder)
        await nursery.start(studio.rooms.run)
        try:
            yield studio
        finally:
            studio.media.clock.close()
        nursery.cancel_scope.cancel()
