"""The registry: every leg that is alive, and counts of those that were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio

from vb.call.cdr import Cdr
from vb.call.errors import NotFound
from vb.call.leg import Leg


class Legs:
    """Legs by id. A leg leaves at the moment it is ended, before its goodbye, so a second hangup finds nothing."""

    def __init__(self) -> None:
        self.total: Counter[tuple[str, str]] = Counter()  # (type, "created" | "connected" | "disconnected")
        self.reasons: Counter[tuple[str, str]] = Counter()  # (type, end reason)
        self._legs: dict[str, Leg] = {}
        self._ending: set[Leg] = set()
        self._finished = trio.Event()
        self._on_hangup: list[Callable[[Leg], None]] = []
        self._on_ended: list[Callable[[Leg, Cdr], None]] = []

    def on_hangup(self, callback: Callable[[Leg], None]) -> None:
        """Call ``callback(leg)`` when a leg is ended, before goodbye is said and ``leg.disconnected`` is published."""
        self._on_hangup.append(callback)

    def on_ended(self, callback: Callable[[Leg, Cdr], None]) -> None:
        """Call ``callback(leg, cdr)`` after ``leg.disconnected``: metrics, history."""
        self._on_ended.append(callback)

    def add(self, leg: Leg) -> None:
        """The leg is to be found from now until it ends."""
        self._legs[leg.id] = leg
        self.total[leg.type, "created"] += 1
        leg.on_hangup.append(self._leave)
        leg.on_ended.append(self._ended)

    def get(self, leg_id: str) -> Leg:
        """Raises NotFound when there is none, or it has been ended."""
        try:
            return self._legs[leg_id]
        except KeyError:
            raise NotFound("leg not found") from None

    def all(self) -> list[Leg]:
        """Legs in the order they came."""
        return list(self._legs.values())

    @property
    def active(self) -> int:
        """How many are alive."""
        return len(self._legs)

    @property
    def unfinished(self) -> int:
        """How many are alive or have not published their ``leg.disconnected`` yet."""
        return len(self._legs) + len(self._ending)

    async def wait_finished(self) -> None:
        """Return when no leg is alive and every ``leg.disconnected`` has been published."""
        while self.unfinished:
            self._finished = trio.Event()
            await self._finished.wait()

    def _leave(self, leg: Leg) -> None:
        if self._legs.pop(leg.id, None) is not None:
            self._ending.add(leg)
        for callback in self._on_hangup:
            callback(leg)

    def _ended(self, leg: Leg) -> None:
        self._ending.discard(leg)
        cdr = leg.cdr
        assert cdr is not None
        self.total[leg.type, "disconnected"] += 1
        if leg.connected_at is not None:
            self.total[leg.type, "connected"] += 1
        self.reasons[leg.type, cdr.reason] += 1
        for callback in self._on_ended:
            callback(leg, cdr)
        if not self.unfinished:
            self._finished.set()
