"""Every tone of the table: its frequencies, its cadence, its peak, its fades."""

from __future__ import annotations

import numpy as np
import pytest

from vb.dsp.tones import PEAK, TONES, ToneError, ToneSource, find_tone

RATES = (8000, 16000, 48000)


def heard(name: str, rate: int, seconds: float) -> np.ndarray:
    source = ToneSource(name, rate)
    return np.concatenate([source.read(rate // 50) for _ in range(round(seconds * 50))])


def strongest(samples: np.ndarray, rate: int, count: int) -> set[int]:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), rate))
    found = set()
    for _ in range(count):
        top = int(np.argmax(spectrum))
        found.add(top)
        spectrum[max(top - 8, 0) : top + 9] = 0
    return found


@pytest.mark.parametrize("name", TONES)
def test_frequencies(name: str) -> None:
    tone = TONES[name]
    burst = heard(name, 8000, (tone.cadence or (1000,))[0] / 1000)
    loud = strongest(burst[: len(burst) // 160 * 160], 8000, len(tone.frequencies))
    assert all(min(abs(top - f) for f in tone.frequencies) <= 2 for top in loud)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", [name for name, tone in TONES.items() if tone.cadence])
def test_cadence(name: str, rate: int) -> None:
    cadence = TONES[name].cadence
    samples = heard(name, rate, 2 * sum(cadence) / 1000)
    sounding = np.array([np.any(window) for window in samples.reshape(-1, rate // 200)])  # 5 ms
    expected = np.concatenate([np.full(ms // 5, part % 2 == 0) for part, ms in enumerate(cadence * 2)])
    assert np.array_equal(sounding, expected)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", TONES)
def test_peak_and_fades(name: str, rate: int) -> None:
    samples = heard(name, rate, 5).astype(int)
    assert 0.97 * PEAK <= np.max(np.abs(samples)) <= PEAK
    assert samples[0] == 0
    assert np.max(np.abs(samples[: rate // 1000])) <= PEAK * 0.55  # 1 ms into a fade of 2


def test_amplitude_modulation() -> None:
    envelope = np.abs(heard("jp_ringback", 16000, 1.0)).reshape(-1, 80).max(axis=1)  # per 5 ms
    dips = int(np.sum((envelope[1:-1] < envelope[:-2]) & (envelope[1:-1] <= envelope[2:]) & (envelope[1:-1] < 3000)))
    assert dips == 16


def test_frames_of_any_size_are_one_signal() -> None:
    whole = ToneSource("gb_ringback", 8000).read(30000)
    source = ToneSource("gb_ringback", 8000)
    sizes = [1, 7, 160, 161, 999, 8000, 20672]
    assert np.array_equal(np.concatenate([source.read(size) for size in sizes]), whole)
    assert source.played_ms == 3750


def test_names() -> None:
    assert find_tone("ringback") is TONES["us_ringback"]
    assert find_tone("UK_busy") is TONES["gb_busy"]
    assert len(TONES) == 41
    for wrong in ("pl_busy", "us", "us_", "_busy", "xx_dial", "", "uk", "us_ringback_"):
        with pytest.raises(ToneError):
            find_tone(wrong)


def test_gain_is_live_and_clipped() -> None:
    source = ToneSource("dial", 8000, gain=0.0)
    assert not source.read(1600).any()
    source.gain = 10.0
    loud = source.read(1600)
    assert loud.max() == 32767
    assert loud.min() == -32768
