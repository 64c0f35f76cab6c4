"""The proof must fail when it should: a lost frame, a wrong voice, one's own echo."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

from vb.demo.proof import ABSENT, PhoneResult, hearing, hearings, round_trips, tone_heard
from vb.demo.signals import RATE, speech

Samples = NDArray[np.int16]
DELAY = 0.045


def phone(name: str, said: Samples, said_at: float, heard: Samples) -> PhoneResult:
    return PhoneResult(name, said, said_at, heard, 0.0, 100, 0, 0, 0.5, 0, "")


def timeline(*parts: tuple[float, Samples], seconds: float = 20.0) -> Samples:
    """Silence with each part mixed in at its second."""
    heard = np.zeros(int(seconds * RATE), np.int32)
    for at, samples in parts:
        start = int(at * RATE)
        heard[start : start + len(samples)] += samples
    return np.clip(heard, -32768, 32767).astype(np.int16)


@pytest.fixture
def pair() -> tuple[PhoneResult, PhoneResult]:
    a, b = speech(1), speech(2)
    return (
        phone("a", a, 2.0, timeline((8.0 + DELAY, b))),
        phone("b", b, 8.0, timeline((2.0 + DELAY, a))),
    )


def test_a_good_call_holds_and_is_measured(pair: tuple[PhoneResult, PhoneResult]) -> None:
    pairs = hearings(list(pair), speech(99))
    assert [(p.speaker, p.listener, p.held) for p in pairs] == [
        ("a", "a", True),
        ("a", "b", True),
        ("b", "a", True),
        ("b", "b", True),
        (ABSENT, "a", True),
        (ABSENT, "b", True),
    ]
    assert round_trips(pairs) == {("a", "b"): pytest.approx(2000 * DELAY, abs=0.5)}


def test_a_frame_lost_in_the_middle_fails(pair: tuple[PhoneResult, PhoneResult]) -> None:
    a, b = pair
    cut = np.delete(b.heard, np.s_[4 * RATE : 4 * RATE + 160])
    assert not hearing(a, attrs.evolve(b, heard=cut)).held


def test_an_echo_of_oneself_fails(pair: tuple[PhoneResult, PhoneResult]) -> None:
    a, _ = pair
    echo = attrs.evolve(a, heard=timeline((2.0 + DELAY, (a.said // 4).astype(np.int16))))
    assert not hearing(echo, echo).held


def test_silence_is_not_hearing(pair: tuple[PhoneResult, PhoneResult]) -> None:
    a, b = pair
    assert not hearing(a, attrs.evolve(b, heard=timeline())).held


def test_the_tone_is_found_only_where_it_is() -> None:
    times = np.arange(RATE) / RATE
    tone = (8000 * (np.sin(2 * np.pi * 350 * times) + np.sin(2 * np.pi * 440 * times))).astype(np.int16)
    listener = phone("a", speech(1), 5.0, timeline((1.0, tone)))
    assert tone_heard(listener, (350.0, 440.0), before=5.0)
    assert not tone_heard(listener, (425.0, 480.0), before=5.0)
    assert not tone_heard(listener, (350.0, 440.0), before=1.0)
    assert not tone_heard(phone("a", speech(1), 5.0, timeline()), (350.0, 440.0), before=5.0)
