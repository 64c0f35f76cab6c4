"""Operations on roles and routing matrices."""

from __future__ import annotations

from functools import partial
from typing import Any

from vb.api.operation import operation
from vb.api.services import Services
from vb.api.shapes import LegView, RoleBody, RoutingBody, RoutingUpdates, RoutingView
from vb.room.routing import matrix_of, updated

_MATRIX: dict[str, Any] = {"tag": "Rooms", "result": RoutingView}
_CHANGE: dict[str, Any] = _MATRIX | {
    "vsi_names": {"id": "room_id"},
    "body_required": True,
    "errors": (400, 404),
    "lanes": ("room_id",),
}


@operation("GET", "/rooms/{id}/routing", "getRoomRouting", vsi="room_routing_get", **_MATRIX)
def get_routing(services: Services, room_id: str) -> Any:
    """Which roles each role hears; a role without a row hears everybody."""
    return {"matrix": services.rooms.roles.matrix(room_id)}


@operation(
    "PUT",
    "/rooms/{id}/routing",
    "setRoomRouting",
    vsi="room_routing_set",
    body=RoutingBody,
    needs=("matrix",),
    **_CHANGE,
)
def set_routing(services: Services, room_id: str, body: RoutingBody) -> Any:
    """Put a whole matrix in place of the present one."""
    roles = services.rooms.roles
    return {"matrix": roles.change_matrix(room_id, "set", lambda _: matrix_of(body.matrix))}


@operation(
    "PATCH",
    "/rooms/{id}/routing",
    "updateRoomRouting",
    vsi="room_routing_update",
    body=RoutingUpdates,
    needs=("updates",),
    **_CHANGE,
)
def update_routing(services: Services, room_id: str, body: RoutingUpdates) -> Any:
    """Set some rows, all at once; one whose sources are null is removed."""
    roles = services.rooms.roles
    changes = [(row.listener_role, row.sources) for row in body.updates]
    if not changes:
        return {"matrix": roles.matrix(room_id)}
    return {"matrix": roles.change_matrix(room_id, "update", partial(updated, changes=changes))}


@operation(
    "PATCH",
    "/legs/{id}/role",
    "setLegRole",
    tag="Legs",
    vsi="set_leg_role",
    vsi_names={"id": "leg_id"},
    body=RoleBody,
    body_required=True,
    needs=("role",),
    result=LegView,
    errors=(400, 404),
    lanes=("leg_id",),
)
def set_role(services: Services, leg_id: str, body: RoleBody) -> Any:
    """Give a leg a role, "" for none."""
    return services.rooms.roles.assign(leg_id, body.role).view()
