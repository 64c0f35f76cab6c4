"""Sample rates: a polyphase FIR for many channels at once, streaming, and the same for a whole recording.

Filter: linear-phase Kaiser window, stop band 70 dB down, pass band to 0.43 of the lower rate within 0.1 dB. The
convolution is a matrix product: a window of input samples times a matrix that holds every phase of the filter
gives a block of output samples, for all blocks of all rows in one BLAS call.
"""

from __future__ import annotations

from functools import lru_cache
from math import gcd
from typing import Any

import attrs
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Float = NDArray[np.float32]
Rows = NDArray[np.intp] | slice

_ZERO_CROSSINGS = 32
"""Length of the filter in samples of the lower rate: the 70 dB transition is 0.14 of that rate wide."""
_KAISER_BETA = 6.76  # Kaiser's formula for 70 dB: 0.1102 * (70 - 8.7)
_BLOCK = 16
"""Samples of the lower rate that one matrix product yields or takes: larger wastes products, smaller wastes calls."""
_BATCH = 128
"""Rows per product: the working matrices of so many stay in the processor's cache."""
_LARGEST_RATIO = 640
"""Largest numerator or denominator of a ratio that gets a table; 11025 to 48000 Hz is 640/147."""
_CHUNK = 4096


@attrs.frozen(eq=False)
class Kernel:
    """The filter of one ratio ``up``/``down``: ``taps`` at ``up`` times the input rate."""

    up: int
    down: int
    taps: NDArray[np.float64]

    @property
    def delay(self) -> int:
        """Group delay in samples of the filter's rate."""
        return (len(self.taps) - 1) // 2

    @property
    def history(self) -> int:
        """Input samples before a block that its first output needs."""
        return -(-(len(self.taps) - 1) // self.up)


@lru_cache(maxsize=64)
def kernel(rate_in: int, rate_out: int) -> Kernel:
    """The low-pass for this pair of rates (Hz): odd length, gain ``up``, cut at half the lower rate."""
    common = gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    widest = max(up, down)
    half = _ZERO_CROSSINGS * widest // 2
    position = np.arange(-half, half + 1)
    taps = np.sinc(position / widest) * np.kaiser(2 * half + 1, _KAISER_BETA)
    return Kernel(up, down, taps * up / taps.sum())


@lru_cache(maxsize=64)
def _block_matrix(rate_in: int, rate_out: int, blocks: int, late: int = 0) -> Float:
    """A window of input times this is a block of output: float32[history + blocks*down, blocks*up].

    ``late`` moves the output by that many samples of the filter's rate; it lengthens the history by one.
    """
    shape = kernel(rate_in, rate_out)
    history = shape.history + (late > 0)
    window, width = history + blocks * shape.down, blocks * shape.up
    at_input = (np.arange(window) - history)[:, None] * shape.up
    tap = np.arange(width)[None, :] * shape.down - late - at_input
    inside = (tap >= 0) & (tap < len(shape.taps))
    matrix = np.where(inside, shape.taps[np.clip(tap, 0, len(shape.taps) - 1)], 0.0).astype(np.float32)
    matrix.flags.writeable = False
    return matrix


def _blocks_for(shape: Kernel, samples: int) -> int:
    """How many ``down``-sized steps one block takes: the largest divisor of the frame near ``_BLOCK``."""
    steps = samples // shape.down
    most = max(1, _BLOCK // min(shape.up, shape.down))
    return max(count for count in range(1, most + 1) if steps % count == 0)


class Resampler:
    """Streaming conversion of ``channels`` rows of int16 from ``rate_in`` to ``rate_out``.

    Every row has its own history, so rows may be processed together, in subsets, or not at all in a tick. Delay:
    16 samples of the lower rate (2 ms at 8 kHz). Rates are positive integers in Hz; a call's sample count must be a
    multiple of ``rate_in / gcd(rate_in, rate_out)`` (20 ms frames of 8, 16, 24, 32, 48 kHz always are).
    """

    def __init__(self, rate_in: int, rate_out: int, channels: int = 1) -> None:
        if rate_in <= 0 or rate_out <= 0:
            raise ValueError("rates are positive")
        if max(rate_in, rate_out) // gcd(rate_in, rate_out) > _LARGEST_RATIO:
            raise ValueError(f"no stream from {rate_in} to {rate_out} Hz")
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._kernel = kernel(rate_in, rate_out)
        self._history = np.zeros((channels, self._kernel.history if rate_in != rate_out else 0), np.float32)
        self._scratch: dict[tuple[int, int], _Scratch] = {}

    @property
    def channels(self) -> int:
        return len(self._history)

    @property
    def delay_s(self) -> float:
        """Group delay in seconds; 0 when the rates are equal."""
        return 0.0 if self.rate_in == self.rate_out else self._kernel.delay / (self.rate_in * self._kernel.up)

    def resize(self, channels: int) -> None:
        """Grow with silent rows, or drop the last ones."""
        kept = self._history[:channels]
        self._history = np.zeros((channels, kept.shape[1]), np.float32)
        self._history[: len(kept)] = kept

    def reset(self, rows: Any = slice(None)) -> None:
        """Forget what ``rows`` (index, slice or array) heard: they start from silence."""
        self._history[rows] = 0

    def process(self, samples: Pcm, rows: Rows | None = None, out: Pcm | None = None) -> Pcm:
        """Next frames of ``rows`` (a slice, or an array of distinct row numbers; None: all) as int16[k, n].

        Line i of ``samples`` belongs to ``rows[i]``. Returns int16[k, n * rate_out / rate_in], in ``out`` if given
        (which must not overlap ``samples``). A slice costs no copy of the histories. Raises ValueError when n does
        not fit the ratio, or k the rows.
        """
        count, length = samples.shape
        if length % self._kernel.down:
            raise ValueError(f"{length} samples are no whole number of steps of {self._kernel.down}")
        width = length // self._kernel.down * self._kernel.up
        if out is None:
            out = np.empty((count, width), np.int16)
        if self.rate_in == self.rate_out:
            out[:] = samples
        elif count and length:
            self._filter(samples, slice(None) if rows is None else rows, out)
        return out

    def _filter(self, samples: Pcm, rows: Rows, out: Pcm) -> None:
        memory = self._history[rows] if isinstance(rows, slice) else self._history
        if (len(memory) if isinstance(rows, slice) else len(rows)) != len(samples):
            raise ValueError(f"{len(samples)} frames for another number of rows")
        for begin in range(0, len(samples), _BATCH):
            part = slice(begin, begin + _BATCH)
            self._filter_batch(samples[part], memory, part if isinstance(rows, slice) else rows[part], out[part])

    def _filter_batch(self, samples: Pcm, memory: Float, rows: Rows, out: Pcm) -> None:
        count, length = samples.shape
        history = self._kernel.history
        scratch = self._scratch_for(count, length)
        joined = scratch.joined[:count]
        joined[:, :history] = memory[rows]
        joined[:, history:] = samples
        memory[rows] = joined[:, length:]
        blocks = scratch.blocks[:count]
        blocks[:] = scratch.windows[:count]
        produced = scratch.produced[: count * blocks.shape[1]]
        np.matmul(blocks.reshape(-1, blocks.shape[2]), scratch.matrix, out=produced)
        np.rint(produced, out=produced)
        np.clip(produced, -32768, 32767, out=produced)
        out[:] = produced.reshape(count, -1)

    def _scratch_for(self, count: int, length: int) -> _Scratch:
        """Working matrices for up to a power of two of rows, so that one row more does not allocate again."""
        key = (1 << max(count - 1, 0).bit_length(), length)
        scratch = self._scratch.get(key)
        if scratch is None:
            if len(self._scratch) >= 16:
                self._scratch.clear()
            scratch = self._scratch[key] = _Scratch.build(self.rate_in, self.rate_out, *key)
        return scratch


@attrs.frozen(eq=False)
class _Scratch:
    """Buffers of one batch size: ``joined`` is history and frame, ``windows`` a view of it, one line per block."""

    matrix: Float
    joined: Float
    windows: Float
    blocks: Float
    produced: Float

    @classmethod
    def build(cls, rate_in: int, rate_out: int, count: int, length: int) -> _Scratch:
        shape = kernel(rate_in, rate_out)
        steps = _blocks_for(shape, length)
        matrix = _block_matrix(rate_in, rate_out, steps)
        joined = np.zeros((count, shape.history + length), np.float32)
        windows = sliding_window_view(joined, len(matrix), axis=1)[:, :: steps * shape.down]
        blocks = np.empty(windows.shape, np.float32)
        produced = np.empty((count * windows.shape[1], matrix.shape[1]), np.float32)
        return cls(matrix, joined, windows, blocks, produced)


def resample(samples: Pcm, rate_in: int, rate_out: int) -> Pcm:
    """A whole recording, int16[n] mono, any two rates in Hz: int16[ceil(n * rate_out / rate_in)], without delay.

    Takes tens of milliseconds per minute of sound for usual rates, seconds for odd ratios: long input belongs in a
    thread.
    """
    if rate_in <= 0 or rate_out <= 0:
        raise ValueError("rates are positive")
    if rate_in == rate_out or len(samples) == 0:
        return samples.copy()
    common = gcd(rate_in, rate_out)
    up, down = rate_out // common, rate_in // common
    wanted = -(-len(samples) * up // down)
    if max(up, down) <= _LARGEST_RATIO:
        return _by_blocks(samples, rate_in, rate_out)[:wanted]
    return np.concatenate(
        [_by_position(samples, up, down, start, min(start + _CHUNK, wanted)) for start in range(0, wanted, _CHUNK)]
    )


def _by_blocks(samples: Pcm, rate_in: int, rate_out: int) -> Pcm:
    shape = kernel(rate_in, rate_out)
    steps = max(1, _BLOCK // min(shape.up, shape.down))
    ahead = -(-shape.delay // shape.up)  # the filter's delay in whole input samples, the rest is in the matrix
    matrix = _block_matrix(rate_in, rate_out, steps, ahead * shape.up - shape.delay)
    stride = steps * shape.down
    count = -(-len(samples) // stride)
    padded = np.zeros(len(matrix) + count * stride, np.float32)
    start = len(matrix) - stride - ahead
    padded[start : start + len(samples)] = samples
    windows = sliding_window_view(padded, len(matrix))[: count * stride : stride]
    parts = [_to_pcm(windows[i : i + _CHUNK] @ matrix) for i in range(0, count, _CHUNK)]
    return np.concatenate(parts).reshape(-1)


@lru_cache(maxsize=1)
def _continuous() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The low-pass as a function of the distance in samples of the lower rate, finely tabulated."""
    half = _ZERO_CROSSINGS // 2
    distance = np.linspace(0, half, half * 512 + 1)
    window = np.i0(_KAISER_BETA * np.sqrt(1 - (distance / half) ** 2)) / np.i0(_KAISER_BETA)
    return distance, np.sinc(distance) * window


def _by_position(samples: Pcm, up: int, down: int, start: int, end: int) -> Pcm:
    """Outputs ``start`` to ``end`` of a ratio without a small table: each weighs its neighbours by distance."""
    scale = max(1.0, down / up)
    reach = int(_ZERO_CROSSINGS // 2 * scale) + 1
    position = np.arange(start, end, dtype=np.int64) * down
    nearest, fraction = position // up, (position % up) / up
    offsets = np.arange(-reach, reach + 1)
    weight = np.interp(np.abs(offsets - fraction[:, None]) / scale, *_continuous(), right=0.0) / scale
    index = nearest[:, None] + offsets
    inside = (index >= 0) & (index < len(samples))
    near = np.where(inside, samples[np.clip(index, 0, len(samples) - 1)], 0)
    return _to_pcm(np.einsum("ij,ij->i", near, weight))


def _to_pcm(values: NDArray[Any]) -> Pcm:
    pcm: Pcm = np.clip(np.rint(values), -32768, 32767).astype(np.int16)
    return pcm
