"""All the timers of one leg in one sleep: named deadlines, of which the next one wakes its task."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio


class Deadlines:
    """Named points in time. Setting or dropping one costs no task and no wake-up."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._alarm: trio.CancelScope | None = None

    def set(self, name: str, at: float) -> None:
        """Fire ``name`` at ``at`` (trio time, seconds); replaces the former one of that name."""
        self._at[name] = at
        self._rearm()

    def drop(self, name: str) -> None:
        """``name`` will not fire. No deadline of that name is fine."""
        if self._at.pop(name, None) is not None:
            self._rearm()

    def clear(self) -> None:
        """Nothing will fire."""
        self._at.clear()
        self._rearm()

    def next(self) -> float:
        return min(self._at.values(), default=math.inf)

    async def run(self, fire: Callable[[str], None]) -> None:
        """Sleep from deadline to deadline, for ever; ``fire(name)`` may set others or the same one again."""
        while True:
            with trio.CancelScope(deadline=self.next()) as self._alarm:
                await trio.sleep_forever()
            self._alarm = None
            now = trio.current_time()
            for name in [name for name, at in self._at.items() if at <= now]:
                if self._at.pop(name, None) is not None:  # an earlier one of this round may have dropped it
                    fire(name)

    def _rearm(self) -> None:
        """A deadline that moved away is found out when the alarm goes off: most are moved again before."""
        if self._alarm is not None and (soonest := self.next()) < self._alarm.deadline:
            self._alarm.deadline = soonest
