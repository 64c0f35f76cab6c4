"""How loud samples are."""

from __future__ import annotations

from math import log10, sqrt

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0


def rms(samples: NDArray[np.int16]) -> float:
    """Root mean square, 0-32768; 0 for no samples."""
    if not samples.size:
        return 0.0
    values = samples.reshape(-1).astype(np.float32)
    return sqrt(float(np.dot(values, values)) / values.size)


def rms_rows(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    """Root mean square of every row of int16[k, n]: float32[k]."""
    values = samples.astype(np.float32)
    power = np.einsum("ij,ij->i", values, values) / np.float32(max(samples.shape[1], 1))
    levels: NDArray[np.float32] = np.sqrt(power)
    return levels


def peak(samples: NDArray[np.int16]) -> int:
    """Largest magnitude, 0-32768; 0 for no samples."""
    return max(int(samples.max()), -int(samples.min())) if samples.size else 0


def dbfs(level: float) -> float:
    """A level of 0-32768 in dB relative to full scale; -inf for silence."""
    return 20 * log10(level / FULL_SCALE) if level > 0 else float("-inf")
