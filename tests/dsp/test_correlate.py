from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.codec.g711 import PCMU
from vb.dsp.correlate import align, correlation, window_correlations


def noise(seed: int, seconds: float, rate: int = 8000) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 4000, round(seconds * rate)).astype(np.int16)


def delayed(samples: np.ndarray, delay: int, length: int) -> np.ndarray:
    heard = np.zeros(length, np.int16)
    begin = max(delay, 0)
    part = samples[max(-delay, 0) :][: length - begin]
    heard[begin : begin + len(part)] = part
    return heard


@given(st.integers(-3000, 12000))
def test_the_delay_is_found(delay: int) -> None:
    said = noise(1, 1.0)
    assert align(said, delayed(said, delay, 24000), 8000) == delay


def test_the_delay_is_found_through_codec_and_other_voices() -> None:
    said = noise(1, 3.0)
    heard = delayed(said, 777, 32000).astype(int) + noise(2, 4.0)
    heard = PCMU.decode(PCMU.encode(np.clip(heard, -32768, 32767).astype(np.int16)))
    assert align(said, heard, 8000) == 777


def test_the_search_can_be_bounded() -> None:
    said = noise(1, 0.5)
    heard = delayed(said, 5000, 16000)
    assert align(said, heard, 8000) == 5000
    assert abs(align(said, heard, 8000, max_delay_s=0.1)) <= 800


def test_silence_aligns_nowhere() -> None:
    said = noise(1, 0.5)
    assert align(said, np.zeros(100, np.int16), 8000) == 0
    assert align(said[:0], said, 8000) == 0
    assert align(said, np.full(100, 7, np.int16), 8000) == 0


def test_windows_of_a_good_call() -> None:
    said = noise(1, 5.0)
    heard = PCMU.decode(PCMU.encode(delayed(said, 321, 50000)))
    windows = window_correlations(said, heard, 8000)
    assert windows.shape == (5,)
    assert windows.min() > 0.99


def test_a_hole_shows_in_its_window_only() -> None:
    said = noise(1, 5.0)
    heard = delayed(said, 100, 50000)
    heard[100 + 16000 : 100 + 24000] = 0
    windows = window_correlations(said, heard, 8000, delay=100)
    assert windows[2] == 0
    assert np.delete(windows, 2).min() > 0.999


def test_a_slip_of_one_frame_shows_from_there_on() -> None:
    said = noise(1, 4.0)
    heard = np.concatenate([said[:16000], said[16160:]])
    windows = window_correlations(said, heard, 8000, delay=0)
    assert windows[:2].min() > 0.999
    assert np.abs(windows[2:]).max() < 0.1


def test_windows_that_were_not_heard_whole_are_left_out() -> None:
    said = noise(1, 3.0)
    assert window_correlations(said, said[:20000], 8000, delay=0).shape == (2,)
    assert window_correlations(said, said[4000:], 8000, delay=-4000).shape == (2,)
    assert window_correlations(said, said, 8000, 0.5, delay=0).shape == (6,)
    assert window_correlations(said[:100], said, 8000).shape == (0,)
    with pytest.raises(ValueError, match="window"):
        window_correlations(said, said, 8000, 0.0)


def test_correlation() -> None:
    one, other = noise(1, 1.0), noise(2, 1.0)
    assert correlation(one, one) == pytest.approx(1)
    assert correlation(one, -one // 2) == pytest.approx(-1, abs=1e-3)
    assert abs(correlation(one, other)) < 0.05
    assert correlation(one, np.zeros_like(one)) == 0
    assert correlation(one, (one.astype(float) + 500)) == pytest.approx(1)  # an offset is no difference
