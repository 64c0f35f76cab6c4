"""Rooms sorted into the groups that one tick of mixing handles together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]

CUBE_FROM = 4
"""So many rooms of one size are worth an array operation of their own."""


@attrs.frozen(eq=False)
class Arrangement:
    """Index arrays into the matrices ``speech`` and ``heard``; every line is in at most one group.

    ``pairs``: lines by twos, intp[n, 2]. ``cubes``: rooms of one size, intp[rooms, size] each. ``ragged``: the lines
    of all other rooms one after another, each room from its ``starts`` and ``counts`` lines long. ``alone``: lines
    that hear nobody.
    """

    pairs: Index
    cubes: tuple[Index, ...]
    ragged: Index
    starts: Index
    counts: Index
    alone: Index


def index(lines: Iterable[int]) -> Index:
    """Line numbers as an index array."""
    return np.fromiter(lines, np.intp)


def arrange(rooms: Iterable[Sequence[int]]) -> Arrangement:
    """Group ``rooms``, given as the lines of their members; an empty room takes no part."""
    by_size: dict[int, list[Sequence[int]]] = {}
    for room in rooms:
        by_size.setdefault(len(room), []).append(room)
    by_size.pop(0, None)
    alone = by_size.pop(1, [])
    pairs = by_size.pop(2, [])
    cubes = [by_size.pop(size) for size in sorted(by_size) if len(by_size[size]) >= CUBE_FROM]
    rest = [room for rooms in by_size.values() for room in rooms]
    counts = index(len(room) for room in rest)
    return Arrangement(
        pairs=np.array(pairs, np.intp).reshape(-1, 2),
        cubes=tuple(np.array(cube, np.intp) for cube in cubes),
        ragged=index(line for room in rest for line in room),
        starts=np.cumsum(counts) - counts,
        counts=counts,
        alone=index(room[0] for room in alone),
    )
