"""Each hears the sum of the others: one tick of it over matrices, int16[lines, samples].

Sums are int32 (65,536 speakers fit); what is heard is clipped to int16. ``heard`` lines that are in no group are left
alone. Nothing here keeps state.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vb.mix.arrange import Arrangement, Index

Matrix = NDArray[np.int16]
Sums = NDArray[np.int32]
Weights = NDArray[np.float32]
LOWEST, HIGHEST = -32768, 32767


def mix(speech: Matrix, heard: Matrix, rooms: Arrangement) -> None:
    """Write to ``heard`` what every line of ``rooms`` hears: its room without itself."""
    if len(rooms.alone):
        heard[rooms.alone] = 0
    if len(rooms.pairs):
        heard[rooms.pairs[:, 0]] = speech[rooms.pairs[:, 1]]
        heard[rooms.pairs[:, 1]] = speech[rooms.pairs[:, 0]]
    for cube in rooms.cubes:
        heard[cube] = _cube(speech[cube])
    if len(rooms.ragged):
        total = totals(speech, rooms.ragged, rooms.starts)
        heard[rooms.ragged] = minus_own(total, rooms.counts, speech[rooms.ragged])


def _cube(voices: NDArray[np.int16]) -> NDArray[np.int16]:
    """int16[rooms, members, samples]: each member's share of the others."""
    return clip(voices.sum(axis=1, dtype=np.int32, keepdims=True) - voices)


def totals(speech: Matrix, lines: Index, starts: Index) -> Sums:
    """The whole sum of each room, int32[rooms, samples]; rooms are runs of ``lines`` that begin at ``starts``.

    A run must not be empty (``np.add.reduceat`` would take its neighbour's first line).
    """
    return np.add.reduceat(speech[lines], starts, axis=0, dtype=np.int32)


def minus_own(total: Sums, counts: Index, own: Matrix) -> Matrix:
    """``total`` of each room, repeated for its ``counts`` members, minus what each said itself; clipped."""
    return clip(np.repeat(total, counts, axis=0) - own)


def routed(speech: Matrix, weights: Weights, rest: Sums) -> Matrix:
    """What each line hears of the lines of ``speech`` by ``weights[listener, source]``, and of ``rest`` all; clipped.

    Exact for 512 sources of weight 1 at full scale, where float32 ends to count in ones.
    """
    return clip(np.rint(weights @ speech.astype(np.float32)) + rest)


def clip(samples: NDArray[Any]) -> Matrix:
    """Samples as int16; what is louder than full scale is full scale. Overwrites ``samples``."""
    np.clip(samples, LOWEST, HIGHEST, out=samples)
    return samples.astype(np.int16)
