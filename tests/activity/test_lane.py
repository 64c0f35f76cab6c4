"""The timeline: whatever the taps give in whatever order of batches, the file is unbroken and in place."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vb.activity import lane
from vb.activity.lane import Lane, Piece
from vb.activity.recording_file import RecordingFile
from vb.dsp.wav import parse_wav_channels

RATE, STEP = 8000, 160


def piece(channel: int, tick: int, value: int | None, rate: int = RATE) -> Piece:
    return Piece(channel, tick, rate, None if value is None else np.full(rate // 50, value, np.int16))


def finished(made: Lane, folder: Path) -> np.ndarray:
    made.file.publish(folder / "x.wav")
    rate, samples = parse_wav_channels((folder / "x.wav").read_bytes())
    assert rate == made.rate
    return samples


def new_lane(folder: Path, channels: int = 2) -> Lane:
    return Lane(lambda: RecordingFile(folder / ".rec-1.tmp"), channels)


# Ticks rise, with gaps; either channel may be missing or paused; batches end between two ticks.
TICKS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(-5, 5) | st.none(), st.integers(-5, 5) | st.none(), st.booleans()),
    min_size=1,
    max_size=60,
)


@given(ticks=TICKS, first=st.integers(0, 10**9), block=st.integers(1, 7))
@settings(max_examples=60)
def test_every_sample_is_where_its_tick_says(
    ticks: list[tuple[int, int | None, int | None, bool]], first: int, block: int
) -> None:
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(lane, "BLOCK_TICKS", block)
        folder = Path(name)
        made, batch, tick, expected = new_lane(folder), [], first, {}
        for step, left, right, ends_batch in ticks:
            for channel, value in enumerate((left, right)):
                batch.append(piece(channel, tick, value))
                expected[tick, channel] = value or 0
            last, tick = tick, tick + step
            if ends_batch:
                made.write(batch)
                batch = []
        made.write(batch)
        samples = finished(made, folder)
        assert samples.shape == ((last + 1 - first) * STEP, 2)
        for index, frame in enumerate(samples.reshape(-1, STEP, 2)):
            for channel in (0, 1):
                assert set(frame[:, channel]) == {expected.get((first + index, channel), 0)}


def test_pieces_of_the_past_and_of_another_rate_are_left_out(tmp_path: Path) -> None:
    made = new_lane(tmp_path)
    made.write([piece(0, 10, 1), piece(0, 11, 1)])
    made.write([piece(1, 11, 2), piece(0, 12, 3, rate=16000)])
    made.write([])
    assert (made.start, made.end) == (10, 12)
    assert finished(made, tmp_path)[:, 0].tolist() == [1] * 320


def test_padding_is_silence_to_the_end_and_nothing_before_the_first_audio(tmp_path: Path) -> None:
    made = new_lane(tmp_path, 1)
    made.pad_to(1000)
    assert made.start is None
    made.write([piece(0, 1, 7)])
    made.pad_to(1203)
    made.pad_to(5)
    samples = finished(made, tmp_path)
    assert len(samples) == 1202 * STEP
    assert samples[:STEP].tolist() == [[7]] * STEP
    assert not samples[STEP:].any()


def test_reading_a_part_back(tmp_path: Path) -> None:
    made = new_lane(tmp_path, 1)
    assert made.read(0, 10)[1].shape == (0, 1)
    made.write([piece(0, tick, tick) for tick in range(100, 110)])
    for begin, end, first, values in [
        (90, 102, 100, [100, 101]),
        (104, 106, 104, [104, 105]),
        (108, 120, 108, [108, 109]),
        (80, 90, 100, []),
        (120, 130, 120, []),
    ]:
        at, samples = made.read(begin, end)
        assert at == first
        assert samples[::STEP, 0].tolist() == values
    made.discard()
    assert list(tmp_path.iterdir()) == []


def test_short_frames_are_filled_up(tmp_path: Path) -> None:
    made = new_lane(tmp_path, 1)
    made.write([Piece(0, 0, RATE, np.ones(100, np.int16)), Piece(0, 1, RATE, np.ones(200, np.int16))])
    samples = finished(made, tmp_path)
    assert len(samples) == 320
    assert int(samples.sum()) == 260
