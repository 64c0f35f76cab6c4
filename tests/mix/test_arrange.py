"""Rooms to groups: every member in exactly one of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vb.mix.arrange import CUBE_FROM, arrange


def test_sizes_decide_the_group() -> None:
    rooms = [[0], [1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14], [20, 21, 22, 23], []]
    found = arrange(rooms)
    assert found.alone.tolist() == [0]
    assert found.pairs.tolist() == [[1, 2]]
    assert [cube.tolist() for cube in found.cubes] == [[[3, 4, 5], [6, 7, 8], [9, 10, 11], [12, 13, 14]]]
    assert found.ragged.tolist() == [20, 21, 22, 23]
    assert (found.starts.tolist(), found.counts.tolist()) == ([0], [4])


def test_nothing_to_arrange() -> None:
    found = arrange([])
    assert found.pairs.shape == (0, 2)
    assert len(found.alone) == len(found.ragged) == len(found.starts) == len(found.cubes) == 0


@given(st.lists(st.integers(0, 7), max_size=40))
def test_every_line_is_in_one_group(sizes: list[int]) -> None:
    lines = iter(range(1000))
    rooms = [[next(lines) for _ in range(size)] for size in sizes]
    found = arrange(rooms)
    everyone = [found.alone, found.pairs.reshape(-1), found.ragged, *(cube.reshape(-1) for cube in found.cubes)]
    assert sorted(np.concatenate(everyone).tolist()) == list(range(sum(sizes)))
    assert all(len(cube) >= CUBE_FROM for cube in found.cubes)
    assert found.starts.tolist() == np.cumsum([0, *found.counts])[:-1].tolist()
