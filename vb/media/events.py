"""What a port tells its leg. Events are handed over between two ticks, never inside one."""

from __future__ import annotations

import attrs


@attrs.frozen
class DtmfReceived:
    """One telephone-event digit (RFC 4733), told exactly once: ``digit`` of 0-9 * # A-D."""

    digit: str
    duration_ms: int


@attrs.frozen
class RemoteLatched:
    """Audio now comes from and goes to ``address`` (host, port)."""

    address: tuple[str, int]


@attrs.frozen
class RowFailed:
    """The port's socket failed: it is out of the clock and closed; the leg should end."""

    error: BaseException


@attrs.frozen
class FirstPacket:
    """The first accepted packet came at ``at`` (clock seconds)."""

    at: float


@attrs.frozen
class SpeechStarted:
    """The peer speaks (see ``vb.dsp.speech``)."""


@attrs.frozen
class SpeechStopped:
    """The peer has been silent for a while, or was muted."""


MediaEvent = DtmfReceived | RemoteLatched | RowFailed | FirstPacket | SpeechStarted | SpeechStopped
