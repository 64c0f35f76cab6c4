"""µ-law and A-law octets of files to samples: the arithmetic of ITU-T G.711, as WAV files carry both laws.

The codec package has its own tables for the wire; packages without I/O do not lean on each other, and a test holds
the two equal.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def _signed(magnitude: NDArray[np.int64], negative: NDArray[np.bool_]) -> NDArray[np.int16]:
    return np.where(negative, -magnitude, magnitude).astype(np.int16)


def ulaw_table() -> NDArray[np.int16]:
    """int16[256]: the sample of every µ-law octet; the two zeros are 2 and -2, as in the reference table."""
    code = np.arange(256) ^ 0xFF
    magnitude = (((code & 15) * 2 + 33 << (code >> 4 & 7)) - 33) * 4
    return _signed(np.maximum(magnitude, 2), code >= 128)


def alaw_table() -> NDArray[np.int16]:
    """int16[256]: the sample of every A-law octet."""
    code = np.arange(256) ^ 0x55
    segment, mantissa = code >> 4 & 7, (code & 15) * 16 + 8
    magnitude = np.where(segment == 0, mantissa, mantissa + 256 << np.maximum(segment, 1) - 1)
    return _signed(magnitude, code < 128)
