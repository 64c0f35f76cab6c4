"""One WAV on the 20 ms timeline: pieces with tick numbers go in, an unbroken recording comes out."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from vb.activity.recording_file import RecordingFile
from vb.dsp.resample import Resampler

Pcm = NDArray[np.int16]

TICKS_PER_SECOND = 50
_SILENCE_TICKS = 10 * TICKS_PER_SECOND
"""Silence is written in pieces of this many ticks, so that a long pause does not need its length in memory."""


@attrs.frozen(eq=False)
class Piece:
    """What one tap heard in one tick: int16 samples at ``rate``, or None for a tick that is to be silent."""

    channel: int
    tick: int
    rate: int
    samples: Pcm | None


class Lane:
    """A WAV of ``channels`` channels, written by a worker thread.

    It starts with its first piece; where a channel has none, it is silent.

    ``rate`` is the file's; 0: that of the first piece. Everything else is resampled to it.
    """

    def __init__(self, file: RecordingFile, channels: int, rate: int = 0) -> None:
        self.file = file
        self.channels = channels
        self.rate = rate
        self.start: int | None = None
        self.end = 0
        self._resamplers: dict[int, Resampler] = {}

    def write(self, pieces: Sequence[Piece]) -> None:
        """Add what was heard since the last call; pieces of ticks already written are dropped. Raises OSError."""
        if not pieces:
            return
        if self.start is None:
            self.start = self.end = min(piece.tick for piece in pieces)
            self.rate = self.rate or pieces[0].rate
        first = min((piece.tick for piece in pieces if piece.tick >= self.end), default=self.end)
        self.pad_to(first)
        step = self.rate // TICKS_PER_SECOND
        ticks = max(piece.tick for piece in pieces) + 1 - self.end
        for begin in range(self.end, self.end + ticks, _SILENCE_TICKS):
            count = min(_SILENCE_TICKS, self.end + ticks - begin)
            block = np.zeros((count * step, self.channels), np.int16)
            for piece in pieces:
                if begin <= piece.tick < begin + count and piece.samples is not None:
                    at = (piece.tick - begin) * step
                    samples = self._at_our_rate(piece.channel, piece.samples, piece.rate)[:step]
                    block[at : at + len(samples), piece.channel] = samples
            self.file.write(block, self.rate)
        self.end += max(ticks, 0)

    def pad_to(self, tick: int) -> None:
        """Silence up to, not including, ``tick``. Nothing while the recording has not begun. Raises OSError."""
        if self.start is None:
            return
        while self.end < tick:
            count = min(_SILENCE_TICKS, tick - self.end)
            silence = np.zeros((count * (self.rate // TICKS_PER_SECOND), self.channels), np.int16)
            self.file.write(silence, self.rate)
            self.end += count

    def _at_our_rate(self, channel: int, samples: Pcm, rate: int) -> Pcm:
        if rate == self.rate:
            return samples
        resampler = self._resamplers.get(channel)
        if resampler is None or resampler.rate_in != rate:
            resampler = self._resamplers[channel] = Resampler(rate, self.rate)
        converted: Pcm = resampler.process(samples[np.newaxis])[0]
        return converted
