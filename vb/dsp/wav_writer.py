"""A streaming writer of PCM16 WAV files: the header first, its sizes put right at the end."""

from __future__ import annotations

import struct
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
HEADER_SIZE = _HEADER.size
_OPEN = 0xFFFFFFFF  # readers take it as "to the end of the file": a file whose writer died is still a recording
MAX_DATA = 0xFFFFFFFF - HEADER_SIZE
"""A RIFF size has 32 bits: 12 hours of stereo at 24 kHz."""


class WavWriter:
    """Writes int16 frames of ``channels`` interleaved channels at ``rate`` Hz to ``file`` (binary, seekable).

    ``file`` stays the caller's to close. What goes beyond the largest WAV file is left out: ``full`` says so.
    """

    def __init__(self, file: BinaryIO, rate: int, channels: int = 1) -> None:
        if rate <= 0 or not 1 <= channels <= 0xFFFF // 2:
            raise ValueError("a WAV file needs a positive rate and a channel")
        self.rate = rate
        self.channels = channels
        self.frames = 0
        self.full = False
        self._file = file
        self._limit = MAX_DATA // (2 * channels)
        self._closed = False
        file.write(self._header(riff=_OPEN, data=_OPEN))

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def write(self, samples: NDArray[np.int16]) -> None:
        """int16[n] for one channel, int16[n, channels] for more. Raises ValueError for another shape, OSError."""
        block = samples.reshape(-1, 1) if samples.ndim == 1 else samples
        if block.ndim != 2 or block.shape[1] != self.channels or self._closed:
            raise ValueError(f"{samples.shape} is no block of {self.channels} channels for an open file")
        if len(block) > self._limit - self.frames:
            self.full = True
            block = block[: self._limit - self.frames]
        self._file.write(np.ascontiguousarray(block, "<i2").tobytes())
        self.frames += len(block)

    def close(self) -> None:
        """Put the sizes into the header. Idempotent; ``file`` is left at its end, open. Raises OSError."""
        if self._closed:
            return
        self._closed = True
        self._file.seek(0)
        size = self.frames * 2 * self.channels
        self._file.write(self._header(riff=HEADER_SIZE - 8 + size, data=size))
        self._file.seek(0, 2)

    def _header(self, *, riff: int, data: int) -> bytes:
        frame = 2 * self.channels
        return _HEADER.pack(
            b"RIFF", riff, b"WAVE",
            b"fmt ", 16, 1, self.channels, self.rate, min(self.rate * frame, 0xFFFFFFFF), frame, 16,
            b"data", data,
        )  # fmt: skip

    def __enter__(self) -> WavWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
