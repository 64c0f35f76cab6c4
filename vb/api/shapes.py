"""Shapes of requests and answers, for validation and for the specifications."""

from __future__ import annotations

from typing import Literal

import msgspec

from vb.api.schema import Body


class Status(msgspec.Struct):
    """What became of a command."""

    status: str


class LegView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A leg; empty optional fields are left out."""

    id: str
    type: Literal[
        "sip_inbound",
        "sip_outbound",
        "webrtc",
        "whatsapp_in",
        "whatsapp_out",
        "websocket_in",
        "websocket_out",
        "moq_in",
        "livekit_publish",
        "livekit_participant",
        "siprec_in",
        "siprec_out",
    ]
    state: Literal["ringing", "early_media", "connected", "held", "hung_up"]
    room_id: str = ""
    muted: bool
    deaf: bool
    accept_dtmf: bool
    held: bool
    role: str = ""
    app_id: str = ""
    sip_headers: dict[str, str] = {}
    headers: dict[str, str] = {}


class RoomView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A room and the legs in it."""

    id: str
    app_id: str = ""
    sample_rate: int
    participants: list[LegView]


class Auth(Body):
    username: str = ""
    password: str = ""


class AmdBody(Body):
    initial_silence_timeout: int = 0
    greeting_duration: int = 0
    after_greeting_silence: int = 0
    total_analysis_time: int = 0
    minimum_word_length: int = 0
    beep_timeout: int = 0


class StreamBody(Body):
    direction: str = ""
    lang: str = ""
    content: str = ""
    label: str = ""
    room_id: str = ""
    role: str = ""


class CreateLegBody(Body):
    type: str = ""
    to: str = ""
    uri: str = ""
    from_: str = msgspec.field(name="from", default="")
    outbound_proxy: str = ""
    privacy: str = ""
    ring_timeout: int = 0
    max_duration: int = 0
    codecs: list[str] = msgspec.field(default_factory=list)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    room_id: str = ""
    auth: Auth | None = None
    webhook_url: str = ""
    webhook_secret: str = ""
    amd: AmdBody | None = None
    accept_dtmf: bool | None = None
    app_id: str = ""
    speech_detection: bool | None = None
    rtt: bool = False
    streams: list[StreamBody] = msgspec.field(default_factory=list)
    url: str = ""
    sample_rate: int = 0
    wire_format: str = ""
    sample_format: str = ""
    trunk: str = ""
    srtp: str = ""
    dtmf: list[str] = msgspec.field(default_factory=list)


class HangupBody(Body):
    reason: str = ""


class AnswerStream(Body):
    room_id: str = ""
    role: str = ""


class AnswerBody(Body):
    speech_detection: bool | None = None
    codec: str = ""
    codecs: list[str] = msgspec.field(default_factory=list)
    streams: list[AnswerStream] = msgspec.field(default_factory=list)
    srtp: str = ""
    dtmf: list[str] = msgspec.field(default_factory=list)


class CodecBody(Body):
    codec: str = ""


class TransferBody(Body):
    target: str = ""
    replaces_leg_id: str = ""


class TransferProgressBody(Body):
    status_code: int = 0
    reason: str = ""


class CompleteTransferBody(Body):
    success: bool = False
    status_code: int = 0
    reason: str = ""


class DeclineTransferBody(Body):
    code: int = 0
    reason: str = ""


class ChallengeBody(Body):
    """``max_expires`` is for registrations; a call has none."""

    realm: str = ""
    username: str = ""
    password: str = ""
    ha1: str = ""
    algorithm: str = ""
    qop: list[str] = msgspec.field(default_factory=list)
    max_expires: int = 0


class DigitsBody(Body):
    digits: str = ""


class CreateRoomBody(Body):
    id: str = ""
    webhook_url: str = ""
    webhook_secret: str = ""
    app_id: str = ""
    sample_rate: int = 0


class RoomStream(Body):
    stream_id: str = ""
    role: str = ""


class AddLegBody(Body):
    leg_id: str = ""
    mute: bool | None = None
    deaf: bool | None = None
    accept_dtmf: bool | None = None
    role: str = ""
    streams: list[RoomStream] = msgspec.field(default_factory=list)


class Added(msgspec.Struct, omit_defaults=True):
    """``from`` and ``to`` only when moved."""

    status: Literal["added", "moved", "adding"]
    from_: str = msgspec.field(name="from", default="")
    to: str = ""


class RoleBody(Body):
    role: str = ""


class RoutingBody(Body):
    matrix: dict[str, list[str]] = msgspec.field(default_factory=dict)


class RoutingRow(Body):
    listener_role: str = ""
    sources: list[str] | None = None


class RoutingUpdates(Body):
    updates: list[RoutingRow] = msgspec.field(default_factory=list)


class RoutingView(msgspec.Struct):
    matrix: dict[str, list[str]]


class CreateBridgeBody(Body):
    id: str = ""
    room_id: str = ""
    direction: str = ""


class DirectionBody(Body):
    direction: str = ""


class BridgeView(msgspec.Struct):
    """A bridge as seen from one of its rooms; ``room_id`` is the other."""

    id: str
    room_id: str
    direction: Literal["bidirectional", "send", "receive", "none"]
    sample_rate: int


class PlayBody(Body):
    url: str = ""
    tone: str = ""
    mime_type: str = ""
    repeat: int = 0
    volume: int = 0


class VolumeBody(Body):
    volume: int = 0


class Playing(msgspec.Struct):
    playback_id: str
    status: Literal["playing"]


class RecordBody(Body):
    storage: str = ""
    multi_channel: bool = False
    s3_bucket: str = ""
    s3_region: str = ""
    s3_endpoint: str = ""
    s3_prefix: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = ""
    gcs_bucket: str = ""
    gcs_object_name_prefix: str = ""
    filename: str = ""


class Recording(msgspec.Struct):
    status: str
    file: str


class ChannelView(msgspec.Struct):
    channel: int
    start_ms: int
    end_ms: int


class RoomRecording(msgspec.Struct, omit_defaults=True):
    status: str
    file: str
    multi_channel_file: str = ""
    channels: dict[str, ChannelView] = {}
    omitted_legs: list[str] = msgspec.field(default_factory=list)
