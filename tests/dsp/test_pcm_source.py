from __future__ import annotations

import numpy as np
import pytest

from vb.dsp.pcm_source import PcmSource, volume_gain

RAMP = np.arange(1, 401, dtype=np.int16)


def drain(source: PcmSource, samples: int, limit: int = 1000) -> list[np.ndarray]:
    frames = []
    while (frame := source.read(samples)) is not None and len(frames) < limit:
        frames.append(frame)
    return frames


def test_once_and_the_last_frame_is_filled_up() -> None:
    source = PcmSource(RAMP, 8000, 8000)
    frames = drain(source, 160)
    assert len(frames) == 3
    assert np.array_equal(np.concatenate(frames)[:400], RAMP)
    assert not frames[2][80:].any()
    assert source.played_ms == 50
    assert source.ended
    assert source.read(160) is None


@pytest.mark.parametrize(("repeat", "rounds"), [(0, 1), (1, 1), (3, 3)])
def test_repeats_follow_each_other_without_gap(repeat: int, rounds: int) -> None:
    source = PcmSource(RAMP, 8000, 8000, repeat=repeat)
    heard = np.concatenate(drain(source, 160))
    assert np.array_equal(heard[: 400 * rounds], np.tile(RAMP, rounds))
    assert source.played_ms == 50 * rounds


def test_for_ever_also_when_shorter_than_a_frame() -> None:
    source = PcmSource(RAMP[:7], 8000, 8000, repeat=-1)
    heard = np.concatenate(drain(source, 160, limit=50))
    assert np.array_equal(heard, np.tile(RAMP[:7], 2000)[: len(heard)])
    assert not source.ended
    assert source.played_ms == 51 * 20


def test_nothing_ends_at_once_even_for_ever() -> None:
    assert PcmSource(RAMP[:0], 8000, 16000, repeat=-1).read(320) is None


def test_another_rate_keeps_duration_and_pitch() -> None:
    second = (8000 * np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)).astype(np.int16)
    source = PcmSource(second, 44100, 16000)
    heard = np.concatenate(drain(source, 320))
    assert len(heard) == 16000
    assert np.argmax(np.abs(np.fft.rfft(heard))) == 440
    assert source.played_ms == 1000


def test_a_volume_set_before_the_first_frame_does_not_glide() -> None:
    source = PcmSource(np.full(400, 10000, np.int16), 8000, 8000)
    source.set_volume(-8)
    first = source.read(160)
    assert first is not None
    assert set(first.tolist()) == {631}


def test_volume_is_three_db_a_step_and_glides() -> None:
    assert volume_gain(0) == 1.0
    assert volume_gain(2) == pytest.approx(10**0.3)
    flat = np.full(1600, 1000, np.int16)
    source = PcmSource(flat, 8000, 8000, volume=-8)
    assert np.all(source.read(160) == round(1000 * 10**-1.2))
    source.set_volume(8)
    glide = source.read(160)
    assert glide is not None
    assert np.all(np.diff(glide) > 0)
    assert np.all(source.read(160) == round(1000 * 10**1.2))
    source.set_volume(0)
    source.read(160)
    assert np.all(source.read(160) == 1000)


def test_too_loud_is_clipped() -> None:
    source = PcmSource(np.array([20000, -20000] * 80, np.int16), 8000, 8000, volume=8)
    assert source.read(160).tolist() == [32767, -32768] * 80  # type: ignore[union-attr]


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="volume"):
        PcmSource(RAMP, 8000, 8000, volume=9)
    with pytest.raises(ValueError, match="repeat"):
        PcmSource(RAMP, 8000, 8000, repeat=-2)
    with pytest.raises(ValueError, match="volume"):
        PcmSource(RAMP, 8000, 8000).set_volume(-8.5)
