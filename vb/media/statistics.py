"""What the clock and its ports can be asked for."""

from __future__ import annotations

import attrs

from vb.rtp.report import RemoteReport

Address = tuple[str, int]


@attrs.frozen
class PortStatistics:
    """One port's life so far. ``last_heard`` is in clock seconds; ``mos`` needs two packets to be known.

    ``gaps`` counts ticks in which an expected frame was missing (one that came a tick late is no gap), ``concealed``
    those for which the frame before was repeated, ``slipped`` frames left out so that no delay stays;
    ``buffer_ms`` of sound wait to be played.
    ``rtt`` in seconds and ``remote_report`` are what the peer's RTCP told, None if nothing.
    """

    received: int
    lost: int
    late: int
    duplicates: int
    jitter_ms: float
    mos: float | None
    sent: int
    last_heard: float | None
    local: Address
    remote: Address | None
    codec: str
    gaps: int = 0
    concealed: int = 0
    slipped: int = 0
    buffer_ms: int = 0
    rtcp: int = 0
    rtt: float | None = None
    remote_report: RemoteReport | None = None
    refused: int = 0
    ignored: int = 0
    kernel_drops: int = 0


@attrs.frozen
class ClockStatistics:
    """Totals since the start. ``late_worst`` in seconds; ``busy`` is the wall time spent inside ticks."""

    ticks: int
    late_ticks: int
    skipped_ticks: int
    late_worst: float
    busy: float
    rows: int
    mixes: int
    received: int
    sent: int
    slow: int
    refused: int
    truncated: int
    failed_rows: int
    tick_errors: int
    io: str
    kernel_drops: int
