"""What the media plane is told: settings of the clock, and one leg's stream as negotiated."""

from __future__ import annotations

from typing import Literal

import attrs

TICK = 0.020
"""Seconds between two ticks; every frame is this long."""

RATE = 8000
FRAME = 160
"""Samples, and G.711 octets, of one frame."""

HEADER = 12
PACKET = HEADER + FRAME


@attrs.frozen
class MediaSettings:
    """``force_rate`` makes every room mix at that rate even when nobody in it needs it (a benchmark's wish)."""

    io: Literal["auto", "uring", "epoll"] = "auto"
    latch: Literal["lock", "sdp", "follow"] = "lock"
    force_rate: int | None = None
    late_after: float = 0.005
    """Seconds past its schedule from which a tick counts as late."""
    margin: float = 0.001
    """Seconds: a packet that comes later than this before its tick is close to being late, and its stream gets a spare
    frame, and so 20 ms of delay, in the next quiet moment."""
    capacity: int = 64
    """Rows to begin with; columns double when they are full."""


@attrs.frozen
class RtcpParams:
    """Where the peer takes RTCP; with ``mux`` where its RTP goes, over the RTP socket (RFC 5761)."""

    host: str
    port: int
    mux: bool = False


@attrs.frozen
class StreamParams:
    """One leg's audio as the offer/answer exchange left it (RFC 3264).

    ``receive`` maps the payload types that may come to codec names; ``signalling_host`` is the address the peer's
    signalling comes from, a second place its audio may rightly come from.
    """

    remote_host: str
    remote_port: int
    codec_name: Literal["PCMU", "PCMA"] = "PCMU"
    send_payload_type: int = 0
    receive: dict[int, str] = attrs.field(factory=lambda: {0: "PCMU", 8: "PCMA"})
    telephone_event_send: int | None = None
    telephone_event_receive: int | None = None
    ptime_ms: int = 20
    send: bool = True
    receive_enabled: bool = True
    signalling_host: str = ""
    pinhole: bool = True
    """Send three packets of silence at once when the address becomes known, so that NATs open."""
    rtcp: RtcpParams | None = None
    """None: no reports."""
