"""Bridges between rooms: two rooms that hear each other."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from vb.call.errors import Conflict, Invalid, NotFound
from vb.call.events import EventBus, Webhook
from vb.room.room import Room

if TYPE_CHECKING:
    from vb.media.bridge import Bridge

# Direction as one of the two rooms sees it -> whether a is heard in b, and b in a, when that room is a.
_FLOWS = {"bidirectional": (True, True), "send": (True, False), "receive": (False, True), "none": (False, False)}
_SEEN = {flows: word for word, flows in _FLOWS.items()}
_CANONICAL = {(True, True): "bidirectional", (True, False): "a_to_b", (False, True): "b_to_a", (False, False): "none"}


@attrs.frozen
class _Owner:
    """Whose events those of a bridge are: the first room's application, but of no single room."""

    app_id: str
    id: str = ""
    webhook: Webhook | None = None


@attrs.define(eq=False)
class RoomBridge:
    """One bridge; ``a`` is the room that it was asked for in."""

    id: str
    a: Room
    b: Room
    media: Bridge

    def view(self, room_id: str) -> dict[str, Any]:
        """The bridge as seen from one of its rooms: the other one, and the direction from here."""
        here, other = (self.a, self.b) if self.a.id == room_id else (self.b, self.a)
        flows = (self.media.a_to_b, self.media.b_to_a)
        direction = _SEEN[flows if here is self.a else flows[::-1]]
        return {"id": self.id, "room_id": other.id, "direction": direction, "sample_rate": here.sample_rate}

    def facts(self) -> dict[str, Any]:
        """What every event of the bridge says."""
        return {"bridge_id": self.id, "room_a_id": self.a.id, "room_b_id": self.b.id}


class Bridges:
    """All bridges. ``get_room`` finds a room or raises NotFound."""

    def __init__(self, bus: EventBus, get_room: Callable[[str], Room]) -> None:
        self._bus = bus
        self._get_room = get_room
        self._bridges: dict[str, RoomBridge] = {}

    def of(self, room_id: str) -> list[dict[str, Any]]:
        """Views of the bridges of one room, in the order they were made. Raises NotFound."""
        room = self._get_room(room_id)
        return [bridge.view(room_id) for bridge in self._bridges.values() if room in (bridge.a, bridge.b)]

    def create(self, room_id: str, peer_id: str, bridge_id: str = "", direction: str = "") -> dict[str, Any]:
        """Bridge two rooms of one rate. Raises Invalid, NotFound, Conflict (there is one, or the id is taken)."""
        if not peer_id:
            raise Invalid("room_id is required")
        flows = _flows(direction or "bidirectional")
        a, b = self._room(room_id), self._room(peer_id)
        if a is b:
            raise Invalid("cannot bridge a room to itself")
        if a.sample_rate != b.sample_rate:
            raise Invalid(f"sample rate mismatch: room {a.id} is {a.sample_rate}Hz, room {b.id} is {b.sample_rate}Hz")
        if any({bridge.a, bridge.b} == {a, b} for bridge in self._bridges.values()):
            raise Conflict("bridge between these rooms already exists")
        if bridge_id in self._bridges:
            raise Conflict(f"bridge id {bridge_id} already exists")
        bridge = RoomBridge(bridge_id or str(uuid.uuid4()), a, b, a.mix.bridge(b.mix))
        bridge.media.a_to_b, bridge.media.b_to_a = flows
        self._bridges[bridge.id] = bridge
        self._publish("room.bridged", bridge, {"direction": _CANONICAL[flows]})
        return bridge.view(room_id)

    def get(self, room_id: str, bridge_id: str) -> dict[str, Any]:
        """Raises NotFound, also for a bridge of other rooms."""
        return self._find(room_id, bridge_id).view(room_id)

    def update(self, room_id: str, bridge_id: str, direction: str) -> dict[str, Any]:
        """Change the direction, as seen from ``room_id``, while it runs. Raises NotFound, Invalid."""
        bridge = self._find(room_id, bridge_id)
        if not direction:
            raise Invalid("direction is required")
        flows = _flows(direction)
        if bridge.a.id != room_id:
            flows = flows[1], flows[0]
        bridge.media.a_to_b, bridge.media.b_to_a = flows
        self._publish("room.bridge_updated", bridge, {"direction": _CANONICAL[flows]})
        return bridge.view(room_id)

    def delete(self, room_id: str, bridge_id: str) -> dict[str, Any]:
        """Raises NotFound."""
        self._remove(self._find(room_id, bridge_id), "")
        return {"status": "deleted"}

    def forget(self, room: Room) -> None:
        """The room is being deleted, and its bridges with it."""
        for bridge in [each for each in self._bridges.values() if room in (each.a, each.b)]:
            self._remove(bridge, "room_deleted")

    def _remove(self, bridge: RoomBridge, reason: str) -> None:
        bridge.media.remove()
        del self._bridges[bridge.id]
        self._publish("room.unbridged", bridge, {"reason": reason})

    def _find(self, room_id: str, bridge_id: str) -> RoomBridge:
        bridge = self._bridges.get(bridge_id)
        if bridge is None or room_id not in (bridge.a.id, bridge.b.id):
            raise NotFound("bridge not found")
        return bridge

    def _room(self, room_id: str) -> Room:
        try:
            return self._get_room(room_id)
        except NotFound:
            raise NotFound(f"room not found: {room_id}") from None

    def _publish(self, type_: str, bridge: RoomBridge, data: dict[str, Any]) -> None:
        self._bus.publish(type_, bridge.facts() | data, room=_Owner(bridge.a.app_id))


def _flows(direction: str) -> tuple[bool, bool]:
    try:
        return _FLOWS[direction]
    except KeyError:
        raise Invalid("invalid direction: must be bidirectional, send, receive, or none") from None
