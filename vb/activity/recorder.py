"""Between the taps, which are called inside the media tick, and the worker thread that writes to the disk."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import trio

from vb.activity.lane import BLOCK_TICKS, MS_PER_TICK, TICKS_PER_SECOND, Lane, Pcm, Piece
from vb.activity.recording_file import RecordingFile

log = logging.getLogger("vb.activity")

FLUSH_SECONDS = 1.0
"""How often what was heard goes to the disk: one thread hand-over per recording and second."""
QUEUE_SECONDS = 30
"""How far the disk may fall behind; what does not fit becomes a gap, and gaps are silence."""

Tap = Callable[[Pcm, int, int], None]


@attrs.frozen
class Outcome:
    """What a recording left behind: paths, "" for no file; the channels by participant; who has none."""

    file: str = ""
    multi_channel_file: str = ""
    channels: dict[str, dict[str, int]] = attrs.field(factory=dict)
    omitted_legs: list[str] = attrs.field(factory=list)

    def view(self) -> dict[str, Any]:
        """As a stop answers and ``recording.finished`` says it: empty optional fields left out."""
        shown: dict[str, Any] = {"file": self.file}
        for name in ("multi_channel_file", "channels", "omitted_legs"):
            if value := getattr(self, name):
                shown[name] = value
        return shown


class Recorder:
    """One recording: a main lane, and for a multi-channel one a lane for each participant on the same timeline.

    A disk that fails ends the writing, not the call. ``begins`` says whether audio counts yet: until it first does,
    what the taps hear is not recorded.
    """

    def __init__(
        self,
        open_file: Callable[[], RecordingFile],
        channels: int,
        limiter: trio.CapacityLimiter,
        begins: Callable[[], bool] = lambda: True,
    ) -> None:
        self.main = Lane(open_file, channels)
        self.participants: dict[str, Lane] = {}
        self.paused = False
        self.dropped = 0
        self._open_file = open_file
        self._limiter = limiter
        self._begins = begins
        self._failed: set[Lane] = set()
        self._queue: deque[tuple[Lane, Piece]] = deque()
        self._gate = threading.Lock()  # an abandoned write may still be at it when the last one comes
        self._given_up = False
        self._merged: RecordingFile | None = None
        self._first: tuple[int, float] | None = None

    async def open(self) -> None:
        """Make the temporary file of the main lane. Raises OSError."""
        await trio.to_thread.run_sync(self._open, abandon_on_cancel=True, limiter=self._limiter)

    def give_up(self) -> None:
        """It will not be recorded: no file is left, even if the disk makes it only later."""
        self._given_up = True
        self.main.discard()

    # --- in the media tick

    def tap(self, channel: int) -> Tap:
        """What a media tap calls for one channel of the main lane: (samples, rate, tick)."""
        return self._tap(self.main, channel)

    def participant_tap(self, name: str) -> Tap:
        """The same for the lane of one participant; who comes back goes on with the old one."""
        return self._tap(self.participants.setdefault(name, Lane(self._open_file)), 0)

    def _tap(self, lane: Lane, channel: int) -> Tap:
        def write(samples: Pcm, rate: int, tick: int) -> None:
            if self._first is None:
                if not self._begins():
                    return
                self._first = (tick, trio.current_time())
            if len(self._queue) < QUEUE_SECONDS * TICKS_PER_SECOND * 2 * (1 + len(self.participants)):
                self._queue.append((lane, Piece(channel, tick, rate, None if self.paused else samples)))
            else:
                self._drop()

        return write

    def _drop(self) -> None:
        self.dropped += 1
        if self.dropped == 1:
            log.warning("the disk is too slow: a recording loses audio", extra={"queued_seconds": QUEUE_SECONDS})

    # --- in the recording's task

    async def run(self) -> None:
        """Write once a second, for ever."""
        while True:
            await trio.sleep(FLUSH_SECONDS)
            if self._queue:
                # Counted here, between two ticks: so it is whole ticks. Abandoned at the end, which waits for it.
                await trio.to_thread.run_sync(
                    self._write, len(self._queue), abandon_on_cancel=True, limiter=self._limiter
                )

    async def finish(self, path: Path, multi_channel_path: Path | None = None) -> Outcome:
        """Write the rest, up to now, and publish. To be called when all taps are removed.

        Raises trio.Cancelled; no file will appear later then.
        """
        until = 0
        if self._first is not None:
            tick, since = self._first
            until = tick + int((trio.current_time() - since) * TICKS_PER_SECOND + 0.001)
        try:
            # Abandoned on cancel: a disk that hangs must not keep a call from ending.
            return await trio.to_thread.run_sync(
                self._finish, until, path, multi_channel_path, abandon_on_cancel=True, limiter=self._limiter
            )
        except trio.Cancelled:
            self._given_up = True
            self.main.abandon()
            if self._merged is not None:
                self._merged.abandon()
            log.warning("recording given up: the disk does not answer", extra={"path": str(path)})
            raise

    # --- in the worker thread

    def _open(self) -> None:
        with self._gate:
            file = self.main.file
            if self._given_up:  # it took too long
                file.discard()

    def _write(self, count: int) -> None:
        with self._gate:
            heard: dict[Lane, list[Piece]] = {}
            for _ in range(min(count, len(self._queue))):
                lane, piece = self._queue.popleft()
                heard.setdefault(lane, []).append(piece)
            for lane, pieces in heard.items():
                if lane not in self._failed:
                    self._guarded(lane, lane.write, pieces)

    def _guarded(self, lane: Lane, work: Callable[..., Any], *args: Any) -> bool:
        """A lane that fails is given up, and no other."""
        try:
            work(*args)
        except OSError as error:
            self._failed.add(lane)
            lane.discard()
            log.error("recording failed", extra={"error": error.strerror or str(error)})  # noqa: TRY400  (no bug)
            return False
        return True

    def _finish(self, until: int, path: Path, multi_channel_path: Path | None) -> Outcome:
        self._write(len(self._queue))
        with self._gate:
            try:
                main = self.main
                good = main not in self._failed and self._guarded(main, main.pad_to, until)
                outcome = Outcome()
                if good and multi_channel_path is not None and main.start is not None:
                    outcome = self._merge(multi_channel_path)
                if good and main.start is not None and self._guarded(main, main.file.publish, path):
                    outcome = attrs.evolve(outcome, file=str(path))
                return outcome
            finally:
                for lane in (self.main, *self.participants.values()):
                    lane.discard()

    def _merge(self, path: Path) -> Outcome:
        """All participants' lanes as the channels of one file, as long as the main one."""
        main = self.main
        assert main.start is not None
        used = {
            name: lane
            for name, lane in self.participants.items()
            if lane not in self._failed and lane.start is not None and lane.rate == main.rate
        }
        omitted = [name for name in self.participants if name not in used]
        if not used:
            return Outcome(omitted_legs=omitted)
        merged = Lane(self._open_file, len(used))
        if not self._guarded(merged, self._interleave, list(used.values()), merged, path):
            return Outcome(omitted_legs=list(self.participants))
        spans = {
            name: {
                "channel": channel,
                "start_ms": max(lane.start - main.start, 0) * MS_PER_TICK if lane.start is not None else 0,
                "end_ms": (min(lane.end, main.end) - main.start) * MS_PER_TICK,
            }
            for channel, (name, lane) in enumerate(used.items())
        }
        return Outcome(multi_channel_file=str(path), channels=spans, omitted_legs=omitted)

    def _interleave(self, lanes: list[Lane], into: Lane, path: Path) -> None:
        merged = self._merged = into.file
        if self._given_up:
            merged.abandon()
        main = self.main
        assert main.start is not None
        step = main.rate // TICKS_PER_SECOND
        try:
            for begin in range(main.start, main.end, BLOCK_TICKS):
                end = min(begin + BLOCK_TICKS, main.end)
                block = np.zeros(((end - begin) * step, len(lanes)), np.int16)
                for channel, lane in enumerate(lanes):
                    first, samples = lane.read(begin, end)
                    at = (first - begin) * step
                    block[at : at + len(samples), channel] = samples[:, 0]
                merged.write(block, main.rate)
            merged.publish(path)
        finally:
            merged.discard()
