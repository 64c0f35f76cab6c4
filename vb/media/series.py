"""How a port sounded, a point per second: levels of the frame of that moment, and what went wrong since the last one.

Rows take turns, a tenth of them in every fifth tick, and are looked at as columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np
from numpy.typing import NDArray

from vb.codec.g711 import ALAW_DECODE, ULAW_DECODE
from vb.media.rows import Rows
from vb.media.settings import FRAME, RATE

if TYPE_CHECKING:
    from vb.media.port import Port
    from vb.media.receiver import Receiver

LENGTH = 300
"""Points kept of a port: five minutes."""
EVERY, GROUPS = 5, 10
_FRAME_MS = FRAME * 1000 // RATE
_COLUMNS = 6
_TABLES = np.concatenate([ULAW_DECODE, ALAW_DECODE]).astype(np.float32) / 32768
_POWER = _TABLES * _TABLES / FRAME
"""What an octet adds to the mean square of its frame: 256 of PCMU, then 256 of PCMA."""


@attrs.frozen
class Point:
    """One second. ``at`` in Unix seconds; levels are root mean squares of one frame, 0-1; ``lost`` packets and ``gaps``
    are those since the point before, jitter and the buffer are as they were then."""

    at: float
    level_in: float
    level_out: float
    jitter_ms: float
    buffer_ms: float
    lost: int
    gaps: int


class Series:
    """One port's last points."""

    def __init__(self) -> None:
        self._ticks = np.zeros(LENGTH, np.int64)
        self._values = np.zeros((LENGTH, _COLUMNS), np.float32)
        self._count = 0
        self._lost = self._gaps = 0

    def add(self, tick: int, values: NDArray[np.float32], lost: int, gaps: int) -> None:
        """``values`` are levels, jitter and buffer; ``lost`` and ``gaps`` the totals so far."""
        place = self._count % LENGTH
        self._ticks[place] = tick
        self._values[place, :4] = values
        self._values[place, 4:] = lost - self._lost, gaps - self._gaps
        self._lost, self._gaps = lost, gaps
        self._count += 1

    def points(self, wall_at: Callable[[int], float]) -> list[Point]:
        """Oldest first; ``wall_at`` gives the Unix seconds of a tick."""
        first = max(self._count - LENGTH, 0)
        places = [number % LENGTH for number in range(first, self._count)]
        return [
            Point(wall_at(tick), level_in, level_out, jitter, buffer, int(lost), int(gaps))
            for tick, (level_in, level_out, jitter, buffer, lost, gaps) in zip(
                self._ticks[places].tolist(), self._values[places].tolist(), strict=True
            )
        ]


class Sampler:
    """The clock's part that makes the points."""

    def __init__(self, rows: Rows, receiver: Receiver, ports: dict[int, Port]) -> None:
        self._rows = rows
        self._receiver = receiver
        self._ports = ports

    def run(self, tick: int) -> None:
        """After a tick's sending: the rows whose turn it is."""
        if tick % EVERY:
            return
        rows, group = self._rows, tick // EVERY % GROUPS
        chosen = rows.active[group::GROUPS].nonzero()[0] * GROUPS + group
        if not len(chosen):
            return
        values = np.empty((len(chosen), 4), np.float32)
        values[:, 0] = _levels(rows.frames[chosen], rows.law[chosen]) * rows.have[chosen]
        sends = rows.sends[chosen] & ~rows.deaf[chosen]
        values[:, 1] = _levels(rows.tx_frames[chosen], rows.send_law[chosen]) * sends
        regular = rows.expect[chosen, 0] != 0  # else the columns know no later jitter than the slow path's
        values[:, 2] = np.where(regular, self._receiver.jitter_now(chosen), rows.jitter[chosen]) * (1000 / RATE)
        values[:, 3] = rows.has_spare[chosen] * _FRAME_MS
        for row, each, gaps in zip(chosen.tolist(), values, rows.gaps[chosen].tolist(), strict=True):
            port = self._ports.get(row)
            if port is not None:
                port.series.add(tick, each, port.inbound.reception.lost, gaps)


def _levels(octets: NDArray[np.uint8], laws: NDArray[np.uint8]) -> NDArray[np.float32]:
    power = _POWER.take(octets + (laws.astype(np.uint16) << 8)[:, None])
    levels: NDArray[np.float32] = np.sqrt(power.sum(axis=1))
    return levels
