"""Timers as values: RFC 3261 Table 4 with L and M of RFC 6026, named deadlines of one object, one heap for all objects.

Time only ever comes in as an argument: seconds as a float on whatever clock the driver uses.
"""

from __future__ import annotations

import enum
import heapq
from math import inf
from typing import Protocol

import attrs


class Timer(enum.Enum):
    """RFC 3261 Table 4; L and M are RFC 6026 §7. Timer C belongs to proxies and is not here."""

    A = "INVITE request retransmit"
    B = "INVITE transaction timeout"
    D = "wait for response retransmits"
    E = "non-INVITE request retransmit"
    F = "non-INVITE transaction timeout"
    G = "INVITE response retransmit"
    H = "wait for ACK receipt"
    I = "wait for ACK retransmits"  # noqa: E741  the RFC's letter
    J = "wait for non-INVITE request retransmits"
    K = "wait for non-INVITE response retransmits"
    L = "wait for INVITE retransmits after a 2xx"
    M = "wait for 2xx retransmits and forked 2xx"

    __hash__ = object.__hash__


class UsageTimer(enum.Enum):
    """What an INVITE usage waits for itself, above the transactions."""

    RETRANSMIT = "2xx retransmit, RFC 3261 §13.3.1.4"
    ACK_WAIT = "wait for the ACK of a 2xx, §13.3.1.4"
    CANCEL_WAIT = "wait for the final response after a CANCEL, §9.1"
    REINVITE_RETRY = "wait after a 491, §14.1"
    REINVITE_WAIT = "wait for the final response to a re-INVITE after the session's end"
    REPEAT_PROVISIONAL = "repeat a 1xx every minute, §13.3.1.1"
    RELIABLE = "repeat a reliable 1xx, RFC 3262 §3"
    PRACK_WAIT = "wait for the PRACK of a reliable 1xx, RFC 3262 §3"
    SUBSCRIPTION = "no NOTIFY for too long, RFC 6665 §4.1.2.4, §4.4.1"
    REFRESH = "our refresh of the session is due, RFC 4028 §10"
    SESSION_EXPIRES = "nobody has refreshed the session, RFC 4028 §10"
    UPDATE_RETRY = "wait after a 491 or 500 to an UPDATE, RFC 3311 §5.1"

    __hash__ = object.__hash__


AnyTimer = Timer | UsageTimer


@attrs.frozen
class TimerValues:
    """The base values of RFC 3261 Table 4, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def give_up(self) -> float:
        """64*T1: Timers B, F, H, J, L, M."""
        return 64 * self.t1

    @property
    def wait_refusals(self) -> float:
        """Timer D on an unreliable transport: at least 32 s, and never less than the peer's Timer H."""
        return max(32.0, 64 * self.t1)


DEFAULT_TIMERS = TimerValues()


class TimerTable:
    """When each running timer of one object fires. ``queued_at`` is its earliest entry in `Deadlines`."""

    __slots__ = ("_deadlines", "queued_at")

    def __init__(self) -> None:
        self._deadlines: dict[AnyTimer, float] = {}
        self.queued_at = inf

    def start(self, timer: AnyTimer, at: float) -> None:
        self._deadlines[timer] = at

    def stop(self, *timers: AnyTimer) -> None:
        for timer in timers:
            self._deadlines.pop(timer, None)

    def clear(self) -> None:
        self._deadlines.clear()

    def running(self, timer: AnyTimer) -> bool:
        return timer in self._deadlines

    def next_deadline(self) -> float:
        deadlines = self._deadlines
        return min(deadlines.values()) if deadlines else inf

    def take_expired(self, now: float) -> list[AnyTimer]:
        """Remove and return the timers due by ``now``, earliest first; of equals, the one started first."""
        due = [(at, timer) for timer, at in self._deadlines.items() if at <= now]
        if len(due) > 1:
            due.sort(key=lambda entry: entry[0])
        for _, timer in due:
            del self._deadlines[timer]
        return [timer for _, timer in due]


class Timed(Protocol):
    """What `Deadlines` can hold."""

    timers: TimerTable

    def handle_timers(self, now: float) -> object: ...


class Deadlines:
    """The earliest deadline over many objects: a heap whose outdated entries are dropped when they surface.

    An object has one valid entry, at ``timers.queued_at``, never later than its real deadline. All operations are
    amortised O(log n); ended objects are swept out when they are half of the heap.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timed]] = []
        self._order = 0
        self._ended = 0

    def update(self, timed: Timed) -> None:
        """Call after anything that may have started a timer of ``timed``."""
        timers = timed.timers
        at = timers.next_deadline()
        if at < timers.queued_at:
            self._push(at, timed)

    def discard(self, timed: Timed) -> None:
        """``timed`` is over: nothing of it fires any more."""
        timed.timers.clear()
        if timed.timers.queued_at < inf:
            timed.timers.queued_at = inf
            self._ended += 1
            if self._ended > 1024 and 2 * self._ended > len(self._heap):
                self._sweep()

    def next_deadline(self) -> float:
        """The exact earliest deadline, inf when no timer runs."""
        heap = self._heap
        while heap:
            at, _, timed = heap[0]
            timers = timed.timers
            if at == timers.queued_at:
                real = timers.next_deadline()
                if real == at:
                    return at
                timers.queued_at = inf
                heapq.heappop(heap)
                if real < inf:
                    self._push(real, timed)
            else:
                heapq.heappop(heap)
        return inf

    def take_due(self, now: float) -> Timed | None:
        """Remove and return the object with the earliest deadline, if that is due; `update` it after handling."""
        if self.next_deadline() > now:
            return None
        _, _, timed = heapq.heappop(self._heap)
        timed.timers.queued_at = inf
        return timed

    def _push(self, at: float, timed: Timed) -> None:
        self._order += 1
        timed.timers.queued_at = at
        heapq.heappush(self._heap, (at, self._order, timed))

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if entry[0] == entry[2].timers.queued_at]
        heapq.heapify(self._heap)
        self._ended = 0
