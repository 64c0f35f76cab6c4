"""Operations on bridges between rooms. Directions are as seen from the room in the path."""

from __future__ import annotations

from typing import Any

from vb.api.operation import operation
from vb.api.services import Services
from vb.api.shapes import BridgeView, CreateBridgeBody, DirectionBody, Status

_PATH = "/rooms/{id}/bridges"
_ONE = _PATH + "/{bridgeID}"
_COMMON: dict[str, Any] = {"tag": "Rooms", "vsi_names": {"id": "room_id"}}
_LANES = ("room_id", "peer_room_id")


@operation("GET", _PATH, "listRoomBridges", vsi="bridge_list", result=list[BridgeView], **_COMMON)
def list_bridges(services: Services, room_id: str) -> Any:
    """Bridges of a room, in the order they were made."""
    return services.rooms.bridges.of(room_id)


@operation(
    "POST",
    _PATH,
    "createRoomBridge",
    creates=True,
    vsi="bridge_create",
    vsi_fields={"id": "bridge_id", "room_id": "peer_room_id"},
    status=201,
    body=CreateBridgeBody,
    body_required=True,
    needs=("room_id",),
    result=BridgeView,
    errors=(400, 404, 409),
    lanes=_LANES,
    **_COMMON,
)
def create_bridge(services: Services, room_id: str, body: CreateBridgeBody) -> Any:
    """Let two rooms of one sample rate hear each other."""
    return services.rooms.bridges.create(room_id, body.room_id, body.id, body.direction)


@operation("GET", _ONE, "getRoomBridge", vsi="bridge_get", result=BridgeView, **_COMMON)
def get_bridge(services: Services, room_id: str, bridge_id: str) -> Any:
    """One bridge."""
    return services.rooms.bridges.get(room_id, bridge_id)


@operation(
    "PATCH",
    _ONE,
    "updateRoomBridge",
    vsi="bridge_update",
    body=DirectionBody,
    body_required=True,
    needs=("direction",),
    result=BridgeView,
    errors=(400, 404),
    lanes=_LANES,
    **_COMMON,
)
def update_bridge(services: Services, room_id: str, bridge_id: str, body: DirectionBody) -> Any:
    """Change the direction while the bridge runs."""
    return services.rooms.bridges.update(room_id, bridge_id, body.direction)


@operation("DELETE", _ONE, "deleteRoomBridge", vsi="bridge_delete", result=Status, lanes=_LANES, **_COMMON)
def delete_bridge(services: Services, room_id: str, bridge_id: str) -> Any:
    """Part the rooms."""
    return services.rooms.bridges.delete(room_id, bridge_id)
