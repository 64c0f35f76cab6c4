"""The sum of the others, against the plain definition of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.mix.arrange import arrange
from vb.mix.sums import HIGHEST, LOWEST, minus_own, mix, routed, totals


def by_definition(speech: np.ndarray, rooms: list[list[int]], heard: np.ndarray) -> np.ndarray:
    wanted = heard.copy()
    for room in rooms:
        for line in room:
            others = sum((speech[other].astype(np.int64) for other in room if other != line), np.zeros(speech.shape[1]))
            wanted[line] = np.clip(others, -32768, 32767)
    return wanted


@given(st.lists(st.integers(0, 6), max_size=24), st.integers(0, 2**32 - 1))
def test_each_hears_the_others(sizes: list[int], seed: int) -> None:
    random = np.random.default_rng(seed)
    lines = random.permutation(sum(sizes) + 3).tolist()
    rooms = [[lines.pop() for _ in range(size)] for size in sizes]
    speech = random.integers(-32768, 32768, (sum(sizes) + 3, 12)).astype(np.int16)
    heard = np.full_like(speech, 77)  # lines in no room keep what they have
    wanted = by_definition(speech, rooms, heard)
    mix(speech, heard, arrange(rooms))
    assert (heard == wanted).all()


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("rooms", [1, 6])
def test_full_scale_is_clipped_and_not_wrapped(size: int, rooms: int) -> None:
    speech = np.full((size * rooms, 4), 32767, np.int16)
    speech[0] = -32768
    heard = np.zeros_like(speech)
    mix(speech, heard, arrange(np.arange(size * rooms).reshape(rooms, size).tolist()))
    assert (heard[0] == 32767).all()
    assert (heard[1] == min((size - 2) * 32767 - 32768, 32767)).all()


def test_a_sum_clips_only_what_is_heard() -> None:
    """Full scale minus oneself is exact: the sum itself is wider than int16."""
    speech = np.array([[30000], [30000], [-30000]], np.int16)
    total = totals(speech, np.arange(3), np.array([0]))
    assert total.tolist() == [[30000]]
    assert minus_own(total, np.array([3]), speech).tolist() == [[0], [0], [32767]]


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_routed_is_the_sum_by_weight(members: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    speech = rng.integers(LOWEST, HIGHEST + 1, (members, 5)).astype(np.int16)
    heard = rng.integers(0, 2, (members, members))
    rest = rng.integers(-70000, 70000, 5).astype(np.int32)
    wanted = (heard @ speech.astype(np.int64) + rest).clip(LOWEST, HIGHEST)
    assert np.array_equal(routed(speech, heard.astype(np.float32), rest), wanted)
