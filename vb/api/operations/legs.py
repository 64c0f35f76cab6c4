"""Operations on legs."""

from __future__ import annotations

from functools import partial
from typing import Any

from vb.api.operation import NotBuilt, operation
from vb.api.services import Services, webhook_of
from vb.api.shapes import AmdBody, AnswerBody, CodecBody, CreateLegBody, DigitsBody, HangupBody, LegView, Status
from vb.call.errors import Invalid
from vb.call.leg import Leg
from vb.legs.sip.outbound_request import Credentials, OutboundRequest

MAX_DIGITS = 256
_DIRECTIONS = ("", "sendrecv", "sendonly", "recvonly", "inactive")
_OTHER_TYPES = ("whatsapp", "websocket", "livekit_room")


@operation("GET", "/legs", "listLegs", tag="Legs", vsi="list_legs", result=list[LegView], errors=())
def list_legs(services: Services) -> Any:
    """All legs, in the order they came."""
    return [leg.view() for leg in services.legs.all()]


@operation(
    "POST",
    "/legs",
    "createLeg",
    creates=True,
    tag="Legs",
    vsi="create_leg",
    status=201,
    body=CreateLegBody,
    body_required=True,
    needs=("type",),
    result=LegView,
    errors=(400, 502, 503),
    lanes=("room_id",),
)
def create_leg(services: Services, body: CreateLegBody) -> Any:
    """Call somebody."""
    if body.type in _OTHER_TYPES:
        raise NotBuilt(f"legs of type {body.type} are not built yet")
    if body.type != "sip":
        raise Invalid(f"unsupported leg type: {body.type}")
    for index, stream in enumerate(body.streams):
        if stream.direction not in _DIRECTIONS:
            raise Invalid(f'streams[{index}]: invalid direction "{stream.direction}"')
    if body.amd is not None:
        check_amd(body.amd)
    for name, asked in (
        ("amd", body.amd is not None),
        ("rtt", body.rtt),
        ("streams", bool(body.streams)),
        ("trunk", bool(body.trunk)),
        ("srtp", body.srtp not in ("", "off", "preferred")),
    ):
        if asked:
            raise NotBuilt(f"{name} is not built yet")
    return services.sip.create_outbound(_outbound(body), partial(_join, services, body.room_id)).view()


def _join(services: Services, room_id: str, leg: Leg) -> None:
    """Before the leg is announced: a room that is made for it comes first."""
    if room_id:
        services.rooms.join_with_media(leg, room_id)


def _outbound(body: CreateLegBody) -> OutboundRequest:
    auth = body.auth
    return OutboundRequest(
        to=body.to or body.uri,
        from_=body.from_,
        privacy=body.privacy,
        outbound_proxy=body.outbound_proxy,
        ring_timeout=body.ring_timeout,
        max_duration=body.max_duration,
        codecs=tuple(body.codecs),
        headers=body.headers,
        app_id=body.app_id,
        webhook=webhook_of(body.webhook_url, body.webhook_secret),
        accept_dtmf=body.accept_dtmf is not False,
        speech_detection=body.speech_detection,
        dtmf=tuple(body.dtmf),
        auth=Credentials(auth.username, auth.password) if auth is not None else None,
    )


def check_amd(amd: AmdBody) -> None:
    """Raises Invalid (400) for what can never give a verdict."""
    for name in amd.__struct_fields__:
        if getattr(amd, name) < 0:
            raise Invalid(f"invalid AMD params: {name} must be positive")
    total = amd.total_analysis_time or 5000
    least = min(amd.initial_silence_timeout or 2500, amd.greeting_duration or 1500, amd.after_greeting_silence or 800)
    if total < least:
        raise Invalid(
            "invalid AMD params: total_analysis_time is too short to reach any verdict; every call would end not_sure"
        )


@operation("GET", "/legs/{id}", "getLeg", tag="Legs", vsi="get_leg", result=LegView)
def get_leg(services: Services, leg_id: str) -> Any:
    """One leg."""
    return services.legs.get(leg_id).view()


@operation(
    "DELETE",
    "/legs/{id}",
    "deleteLeg",
    tag="Legs",
    vsi="delete_leg",
    status=202,
    body=HangupBody,
    result=Status,
    errors=(400, 404),
)
def delete_leg(services: Services, leg_id: str, body: HangupBody) -> Any:
    """Hang up; ``reason`` says why to a caller that is not answered yet."""
    services.legs.get(leg_id).hangup(body.reason or None)
    return {"status": "hanging_up"}


@operation(
    "POST",
    "/legs/{id}/answer",
    "answerLeg",
    tag="Legs",
    vsi="answer_leg",
    status=202,
    body=AnswerBody,
    result=Status,
    errors=(400, 404, 409),
)
def answer_leg(services: Services, leg_id: str, body: AnswerBody) -> Any:
    """Answer an inbound call."""
    leg = services.legs.get(leg_id)
    if body.streams:
        raise NotBuilt("streams is not built yet")
    leg.answer(body.codec or None, list(body.codecs) or None, body.dtmf)
    if body.speech_detection is not None:
        leg.set_speech_detection(body.speech_detection)
    return {"status": "answering"}


@operation(
    "POST", "/legs/{id}/ring", "ringLeg", tag="Legs", vsi="leg_ring", status=202, result=Status, errors=(400, 404, 409)
)
def ring_leg(services: Services, leg_id: str) -> Any:
    """Let an inbound caller hear ringing (180)."""
    services.legs.get(leg_id).ring()
    return {"status": "ringing"}


@operation(
    "POST",
    "/legs/{id}/early-media",
    "earlyMediaLeg",
    tag="Legs",
    vsi="leg_early_media",
    status=202,
    body=CodecBody,
    result=Status,
    errors=(400, 404, 409),
)
def early_media_leg(services: Services, leg_id: str, body: CodecBody) -> Any:
    """Open the audio of an inbound call before it is answered (183)."""
    services.legs.get(leg_id).early_media(body.codec or None)
    return {"status": "early_media"}


@operation("POST", "/legs/{id}/mute", "muteLeg", tag="Legs", vsi="mute_leg", result=Status)
def mute_leg(services: Services, leg_id: str) -> Any:
    """Nobody hears the leg any more."""
    services.legs.get(leg_id).set_muted(True)
    return {"status": "muted"}


@operation("DELETE", "/legs/{id}/mute", "unmuteLeg", tag="Legs", vsi="unmute_leg", result=Status)
def unmute_leg(services: Services, leg_id: str) -> Any:
    """The leg is heard again."""
    services.legs.get(leg_id).set_muted(False)
    return {"status": "unmuted"}


@operation("POST", "/legs/{id}/deaf", "deafLeg", tag="Legs", vsi="deaf_leg", result=Status)
def deaf_leg(services: Services, leg_id: str) -> Any:
    """The leg is sent nothing any more."""
    services.legs.get(leg_id).set_deaf(True)
    return {"status": "deaf"}


@operation("DELETE", "/legs/{id}/deaf", "undeafLeg", tag="Legs", vsi="undeaf_leg", result=Status)
def undeaf_leg(services: Services, leg_id: str) -> Any:
    """The leg hears again."""
    services.legs.get(leg_id).set_deaf(False)
    return {"status": "undeaf"}


@operation(
    "POST", "/legs/{id}/hold", "holdLeg", tag="Legs", vsi="hold_leg", status=202, result=Status, errors=(400, 404, 409)
)
def hold_leg(services: Services, leg_id: str) -> Any:
    """Put a SIP leg on hold by a re-INVITE."""
    services.legs.get(leg_id).hold()
    return {"status": "holding"}


@operation(
    "DELETE",
    "/legs/{id}/hold",
    "unholdLeg",
    tag="Legs",
    vsi="unhold_leg",
    status=202,
    result=Status,
    errors=(400, 404, 409),
)
def unhold_leg(services: Services, leg_id: str) -> Any:
    """Take a held SIP leg back."""
    services.legs.get(leg_id).unhold()
    return {"status": "unholding"}


@operation(
    "POST",
    "/legs/{id}/dtmf",
    "sendDTMF",
    tag="Legs",
    vsi="send_leg_dtmf",
    body=DigitsBody,
    body_required=True,
    needs=("digits",),
    result=Status,
    errors=(400, 404),
)
def send_dtmf(services: Services, leg_id: str, body: DigitsBody) -> Any:
    """Send digits (0-9 * # A-D) to the peer."""
    leg = services.legs.get(leg_id)
    if not body.digits:
        raise Invalid("digits required")
    if len(body.digits) > MAX_DIGITS:
        raise Invalid(f"more than {MAX_DIGITS} digits")
    leg.send_dtmf(body.digits)
    return {"status": "sent"}


@operation("POST", "/legs/{id}/dtmf/accept", "acceptDTMFLeg", tag="Legs", vsi="accept_leg_dtmf", result=Status)
def accept_dtmf(services: Services, leg_id: str) -> Any:
    """Digits pressed by others in the room are sent to the leg."""
    services.legs.get(leg_id).set_accept_dtmf(True)
    return {"status": "dtmf_accepting"}


@operation("POST", "/legs/{id}/dtmf/reject", "rejectDTMFLeg", tag="Legs", vsi="reject_leg_dtmf", result=Status)
def reject_dtmf(services: Services, leg_id: str) -> Any:
    """Digits pressed by others in the room are not sent to the leg."""
    services.legs.get(leg_id).set_accept_dtmf(False)
    return {"status": "dtmf_rejecting"}
