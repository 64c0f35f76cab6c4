"""Whether what was heard is what was said: alignment by cross-correlation, and likeness window by window."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16] | NDArray[np.float32] | NDArray[np.float64]


def _centred(samples: Samples) -> NDArray[np.float64]:
    values = np.asarray(samples, np.float64)
    return values - values.mean() if len(values) else values


def align(reference: Samples, heard: Samples, rate: int, *, max_delay_s: float | None = None) -> int:
    """By how many samples ``heard`` lags behind ``reference`` (negative: it leads), where they are most alike.

    Both mono at ``rate`` Hz. ``max_delay_s`` bounds the search to both sides. 0 when either is empty or silent.
    """
    said, got = _centred(reference), _centred(heard)
    if not said.any() or not got.any():
        return 0
    size = 1 << (len(said) + len(got) - 1).bit_length()
    likeness = np.fft.irfft(np.fft.rfft(got, size) * np.conj(np.fft.rfft(said, size)), size)
    lags = np.arange(size)
    lags[lags >= len(got)] -= size
    allowed = lags > -len(said)
    if max_delay_s is not None:
        allowed &= np.abs(lags) <= round(max_delay_s * rate)
    return int(lags[allowed][np.argmax(likeness[allowed])])


def correlation(reference: Samples, heard: Samples) -> float:
    """Normalized correlation of two stretches of one length, -1 to 1; 0 when either is constant."""
    said, got = _centred(reference), _centred(heard)
    power = float(np.sqrt(np.dot(said, said) * np.dot(got, got)))
    return float(np.dot(said, got)) / power if power > 0 else 0.0


def window_correlations(
    reference: Samples, heard: Samples, rate: int, window_s: float = 1.0, *, delay: int | None = None
) -> NDArray[np.float64]:
    """Normalized correlation of each whole window of ``window_s`` seconds of ``reference`` with its place in ``heard``.

    ``delay`` in samples as :func:`align` gives it (None: found here). Windows that ``heard`` does not cover whole are
    left out; a silent one is 0.
    """
    lag = align(reference, heard, rate) if delay is None else delay
    size = round(window_s * rate)
    if size <= 0:
        raise ValueError("a window is longer than nothing")
    starts = (start for start in range(0, len(reference) - size + 1, size) if 0 <= start + lag <= len(heard) - size)
    return np.array(
        [correlation(reference[start : start + size], heard[start + lag : start + lag + size]) for start in starts]
    )
