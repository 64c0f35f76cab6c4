"""WAV files: any bytes are a recording within bounds, or WavError."""

from __future__ import annotations

import random
import struct
import sys
import time
from collections.abc import Iterator

import numpy as np

from vb.dsp.wav import MAX_RATE, MIN_RATE, WavError, parse_wav, parse_wav_channels

FORMATS = [(1, 8), (1, 16), (1, 24), (1, 32), (3, 32), (3, 64), (6, 8), (7, 8), (0xFFFE, 16)]


def corpus() -> Iterator[bytes]:
    """One small file of every format, mono and stereo, with a chunk before and after the data."""
    for code, bits in FORMATS:
        for channels in (1, 2):
            frame = channels * bits // 8
            form = struct.pack("<HHIIHH", code, channels, 8000, 8000 * frame, frame, bits)
            if code == 0xFFFE:
                form += struct.pack("<HHIH", 22, bits, 0, 1) + bytes.fromhex("000000001000800000aa00389b71")
            data = bytes(range(48))
            chunks = [(b"LIST", b"abc\0"), (b"fmt ", form), (b"data", data), (b"id3 ", b"")]
            body = b"WAVE" + b"".join(name + struct.pack("<I", len(part)) + part for name, part in chunks)
            yield b"RIFF" + struct.pack("<I", len(body)) + body


def check(data: bytes) -> None:
    """Whatever the bytes: the documented result or the documented exception."""
    try:
        pcm = parse_wav(data)
    except WavError:
        pcm = None
    try:
        rate, channels = parse_wav_channels(data)
    except WavError:
        assert pcm is None, "mono was read, all channels were not"
        return
    assert MIN_RATE <= rate <= MAX_RATE
    assert channels.dtype == np.int16
    assert channels.size <= len(data)
    if pcm is not None:
        assert pcm.rate == rate
        assert len(pcm.samples) == len(channels)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Flip, overwrite, cut, double or insert a few octets."""
    octets = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        place = rng.randrange(len(octets) + 1)
        action = rng.randrange(5)
        if action == 0 and place < len(octets):
            octets[place] ^= 1 << rng.randrange(8)
        elif action == 1 and place < len(octets):
            octets[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif action == 2:
            del octets[place : place + rng.randint(1, 8)]
        elif action == 3:
            octets[place:place] = octets[place : place + rng.randint(1, 40)]
        else:
            octets[place:place] = rng.randbytes(rng.randint(1, 8))
    return bytes(octets)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    seeds = list(corpus())
    end, runs = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        data = mutate(rng.choice(seeds), rng)
        try:
            check(data)
        except Exception:
            print(f"failed on {data.hex()}")
            raise
        runs += 1
    print(f"{runs} files, nothing undocumented")


if __name__ == "__main__":
    main()
