"""One part of the platform with an own beginning and end, so that parts start in order and stop in the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio


class Stage:
    """Runs one ``async run(*, task_status)`` in a cancel scope of its own."""

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run
        self._scope = trio.CancelScope()
        self._done = trio.Event()

    async def start(self, nursery: trio.Nursery) -> Any:
        """Return what the part reports when it is ready. Raises what it raises before that."""
        return await nursery.start(self._live)

    def cancel(self) -> None:
        """Let it end; it may still have something to finish."""
        self._scope.cancel()

    async def wait_stopped(self) -> None:
        """Return when it is over."""
        await self._done.wait()

    async def _live(self, *, task_status: trio.TaskStatus[Any]) -> None:
        try:
            with self._scope:
                await self._run(task_status=task_status)
        finally:
            self._done.set()
