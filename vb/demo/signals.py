"""What the demo's phones say: noise in the telephone band, shaped like syllables, different for every phone."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

RATE = 8000
SECONDS = 4
LEVEL = 6000.0  # RMS before shaping; peaks stay below full scale
SYLLABLES_PER_SECOND = 4.0


def speech(seed: int, seconds: float = SECONDS) -> NDArray[np.int16]:
    """`seconds` of int16 at 8 kHz, a signal that correlates with no other seed's and is never silent for 1 s."""
    rng = np.random.default_rng(seed)
    count = int(RATE * seconds)
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(frequency < 300) | (frequency > 3400)] = 0
    noise = np.fft.irfft(spectrum, count)
    noise /= np.sqrt(np.mean(noise**2))
    phase = rng.uniform(0, 2 * np.pi)
    envelope = 0.6 + 0.4 * np.sin(2 * np.pi * SYLLABLES_PER_SECOND * np.arange(count) / RATE + phase)
    return np.clip(noise * envelope * LEVEL, -32000, 32000).astype(np.int16)


class Utterance:
    """A frame source that plays `samples` once and remembers when its first frame was taken (`time.monotonic`)."""

    rate = RATE

    def __init__(self, samples: NDArray[np.int16]) -> None:
        self._samples = samples
        self._at = 0
        self.started_at: float | None = None

    def read(self, samples: int) -> NDArray[np.int16] | None:
        if self._at >= len(self._samples):
            return None
        if self.started_at is None:
            self.started_at = time.monotonic()
        frame = self._samples[self._at : self._at + samples]
        self._at += samples
        return frame if len(frame) == samples else np.pad(frame, (0, samples - len(frame)))
