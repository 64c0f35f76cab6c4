"""Operations on playbacks: files and tones, for one leg or a whole room."""

from __future__ import annotations

from typing import Any

from vb.activity.playback import PlayRequest
from vb.api.operation import operation
from vb.api.services import Services
from vb.api.shapes import PlayBody, Playing, Status, VolumeBody


def _request(body: PlayBody) -> PlayRequest:
    return PlayRequest(url=body.url, tone=body.tone, mime_type=body.mime_type, repeat=body.repeat, volume=body.volume)


@operation(
    "POST",
    "/legs/{id}/play",
    "playLeg",
    creates=True,
    tag="Legs",
    vsi="leg_play_start",
    body=PlayBody,
    body_required=True,
    result=Playing,
    errors=(400, 404, 409),
)
def play_leg(services: Services, leg_id: str, body: PlayBody) -> Any:
    """Play a file or a tone to a leg; nobody else hears it."""
    return services.playbacks.play_leg(services.legs.get(leg_id), _request(body))


@operation(
    "PATCH",
    "/legs/{id}/play/{playbackID}",
    "volumePlayLeg",
    tag="Legs",
    vsi="leg_play_volume",
    body=VolumeBody,
    body_required=True,
    needs=("volume",),
    result=Status,
    errors=(400, 404),
)
def volume_play_leg(services: Services, leg_id: str, playback_id: str, body: VolumeBody) -> Any:
    """Change the volume of a playback, in steps of 3 dB."""
    return services.playbacks.set_volume("leg", leg_id, playback_id, body.volume)


@operation("DELETE", "/legs/{id}/play/{playbackID}", "stopPlayLeg", tag="Legs", vsi="leg_play_stop", result=Status)
def stop_play_leg(services: Services, leg_id: str, playback_id: str) -> Any:
    """Stop a playback."""
    return services.playbacks.stop("leg", leg_id, playback_id)


@operation(
    "POST",
    "/rooms/{id}/play",
    "playRoom",
    creates=True,
    tag="Rooms",
    vsi="room_play_start",
    body=PlayBody,
    body_required=True,
    result=Playing,
    errors=(400, 404, 409),
)
def play_room(services: Services, room_id: str, body: PlayBody) -> Any:
    """Play a file or a tone to everybody in a room."""
    return services.playbacks.play_room(services.rooms.get(room_id), _request(body))


@operation(
    "PATCH",
    "/rooms/{id}/play/{playbackID}",
    "volumePlayRoom",
    tag="Rooms",
    vsi="room_play_volume",
    body=VolumeBody,
    body_required=True,
    needs=("volume",),
    result=Status,
    errors=(400, 404),
)
def volume_play_room(services: Services, room_id: str, playback_id: str, body: VolumeBody) -> Any:
    """Change the volume of a room playback, in steps of 3 dB."""
    return services.playbacks.set_volume("room", room_id, playback_id, body.volume)


@operation("DELETE", "/rooms/{id}/play/{playbackID}", "stopPlayRoom", tag="Rooms", vsi="room_play_stop", result=Status)
def stop_play_room(services: Services, room_id: str, playback_id: str) -> Any:
    """Stop a room playback."""
    return services.playbacks.stop("room", room_id, playback_id)
