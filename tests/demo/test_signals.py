from __future__ import annotations

import numpy as np

from vb.demo.signals import RATE, Utterance, speech
from vb.dsp.correlate import correlation


def test_voices_are_loud_in_every_second_and_unlike_each_other() -> None:
    a, b = speech(1), speech(2)
    for start in range(0, len(a), RATE):
        assert np.sqrt(np.mean(a[start : start + RATE].astype(float) ** 2)) > 1000
    assert abs(correlation(a, b)) < 0.05
    assert (speech(1) == a).all()


def test_an_utterance_is_said_once_and_remembers_when() -> None:
    samples = np.arange(1, 401, dtype=np.int16)
    utterance = Utterance(samples)
    assert utterance.started_at is None
    frames = [utterance.read(160) for _ in range(4)]
    assert frames[3] is None
    joined = np.concatenate([frame for frame in frames if frame is not None])
    assert (joined[:400] == samples).all()
    assert not joined[400:].any()
    assert utterance.started_at is not None
