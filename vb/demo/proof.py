"""What must be true after the demo's call, measured from what each phone said and heard. Pure."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray

from vb.demo.signals import RATE
from vb.dsp.correlate import align, window_correlations

HEARD = 0.95  # every window of one second of another's voice correlates at least so much
UNHEARD = 0.10  # one's own voice, or an absent party's, at most so much
MAX_ROUND_TRIP_MS = 250.0
AUDIBLE = 1e10  # power of a second of tone of an amplitude near 50


@attrs.frozen
class PhoneResult:
    """One phone's measurements. Samples are int16 at 8 kHz; times are `time.monotonic` seconds."""

    name: str
    said: NDArray[np.int16]
    said_at: float
    heard: NDArray[np.int16]
    heard_from: float
    received: int
    lost: int
    gaps: int
    jitter_ms: float
    retransmissions: int
    ladder: str


@attrs.frozen
class Hearing:
    """How well ``listener`` heard ``speaker``: the worst and best window of a second, and the one-way delay."""

    speaker: str
    listener: str
    worst: float
    best: float
    delay_ms: float

    @property
    def held(self) -> bool:
        if self.speaker == self.listener or self.speaker == ABSENT:
            return abs(self.best) <= UNHEARD
        return self.worst >= HEARD


ABSENT = "nobody"  # a signal that no phone ever said: the correlation's own floor


def hearing(speaker: PhoneResult, listener: PhoneResult) -> Hearing:
    """Measure one pair. A speaker's own voice is looked for where another's would be, and at its best alignment."""
    expected = max(0, int((speaker.said_at - listener.heard_from) * RATE))
    lead = RATE // 2
    start = max(0, expected - lead)
    window = listener.heard[start : expected + len(speaker.said) + 2 * lead]
    found = align(speaker.said, window, RATE, max_delay_s=1.0)  # both leads: the whole signal stays inside
    values = window_correlations(speaker.said, window, RATE, delay=found)
    delay = (start + found) / RATE + listener.heard_from - speaker.said_at
    return Hearing(speaker.name, listener.name, float(values.min()), float(np.abs(values).max()), delay * 1000)


def tone_heard(listener: PhoneResult, frequencies: tuple[float, ...], before: float) -> bool:
    """Whether in some second that ``listener`` heard before ``before`` the frequencies hold most of the power."""
    until = max(0, int((before - listener.heard_from) * RATE))
    for start in range(0, max(0, until - RATE), RATE // 4):
        second = listener.heard[start : start + RATE].astype(np.float64)
        power = np.abs(np.fft.rfft(second * np.hanning(len(second)))) ** 2
        shares = [power[int(f) - 3 : int(f) + 4].sum() / (power.sum() + AUDIBLE) for f in frequencies]
        if min(shares) > 0.5 / len(frequencies):
            return True
    return False


def hearings(phones: list[PhoneResult], absent: NDArray[np.int16]) -> list[Hearing]:
    """Every pair, own voice included, and for each listener the absent party."""
    pairs = [hearing(speaker, listener) for speaker in phones for listener in phones]
    for listener in phones:
        ghost = attrs.evolve(listener, name=ABSENT, said=absent)
        pairs.append(hearing(ghost, listener))
    return pairs


def round_trips(pairs: list[Hearing]) -> dict[tuple[str, str], float]:
    """There and back, for each two phones, in ms."""
    delays = {(p.speaker, p.listener): p.delay_ms for p in pairs if p.speaker not in (p.listener, ABSENT)}
    return {(a, b): delays[a, b] + delays[b, a] for a, b in delays if a < b}
