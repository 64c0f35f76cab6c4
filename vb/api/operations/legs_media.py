"""How a leg's audio is: what came, what went, what the peer says of it, and the last five minutes."""

from __future__ import annotations

from typing import Any

import msgspec

from vb.api.operation import operation
from vb.api.services import Services
from vb.call.cdr import remote_report_view
from vb.call.events import rfc3339
from vb.media.series import Point
from vb.media.statistics import PortStatistics
from vb.sip.traced import address

_DIGITS = 4


class ReceivedView(msgspec.Struct):
    """``packets`` without duplicates; ``buffer_ms`` waits to be played; ``concealed`` frames were repeated for one
    that was missing."""

    packets: int = 0
    lost: int = 0
    late: int = 0
    duplicates: int = 0
    jitter_ms: float = 0.0
    buffer_ms: int = 0
    concealed: int = 0


class SentView(msgspec.Struct):
    packets: int = 0


class RemoteReportView(msgspec.Struct):
    """The peer's newest RTCP report about what we send; ``rtt_ms`` null while it does not tell."""

    lost: int
    jitter_ms: float
    rtt_ms: float | None
    at: str


class PointView(msgspec.Struct):
    """One second: levels are RMS of full scale, 0-1; ``lost`` packets and ``gaps`` of that second."""

    at: str
    level_in: float
    level_out: float
    jitter_ms: float
    buffer_ms: int
    lost: int
    gaps: int


class MediaView(msgspec.Struct):
    """``local`` and ``remote`` are host:port, "" while nobody knows; ``mos`` null before two packets."""

    leg_id: str
    codec: str = ""
    local: str = ""
    remote: str = ""
    srtp: str = ""
    received: ReceivedView = msgspec.field(default_factory=ReceivedView)
    sent: SentView = msgspec.field(default_factory=SentView)
    remote_report: RemoteReportView | None = None
    mos: float | None = None
    gaps: int = 0
    series: list[PointView] = msgspec.field(default_factory=list)


@operation("GET", "/legs/{id}/media", "getLegMedia", tag="Legs", result=MediaView)
def leg_media(services: Services, leg_id: str) -> Any:
    """The audio of a leg: counts, quality, the peer's report, and a point per second of the last five minutes."""
    leg = services.legs.get(leg_id)
    if leg.port is None:
        return msgspec.to_builtins(MediaView(leg_id))
    return msgspec.to_builtins(_view(leg_id, leg.port.statistics(), leg.port.points()))


def _view(leg_id: str, counts: PortStatistics, points: list[Point]) -> MediaView:
    told = remote_report_view(counts.remote_report, counts.rtt)
    return MediaView(
        leg_id=leg_id,
        codec=counts.codec,
        local=address(*counts.local),
        remote=address(*counts.remote) if counts.remote is not None else "",
        received=ReceivedView(
            packets=counts.received,
            lost=counts.lost,
            late=counts.late,
            duplicates=counts.duplicates,
            jitter_ms=round(counts.jitter_ms, 2),
            buffer_ms=counts.buffer_ms,
            concealed=counts.concealed,
        ),
        sent=SentView(counts.sent),
        remote_report=RemoteReportView(**told) if told is not None else None,
        mos=counts.mos,
        gaps=counts.gaps,
        series=[_point(point) for point in points],
    )


def _point(point: Point) -> PointView:
    return PointView(
        at=rfc3339(point.at),
        level_in=round(point.level_in, _DIGITS),
        level_out=round(point.level_out, _DIGITS),
        jitter_ms=round(point.jitter_ms, 2),
        buffer_ms=int(point.buffer_ms),
        lost=point.lost,
        gaps=point.gaps,
    )
