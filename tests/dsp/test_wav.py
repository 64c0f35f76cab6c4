"""RIFF WAVE of every kind that we take, against a builder written here and Python's own ``wave``."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.codec.g711 import ALAW_DECODE, ULAW_DECODE
from vb.dsp.wav import WavError, parse_raw, parse_wav, parse_wav_channels

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
import fuzz_wav

SAMPLES = np.array([0, 1, -1, 1000, -1000, 32767, -32768, 12345], np.int16)
TAIL = bytes.fromhex("000000001000800000aa00389b71")


def riff(*chunks: tuple[bytes, bytes], size: int | None = None) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4 if size is None else size) + b"WAVE" + body


def fmt(code: int = 1, channels: int = 1, rate: int = 8000, bits: int = 16, align: int | None = None) -> bytes:
    frame = channels * bits // 8 if align is None else align
    return struct.pack("<HHIIHH", code, channels, rate, rate * frame, frame, bits)


def extensible(code: int, bits: int = 16, tail: bytes = TAIL) -> bytes:
    return fmt(0xFFFE, bits=bits) + struct.pack("<HHIH", 22, bits, 4, code) + tail


@pytest.mark.parametrize(("code", "bits", "octets", "expected"), [
    (1, 8, bytes([128, 129, 0, 255]), [0, 256, -32768, 32512]),
    (1, 16, SAMPLES.tobytes(), SAMPLES.tolist()),
    (1, 24, b"\xff\x01\x00\x00\x00\x80", [1, -32768]),
    (1, 32, struct.pack("<3i", 65536, -65536, 2**31 - 1), [1, -1, 32767]),
    (3, 32, struct.pack("<6f", 0.5, -1, 1, 7, float("nan"), float("-inf")), [16384, -32768, 32767, 32767, 0, -32768]),
    (3, 64, struct.pack("<2d", 0.25, 1e300), [8192, 32767]),
    (6, 8, bytes(range(256)), ALAW_DECODE.tolist()),
    (7, 8, bytes(range(256)), ULAW_DECODE.tolist()),
])  # fmt: skip
def test_every_encoding(code: int, bits: int, octets: bytes, expected: list[int]) -> None:
    for form in (fmt(code, bits=bits), extensible(code, bits)):
        pcm = parse_wav(riff((b"fmt ", form), (b"data", octets)))
        assert pcm.rate == 8000
        assert pcm.samples.dtype == np.int16
        assert pcm.samples.tolist() == expected


def test_two_channels_are_averaged() -> None:
    stereo = np.array([[32767, 32767], [-32768, -32768], [100, 300]], "<i2")
    pcm = parse_wav(riff((b"fmt ", fmt(channels=2, rate=44100)), (b"data", stereo.tobytes())))
    assert pcm.rate == 44100
    assert pcm.samples.tolist() == [32767, -32768, 200]
    rate, channels = parse_wav_channels(riff((b"fmt ", fmt(channels=2)), (b"data", stereo.tobytes())))
    assert rate == 8000
    assert np.array_equal(channels, stereo)


def test_other_chunks_are_skipped_with_their_padding() -> None:
    data = riff((b"LIST", b"odd"), (b"fmt ", fmt()), (b"fact", b"1234"), (b"data", SAMPLES.tobytes()), (b"id3 ", b"x"))
    assert parse_wav(data).samples.tolist() == SAMPLES.tolist()


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_sizes_of_a_writer_that_could_not_seek(size: int) -> None:
    header = riff((b"fmt ", fmt()), size=size) + b"data" + struct.pack("<I", size)
    assert parse_wav(header + SAMPLES.tobytes()).samples.tolist() == SAMPLES.tolist()


def test_a_cut_file_is_played_to_its_last_whole_frame() -> None:
    whole = riff((b"fmt ", fmt()), (b"data", SAMPLES.tobytes()))
    assert parse_wav(whole[:-3]).samples.tolist() == SAMPLES.tolist()[:-2]


def test_no_samples_are_a_recording_of_nothing() -> None:
    assert len(parse_wav(riff((b"fmt ", fmt()), (b"data", b""))).samples) == 0


@pytest.mark.parametrize("data", [
    b"",
    b"RIFF",
    b"RIFX\0\0\0\0WAVE",
    b"ID3\x04" + bytes(100),
    riff(),
    riff((b"fmt ", fmt())),
    riff((b"data", SAMPLES.tobytes()), (b"fmt ", fmt())),
    riff((b"fmt ", fmt()[:15]), (b"data", b"")),
    riff((b"fmt ", fmt(code=2, bits=4)), (b"data", b"")),
    riff((b"fmt ", fmt(code=0x55)), (b"data", b"")),
    riff((b"fmt ", fmt(bits=12)), (b"data", b"")),
    riff((b"fmt ", fmt(channels=0, align=2)), (b"data", b"")),
    riff((b"fmt ", fmt(channels=3)), (b"data", b"")),
    riff((b"fmt ", fmt(rate=7999)), (b"data", b"")),
    riff((b"fmt ", fmt(rate=192_001)), (b"data", b"")),
    riff((b"fmt ", fmt(align=4)), (b"data", b"")),
    riff((b"fmt ", extensible(1, tail=b"\1" * 14)), (b"data", b"")),
    riff((b"fmt ", extensible(1)[:30]), (b"data", b"")),
    riff((b"fmt ", extensible(0xFFFE)), (b"data", b"")),
    riff(*[(b"junk", b"")] * 1001, (b"fmt ", fmt()), (b"data", b"")),
])  # fmt: skip
def test_what_is_refused(data: bytes) -> None:
    with pytest.raises(WavError):
        parse_wav(data)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_recording_or_wav_error(data: bytes) -> None:
    fuzz_wav.check(data)
    fuzz_wav.check(riff((b"fmt ", fmt()))[:-4] + data)


def test_the_corpus() -> None:
    for data in fuzz_wav.corpus():
        fuzz_wav.check(data)


@pytest.mark.parametrize(
    ("content_type", "rate"),
    [
        ("audio/pcm;rate=8000", 8000),
        ("Audio/PCM; Rate=16000 ; channels=1", 16000),
        ('audio/pcm; rate="48000"', 48000),
    ],
)
def test_raw(content_type: str, rate: int) -> None:
    pcm = parse_raw(SAMPLES.tobytes() + b"\x01", content_type)
    assert pcm.rate == rate
    assert pcm.samples.tolist() == SAMPLES.tolist()
    assert pcm.seconds == 8 / rate


@pytest.mark.parametrize("content_type", [
    "", "audio/pcm", "audio/wav;rate=8000", "audio/pcm;rate=", "audio/pcm;rate=7999", "audio/pcm;rate=1e4",
    "audio/pcm;rate=8000;rate=16000", "audio/pcm;rate=99999999999",
])  # fmt: skip
def test_raw_without_a_usable_rate(content_type: str) -> None:
    with pytest.raises(WavError):
        parse_raw(b"", content_type)
