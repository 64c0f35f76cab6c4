"""Roles of legs and the routing matrices of rooms, as commands."""

from __future__ import annotations

from collections.abc import Callable

from vb.call.errors import NotFound
from vb.call.events import EventBus
from vb.call.leg import Leg
from vb.call.legs import Legs
from vb.room.room import Room
from vb.room.routing import Matrix


class Roles:
    """Changes who hears whom. ``get_room`` finds a room or raises NotFound."""

    def __init__(self, bus: EventBus, legs: Legs, get_room: Callable[[str], Room]) -> None:
        self._bus = bus
        self._legs = legs
        self._get_room = get_room

    def assign(self, leg_id: str, role: str) -> Leg:
        """Give a leg a role, "" for none; whom it hears follows at once. Raises NotFound."""
        try:
            leg = self._legs.get(leg_id)
        except NotFound:
            raise NotFound(f"leg {leg_id} not found") from None
        before = leg.role
        if before == role:
            return leg
        leg.role = role
        room = self._get_room(leg.room_id) if leg.room_id else None
        if room is not None:
            room.apply_routes()
        self._bus.publish("leg.role_changed", {"old_role": before, "new_role": role}, leg=leg, room=room)
        if room is not None:
            self.tell(room, "leg_role_changed")
        return leg

    def matrix(self, room_id: str) -> Matrix:
        """Raises NotFound."""
        return self._room(room_id).matrix

    def change_matrix(self, room_id: str, reason: str, change: Callable[[Matrix], Matrix]) -> Matrix:
        """Put ``change(matrix)`` in place of the matrix, all at once. Raises NotFound, and what ``change`` raises."""
        room = self._room(room_id)
        room.matrix = change(room.matrix)
        room.apply_routes()
        self.tell(room, reason)
        return room.matrix

    def tell(self, room: Room, reason: str) -> None:
        """Publish the matrix as it is now."""
        self._bus.publish("room.routing_changed", {"matrix": room.matrix, "reason": reason}, room=room)

    def _room(self, room_id: str) -> Room:
        try:
            return self._get_room(room_id)
        except NotFound:
            raise NotFound(f"room {room_id} not found") from None
