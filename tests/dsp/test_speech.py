from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import numpy as np

from vb.dsp.speech import LOUD_RMS, OFF_FRAMES, ON_FRAMES, Bursts, loud

LINES = np.array([2, 5])


def advance(bursts: Bursts, heard: list[bool], hushed: list[bool] | None = None) -> tuple[list[int], list[int]]:
    began, stopped = bursts.advance(LINES, np.array(heard), np.array(hushed or [False, False]))
    return began.tolist(), stopped.tolist()


def test_loudness_is_the_rms_of_a_frame() -> None:
    tone = np.sin(np.arange(160) * 2 * np.pi / 16)
    frames = np.stack([np.full(160, 300), np.full(160, 299), tone * 430, tone * 420, np.full(160, -32768)])
    assert LOUD_RMS == 300
    assert loud(frames.astype(np.int16)).tolist() == [True, False, True, False, True]


def test_three_loud_frames_begin_and_fifteen_quiet_ones_end() -> None:
    bursts = Bursts(8)
    for _ in range(ON_FRAMES - 1):
        assert advance(bursts, [True, False]) == ([], [])
    assert advance(bursts, [True, True]) == ([2], [])
    assert bursts.speaking.tolist() == [False, False, True, False, False, False, False, False]
    for _ in range(OFF_FRAMES - 1):
        assert advance(bursts, [False, False]) == ([], [])
    assert advance(bursts, [False, False]) == ([], [2])


def test_two_frames_are_a_click_and_a_pause_is_no_end() -> None:
    bursts = Bursts(8)
    for heard in (True, True, False, True, True, False):
        assert advance(bursts, [heard, False]) == ([], [])
    for _ in range(ON_FRAMES):
        advance(bursts, [True, False])
    for _ in range(OFF_FRAMES - 1):
        advance(bursts, [False, False])
    assert advance(bursts, [True, False]) == ([], [])
    assert bursts.speaking[2]


def test_mute_ends_a_burst_at_once_and_lets_none_begin() -> None:
    bursts = Bursts(8)
    for _ in range(ON_FRAMES):
        advance(bursts, [True, True])
    assert advance(bursts, [True, True], [True, False]) == ([], [2])
    for _ in range(2 * ON_FRAMES):
        assert advance(bursts, [True, True], [True, False]) == ([], [])
    assert [advance(bursts, [True, True]) for _ in range(ON_FRAMES)] == [([], []), ([], []), ([2], [])]


def test_growth_keeps_the_old_lines_and_adds_silent_ones() -> None:
    bursts = Bursts(6)
    for _ in range(ON_FRAMES):
        advance(bursts, [True, True])
    bursts.resize(20)
    assert np.flatnonzero(bursts.speaking).tolist() == [2, 5]
    bursts.reset(2)
    assert np.flatnonzero(bursts.speaking).tolist() == [5]


@hypothesis.given(st.lists(st.booleans(), max_size=200))
def test_the_same_as_frame_by_frame(heard: list[bool]) -> None:
    bursts, speaking, run = Bursts(8), False, 0
    for frame in heard:
        run = run + 1 if frame != speaking else 0
        if run == (OFF_FRAMES if speaking else ON_FRAMES):
            speaking, run = not speaking, 0
        advance(bursts, [frame, False])
        assert bool(bursts.speaking[2]) is speaking
