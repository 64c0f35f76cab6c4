"""What a phone heard: frames by tick, joined to one timeline afterwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_FRAMES = 50 * 600  # ten minutes


class Heard:
    """Collects the frames of a tap. `samples()` is the timeline from the first frame, silence where a tick had none."""

    def __init__(self) -> None:
        self.rate = 8000
        self._frames: list[tuple[int, NDArray[np.int16]]] = []

    def write(self, frame: NDArray[np.int16], rate: int, tick: int) -> None:
        """The tap's callback: runs inside the media tick."""
        self.rate = rate
        if len(self._frames) < MAX_FRAMES:
            self._frames.append((tick, frame))

    @property
    def first_tick(self) -> int | None:
        return self._frames[0][0] if self._frames else None

    def samples(self) -> NDArray[np.int16]:
        if not self._frames:
            return np.zeros(0, np.int16)
        size = self.rate // 50
        first, last = self._frames[0][0], self._frames[-1][0]
        timeline = np.zeros((last - first + 1, size), np.int16)
        for tick, frame in self._frames:
            timeline[tick - first, : len(frame)] = frame[:size]
        return timeline.reshape(-1)
