"""What is said of a call when it is over: its record and the quality of what was heard."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from vb.call.events import rfc3339
from vb.call.lifetime import Cause

_TICK_MS = 20  # what one concealed frame stands for
# Two packets are the least that say anything about jitter or loss.
_ENOUGH_PACKETS = 2


class RemoteReport(Protocol):
    """What the peer told of our stream (RTCP): packets lost in all, jitter, when (Unix seconds)."""

    @property
    def lost(self) -> int: ...
    @property
    def jitter_ms(self) -> float: ...
    @property
    def at(self) -> float: ...


class Reception(Protocol):
    """What a media port counts of what it received."""

    @property
    def received(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def jitter_ms(self) -> float: ...
    @property
    def mos(self) -> float | None: ...
    @property
    def gaps(self) -> int: ...
    @property
    def concealed(self) -> int: ...
    @property
    def rtt(self) -> float | None: ...
    @property
    def remote_report(self) -> RemoteReport | None: ...


@attrs.frozen
class Cdr:
    """The call record: seconds since the leg was made and since it was answered (0 if never), to 10 ms."""

    reason: str
    duration_total: float
    duration_answered: float

    @classmethod
    def of(cls, cause: Cause, created: float, connected: float | None, now: float) -> Cdr:
        answered = max(0.0, now - connected) if connected is not None else 0.0
        return cls(cause.reason, round(max(0.0, now - created), 2), round(answered, 2))

    def view(self) -> dict[str, Any]:
        return {
            "reason": self.reason,
            "duration_total": self.duration_total,
            "duration_answered": self.duration_answered,
        }


def quality_view(reception: Reception | None) -> dict[str, Any] | None:
    """The ``quality`` object of ``leg.disconnected``, or None when too little arrived to judge.

    ``rtt_ms`` and ``remote_report`` are left out when the peer sent no RTCP that says so.
    """
    if reception is None or reception.received < _ENOUGH_PACKETS or reception.mos is None:
        return None
    view: dict[str, Any] = {
        "mos_score": round(reception.mos, 2),
        "rtp_packets_received": reception.received,
        "rtp_packets_lost": reception.lost,
        "rtp_jitter_ms": round(reception.jitter_ms, 2),
        "gaps": reception.gaps,
        "concealed_ms": reception.concealed * _TICK_MS,
    }
    told = remote_report_view(reception.remote_report, reception.rtt)
    if told is not None:
        view["remote_report"] = told
        if told["rtt_ms"] is not None:
            view["rtt_ms"] = told["rtt_ms"]
    return view


def remote_report_view(report: RemoteReport | None, rtt: float | None) -> dict[str, Any] | None:
    """What the peer's RTCP said of our stream; None if nothing. ``rtt`` in seconds."""
    if report is None:
        return None
    return {
        "lost": report.lost,
        "jitter_ms": round(report.jitter_ms, 2),
        "rtt_ms": None if rtt is None else round(rtt * 1000, 1),
        "at": rfc3339(report.at),
    }
