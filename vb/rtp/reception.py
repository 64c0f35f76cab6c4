"""What arrived of one peer's stream: order, loss, duplicates and jitter (RFC 3550 §A.1, §A.3, §A.8).

A new SSRC, or a jump of the sequence that two packets in a row confirm, begins a new stream: the counts of the old one
stay in the totals and nothing between the two is called lost. There is no probation: the first packet counts, because
who may send at all is decided by :mod:`vb.rtp.latch`.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

MAX_DROPOUT = 3000  # RFC 3550 §A.1
MAX_MISORDER = 100
_HALF_SEQUENCE = 0x8000
_TIMESTAMP_RANGE = 2.0**32
_WINDOW_MASK = (1 << (MAX_MISORDER + 1)) - 1


class Verdict(enum.Enum):
    """What one packet is to its stream."""

    OK = "ok"
    """Newer than all before it; a gap may lie between (see ``Reception.gap``)."""
    LATE = "late"
    """Overtaken by a newer one; fills a gap that was counted as lost."""
    DUPLICATE = "duplicate"
    RESTART = "restart"
    """The first of a new stream: new SSRC, or the second packet of a confirmed jump."""
    JUMP = "jump"
    """Far from the expected sequence: not counted unless its successor follows."""

    @property
    def plays(self) -> bool:
        """Newest of its stream: its payload is the next to be heard."""
        return self in (Verdict.OK, Verdict.RESTART)


@attrs.define
class Reception:
    """Counts over the life of a leg. ``received`` excludes duplicates; ``lost`` is expected minus received."""

    clock_rate: int
    ssrc: int | None = None
    highest: int = -1
    """Extended highest sequence of the current stream (RFC 3550 §6.4.1); -1 before the first packet."""
    gap: int = 0
    """Sequence numbers missing just before the packet received last."""
    duplicates: int = 0
    late: int = 0
    restarts: int = 0
    jumps: int = 0
    jitter_units: float = 0.0
    """RFC 3550 §A.8, in timestamp units."""
    transit: float = float("nan")
    """Arrival minus timestamp of the packet received last, in timestamp units; NaN before the first."""
    _first: int = 0
    _stream_received: int = 0
    _past_received: int = 0
    _past_lost: int = 0
    _expected_jump: int = -1
    _window: int = 0
    """Bit n: sequence ``highest - n`` was received."""

    @property
    def received(self) -> int:
        return self._past_received + self._stream_received

    @property
    def stream_received(self) -> int:
        """Of the current stream alone, which is what a report is about (RFC 3550 §6.4.1)."""
        return self._stream_received

    @property
    def stream_expected(self) -> int:
        return self.highest - self._first + 1 if self.highest >= 0 else 0

    @property
    def lost(self) -> int:
        """RFC 3550 §A.3, over all streams; never negative, as duplicates are not received twice."""
        return self._past_lost + self._stream_lost

    @property
    def _stream_lost(self) -> int:
        return max(self.highest - self._first + 1 - self._stream_received, 0) if self.highest >= 0 else 0

    @property
    def jitter_ms(self) -> float:
        return self.jitter_units * 1000 / self.clock_rate

    @property
    def next_sequence(self) -> int:
        """The 16-bit sequence of the packet that would come in order; -1 before the first."""
        return (self.highest + 1) & 0xFFFF if self.highest >= 0 else -1

    def receive(self, sequence: int, timestamp: int, ssrc: int, arrival: float, *, timed: bool = True) -> Verdict:
        """Count one packet: 16-bit sequence, 32-bit timestamp and SSRC, arrival in seconds.

        ``timed=False`` keeps it out of the jitter: a telephone-event repeats its timestamp (RFC 4733 §2.2.1).
        """
        verdict = self._place(sequence, ssrc)
        if timed and verdict not in (Verdict.JUMP, Verdict.DUPLICATE):
            self._time(timestamp, arrival)
        return verdict

    def _place(self, sequence: int, ssrc: int) -> Verdict:
        self.gap = 0
        if ssrc != self.ssrc:
            return self._start(sequence, ssrc)
        ahead = ((sequence - self.highest + _HALF_SEQUENCE) & 0xFFFF) - _HALF_SEQUENCE
        if 0 < ahead < MAX_DROPOUT:
            return self._forward(ahead)
        if -MAX_MISORDER <= ahead <= 0:
            return self._behind(-ahead)
        if sequence == self._expected_jump:  # RFC 3550 §A.1: two in a row, the other side restarted
            return self._start(sequence, ssrc)
        self._expected_jump = (sequence + 1) & 0xFFFF
        self.jumps += 1
        return Verdict.JUMP

    def _start(self, sequence: int, ssrc: int) -> Verdict:
        first_ever = self.ssrc is None
        self._past_lost += self._stream_lost
        self._past_received += self._stream_received
        self.ssrc, self.highest, self._first = ssrc, sequence, sequence
        self._stream_received, self._window, self._expected_jump = 1, 1, -1
        self.transit = float("nan")  # another clock: its offset to ours says nothing
        self.restarts += not first_ever
        return Verdict.OK if first_ever else Verdict.RESTART

    def _forward(self, ahead: int) -> Verdict:
        self.highest += ahead
        self._window = ((self._window << ahead) | 1) & _WINDOW_MASK
        self._stream_received += 1
        self._expected_jump = -1
        self.gap = ahead - 1
        return Verdict.OK

    def _behind(self, age: int) -> Verdict:
        if self._window >> age & 1:
            self.duplicates += 1
            return Verdict.DUPLICATE
        self._window |= 1 << age
        self._first = min(self._first, self.highest - age)  # older than the first: it is expected too
        self._stream_received += 1
        self.late += 1
        return Verdict.LATE

    def _time(self, timestamp: int, arrival: float) -> None:
        transit = arrival * self.clock_rate - timestamp
        change = transit - self.transit
        self.transit = transit
        if change == change:  # NaN: nothing to compare with yet
            change -= _TIMESTAMP_RANGE * round(change / _TIMESTAMP_RANGE)
            self.jitter_units += (abs(change) - self.jitter_units) / 16

    def advance(self, count: int, *, jitter_units: float | None = None, transit: float | None = None) -> None:
        """Count ``count`` packets that came one after another without gap, after the highest one of this stream.

        The column path calls this once in a while instead of ``receive`` per packet; it keeps jitter and transit in
        columns of its own (see :func:`update_jitter`) and hands the newest values in.
        """
        if count > 0:
            self.highest += count
            self._stream_received += count
            shift = min(count, MAX_MISORDER + 1)
            self._window = ((self._window << shift) | ((1 << shift) - 1)) & _WINDOW_MASK
            self._expected_jump = -1
        if jitter_units is not None:
            self.jitter_units = jitter_units
        if transit is not None:
            self.transit = transit


def update_jitter(
    jitter: NDArray[np.float64], transit: NDArray[np.float64], now_transit: NDArray[np.float64], rows: Any = slice(None)
) -> None:
    """RFC 3550 §A.8 for many streams at once, in place.

    ``jitter`` and ``transit`` are columns (timestamp units; transit NaN before the first packet); ``now_transit`` is
    arrival * clock_rate - timestamp of the packets that came now, one for each of ``rows``.
    """
    change = now_transit - transit[rows]
    change -= _TIMESTAMP_RANGE * np.rint(change / _TIMESTAMP_RANGE)
    np.abs(change, out=change)
    change -= jitter[rows]
    change /= 16
    np.copyto(change, 0.0, where=np.isnan(change))
    jitter[rows] += change
    transit[rows] = now_transit
