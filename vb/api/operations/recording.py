"""Operations on recordings of legs and rooms."""

from __future__ import annotations

from typing import Any

from vb.activity.recording import RecordRequest
from vb.api.operation import operation
from vb.api.services import Services
from vb.api.shapes import RecordBody, Recording, RoomRecording, Status
from vb.call.errors import Invalid


def _request(body: RecordBody) -> RecordRequest:
    if bool(body.s3_access_key) != bool(body.s3_secret_key):
        raise Invalid("s3_access_key and s3_secret_key must be given together")
    return RecordRequest(
        storage=body.storage,
        multi_channel=body.multi_channel,
        filename=body.filename,
        s3_bucket=body.s3_bucket,
        s3_access_key=body.s3_access_key,
        s3_secret_key=body.s3_secret_key,
        gcs_bucket=body.gcs_bucket,
    )


@operation(
    "POST",
    "/legs/{id}/record",
    "recordLeg",
    creates=True,
    tag="Legs",
    vsi="leg_record_start",
    body=RecordBody,
    result=Recording,
    errors=(400, 404, 409, 500),
)
async def record_leg(services: Services, leg_id: str, body: RecordBody) -> Any:
    """Record a leg: what it says left, what it hears right."""
    return await services.recordings.start_leg(services.legs.get(leg_id), _request(body))


@operation("DELETE", "/legs/{id}/record", "stopRecordLeg", tag="Legs", vsi="leg_record_stop", result=Recording)
async def stop_record_leg(services: Services, leg_id: str) -> Any:
    """Stop recording a leg; the file is there when this answers."""
    return await services.recordings.stop_leg(leg_id)


@operation("POST", "/legs/{id}/record/pause", "pauseRecordLeg", tag="Legs", vsi="leg_record_pause", result=Status)
def pause_record_leg(services: Services, leg_id: str) -> Any:
    """Record silence until resumed."""
    return services.recordings.pause_leg(leg_id)


@operation("POST", "/legs/{id}/record/resume", "resumeRecordLeg", tag="Legs", vsi="leg_record_resume", result=Status)
def resume_record_leg(services: Services, leg_id: str) -> Any:
    """Record again after a pause."""
    return services.recordings.resume_leg(leg_id)


@operation(
    "POST",
    "/rooms/{id}/record",
    "recordRoom",
    creates=True,
    tag="Rooms",
    vsi="room_record_start",
    body=RecordBody,
    result=Recording,
    errors=(400, 404, 409, 500),
)
async def record_room(services: Services, room_id: str, body: RecordBody) -> Any:
    """Record a room, mono."""
    return await services.recordings.start_room(services.rooms.get(room_id), _request(body))


@operation("DELETE", "/rooms/{id}/record", "stopRecordRoom", tag="Rooms", vsi="room_record_stop", result=RoomRecording)
async def stop_record_room(services: Services, room_id: str) -> Any:
    """Stop recording a room; the file is there when this answers."""
    return await services.recordings.stop_room(room_id)


@operation("POST", "/rooms/{id}/record/pause", "pauseRecordRoom", tag="Rooms", vsi="room_record_pause", result=Status)
def pause_record_room(services: Services, room_id: str) -> Any:
    """Record silence until resumed."""
    return services.recordings.pause_room(room_id)


@operation(
    "POST", "/rooms/{id}/record/resume", "resumeRecordRoom", tag="Rooms", vsi="room_record_resume", result=Status
)
def resume_record_room(services: Services, room_id: str) -> Any:
    """Record again after a pause."""
    return services.recordings.resume_room(room_id)
