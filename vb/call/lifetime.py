"""A leg's life, in one place. Everything a leg starts ends before its life does.

``end`` is the only way to end a life: from anywhere, any number of times; the first cause wins. Children (playback,
recording, agents) run in the life's nursery, so there is no list of things to clean up.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import trio

from vb.call.reasons import INTERNAL_ERROR, SHUTDOWN

log = logging.getLogger("vb.call")


@attrs.frozen
class Cause:
    """Why a leg ended: a reason word, and the SIP code and phrase of a final response or Reason header, if any."""

    reason: str
    sip_code: int | None = None
    sip_reason: str = ""


class Life:
    """One nursery under one cancel scope, and the first cause that ended it. ``owner`` is the leg's id, for the log."""

    def __init__(self, owner: str = "") -> None:
        self.owner = owner
        self.cause: Cause | None = None
        self._scope = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._waiting: list[tuple[Callable[..., Awaitable[Any]], tuple[Any, ...]]] = []

    def end(self, cause: Cause) -> bool:
        """End it. True for the first cause, which is kept; False for every later one, which changes nothing."""
        if self.cause is not None:
            return False
        self.cause = cause
        self._scope.cancel()
        return True

    def start_soon(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> bool:
        """Run ``fn(*args)`` as a child; it is cancelled when the life ends. False (and nothing runs) if it has."""
        if self.cause is not None:
            return False
        if self._nursery is None:  # the life's own task has not had its first turn yet
            self._waiting.append((fn, args))
        else:
            self._nursery.start_soon(fn, *args)
        return True

    async def live(self, body: Callable[[], Awaitable[None]], *, end: Callable[[Cause], None]) -> None:
        """Run ``body`` and the children until the end. A crash of any of them ends this life and no other.

        ``end`` is how an end that starts here is told: ``internal_error`` after a crash, ``shutdown`` when the task
        was cancelled from outside. It returns when no child is left; a cancellation from outside goes on after it.
        """
        try:
            with self._scope:
                async with trio.open_nursery() as self._nursery:
                    for fn, args in self._waiting:
                        self._nursery.start_soon(fn, *args)
                    self._waiting.clear()
                    await body()
        except* Exception:  # also beside a cancellation from outside, which goes on
            # A bug in one leg ends that leg, not its neighbours.
            log.exception("leg crashed", extra={"leg_id": self.owner})
            end(Cause(INTERNAL_ERROR))
        finally:
            if self.cause is None:
                end(Cause(SHUTDOWN))
