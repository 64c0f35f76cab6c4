"""A room: legs that hear each other, and what runs in it for as long as somebody is there."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from vb.call.errors import Conflict
from vb.call.events import Webhook
from vb.call.leg import Leg
from vb.room.routing import Matrix, hears

if TYPE_CHECKING:
    from vb.media.mix import Mix

log = logging.getLogger("vb.room")


class Room:
    """One room. Made, changed and ended by ``Rooms``; activities attach themselves with ``start_soon``.

    ``watchers`` are called as ``watcher(leg, True)`` after a leg joined and ``watcher(leg, False)`` before it leaves,
    synchronously; they must not raise.
    """

    def __init__(
        self,
        room_id: str,
        mix: Mix,
        nursery: trio.Nursery,
        *,
        app_id: str = "",
        webhook: Webhook | None = None,
    ) -> None:
        self.id = room_id
        self.app_id = app_id
        self.webhook = webhook
        self.mix = mix
        self.sample_rate = mix.rate
        self.members: dict[str, Leg] = {}
        self.matrix: Matrix = {}
        self.deleted = False
        self._routed = False
        self.watchers: list[Callable[[Leg, bool], None]] = []
        self._nursery = nursery
        self._activities: set[trio.CancelScope] = set()
        self._idle = trio.Event()
        self._idle.set()

    def __repr__(self) -> str:
        return f"<room {self.id} with {len(self.members)} legs>"

    def view(self) -> dict[str, Any]:
        """The room as REST shows it; ``app_id`` is left out when empty."""
        shown: dict[str, Any] = {"id": self.id}
        if self.app_id:
            shown["app_id"] = self.app_id
        shown["sample_rate"] = self.sample_rate
        shown["participants"] = [leg.view() for leg in self.members.values()]
        return shown

    # --- membership; the caller has checked everything and publishes

    def enter(self, leg: Leg) -> None:
        """Let the leg hear and be heard from the next tick on."""
        assert leg.port is not None
        assert not self.deleted
        leg.port.join(self.mix)
        leg.room_id, leg.room = self.id, self
        self.members[leg.id] = leg
        self.apply_routes()
        for watcher in tuple(self.watchers):
            watcher(leg, True)

    def leave(self, leg: Leg) -> None:
        """Take the leg out; the last one out ends what runs in the room."""
        for watcher in tuple(self.watchers):
            watcher(leg, False)
        del self.members[leg.id]
        leg.room_id, leg.room = "", None
        if leg.port is not None:
            leg.port.leave()
        self.apply_routes()
        if not self.members:
            self._end_activities()

    def apply_routes(self) -> None:
        """Let the matrix and the roles decide who hears whom, from the next tick on."""
        if not self.matrix and not self._routed:
            return
        self._routed = bool(self.matrix)
        legs = [leg for leg in self.members.values() if leg.port is not None]
        self.mix.set_routes(
            {
                leg.port: [other.port for other in legs if other.port and hears(self.matrix, leg.role, other.role)]
                for leg in legs
                if leg.port and leg.role in self.matrix
            }
        )

    # --- activities

    def start_soon(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run ``fn(*args)`` until it returns or the room is empty or deleted: then it is cancelled.

        Its crash is logged and ends nothing else. Raises Conflict when nobody is in the room.
        """
        if not self.members:
            raise Conflict("room has no participants")
        scope = trio.CancelScope()
        self._activities.add(scope)
        if self._idle.is_set():
            self._idle = trio.Event()
        self._nursery.start_soon(self._run, scope, fn, args)

    async def _run(self, scope: trio.CancelScope, fn: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        try:
            with scope:
                await fn(*args)
        except Exception:
            log.exception("room activity crashed", extra={"room_id": self.id})
        finally:
            self._activities.discard(scope)
            if not self._activities:
                self._idle.set()

    async def wait_idle(self) -> None:
        """Return when nothing runs in the room."""
        await self._idle.wait()

    def _end_activities(self) -> None:
        for scope in self._activities:
            scope.cancel()

    def end(self) -> list[Leg]:
        """Take everybody out and end everything; returns who was there. For ``Rooms.delete``."""
        self.deleted = True
        legs = list(self.members.values())
        for leg in legs:
            self.leave(leg)
        self._end_activities()
        self.mix.close()
        return legs
