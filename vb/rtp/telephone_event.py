"""DTMF digits as RTP telephone-events (RFC 4733): every digit heard exactly once, and digits to packets."""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from math import inf

import attrs

DIGITS = "0123456789*#ABCD"  # by event code, RFC 4733 §3.2 table 7
_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_SEGMENT = 0xFFFF  # the longest duration of one segment, §2.5.1.3

QUIET_S = 0.25
"""An event of which nothing came for so long has ended; its end packets are lost."""
MEMORY = 64
"""Timestamps of reported events kept to recognise their stragglers."""
OVERTAKEN_S = 2.0
"""How much older than the current event a straggler of an unheard digit may be."""

UPDATES = 4
END_PACKETS = 3
VOLUME = 10
MAX_QUEUED = 256


class DigitsError(ValueError):
    """Not a string of telephone-event digits, or too many of them."""


@attrs.frozen
class Digit:
    """A key that was pressed: one of ``DIGITS``, and for how long as far as packets told."""

    digit: str
    duration_ms: int


@attrs.define
class _Press:
    event: int
    timestamp: int
    duration: int
    last_heard: float
    before: int = 0
    """Duration of the full segments before the one that ``timestamp`` begins."""


def _signed(difference: int) -> int:
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class DtmfReceiver:
    """Packets of one stream to digits.

    A press is known by its timestamp (RFC 4733 §2.2.1). It is reported when its first end packet comes, when a newer
    press begins, or when it falls silent for ``QUIET_S``, whichever is first; whatever else carries its timestamp
    afterwards is a retransmission or a straggler. The marker bit is not needed. Events above 15 are no digits.
    """

    def __init__(self, clock_rate: int = 8000) -> None:
        self._clock_rate = clock_rate
        self._current: _Press | None = None
        self._done: OrderedDict[int, int] = OrderedDict()  # timestamp -> event
        self.ignored = 0
        """Packets that were malformed or carried no digit."""

    def receive(self, payload: bytes, timestamp: int, marker: bool, now: float) -> list[Digit]:
        """One packet, ``now`` in seconds. Returns the digits that it completes, oldest first: at most two."""
        if len(payload) < _PAYLOAD.size or payload[0] >= len(DIGITS):
            self.ignored += 1
            return []
        event, flags, duration = _PAYLOAD.unpack_from(payload)
        current = self._current
        if current is not None and timestamp == current.timestamp:
            if event == current.event:
                return self._update(current, duration, flags, now)
            self.ignored += 1
            return []
        if timestamp in self._done or self._continues_done(event, timestamp, marker):
            return []
        if current is None:
            return self._begin(event, timestamp, duration, flags, now)
        age = _signed(current.timestamp - timestamp)
        if event == current.event and not marker and -age == _SEGMENT:
            return self._next_segment(current, timestamp, duration, flags, now)
        if 0 < age < OVERTAKEN_S * self._clock_rate:
            return [self._report(_Press(event, timestamp, duration, now))]  # all that is left of an earlier press
        return [self._report(current), *self._begin(event, timestamp, duration, flags, now)]

    def handle_timers(self, now: float) -> list[Digit]:
        """The press whose end packets are lost, once ``QUIET_S`` have passed since its last packet."""
        if self._current is None or now < self._current.last_heard + QUIET_S:
            return []
        return self.finish()

    def next_deadline(self) -> float:
        """When ``handle_timers`` has something to do; inf when nothing is pressed."""
        return self._current.last_heard + QUIET_S if self._current else inf

    def finish(self) -> list[Digit]:
        """Report the press that is still open: the stream ends, or another SSRC takes over."""
        if self._current is None:
            return []
        digit = self._report(self._current)
        self._current = None
        return [digit]

    def _begin(self, event: int, timestamp: int, duration: int, flags: int, now: float) -> list[Digit]:
        self._current = _Press(event, timestamp, duration, now)
        return self._update(self._current, duration, flags, now)

    def _update(self, press: _Press, duration: int, flags: int, now: float) -> list[Digit]:
        press.duration = max(press.duration, duration)
        press.last_heard = now
        return self.finish() if flags & _END else []

    def _next_segment(self, press: _Press, timestamp: int, duration: int, flags: int, now: float) -> list[Digit]:
        self._remember(press.timestamp, press.event)
        press.before += _SEGMENT
        press.timestamp, press.duration = timestamp, 0
        return self._update(press, duration, flags, now)

    def _continues_done(self, event: int, timestamp: int, marker: bool) -> bool:
        """A further segment of a press that silence ended too early is not another press."""
        if marker or self._done.get((timestamp - _SEGMENT) & 0xFFFFFFFF) != event:
            return False
        self._remember(timestamp, event)
        return True

    def _report(self, press: _Press) -> Digit:
        self._remember(press.timestamp, press.event)
        return Digit(DIGITS[press.event], round((press.before + press.duration) * 1000 / self._clock_rate))

    def _remember(self, timestamp: int, event: int) -> None:
        self._done[timestamp] = event
        if len(self._done) > MEMORY:
            self._done.popitem(last=False)


@attrs.frozen
class EventFrame:
    """The packet that goes out in one tick instead of audio; sequence and SSRC are those of the audio (§2.6.1)."""

    payload: bytes
    timestamp: int
    marker: bool


class DtmfSender:
    """A queue of digits, one frame per 20 ms tick while there are any.

    Each digit: four updates 20 ms apart with growing duration, the first with the marker bit, then three end packets
    that repeat the last duration at the same interval (RFC 4733 §2.5.1.4), then ``pause_ms`` of the audio stream.
    """

    def __init__(self, clock_rate: int = 8000, *, pause_ms: int = 60) -> None:
        self._step = clock_rate // 50
        self._pause_ticks = -(-pause_ms // 20)
        self._queue: deque[int] = deque()
        self._event: int | None = None
        self._tick = 0
        self._timestamp = 0
        self._paused = 0

    @property
    def busy(self) -> bool:
        """False when ``tick`` would return None and no digit waits."""
        return self._event is not None or bool(self._queue) or self._paused > 0

    def send(self, digits: str) -> None:
        """Queue ``digits`` (any case). Raises DigitsError; then none of them is sent."""
        codes = parse_digits(digits)
        if len(self._queue) + len(codes) > MAX_QUEUED:
            raise DigitsError(f"more than {MAX_QUEUED} digits are waiting")
        self._queue.extend(codes)

    def tick(self, timestamp: int) -> EventFrame | None:
        """The frame of this tick; None means audio as usual. ``timestamp``: the stream's own at this tick."""
        if self._event is None and not self._start(timestamp):
            return None
        assert self._event is not None
        self._tick += 1
        end = self._tick > UPDATES
        duration = min(self._tick, UPDATES) * self._step
        payload = _PAYLOAD.pack(self._event, VOLUME | (_END if end else 0), duration)
        if self._tick == UPDATES + END_PACKETS:
            self._event = None
            self._paused = self._pause_ticks
        return EventFrame(payload, self._timestamp, self._tick == 1)

    def _start(self, timestamp: int) -> bool:
        if self._paused > 0:
            self._paused -= 1
            return False
        if not self._queue:
            return False
        self._event, self._tick, self._timestamp = self._queue.popleft(), 0, timestamp & 0xFFFFFFFF
        return True


def parse_digits(digits: str) -> list[int]:
    """Event codes of ``digits``. Raises DigitsError naming the first character that is none of ``DIGITS``."""
    codes = [DIGITS.find(digit) for digit in digits.upper()]
    if -1 in codes:
        raise DigitsError(f"{digits[codes.index(-1)]!r} is no DTMF digit")
    return codes
