"""Sound that is put into a leg or a room, and what listens to them: both called inside the tick."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vb.dsp.resample import Resampler
from vb.media.settings import TICK

log = logging.getLogger("vb.media")

Pcm = NDArray[np.int16]
OnEnd = Callable[[BaseException | None], None]
Write = Callable[[Pcm, int, int], None]


class FrameSource(Protocol):
    """Something to be heard. ``read`` is called once per tick inside the tick: no I/O, no waiting."""

    rate: int

    def read(self, samples: int) -> Pcm | None:
        """The next ``samples`` samples as int16[samples]; None when it has ended. Fewer: the rest is silence."""


class SourceHandle:
    """One source while it plays. ``gain`` is linear, 1.0 unchanged, and may be set at any time.

    A source that raises is removed; ``on_end`` is called once, inside the tick, with that error, or with None when
    the source ended by itself; not when it was removed.
    """

    def __init__(self, source: FrameSource, remove: Callable[[SourceHandle], None], on_end: OnEnd | None) -> None:
        self.gain = 1.0
        self.active = True
        self._source = source
        self._remove = remove
        self._on_end = on_end
        self._resampler: Resampler | None = None
        self._phase = 0.0

    def remove(self) -> None:
        """Not heard from the next tick on; any number of times."""
        if self.active:
            self.active = False
            self._remove(self)

    def read(self, rate: int) -> Pcm | None:
        """This tick's frame at ``rate`` with gain, None when there is none."""
        try:
            frame = self._frame(rate)
        except Exception as error:
            log.exception("a sound source failed")
            self._end(error)
            return None
        if frame is None:
            self._end(None)
        elif self.gain != 1.0:
            scaled = frame * np.float32(self.gain)
            louder: Pcm = np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)
            return louder
        return frame

    def _frame(self, rate: int) -> Pcm | None:
        wanted = round(self._source.rate * TICK)
        frame = self._source.read(wanted)
        if frame is None:
            return None
        if len(frame) < wanted:
            frame = np.concatenate((frame, np.zeros(wanted - len(frame), np.int16)))
        if self._source.rate == rate:
            return frame
        if self._resampler is None or self._resampler.rate_out != rate:
            self._resampler = Resampler(self._source.rate, rate, 1)
        converted: Pcm = self._resampler.process(frame[None, :])[0]
        return converted

    def _end(self, error: BaseException | None) -> None:
        if not self.active:
            return
        self.remove()
        if self._on_end is not None:
            try:
                self._on_end(error)
            except Exception:
                log.exception("the end of a sound source could not be told")


class TapHandle:
    """One listener: ``write(samples, rate, tick)`` gets a private int16 frame every tick, silence included.

    It must not block. One that raises is removed; ``failed`` then says why.
    """

    def __init__(self, write: Write, rate: int, remove: Callable[[TapHandle], None]) -> None:
        self.rate = rate
        self.active = True
        self.failed: BaseException | None = None
        self._write = write
        self._remove = remove
        self._resampler: Resampler | None = None

    def remove(self) -> None:
        """Nothing is written from now on; any number of times."""
        if self.active:
            self.active = False
            self._remove(self)

    def feed(self, frame: Pcm, rate: int, tick: int) -> None:
        """Pass on one frame at ``rate``, converted to the tap's own."""
        if not self.active:
            return
        try:
            if rate == self.rate:
                frame = frame.copy()
            else:
                if self._resampler is None or self._resampler.rate_in != rate:
                    self._resampler = Resampler(rate, self.rate, 1)
                frame = self._resampler.process(frame[None, :])[0]
            self._write(frame, self.rate, tick)
        except Exception as error:
            log.exception("a tap failed")
            self.failed = error
            self.remove()
