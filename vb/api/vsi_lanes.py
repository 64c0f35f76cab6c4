"""Commands of one VSI connection: in order for one leg or room, at once for different ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio

from vb.api.operation import Operation


class Lanes:
    """Runs commands. ``nursery`` outlives the connection: a command that has begun is finished."""

    def __init__(self, nursery: trio.Nursery, limit: int) -> None:
        self.pending = 0
        self._nursery = nursery
        self._limit = limit
        self._last: dict[str, trio.Event] = {}

    @property
    def full(self) -> bool:
        """Whether so many commands wait or run that no more are taken."""
        return self.pending >= self._limit

    def submit(
        self, operation: Operation, lanes: Sequence[str], arguments: Sequence[Any], done: Callable[[Any], None]
    ) -> None:
        """Run the operation when all earlier commands on any of its lanes are over.

        ``done`` gets the result or the exception. What need not wait is over when this returns.
        """
        before = [self._last[lane] for lane in lanes if lane in self._last]
        if not before and not operation.is_async:
            done(_outcome(operation, arguments))
            return
        over = trio.Event()
        for lane in lanes:
            self._last[lane] = over
        self.pending += 1
        self._nursery.start_soon(self._run, operation, lanes, arguments, before, over, done)

    async def _run(
        self,
        operation: Operation,
        lanes: Sequence[str],
        arguments: Sequence[Any],
        before: Sequence[trio.Event],
        over: trio.Event,
        done: Callable[[Any], None],
    ) -> None:
        try:
            for event in before:
                await event.wait()
            if operation.is_async:
                try:
                    result = await operation.run(*arguments)
                except Exception as error:
                    result = error
            else:
                result = _outcome(operation, arguments)
            done(result)
        finally:
            self.pending -= 1
            over.set()
            for lane in lanes:
                if self._last.get(lane) is over:
                    del self._last[lane]


def _outcome(operation: Operation, arguments: Sequence[Any]) -> Any:
    try:
        return operation.run(*arguments)
    except Exception as error:
        return error
