from __future__ import annotations

import io

import numpy as np
import pytest

from vb.activity.sound import SoundError, pcm_source, set_volume, tone_source
from vb.dsp.wav_writer import WavWriter


def wav_bytes(samples: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    with WavWriter(file, rate) as writer:
        writer.write(samples)
    return file.getvalue()


SAMPLES = np.arange(320, dtype=np.int16)


def test_wav_and_raw_and_the_type_that_decides() -> None:
    wav = wav_bytes(SAMPLES, 8000)
    for mime_type in ("", "audio/wav", "application/octet-stream", "audio/mpeg"):
        frame = pcm_source(wav, mime_type, 8000, 1).read(160)
        assert frame is not None
        assert frame.tolist() == SAMPLES[:160].tolist()
    raw = pcm_source(SAMPLES.tobytes(), "Audio/PCM; rate=8000", 8000, 1).read(160)
    assert raw is not None
    assert raw.tolist() == SAMPLES[:160].tolist()


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_any_rate_becomes_the_targets(rate: int) -> None:
    source = pcm_source(wav_bytes(np.zeros(rate, np.int16), rate), "", 16000, 1)
    ticks = 0
    while source.read(320) is not None:
        ticks += 1
    assert ticks == 50
    assert source.played_ms == 1000


@pytest.mark.parametrize(
    ("body", "mime_type", "text"),
    [
        (b"", "", "RIFF"),
        (b"hello", "text/plain", "RIFF"),
        (b"ID3\4rest", "", "MP3"),
        (b"\xff\xfb\x90\x00", "", "MP3"),
        (b"anything", "audio/mpeg; x=y", "MP3"),
        (b"\0\0", "audio/pcm", "rate"),
        (b"\0\0", "audio/pcm;rate=7999", "rate"),
    ],
)
def test_what_is_no_sound(body: bytes, mime_type: str, text: str) -> None:
    with pytest.raises(SoundError, match=text):
        pcm_source(body, mime_type, 8000, 0)


def test_an_unknown_tone_names_the_others() -> None:
    with pytest.raises(SoundError, match=r'unknown tone "pl_busy", available: au_busy, .*, us_ringback'):
        tone_source("pl_busy", 8000)


@pytest.mark.parametrize("volume", [-8, 0, 8])
def test_a_volume_step_is_three_decibels(volume: int) -> None:
    loud = tone_source("de_dial", 8000)
    set_volume(loud, volume)
    assert loud.gain == pytest.approx(10 ** (0.15 * volume))
