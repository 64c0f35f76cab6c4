"""The filter's bounds, and that rows, subsets and frames of a stream are the same filter."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.dsp.resample import Pcm, Resampler, kernel, resample

RATES = (8000, 16000, 24000, 48000)
PAIRS = list(permutations(RATES, 2))


def tone(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 16000) -> Pcm:
    return np.rint(amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def stream(resampler: Resampler, samples: np.ndarray) -> np.ndarray:
    frame = resampler.rate_in // 50
    return np.concatenate(
        [resampler.process(samples[:, at : at + frame]) for at in range(0, samples.shape[1], frame)], axis=1
    )


def level_db(samples: np.ndarray) -> float:
    middle = samples[len(samples) // 10 : -len(samples) // 10].astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(middle**2)) / (16000 / np.sqrt(2)) + 1e-9))


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_pass_band_within_half_a_decibel(rate_in: int, rate_out: int) -> None:
    lower = min(rate_in, rate_out)
    frequencies = np.linspace(0.01, 0.44, 12) * lower  # 3520 Hz of 8 kHz
    heard = stream(Resampler(rate_in, rate_out, 12), np.stack([tone(f, rate_in) for f in frequencies]))
    assert heard.shape == (12, rate_out)
    assert max(abs(level_db(row)) for row in heard) < 0.5


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if pair[0] > pair[1]])
def test_stop_band_sixty_decibels_down(rate_in: int, rate_out: int) -> None:
    """What lies above the new band does not come back as another tone."""
    frequencies = np.linspace(0.575 * rate_out, rate_in / 2 - 50, 12)
    heard = stream(Resampler(rate_in, rate_out, 12), np.stack([tone(f, rate_in) for f in frequencies]))
    assert max(level_db(row) for row in heard) < -60


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in PAIRS if pair[0] < pair[1]])
def test_images_sixty_decibels_down(rate_in: int, rate_out: int) -> None:
    for frequency in (300, round(0.2 * rate_in), round(0.42 * rate_in)):
        heard = stream(Resampler(rate_in, rate_out), tone(frequency, rate_in)[None])[0]
        spectrum = np.abs(np.fft.rfft(heard[rate_out // 4 : rate_out * 3 // 4] * np.blackman(rate_out // 2)))
        spectrum[frequency // 2 - 4 : frequency // 2 + 5] /= 1e9  # the tone itself, bins of 2 Hz
        assert np.max(spectrum) * 1000 < 16000 / 2 * rate_out / 2 * 0.42


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_a_stream_is_the_whole_recording_delayed(rate_in: int, rate_out: int) -> None:
    samples = np.random.default_rng(1).normal(0, 3000, rate_in // 5).astype(np.int16)
    resampler = Resampler(rate_in, rate_out)
    delay = round(resampler.delay_s * rate_out)
    assert delay / rate_out == pytest.approx(16 / min(rate_in, rate_out))
    streamed, whole = stream(resampler, samples[None])[0], resample(samples, rate_in, rate_out)
    assert np.max(np.abs(streamed[delay:].astype(int) - whole[:-delay])) <= 1  # another order of float sums


def test_up_and_down_again_is_the_same_voice() -> None:
    rng = np.random.default_rng(2)
    shaped = np.convolve(rng.normal(0, 1, 8000), np.sinc(np.arange(-40, 41) * 0.8) * np.hanning(81), "same")
    voice = (shaped / np.abs(shaped).max() * 20000).astype(np.int16)
    there = stream(Resampler(8000, 16000), voice[None])
    back = stream(Resampler(16000, 8000), there)[0]
    error = back[32:].astype(float) - voice[:-32]
    assert np.sqrt(np.mean(error**2)) < 0.01 * np.sqrt(np.mean(voice.astype(float) ** 2))


@given(st.data())
def test_rows_do_not_hear_each_other(data: st.DataObject) -> None:
    """Any subsets in any order, by slice or by number, are the same as a resampler per row."""
    rate_in, rate_out = data.draw(st.sampled_from(PAIRS))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    together, alone = Resampler(rate_in, rate_out, 6), [Resampler(rate_in, rate_out) for _ in range(6)]
    for _ in range(4):
        if data.draw(st.booleans()):
            first, last = sorted(data.draw(st.tuples(st.integers(0, 6), st.integers(0, 6))))
            rows, numbers = slice(first, last), list(range(first, last))
        else:
            numbers = data.draw(st.permutations(range(6)))[: data.draw(st.integers(0, 6))]
            rows = np.array(numbers, np.intp)
        frames = rng.integers(-32768, 32767, (len(numbers), rate_in // 50), dtype=np.int16)
        out = np.full((len(numbers), rate_out // 50), 7, np.int16)
        assert together.process(frames, rows, out) is out
        for line, number in enumerate(numbers):
            expected = alone[number].process(frames[line : line + 1])[0].astype(int)
            assert np.max(np.abs(out[line] - expected)) <= 1


@pytest.mark.parametrize("frame_ms", [10, 30, 60])
def test_frames_of_other_lengths(frame_ms: int) -> None:
    samples = tone(440, 16000, 0.6)[None]
    resampler, size = Resampler(16000, 8000), 16 * frame_ms
    pieces = [resampler.process(samples[:, at : at + size]) for at in range(0, 9600, size)]
    assert np.max(np.abs(np.concatenate(pieces, axis=1) - stream(Resampler(16000, 8000), samples).astype(int))) <= 1


def test_working_memory_is_bounded() -> None:
    resampler = Resampler(8000, 16000)
    for length in range(1, 100):
        assert resampler.process(np.zeros((1, length), np.int16)).shape == (1, 2 * length)
        assert len(resampler._scratch) <= 16


def test_reset_and_resize() -> None:
    resampler = Resampler(8000, 16000, 2)
    loud = np.full((2, 160), 20000, np.int16)
    silent = np.zeros((2, 160), np.int16)
    resampler.process(loud)
    resampler.reset(0)
    heard = resampler.process(silent)
    assert not heard[0].any()
    assert heard[1].any()
    resampler.process(loud)
    resampler.resize(3)
    assert resampler.channels == 3
    heard = resampler.process(np.zeros((3, 160), np.int16))
    assert [row.any() for row in heard] == [True, True, False]
    resampler.resize(1)
    assert resampler.process(silent[:1]).shape == (1, 320)


def test_full_scale_is_clipped_not_wrapped() -> None:
    square = np.where(np.arange(1600) // 20 % 2, 32767, -32768).astype(np.int16)
    heard = stream(Resampler(8000, 16000), square[None])[0]
    assert heard.max() == 32767
    assert heard.min() == -32768
    assert np.corrcoef(heard[32:], np.repeat(square, 2)[:-32])[0, 1] > 0.97


def test_one_rate_is_a_copy() -> None:
    samples = tone(440, 8000)[None, :160]
    resampler = Resampler(8000, 8000)
    heard = resampler.process(samples)
    assert resampler.delay_s == 0
    assert np.array_equal(heard, samples)
    assert not np.shares_memory(heard, samples)
    whole = resample(samples[0], 8000, 8000)
    assert np.array_equal(whole, samples[0])
    assert not np.shares_memory(whole, samples)


def test_nothing_in_nothing_out() -> None:
    resampler = Resampler(8000, 48000, 4)
    assert resampler.process(np.zeros((0, 160), np.int16), slice(0, 0)).shape == (0, 960)
    assert resampler.process(np.zeros((4, 0), np.int16)).shape == (4, 0)
    assert len(resample(np.zeros(0, np.int16), 44100, 8000)) == 0


@pytest.mark.parametrize(("rate_in", "rate_out"), [
    (44100, 8000), (8000, 44100), (11025, 48000), (48000, 44100), (22050, 16000), (192000, 8000), (12345, 8000),
    (8000, 12347), (47999, 16000),
])  # fmt: skip
def test_whole_recordings_of_any_rate(rate_in: int, rate_out: int) -> None:
    samples = tone(440, rate_in, 0.5)
    heard = resample(samples, rate_in, rate_out)
    assert len(heard) == -(-len(samples) * rate_out // rate_in)
    expected = tone(440, rate_out, 0.6)[: len(heard)].astype(int)
    edge = rate_out // 100
    assert np.max(np.abs(heard - expected)[edge:-edge]) <= 16  # -60 dB


def test_a_single_sample_is_not_lost() -> None:
    heard = resample(np.array([10000], np.int16), 8000, 16000)
    assert heard[0] == pytest.approx(10000, abs=10)
    assert len(heard) == 2


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="positive"):
        Resampler(0, 8000)
    with pytest.raises(ValueError, match="positive"):
        resample(np.ones(3, np.int16), 8000, -1)
    with pytest.raises(ValueError, match="no stream"):
        Resampler(12345, 8000)
    with pytest.raises(ValueError, match="step"):
        Resampler(48000, 8000).process(np.zeros((1, 959), np.int16))
    for rows in (None, slice(0, 1), np.array([1, 2, 3])):
        with pytest.raises(ValueError, match="rows"):
            Resampler(8000, 16000, 4).process(np.zeros((2, 160), np.int16), rows)


def test_a_batch_larger_than_the_cache_is_cut_unheard() -> None:
    frames = np.random.default_rng(3).normal(0, 5000, (300, 320)).astype(np.int16)
    together = stream(Resampler(8000, 16000, 300), frames)
    shuffled = np.random.default_rng(4).permutation(300)
    by_index = Resampler(8000, 16000, 300)
    heard = np.concatenate([by_index.process(frames[shuffled, at : at + 160], shuffled) for at in (0, 160)], axis=1)
    assert np.max(np.abs(heard - together[shuffled].astype(int))) <= 1


def test_filters_are_symmetric_and_have_unit_gain() -> None:
    for pair in PAIRS:
        shape = kernel(*pair)
        assert len(shape.taps) % 2 == 1
        assert np.allclose(shape.taps, shape.taps[::-1])
        assert shape.taps.sum() == pytest.approx(shape.up)
