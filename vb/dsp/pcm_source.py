"""A recording as a source of frames: at the rate asked for, repeated, louder or softer, with its progress."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vb.dsp.resample import resample

Pcm = NDArray[np.int16]

MIN_VOLUME, MAX_VOLUME = -8, 8


def volume_gain(volume: float) -> float:
    """Factor of a volume step of -8 to 8: about 3 dB each. Raises ValueError outside."""
    if not MIN_VOLUME <= volume <= MAX_VOLUME:
        raise ValueError(f"volume {volume} is not between {MIN_VOLUME} and {MAX_VOLUME}")
    return float(10 ** (0.15 * volume))


class PcmSource:
    """``samples`` (int16[n] mono at ``rate_in`` Hz) read at ``rate`` Hz.

    ``repeat``: 0 or 1 plays once, n plays n times, -1 for ever. The constructor resamples the whole recording:
    long ones belong in a thread.
    """

    def __init__(self, samples: Pcm, rate_in: int, rate: int, *, repeat: int = 1, volume: float = 0) -> None:
        if repeat < -1:
            raise ValueError("repeat is -1 or more")
        self.rate = rate
        self._samples = resample(np.asarray(samples, np.int16), rate_in, rate)
        self._rounds = float("inf") if repeat == -1 else max(repeat, 1)
        self._position = 0
        self._read = 0
        self._gain = self._target = volume_gain(volume)

    @property
    def ended(self) -> bool:
        """Nothing is left: ``read`` returns None."""
        return not len(self._samples) or self._read >= len(self._samples) * self._rounds

    @property
    def played_ms(self) -> int:
        """Sound read so far, all rounds together."""
        return self._read * 1000 // self.rate

    def set_volume(self, volume: float) -> None:
        """-8 to 8, from the next frame on, which glides there unless it is the first. Raises ValueError outside."""
        self._target = volume_gain(volume)
        if not self._read:
            self._gain = self._target

    def read(self, samples: int) -> Pcm | None:
        """The next ``samples`` samples, the last ones filled up with silence; None after the end."""
        if self.ended:
            return None
        frame = np.zeros(samples, np.int16)
        filled = 0
        while filled < samples and not self.ended:
            part = self._samples[self._position : self._position + samples - filled]
            frame[filled : filled + len(part)] = part
            filled += len(part)
            self._read += len(part)
            self._position = (self._position + len(part)) % len(self._samples)
        return self._amplify(frame)

    def _amplify(self, frame: Pcm) -> Pcm:
        if self._gain == self._target == 1.0:
            return frame
        glide = np.linspace(self._gain, self._target, len(frame), dtype=np.float32)
        self._gain = self._target
        louder: Pcm = np.clip(np.rint(frame * glide), -32768, 32767).astype(np.int16)
        return louder
