"""What every leg's peer and we said to each other: the last messages of each call, by Call-ID, in bounded memory.

`CallTraces.record` is on the way of every SIP message (under 2 µs); everything else is done when somebody asks. A call
is kept from an INVITE that comes in, or from the moment when a leg claims its Call-ID; a Call-ID that two legs share (a
call that came back to us) shows both of them the messages of both.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Literal

import attrs
import trio

from vb.call.errors import NotFound
from vb.sip.effects import Hop
from vb.sip.redaction import redact_message
from vb.sip.traced import Direction, TracedMessage

_OVERHEAD: Final = 300  # of keeping one message, beside its octets: address, tuples
_CALL_ID: Final = re.compile(rb"(?<![^\n])(?:call-id|i)[ \t]*:([^\r\n]*)", re.IGNORECASE)

Kept = tuple[float, Direction, Hop, bytes, bool]
"""When, which way, with whom, what, and whether it failed."""


@attrs.frozen
class TraceLimits:
    """``messages`` and ``call_bytes`` of one call; ``ended`` legs and ``unclaimed`` calls; ``total_bytes`` of all."""

    messages: int = 200
    call_bytes: int = 256 * 1024
    ended: int = 500
    unclaimed: int = 1000
    total_bytes: int = 64 * 1024 * 1024


@attrs.frozen
class TraceStatistics:
    legs: int
    calls: int
    bytes: int


@attrs.frozen
class LegTrace:
    """What was kept of one leg. Redacting takes about 40 µs a message: much of it is for a thread."""

    leg_id: str
    call_id: str
    dropped: int
    epoch: float
    """What to add to the time of a message to get seconds since 1970."""
    ended: str
    """The end reason, "" while the leg lives."""
    _kept: tuple[Kept, ...]
    _redact: Callable[[bytes], str]

    @classmethod
    def empty(cls, leg_id: str) -> LegTrace:
        """That of a leg without SIP."""
        return cls(leg_id, "", 0, 0.0, "", (), redact_message)

    @property
    def size(self) -> int:
        """Octets of all messages."""
        return sum(len(data) for _, _, _, data, _ in self._kept)

    def messages(self) -> list[TracedMessage]:
        """What may be shown, oldest first."""
        return [TracedMessage(at, way, hop, self._redact(data), failed) for at, way, hop, data, failed in self._kept]


@attrs.define(eq=False)
class _Call:
    key: bytes
    epoch: float
    messages: deque[Kept] = attrs.field(factory=deque)
    size: int = 0
    dropped: int = 0
    claims: int = 0


class CallTraces:
    """``redact`` makes the text that may be shown; ``clock`` is seconds since 1970, ``now`` the driver's clock."""

    def __init__(
        self,
        limits: TraceLimits | None = None,
        *,
        redact: Callable[[bytes], str] = redact_message,
        clock: Callable[[], float] = time.time,
        now: Callable[[], float] = trio.current_time,
    ) -> None:
        self._limits = limits or TraceLimits()
        self._redact = redact
        self._clock = clock
        self._now = now
        self._calls: dict[bytes, _Call] = {}
        self._legs: dict[str, list[_Call]] = {}
        self._unclaimed: dict[bytes, None] = {}
        self._ended: dict[str, str] = {}
        self._size = 0

    def record(self, direction: Literal["in", "out", "error"], data: bytes, hop: Hop, at: float) -> None:
        """One message on the wire; fits the trace hook of the endpoint. ``error``: not delivered, or not readable."""
        key = call_id_of(data)
        call = self._calls.get(key)
        if call is None:
            if direction != "in" or not key or b"INVITE " not in data[:16]:
                return
            call = self._begin(key, at)
            self._unclaimed[key] = None
            self._bound_unclaimed()
        if direction == "error":
            if not self._mark_failed(call, data):
                self._add(call, (at, "in", hop, data, True))
        else:
            self._add(call, (at, direction, hop, data, False))

    def claim(self, leg_id: str, call_id: str) -> None:
        """The leg exists, and the messages of ``call_id`` ("" as long as it has none) are its own."""
        calls = self._legs.setdefault(leg_id, [])
        key = call_id.encode()
        if not key or any(call.key == key for call in calls):
            return
        call = self._calls.get(key) or self._begin(key, self._now())
        call.claims += 1
        self._unclaimed.pop(key, None)
        calls.append(call)

    def end(self, leg_id: str, reason: str = "") -> None:
        """The leg is over; it is kept among the last that were."""
        if leg_id in self._legs:
            self._ended[leg_id] = reason
            while len(self._ended) > self._limits.ended:
                self._forget_oldest_ended()

    def get(self, leg_id: str) -> LegTrace:
        """Raises NotFound for a leg that never was, or ended too long ago."""
        calls = self._legs.get(leg_id)
        if calls is None:
            raise NotFound("leg not found")
        kept = sorted((message for call in calls for message in call.messages), key=lambda message: message[0])
        last = self._limits.messages
        return LegTrace(
            leg_id=leg_id,
            call_id=calls[-1].key.decode(errors="replace") if calls else "",
            dropped=sum(call.dropped for call in calls) + max(0, len(kept) - last),
            epoch=calls[-1].epoch if calls else 0.0,
            ended=self._ended.get(leg_id, ""),
            kept=tuple(kept[-last:]),
            redact=self._redact,
        )

    def statistics(self) -> TraceStatistics:
        return TraceStatistics(len(self._legs), len(self._calls), self._size)

    # --- inside

    def _begin(self, key: bytes, at: float) -> _Call:
        call = self._calls[key] = _Call(key, self._clock() - at)
        return call

    def _add(self, call: _Call, message: Kept) -> None:
        size = len(message[3]) + _OVERHEAD
        call.messages.append(message)
        call.size += size
        self._size += size
        limits = self._limits
        while len(call.messages) > limits.messages or call.size > limits.call_bytes:
            self._drop_oldest(call)
        if self._size > limits.total_bytes:
            self._make_room(call)

    def _drop_oldest(self, call: _Call) -> None:
        size = len(call.messages.popleft()[3]) + _OVERHEAD
        call.size -= size
        call.dropped += 1
        self._size -= size

    def _make_room(self, call: _Call) -> None:
        """Calls of no leg go first, then those of ended legs; a call that still finds no room loses its own oldest."""
        most = self._limits.total_bytes
        while self._size > most and self._unclaimed:
            self._forget(self._calls[next(iter(self._unclaimed))])
        while self._size > most and self._ended:
            self._forget_oldest_ended()
        while self._size > most and call.messages:
            self._drop_oldest(call)

    def _bound_unclaimed(self) -> None:
        while len(self._unclaimed) > self._limits.unclaimed:
            self._forget(self._calls[next(iter(self._unclaimed))])

    def _forget_oldest_ended(self) -> None:
        leg_id = next(iter(self._ended))
        del self._ended[leg_id]
        for call in self._legs.pop(leg_id):
            call.claims -= 1
            if not call.claims:
                self._forget(call)

    def _forget(self, call: _Call) -> None:
        del self._calls[call.key]
        self._unclaimed.pop(call.key, None)
        self._size -= call.size
        call.messages.clear()
        call.size = 0

    def _mark_failed(self, call: _Call, data: bytes) -> bool:
        """Whether ``data`` is the very message that was posted a moment ago."""
        for back in range(len(call.messages) - 1, -1, -1):
            at, direction, hop, sent, _ = call.messages[back]
            if sent is data and direction == "out":
                call.messages[back] = (at, direction, hop, sent, True)
                return True
        return False


def call_id_of(data: bytes) -> bytes:
    """The Call-ID of a message, b"" when it has none."""
    end = data.find(b"\r\n\r\n") + 2
    start = data.find(b"\r\nCall-ID: ", 0, end)
    if start >= 0:
        return data[start + 11 : data.find(b"\r", start + 11, end)].strip()
    match = _CALL_ID.search(data.lstrip(b"\r\n").partition(b"\r\n\r\n")[0])
    return match[1].strip() if match is not None else b""
