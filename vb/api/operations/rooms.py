"""Operations on rooms and who is in them."""

from __future__ import annotations

from typing import Any

from vb.api.operation import NotBuilt, operation
from vb.api.services import Services, webhook_of
from vb.api.shapes import Added, AddLegBody, CreateRoomBody, RoomView, Status


@operation("GET", "/rooms", "listRooms", tag="Rooms", vsi="list_rooms", result=list[RoomView], errors=())
def list_rooms(services: Services) -> Any:
    """All rooms, in the order they were made."""
    return [room.view() for room in services.rooms.all()]


@operation(
    "POST",
    "/rooms",
    "createRoom",
    creates=True,
    tag="Rooms",
    vsi="create_room",
    status=201,
    body=CreateRoomBody,
    result=RoomView,
    errors=(400, 409),
    lanes=("id",),
)
def create_room(services: Services, body: CreateRoomBody) -> Any:
    """Make a room; its id and rate are chosen when absent."""
    webhook = webhook_of(body.webhook_url, body.webhook_secret)
    return services.rooms.create(body.id, body.sample_rate, body.app_id, webhook).view()


@operation("GET", "/rooms/{id}", "getRoom", tag="Rooms", vsi="get_room", result=RoomView)
def get_room(services: Services, room_id: str) -> Any:
    """One room."""
    return services.rooms.get(room_id).view()


@operation("DELETE", "/rooms/{id}", "deleteRoom", tag="Rooms", vsi="delete_room", result=Status)
def delete_room(services: Services, room_id: str) -> Any:
    """Delete the room and hang up who is in it."""
    return services.rooms.delete(room_id)


@operation(
    "POST",
    "/rooms/{id}/legs",
    "addLegToRoom",
    tag="Rooms",
    vsi="add_leg_to_room",
    vsi_names={"id": "room_id"},
    body=AddLegBody,
    body_required=True,
    needs=("leg_id",),
    result=Added,
    errors=(400,),
    lanes=("room_id", "leg_id"),
)
def add_leg(services: Services, room_id: str, body: AddLegBody) -> Any:
    """Put a leg into a room, made when missing; a leg in another room moves, a ringing caller is answered first."""
    if body.streams:
        raise NotBuilt("streams is not built yet")
    return services.rooms.add_leg(
        room_id,
        body.leg_id,
        mute=body.mute,
        deaf=body.deaf,
        accept_dtmf=body.accept_dtmf,
        role=body.role or None,
    )


@operation(
    "DELETE",
    "/rooms/{id}/legs/{legID}",
    "removeLegFromRoom",
    tag="Rooms",
    vsi="remove_leg_from_room",
    vsi_names={"id": "room_id"},
    result=Status,
    errors=(400,),
    lanes=("room_id", "leg_id"),
)
def remove_leg(services: Services, room_id: str, leg_id: str) -> Any:
    """Take a leg out of the room; the call goes on."""
    return services.rooms.remove_leg(room_id, leg_id)
