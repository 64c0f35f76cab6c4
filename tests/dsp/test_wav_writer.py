"""What is written is what any reader reads, also when the writer dies or the file is full."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.dsp.wav import parse_wav, parse_wav_channels
from vb.dsp.wav_writer import MAX_DATA, WavWriter

SAMPLES = np.array([0, 1, -1, 1000, -1000, 32767, -32768, 12345], np.int16)


@given(st.integers(1, 8), st.integers(8000, 48000), st.lists(st.integers(0, 50), max_size=5))
def test_written_files_read_back(channels: int, rate: int, blocks: list[int]) -> None:
    file = io.BytesIO()
    total = np.arange(sum(blocks) * channels, dtype=np.int16).reshape(-1, channels)
    with WavWriter(file, rate, channels) as writer:
        position = 0
        for block in blocks:
            writer.write(total[position : position + block])
            position += block
    assert writer.frames == sum(blocks)
    assert writer.seconds == sum(blocks) / rate
    got_rate, got = parse_wav_channels(file.getvalue())
    assert got_rate == rate
    assert np.array_equal(got, total)
    with wave.open(io.BytesIO(file.getvalue())) as other:
        assert (other.getnchannels(), other.getframerate(), other.getsampwidth()) == (channels, rate, 2)
        assert other.readframes(10**6) == total.tobytes()


def test_the_writer_closes_once_and_refuses_other_shapes() -> None:
    file = io.BytesIO()
    writer = WavWriter(file, 8000, 2)
    with pytest.raises(ValueError, match="channels"):
        writer.write(np.zeros(160, np.int16))
    writer.write(np.zeros((160, 2), np.int16)[:, ::-1])
    writer.close()
    writer.close()
    assert not file.closed
    assert file.tell() == 44 + 640
    with pytest.raises(ValueError, match="open"):
        writer.write(np.zeros((1, 2), np.int16))
    with pytest.raises(ValueError, match="rate"):
        WavWriter(file, 0)


def test_a_file_that_was_never_closed_is_still_readable() -> None:
    file = io.BytesIO()
    WavWriter(file, 16000).write(SAMPLES)
    assert parse_wav(file.getvalue()).samples.tolist() == SAMPLES.tolist()


def test_a_full_file_stays_valid() -> None:
    class Sink(io.BytesIO):
        """Keeps the header only: four gigabytes are not written here."""

        def write(self, data: object) -> int:
            return super().write(data) if self.tell() < 44 and len(data) == 44 else len(data)  # type: ignore[arg-type]

    sink = Sink()
    writer = WavWriter(sink, 48000, 2)
    writer.frames = MAX_DATA // 4 - 10
    writer.write(np.zeros((100, 2), np.int16))
    assert writer.full
    writer.write(np.zeros((100, 2), np.int16))
    writer.close()
    assert writer.frames == MAX_DATA // 4
    riff_size, data_size = struct.unpack("<4xI32xI", sink.getvalue())
    assert riff_size == data_size + 36 <= 0xFFFFFFFF
