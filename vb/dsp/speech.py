"""Who speaks: bursts of loud frames, for many lines at once.

A line begins to speak with its third loud frame in a row and stops with its fifteenth quiet one: a click is no word,
and the pause between two words no end.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]
Flags = NDArray[np.bool_]

LOUD_RMS = 300
"""Of full scale 32768: about -41 dBFS."""
ON_FRAMES = 3
OFF_FRAMES = 15


def loud(frames: NDArray[np.int16]) -> Flags:
    """Which lines of int16[lines, samples] reach ``LOUD_RMS``."""
    samples = frames.astype(np.float32)
    energy = np.einsum("ij,ij->i", samples, samples)
    return np.asarray(energy >= LOUD_RMS * LOUD_RMS * frames.shape[1], np.bool_)


class Bursts:
    """The state of ``capacity`` lines, all of them silent at first."""

    def __init__(self, capacity: int) -> None:
        self.speaking: Flags = np.zeros(capacity, np.bool_)
        self._run = np.zeros(capacity, np.uint8)  # frames in a row that speak against the present state

    def resize(self, capacity: int) -> None:
        """There are more lines now; the old ones go on."""
        self.speaking = np.resize(self.speaking, capacity) & (np.arange(capacity) < len(self.speaking))
        run, self._run = self._run, np.zeros(capacity, np.uint8)
        self._run[: len(run)] = run

    def reset(self, line: int) -> None:
        """The line is another one now, and silent."""
        self.speaking[line] = False
        self._run[line] = 0

    def advance(self, lines: Index, heard: Flags, hushed: Flags) -> tuple[Index, Index]:
        """One frame of ``lines``, which were loud where ``heard``: the lines that began and those that stopped.

        A ``hushed`` line (its mute is on) stops at once and does not begin.
        """
        before = self.speaking[lines]
        against = (heard & ~hushed) != before
        run = np.where(against, self._run[lines] + 1, 0).astype(np.uint8)
        turned = against & ((run >= np.where(before, OFF_FRAMES, ON_FRAMES)) | (before & hushed))
        run[turned] = 0
        self._run[lines] = run
        self.speaking[lines] = before ^ turned
        return lines[turned & ~before], lines[turned & before]
