"""One WAV on the 20 ms timeline: pieces with tick numbers go in, an unbroken recording comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vb.activity.recording_file import RecordingFile

Pcm = NDArray[np.int16]

TICKS_PER_SECOND = 50
MS_PER_TICK = 1000 // TICKS_PER_SECOND
BLOCK_TICKS = 10 * TICKS_PER_SECOND
"""Long stretches are written in blocks of this many ticks, so that an hour of silence needs no memory."""


class Piece(NamedTuple):
    """What one tap heard in one tick: int16 samples at ``rate``, or None for a tick that is to be silent."""

    channel: int
    tick: int
    rate: int
    samples: Pcm | None


class Lane:
    """A WAV of ``channels`` channels at the rate of its first piece, written by a worker thread.

    It reaches from its first piece to its last; where a channel has none between, it is silent. ``start`` and ``end``
    are ticks, the latter not included; ``start`` is None while nothing was heard.
    """

    def __init__(self, open_file: Callable[[], RecordingFile], channels: int = 1) -> None:
        self.channels = channels
        self.rate = 0
        self.start: int | None = None
        self.end = 0
        self._open_file = open_file
        self._file: RecordingFile | None = None

    @property
    def file(self) -> RecordingFile:
        """The file, opened when it is first needed. Raises OSError."""
        if self._file is None:
            self._file = self._open_file()
        return self._file

    def write(self, pieces: Sequence[Piece]) -> None:
        """Add what was heard since the last call; pieces of ticks already written are dropped. Raises OSError."""
        if self.start is None and pieces:
            self.start = self.end = min(piece.tick for piece in pieces)
            self.rate = pieces[0].rate
        new = [piece for piece in pieces if piece.tick >= self.end and piece.rate == self.rate]
        if not new:
            return
        self.pad_to(min(piece.tick for piece in new))
        last = max(piece.tick for piece in new)
        while self.end <= last:
            self._write_block(new, min(BLOCK_TICKS, last + 1 - self.end))

    def pad_to(self, tick: int) -> None:
        """Silence up to, not including, ``tick``. Nothing while the recording has not begun. Raises OSError."""
        while self.start is not None and self.end < tick:
            self._write_block((), min(BLOCK_TICKS, tick - self.end))

    def _write_block(self, pieces: Sequence[Piece], ticks: int) -> None:
        step = self.rate // TICKS_PER_SECOND
        block = np.zeros((ticks * step, self.channels), np.int16)
        last = self.end + ticks
        for channel in range(self.channels):
            own = [piece for piece in pieces if piece.channel == channel and self.end <= piece.tick < last]
            heard = [piece.samples for piece in own if piece.samples is not None and len(piece.samples) == step]
            if len(heard) == ticks == own[-1].tick + 1 - own[0].tick:  # nothing is missing: all at once
                block[:, channel] = np.concatenate(heard)
                continue
            for piece in own:
                if piece.samples is not None:
                    samples = piece.samples[:step]
                    at = (piece.tick - self.end) * step
                    block[at : at + len(samples), channel] = samples
        self.file.write(block, self.rate)
        self.end = last

    def read(self, begin: int, end: int) -> tuple[int, NDArray[np.int16]]:
        """What of ticks ``begin`` to ``end`` it has: its first tick and int16[samples, channels]. Raises OSError."""
        if self.start is None:
            return begin, np.zeros((0, self.channels), np.int16)
        step = self.rate // TICKS_PER_SECOND
        first, last = max(begin, self.start), min(end, self.end)
        return first, self.file.read((first - self.start) * step, max(last - first, 0) * step)

    def discard(self) -> None:
        """Remove its temporary file, if it has one."""
        if self._file is not None:
            self._file.discard()

    def abandon(self) -> None:
        """Nobody waits any more: the file will not appear later."""
        if self._file is not None:
            self._file.abandon()
