"""G.711: µ-law (PCMU) and A-law (PCMA) by table, for one frame or a whole matrix of frames at once.

Decoding follows the sign-magnitude tables of ITU-T G.711; encoding is the reference coder of ITU-T G.191 (ones'
complement of negative input, so a value and its complement share a magnitude). Everything here works on arrays of any
shape and allocates nothing when ``out`` is given.
"""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Payload = NDArray[np.uint8]

_ULAW_BIAS = 33  # of the 14-bit magnitude, ITU-T G.711 table 2
_ULAW_LIMIT = 0x1FFF
_ULAW_ZERO = 2  # the two zeros keep their sign in the reference table, so every code survives a decode and encode


def _ulaw_decode_table() -> Pcm:
    code = np.arange(256) ^ 0xFF  # transmitted inverted
    magnitude = ((((code & 0x0F) << 1) + _ULAW_BIAS) << ((code >> 4) & 7)) - _ULAW_BIAS
    linear = np.where(magnitude == 0, _ULAW_ZERO, magnitude * 4)
    return np.where(code & 0x80, -linear, linear).astype(np.int16)


def _alaw_decode_table() -> Pcm:
    code = np.arange(256) ^ 0x55  # even bits inverted
    mantissa, segment = code & 0x0F, (code >> 4) & 7
    magnitude = np.where(segment == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _linear_by_bits() -> NDArray[np.int64]:
    """Every int16 at the index of its bits read as uint16."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int64)


def _ulaw_encode_table() -> Payload:
    linear = _linear_by_bits()
    magnitude = np.minimum((np.where(linear < 0, ~linear, linear) >> 2) + _ULAW_BIAS, _ULAW_LIMIT)
    segment = np.floor(np.log2(magnitude)).astype(np.int64) - 5
    mantissa = (magnitude >> (segment + 1)) & 0x0F
    code: Any = segment << 4 | mantissa
    return _octets(np.where(linear < 0, code ^ 0x7F, code ^ 0xFF))


def _alaw_encode_table() -> Payload:
    linear = _linear_by_bits()
    magnitude = np.where(linear < 0, ~linear, linear) >> 4  # 11 bits
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int64) - 3, 0)
    code: Any = segment << 4 | ((magnitude >> np.maximum(segment - 1, 0)) & 0x0F)
    return _octets(np.where(linear < 0, code ^ 0x55, code ^ 0xD5))


def _octets(codes: NDArray[Any]) -> Payload:
    return codes.astype(np.uint8)


def _frozen(table: NDArray[Any]) -> NDArray[Any]:
    table.flags.writeable = False
    return table


ULAW_DECODE: Pcm = _frozen(_ulaw_decode_table())
ALAW_DECODE: Pcm = _frozen(_alaw_decode_table())
ULAW_ENCODE: Payload = _frozen(_ulaw_encode_table())
ALAW_ENCODE: Payload = _frozen(_alaw_encode_table())


@attrs.frozen(eq=False)
class Law:
    """One companding law: ``decode_table`` int16[256], ``encode_table`` uint8[65536] by the bits of the sample."""

    name: str
    payload_type: int
    decode_table: Pcm
    encode_table: Payload
    silence: int
    """The octet of a zero sample."""

    def decode(self, payload: Payload, out: Pcm | None = None) -> Pcm:
        """Octets to samples, any shape. ``out``: int16 of the same shape, C-contiguous."""
        return np.take(self.decode_table, payload, out=out, mode="clip")

    def encode(self, samples: Pcm, out: Payload | None = None) -> Payload:
        """Samples (int16, any shape) to octets. ``out``: uint8 of the same shape, C-contiguous."""
        return np.take(self.encode_table, samples.view(np.uint16), out=out, mode="clip")


PCMU = Law("PCMU", 0, ULAW_DECODE, ULAW_ENCODE, 0xFF)
PCMA = Law("PCMA", 8, ALAW_DECODE, ALAW_ENCODE, 0xD5)
LAWS: dict[str, Law] = {law.name: law for law in (PCMU, PCMA)}


def decode(payload: Payload, law: str, out: Pcm | None = None) -> Pcm:
    """``LAWS[law].decode``. Raises KeyError for a law other than PCMU and PCMA."""
    return LAWS[law].decode(payload, out)


def encode(samples: Pcm, law: str, out: Payload | None = None) -> Payload:
    """``LAWS[law].encode``. Raises KeyError for a law other than PCMU and PCMA."""
    return LAWS[law].encode(samples, out)
