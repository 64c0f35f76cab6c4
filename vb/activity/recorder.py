"""Between the taps, which are called inside the media tick, and the worker thread that writes to the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import trio

from vb.activity.lane import TICKS_PER_SECOND, Lane, Pcm, Piece

log = logging.getLogger("vb.activity")

FLUSH_SECONDS = 1.0
"""How often what was heard goes to the disk: one thread hand-over per recording and second."""
QUEUE_SECONDS = 30
"""How far the disk may fall behind; what does not fit becomes a gap, and gaps are silence."""

Tap = Callable[[Pcm, int, int], None]


class Recorder:
    """One recording: a main lane and any number of further ones on the same timeline.

    ``tap`` gives the callback for one channel of one lane. A disk that fails ends the writing, not the call.
    """

    def __init__(self, main: Lane, limiter: trio.CapacityLimiter) -> None:
        self.main = main
        self.lanes = [main]
        self.paused = False
        self.dropped = 0
        self.failure = ""
        self._limiter = limiter
        self._queue: deque[tuple[Lane, Piece]] = deque()
        self._gate = threading.Lock()  # an abandoned write may still be at it when the last one comes
        self._first: tuple[int, float] | None = None

    def tap(self, lane: Lane, channel: int) -> Tap:
        """What a media tap calls with (samples, rate, tick); it only appends to a list."""
        if lane not in self.lanes:
            self.lanes.append(lane)

        def write(samples: Pcm, rate: int, tick: int) -> None:
            if self._first is None:
                self._first = (tick, trio.current_time())
            if self.failure:
                return
            if len(self._queue) >= QUEUE_SECONDS * TICKS_PER_SECOND * 2 * len(self.lanes):
                self._drop()
                return
            self._queue.append((lane, Piece(channel, tick, rate, None if self.paused else samples)))

        return write

    def _drop(self) -> None:
        self.dropped += 1
        if self.dropped == 1:
            log.warning("the disk is too slow: a recording loses audio", extra={"seconds": QUEUE_SECONDS})

    def now_tick(self) -> int:
        """The tick that the recording has reached by the clock; 0 before its first audio."""
        if self._first is None:
            return 0
        tick, since = self._first
        return tick + int((trio.current_time() - since) * TICKS_PER_SECOND + 0.001)

    async def run(self) -> None:
        """Write once a second, for ever."""
        while True:
            await trio.sleep(FLUSH_SECONDS)
            if self._queue:
                await trio.to_thread.run_sync(
                    self._write, len(self._queue), abandon_on_cancel=True, limiter=self._limiter
                )

    async def finish(self, path: Path) -> bool:
        """Write the rest, up to now, and publish the main lane as ``path``. False: there is no file.

        Raises trio.Cancelled; the file will not appear later then. To be called when all taps are removed.
        """
        try:
            return await self._in_thread(self._finish, self.now_tick(), path)
        except trio.Cancelled:
            self.main.file.abandon()
            log.warning("recording given up: the disk does not answer", extra={"path": str(path)})
            raise

    def discard(self) -> None:
        """Remove every temporary file."""
        for lane in self.lanes:
            lane.file.discard()

    async def _in_thread(self, work: Callable[[int, Path], bool], until: int, path: Path) -> bool:
        # Abandoned on cancel: a disk that hangs must not keep a call from ending.
        return await trio.to_thread.run_sync(work, until, path, abandon_on_cancel=True, limiter=self._limiter)

    # --- in the worker thread

    def _write(self, count: int) -> None:
        """Write the first ``count`` pieces of the queue: whole ticks, for they were counted between two ticks."""
        with self._gate:
            heard: dict[Lane, list[Piece]] = {}
            for _ in range(min(count, len(self._queue))):
                lane, piece = self._queue.popleft()
                heard.setdefault(lane, []).append(piece)
            try:
                for lane, pieces in heard.items():
                    if not self.failure:
                        lane.write(pieces)
            except OSError as error:
                self._fail(error)

    def _finish(self, until: int, path: Path) -> bool:
        self._write(len(self._queue))
        with self._gate:
            try:
                if self.failure:
                    return False
                self.main.pad_to(until)
                return self.main.file.publish(path)
            except OSError as error:
                self._fail(error)
                return False
            finally:
                self.discard()

    def _fail(self, error: OSError) -> None:
        self.failure = error.strerror or str(error)
        log.error("recording failed", extra={"error": self.failure})
