"""One tick's receiving: packets into rows, headers as columns, and whatever is odd to the slow path."""

from __future__ import annotations

import logging
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vb.media import playout
from vb.media.events import DtmfReceived, FirstPacket, RemoteLatched
from vb.media.inbound import Inbound
from vb.media.io import Lengths, RowIo
from vb.media.mailbox import Mailbox
from vb.media.rows import BUFFER, Index, Rows
from vb.media.settings import FRAME, PACKET, TICK
from vb.media.statistics import Address

if TYPE_CHECKING:
    from vb.media.port import Port

log = logging.getLogger("vb.media")

ROUNDS = 8
"""Packets of one row taken in one tick at most."""
SILENT_TICKS = 50
"""A connected peer that was not heard for so long may come from elsewhere (``RTP_LATCH``)."""
MOVE_TICKS = 250
"""How long after a re-INVITE from elsewhere its audio may stay where it was before the socket is connected again."""
SEARCH_EVERY = 10
_STEP = np.array([1, FRAME, 0], np.uint32)
"""From one header to the next. Where the sequence wraps, the sum is no header that comes: the slow path takes that."""
_DECAY = 15 / 16


class Receiver:
    """Fills ``rows.have`` and ``rows.frames`` once per tick. ``ports`` is the clock's, by row."""

    def __init__(self, rows: Rows, io: RowIo, ports: dict[int, Port]) -> None:
        self.rows = rows
        self.io = io
        self.ports = ports
        self.mailbox = Mailbox()
        self.tick = 0
        self.received = 0
        self.slow = 0
        self.truncated = 0
        self.law_changed = False
        self.failed: list[tuple[int, BaseException]] = []
        self._early: Index | None = None
        self._touched: list[int] = []
        self._backlog: set[int] = set()
        """Rows whose slow path has something for the next tick already."""
        self._pressing: set[int] = set()
        """Rows with a digit that is still pressed."""

    @property
    def now(self) -> float:
        """Time of this tick in seconds, by count: our own lateness is no jitter of the peers."""
        return self.tick * TICK

    def look(self) -> None:
        """A little while before a tick: who has sent already? The others are close to being late."""
        self._early = self.io.waiting()

    def run(self, tick: int, rounds: int = ROUNDS) -> None:
        """Receive what came since the last tick and decide what is heard; never raises for what a peer sent."""
        self.tick = tick
        rows = self.rows
        rows.had, rows.have = rows.have, rows.had
        rows.have.fill(False)
        self._touched.clear()
        for row, data, source in self.mailbox.receive():
            self._slow(row, data, source)
        for again in range(rounds):
            arrived, lengths = self.io.receive(tick, again, self._touched)
            if not len(arrived):
                if again:
                    break
                continue
            self._round(arrived, lengths, later=again > 0)
        self._touched += [row for row in self._backlog if rows.touched[row] != tick]
        for row in self._touched:
            self._guarded_settle(row)
        if self._early is not None:
            playout.note_margin(rows, self._early, tick)
            self._early = None
        playout.give_spares(rows)
        playout.play_spares(rows, tick)
        playout.bridge(rows, tick)
        self._timers()
        self.failed += [*self.io.failed, *self.mailbox.failed]
        self.io.failed.clear()
        self.mailbox.failed.clear()

    def _round(self, arrived: Index, lengths: Lengths, *, later: bool) -> None:
        rows, tick = self.rows, self.tick
        self.received += len(arrived)
        heads = (rows.later_heads if later else rows.rx_heads)[arrived].astype(np.uint32)
        same, whole = heads == rows.expect[arrived], lengths == PACKET
        fast = arrived
        if not (same.all() and whole.all()):
            good = same.all(axis=1) & whole
            fast, heads = arrived[good], heads[good]
            odd = ~good
            self._odd(arrived[odd], lengths[odd], later=later)
        ticks = rows.last_tick[fast]
        uneven = ticks != tick - 1
        if np.count_nonzero(uneven):
            self._vary(fast[uneven], ticks[uneven])
        heads += _STEP
        rows.expect[fast] = heads
        rows.last_tick[fast] = tick
        if later:
            playout.place_later(rows, fast)
        else:
            playout.place_first(rows, fast)

    def _vary(self, chosen: Index, ticks: NDArray[np.int64]) -> None:
        """Jitter (RFC 3550 §A.8) of rows that came early or late by ticks: timestamps went on by one frame.

        All packets since the last call came on time, so each took a sixteenth off.
        """
        rows = self.rows
        jitter = self.jitter_now(chosen)
        change = np.abs(self.tick - 1 - ticks) * float(FRAME)
        rows.jitter[chosen] = jitter + (change - jitter) / 16
        rows.jitter_at[chosen] = rows.expect[chosen, 0] + 1

    def jitter_now(self, chosen: Index | int) -> Any:
        """RFC 3550 jitter of rows in the columns, in timestamp units."""
        rows = self.rows
        return rows.jitter[chosen] * _DECAY ** (rows.expect[chosen, 0] - rows.jitter_at[chosen]).astype(np.int64)

    def fast_count(self, row: int) -> int:
        """Packets of ``row`` that the columns took and its ``Reception`` does not know yet."""
        return int(self.rows.expect[row, 0]) - int(self.rows.entered[row]) if self.rows.expect[row, 0] else 0

    def _odd(self, arrived: Index, lengths: Lengths, *, later: bool) -> None:
        matrix = self.rows.later if later else self.rows.rx
        for row, length in zip(arrived.tolist(), lengths.tolist(), strict=True):
            if length >= BUFFER:  # it was cut: this socket needs the larger buffer
                self.truncated += 1
                self.rows.touched[row] = self.tick
                self._move_out(row)
            else:
                self._slow(row, matrix[row, :length].tobytes(), None)

    def _slow(self, row: int, data: bytes, source: Address | None) -> None:
        """One packet in plain Python; ``source`` None: the connected peer's."""
        self.slow += 1
        port = self.ports.get(row)
        if port is None:
            return
        if self.rows.touched[row] != self.tick:
            self.rows.touched[row] = self.tick
            self._touched.append(row)
            self.fold(port)
        try:
            if port.inbound.receive(data, source or port.peer or ("", 0), self.now):
                self.rows.slow_tick[row] = self.tick
        except Exception as error:  # a defect of ours in one row must not take the others along
            self.failed.append((row, error))

    def fold(self, port: Port) -> None:
        """Hand what the columns counted over to the row's objects, and take the row out of the columns for now."""
        rows, row, inbound = self.rows, port.row, port.inbound
        count = self.fast_count(row)
        spare = bool(rows.has_spare[row])
        if count:
            timestamp = (int(rows.expect[row, 1]) - FRAME) & 0xFFFFFFFF
            last = int(rows.last_tick[row])
            inbound.reception.advance(
                count, jitter_units=float(self.jitter_now(row)), transit=float(last * FRAME - timestamp)
            )
            inbound.timestamp = timestamp
            inbound.latch.heard(last * TICK)
            inbound.played(inbound.reception.highest - spare)
            inbound.spare_sequence = inbound.reception.highest
        if spare:
            inbound.put_back(inbound.spare_sequence, rows.spare[row].tobytes())
            rows.has_spare[row] = False
        rows.expect[row] = 0

    def _guarded_settle(self, row: int) -> None:
        port = self.ports.get(row)
        if port is None:
            self._backlog.discard(row)
            return
        try:
            self._settle(port)
        except OSError as error:
            self.failed.append((row, error))
        except Exception as error:  # as in _slow
            self.failed.append((row, error))

    def _settle(self, port: Port) -> None:
        """After the last packet of this tick: choose the frame, and expect the next packet in the columns again."""
        rows, row, inbound = self.rows, port.row, port.inbound
        if not rows.have[row]:
            frame = inbound.take_frame()
            if frame is not None:
                rows.frames[row] = np.frombuffer(frame, np.uint8)
                rows.have[row] = True
                self._close_gap(row, inbound)
        spare = None if rows.has_spare[row] else inbound.take_spare()
        if spare is not None:
            rows.spare[row] = np.frombuffer(spare, np.uint8)
            rows.has_spare[row] = True
            rows.spare_age[row] = 0
        if inbound.waiting:
            self._backlog.add(row)
        else:
            self._backlog.discard(row)
        law = 1 if inbound.law == "PCMA" else 0
        if rows.law[row] != law:
            rows.law[row] = law
            self.law_changed = True
        self._expect_next(port)
        self._follow_peer(port)
        self._tell(port)

    def _close_gap(self, row: int, inbound: Inbound) -> None:
        """The stream goes on: one lost frame is a gap, a pause that the sender meant (RFC 3551 §4.1) is none."""
        rows = self.rows
        if inbound.reception.gap:
            rows.gaps[row] += rows.miss_run[row] == 1
        elif inbound.step > FRAME:
            rows.miss_run[row] = 0

    def _expect_next(self, port: Port) -> None:
        rows, row, inbound = self.rows, port.row, port.inbound
        reception = inbound.reception
        if rows.slow_tick[row] == self.tick:
            rows.last_tick[row] = self.tick
            rows.jitter[row] = reception.jitter_units
        listening = inbound.params is not None and inbound.params.receive_enabled
        if listening and inbound.regular and reception.ssrc is not None and not inbound.waiting:
            rows.expect[row, 0] = 0x80 << 24 | inbound.payload_type << 16 | reception.next_sequence
            rows.expect[row, 1] = (inbound.timestamp + FRAME) & 0xFFFFFFFF
            rows.expect[row, 2] = reception.ssrc
            rows.entered[row] = rows.jitter_at[row] = rows.expect[row, 0]

    def _follow_peer(self, port: Port) -> None:
        """Connect the socket to the latched peer, and read it by columns from the tick after that."""
        row, latch = port.row, port.inbound.latch
        if self.rows.linked[row]:
            if row in self.mailbox and port.linked_at < self.tick and port.inbound.regular and self.rows.expect[row, 0]:
                self.mailbox.remove(row)
                self.io.open_reader(row, port.sock)
        elif latch.mode == "follow" or latch.source is None or latch.source != latch.remote:
            return
        elif not latch.awaits_move or self.tick - port.configured_at > MOVE_TICKS:
            port.link(latch.source, self.tick)

    def _tell(self, port: Port) -> None:
        inbound = port.inbound
        source = inbound.latch.source
        if source is not None and source != port.told_source:
            if port.told_source is None:
                port.tell(FirstPacket(port.time_of(self.tick)))
            port.told_source = source
            port.tell(RemoteLatched(source))
        self._take_digits(port)

    def _take_digits(self, port: Port) -> None:
        for digit in port.inbound.take_digits(self.now):
            port.tell(DtmfReceived(digit.digit, digit.duration_ms))
        if port.inbound.dtmf.next_deadline() < inf:
            self._pressing.add(port.row)
        else:
            self._pressing.discard(port.row)

    def _timers(self) -> None:
        for row in list(self._pressing):
            port = self.ports.get(row)
            if port is None:
                self._pressing.discard(row)
            else:
                self._take_digits(port)
        if self.tick % SEARCH_EVERY == 0:
            rows = self.rows
            silent = self.tick - np.maximum(rows.last_tick, rows.slow_tick) >= SILENT_TICKS
            for row in (rows.linked & silent).nonzero()[0].tolist():
                port = self.ports.get(row)
                if port is not None:
                    self._search(port)

    def _search(self, port: Port) -> None:
        """Let the peer of a silent row come from elsewhere."""
        self.fold(port)
        try:
            port.unlink()
        except OSError as error:  # somebody else was given its port number
            self.failed.append((port.row, error))

    def _move_out(self, row: int) -> None:
        port = self.ports.get(row)
        if port is not None and row not in self.mailbox:
            self.fold(port)
            self.io.close_reader(row)
            self.mailbox.add(row, port.sock)

    def move_out(self, port: Port) -> None:
        """Read this port packet by packet, with sources, until it is regular and connected again."""
        self._move_out(port.row)

    def close(self) -> None:
        """Free the epoll descriptors and rings."""
        self.mailbox.close()
        self.io.close()
