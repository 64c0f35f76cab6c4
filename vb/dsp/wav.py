"""Recordings as bytes: WAV files and raw PCM to int16 samples, and a streaming writer of PCM16 WAV files.

RIFF WAVE of the Multimedia Programming Interface 1.0, with WAVE_FORMAT_EXTENSIBLE and the laws of RFC 2361.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

import attrs
import numpy as np
from numpy.typing import NDArray

from vb.dsp.expand import alaw_table, ulaw_table

MIN_RATE, MAX_RATE = 8_000, 192_000
MAX_CHANNELS = 256
_MAX_CHUNKS = 1000
_PCM, _FLOAT, _ALAW, _ULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_FORMAT = struct.Struct("<HHIIHH")
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of every KSDATAFORMAT_SUBTYPE_*, after its format code
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what a writer that cannot seek leaves behind


class WavError(ValueError):
    """The bytes are no recording that we can play. The only exception of the parsers here."""


@attrs.frozen(eq=False)
class Pcm:
    """A mono recording: ``rate`` in Hz, ``samples`` int16[n]."""

    rate: int
    samples: NDArray[np.int16]

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


@attrs.frozen
class _Format:
    code: int
    channels: int
    rate: int
    bits: int


def parse_wav(data: bytes) -> Pcm:
    """A WAV file of 1 or 2 channels, 8-192 kHz, PCM of 8, 16, 24 or 32 bits, float, µ-law or A-law, as mono.

    Two channels are averaged. Sizes that reach beyond the file end with it. Raises WavError.
    """
    rate, samples = parse_wav_channels(data, max_channels=2)
    if samples.shape[1] == 1:
        return Pcm(rate, np.ascontiguousarray(samples[:, 0]))
    return Pcm(rate, (samples.sum(axis=1, dtype=np.int32) >> 1).astype(np.int16))


def parse_wav_channels(data: bytes, max_channels: int = MAX_CHANNELS) -> tuple[int, NDArray[np.int16]]:
    """Rate in Hz and int16[n, channels] of a WAV file. Raises WavError."""
    view = memoryview(data)
    if len(view) < 12 or bytes(view[:4]) != b"RIFF" or bytes(view[8:12]) != b"WAVE":
        raise WavError("no RIFF WAVE header")
    form: _Format | None = None
    for name, chunk in _chunks(view):
        if name == b"fmt ":
            form = _read_format(chunk, max_channels)
        elif name == b"data":
            if form is None:
                raise WavError("data before its format")
            return form.rate, _decode(chunk, form)
    raise WavError("no data chunk")


def _chunks(view: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Chunks in order, each cut at the end of the file; odd sizes are padded to even."""
    unknown_length = int.from_bytes(view[4:8], "little") in _UNKNOWN_SIZES
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position + 8 > len(view):
            return
        name = bytes(view[position : position + 4])
        size = int.from_bytes(view[position + 4 : position + 8], "little")
        position += 8
        if name == b"data" and size == 0 and unknown_length:
            size = len(view) - position
        yield name, view[position : position + size]
        position += size + (size & 1)
    raise WavError("too many chunks")


def _read_format(chunk: memoryview, max_channels: int) -> _Format:
    if len(chunk) < _FORMAT.size:
        raise WavError("format chunk is cut off")
    code, channels, rate, _, align, bits = _FORMAT.unpack_from(chunk)
    if code == _EXTENSIBLE:
        if len(chunk) < 40 or chunk[26:40] != _GUID_TAIL:
            raise WavError("unknown extensible format")
        code = int.from_bytes(chunk[24:26], "little")
    if (code, bits) not in _DECODERS:
        raise WavError(f"format {code} with {bits} bits is not supported")
    if not 1 <= channels <= max_channels:
        raise WavError(f"{channels} channels are not supported")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise WavError(f"{rate} Hz is not supported")
    if align != channels * bits // 8:
        raise WavError(f"{align} octets per frame do not fit {channels} channels of {bits} bits")
    return _Format(code, channels, rate, bits)


def _decode(chunk: memoryview, form: _Format) -> NDArray[np.int16]:
    octets = np.frombuffer(chunk, np.uint8)
    frame = form.channels * form.bits // 8
    octets = octets[: len(octets) // frame * frame]  # a cut frame at the end is dropped
    return _DECODERS[form.code, form.bits](octets).reshape(-1, form.channels)


def _pcm8(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return (octets.astype(np.int16) - 128) << 8


def _pcm16(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return octets.view("<i2").astype(np.int16)


def _pcm24(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return np.ascontiguousarray(octets.reshape(-1, 3)[:, 1:]).reshape(-1).view("<i2").astype(np.int16)


def _pcm32(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return (octets.view("<i4") >> 16).astype(np.int16)


def _float32(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return _from_float(octets.view("<f4"))


def _float64(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return _from_float(octets.view("<f8"))


def _from_float(values: NDArray[np.floating]) -> NDArray[np.int16]:
    """Full scale is 1.0; beyond is clipped, what is no number is silence."""
    bounded = np.nan_to_num(np.clip(values, -1, 1), nan=0.0).astype(np.float32)
    samples: NDArray[np.int16] = np.clip(np.rint(bounded * 32768), -32768, 32767).astype(np.int16)
    return samples


def _ulaw(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return ulaw_table()[octets]


def _alaw(octets: NDArray[np.uint8]) -> NDArray[np.int16]:
    return alaw_table()[octets]


_DECODERS = {
    (_PCM, 8): _pcm8,
    (_PCM, 16): _pcm16,
    (_PCM, 24): _pcm24,
    (_PCM, 32): _pcm32,
    (_FLOAT, 32): _float32,
    (_FLOAT, 64): _float64,
    (_ULAW, 8): _ulaw,
    (_ALAW, 8): _alaw,
}


def parse_raw(data: bytes, content_type: str) -> Pcm:
    """Headerless 16-bit little-endian mono of ``audio/pcm;rate=N`` (8000-192000). Raises WavError."""
    media_type, *parameters = (part.strip().lower() for part in content_type.split(";"))
    if media_type != "audio/pcm":
        raise WavError(f"{media_type!r} is not audio/pcm")
    rates = [match[1] for part in parameters if (match := re.fullmatch(r'rate\s*=\s*"?([0-9]{1,6})"?', part))]
    if len(rates) != 1 or not MIN_RATE <= int(rates[0]) <= MAX_RATE:
        raise WavError(f"audio/pcm needs one rate of {MIN_RATE}-{MAX_RATE} Hz")
    return Pcm(int(rates[0]), _pcm16(np.frombuffer(data, np.uint8)[: len(data) // 2 * 2]))
