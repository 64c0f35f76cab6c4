"""What is said of a call when it is over: its record and the quality of what was heard."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

from vb.call.lifetime import Cause

_TICK_MS = 20  # what one concealed frame stands for
# Two packets are the least that say anything about jitter or loss.
_ENOUGH_PACKETS = 2


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
    """The ``quality`` object of ``leg.disconnected``, or None when too little arrived to judge."""
    if reception is None or reception.received < _ENOUGH_PACKETS or reception.mos is None:
        return None
    return {
        "mos_score": round(reception.mos, 2),
        "rtp_packets_received": reception.received,
        "rtp_packets_lost": reception.lost,
        "rtp_jitter_ms": round(reception.jitter_ms, 2),
        "gaps": reception.gaps,
        "concealed_ms": reception.concealed * _TICK_MS,
    }
