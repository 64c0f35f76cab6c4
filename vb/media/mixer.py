"""One tick's sound: from received frames to payloads, by the plan."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from vb.codec.g711 import ALAW_DECODE, PCMA, PCMU, ULAW_DECODE
from vb.dsp.resample import Resampler
from vb.media.bridge import Bridge
from vb.media.mix import Mix
from vb.media.plan import Plan, PlanePlan, build
from vb.media.rows import Index, Rows
from vb.media.settings import RATE, TICK
from vb.media.speech import SpeechDetector
from vb.mix.sums import Matrix, Sums, clip, minus_own, mix, routed, totals

if TYPE_CHECKING:
    from vb.media.port import Port

log = logging.getLogger("vb.media")

_SILENCE = np.array([PCMU.silence, PCMA.silence], np.uint8)


class Plane:
    """The rooms of one rate: resamplers between the columns' 8 kHz and it, with a history per row."""

    def __init__(self, rate: int, capacity: int) -> None:
        self.rate = rate
        self.up = Resampler(RATE, rate, capacity)
        self.down = Resampler(rate, RATE, capacity)

    def resize(self, capacity: int) -> None:
        """The columns have grown."""
        self.up.resize(capacity)
        self.down.resize(capacity)

    def reset(self, row: int) -> None:
        """What this row said or heard before is no part of what it says now."""
        self.up.reset(row)
        self.down.reset(row)


class Mixer:
    """Keeps the rooms and the plan, and runs one tick of it."""

    def __init__(self, rows: Rows, ports: dict[int, Port], force_rate: int | None) -> None:
        self.rows = rows
        self.ports = ports
        self.force_rate = force_rate
        self.mixes: dict[Mix, None] = {}
        self.bridges: list[Bridge] = []
        self.tapped: dict[int, Port] = {}
        """Ports whose speech is listened to, by row."""
        self.hearing: dict[int, Port] = {}
        """Ports with sources of their own, or listened to in what they hear."""
        self.speech = SpeechDetector(rows)
        self._changed = True
        self._plan: Plan | None = None
        self._planes: dict[int, Plane] = {}
        rows.on_grow(self._grown)

    def change(self) -> None:
        """Membership, direction, codec, mute or anything else the plan depends on is different."""
        self._changed = True

    def open(self, rate: int) -> Mix:
        """A new empty room."""
        room = Mix(self, rate)
        self.mixes[room] = None
        return room

    def forget(self, room: Mix) -> None:
        """It takes part in nothing any more."""
        self.mixes.pop(room, None)
        self.change()

    def add_bridge(self, bridge: Bridge) -> None:
        """It carries from the next tick on."""
        self.bridges = [*self.bridges, bridge]
        self._share_bridges(bridge)

    def remove_bridge(self, bridge: Bridge) -> None:
        """It carries nothing any more."""
        self.bridges = [each for each in self.bridges if each is not bridge]
        self._share_bridges(bridge)

    def _share_bridges(self, changed: Bridge) -> None:
        for room in (changed.a, changed.b):
            room.bridges = [each for each in self.bridges if room in (each.a, each.b)]
        self.change()

    def joined(self, row: int) -> None:
        """A row's sound goes elsewhere from now on: no filter remembers where it was."""
        for plane in self._planes.values():
            plane.reset(row)
        self.change()

    @property
    def plan(self) -> Plan:
        """The current plan, worked out anew if something changed."""
        if self._plan is None or self._changed:
            self._changed = False
            self._plan = build(self.rows, self.mixes, self.tapped, self.hearing, self.speech.ports)
        return self._plan

    def run(self, tick: int) -> Index:
        """Turn ``rows.frames`` into ``rows.tx_frames``; returns the rows to send."""
        rows, plan = self.rows, self.plan
        if len(plan.decode):
            self._decode(plan.decode)
        for row, port in list(self.tapped.items()):
            port.feed_in(rows.pcm[row], tick)
        if len(plan.detect):
            self.speech.run(plan.detect)
        if len(plan.muted):
            rows.pcm[plan.muted] = 0
        if len(plan.clear):
            rows.heard[plan.clear] = 0
        for bridge in self.bridges:
            bridge.turn()
        for plane in plan.planes:
            self._mix(plane, tick)
        for row, port in list(self.hearing.items()):
            port.feed_out(rows.heard[row], tick)
        for law, chosen in zip((PCMU, PCMA), plan.encode, strict=True):
            if len(chosen):
                rows.tx_frames[chosen] = law.encode(rows.heard[chosen])
        self._pass_on(plan)
        return plan.send

    def _decode(self, chosen: Index) -> None:
        rows = self.rows
        octets = rows.frames[chosen]
        samples = ULAW_DECODE.take(octets, mode="clip")
        if np.count_nonzero(rows.law):
            a_law = rows.law[chosen] == 1
            samples[a_law] = ALAW_DECODE.take(octets[a_law], mode="clip")
        absent = ~rows.have[chosen]
        if np.count_nonzero(absent):
            samples[absent] = 0
        rows.pcm[chosen] = samples

    def _pass_on(self, plan: Plan) -> None:
        rows = self.rows
        if len(plan.pass_to):
            rows.tx_frames[plan.pass_to] = rows.frames[plan.pass_from]
            absent = plan.pass_to[~rows.have[plan.pass_from]]
            if len(absent):
                rows.tx_frames[absent] = _SILENCE[rows.send_law[absent]][:, None]
        if len(plan.silent):
            rows.tx_frames[plan.silent] = _SILENCE[rows.send_law[plan.silent]][:, None]

    def _mix(self, plane: PlanePlan, tick: int) -> None:
        rows = self.rows
        if plane.rate == RATE:
            mix(rows.pcm, rows.heard, plane.rooms)
            self._attended(plane, rows.pcm, rows.heard, tick)
            return
        rates = self._planes.get(plane.rate)
        if rates is None:
            rates = self._planes[plane.rate] = Plane(plane.rate, rows.capacity)
        speech = rates.up.process(rows.pcm[plane.lines], plane.lines)
        heard = np.zeros_like(speech)
        mix(speech, heard, plane.rooms)
        self._attended(plane, speech, heard, tick)
        rows.heard[plane.lines] = rates.down.process(heard, plane.lines)

    def _attended(self, plane: PlanePlan, speech: Matrix, heard: Matrix, tick: int) -> None:
        """Rooms with sources, taps, bridges or routes: their whole sum is needed."""
        size = round(plane.rate * TICK)
        for room in plane.empty:
            self._attend(room, np.zeros(size, np.int32), plane.rate, tick)
        if not plane.attended:
            return
        total = totals(speech, plane.attended_lines, plane.starts)
        for room, line in zip(plane.attended, total, strict=True):
            self._attend(room, line, plane.rate, tick)
        heard[plane.attended_lines] = minus_own(total, plane.counts, speech[plane.attended_lines])
        for room_routes in plane.routed:
            own = speech[room_routes.lines]
            rest = total[room_routes.place] - own.sum(axis=0, dtype=np.int32)
            heard[room_routes.lines] = routed(own, room_routes.weights, rest)

    def _attend(self, room: Mix, total: Sums, rate: int, tick: int) -> None:
        for source in room.sources:
            frame = source.read(rate)
            if frame is not None:
                total += frame
        for bridge in room.bridges:
            bridge.arrive(room, total)
        for bridge in room.bridges:
            bridge.depart(room, total)
        if room.taps:
            whole = clip(total.copy())
            for tap in room.taps:
                tap.feed(whole, rate, tick)

    def _grown(self) -> None:
        for plane in self._planes.values():
            plane.resize(self.rows.capacity)
        self.change()
