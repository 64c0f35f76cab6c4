"""A room as the clock sees it: members' rows, who hears whom, sources everyone hears, taps that hear everyone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np

from vb.media.bridge import Bridge
from vb.media.settings import RATE
from vb.media.sources import FrameSource, OnEnd, SourceHandle, TapHandle, Write
from vb.mix.sums import Weights

if TYPE_CHECKING:
    from vb.media.mixer import Mixer
    from vb.media.port import Port


class Mix:
    """Made by ``MediaClock.open_mix``. ``rate`` in Hz is what the room reports and its recordings have.

    The mix itself runs at the lowest rate that loses nothing: 8 kHz while every member is narrow-band.
    """

    def __init__(self, mixer: Mixer, rate: int) -> None:
        self.rate = rate
        self.closed = False
        self.ports: dict[int, Port] = {}
        self.sources: list[SourceHandle] = []
        self.taps: list[TapHandle] = []
        self.bridges: list[Bridge] = []
        self.routes: dict[int, frozenset[int]] = {}
        """Rows that a listener's row hears; who is not in it hears everybody."""
        self._mixer = mixer

    @property
    def members(self) -> tuple[Port, ...]:
        """Ports in the room, in order of joining."""
        return tuple(self.ports.values())

    @property
    def attended(self) -> bool:
        """Whether anything besides the members takes part, or not everybody hears everybody."""
        return bool(self.sources or self.taps or self.bridges or self.routes)

    @property
    def effective_rate(self) -> int:
        """The rate in Hz at which sums are made: both codecs built in are narrow-band."""
        return self._mixer.force_rate or RATE

    def add_source(self, source: FrameSource, *, gain: float = 1.0, on_end: OnEnd | None = None) -> SourceHandle:
        """Let every member hear ``source``, from the next tick on."""
        handle = SourceHandle(source, self._remove_source, on_end)
        handle.gain = gain
        self.sources = [*self.sources, handle]
        self._mixer.change()
        return handle

    def add_tap(self, write: Write) -> TapHandle:
        """Hear the whole mix (all members that are not muted, and the sources), mono at ``rate``."""
        handle = TapHandle(write, self.rate, self._remove_tap)
        self.taps = [*self.taps, handle]
        self._mixer.change()
        return handle

    def set_routes(self, routes: Mapping[Port, Collection[Port]]) -> None:
        """From the next tick on the listeners in ``routes`` hear these members only, others hear everybody.

        Sources and bridges are heard by all, and taps hear all. Who leaves takes nothing along: set the routes anew.
        """
        self.routes = {
            listener.row: frozenset(port.row for port in heard)
            for listener, heard in routes.items()
            if not listener.closed
        }
        self._mixer.change()

    def weights(self) -> Weights:
        """The routes as ``[listener, source]`` of members in order of joining: 1 heard, 0 not."""
        rows = list(self.ports)
        heard = [[row != me and (me not in self.routes or row in self.routes[me]) for row in rows] for me in rows]
        return np.array(heard, np.float32).reshape(len(rows), len(rows))

    def bridge(self, other: Mix) -> Bridge:
        """Let this mix (``a``) and ``other`` (``b``) hear each other. Raises ValueError for unequal rates."""
        if other is self or other.rate != self.rate:
            raise ValueError(f"no bridge from {self.rate} to {other.rate} Hz, or to itself")
        bridge = Bridge(self, other, self._mixer.remove_bridge)
        self._mixer.add_bridge(bridge)
        return bridge

    def close(self) -> None:
        """All members leave, sources and taps are removed; any number of times."""
        if self.closed:
            return
        self.closed = True
        for port in self.members:
            port.leave()
        for source in self.sources:
            source.remove()
        for tap in self.taps:
            tap.remove()
        for bridge in self.bridges:
            bridge.remove()
        self._mixer.forget(self)

    def _remove_source(self, handle: SourceHandle) -> None:
        self.sources = [each for each in self.sources if each is not handle]
        self._mixer.change()

    def _remove_tap(self, handle: TapHandle) -> None:
        self.taps = [each for each in self.taps if each is not handle]
        self._mixer.change()
