"""The columns: what the clock knows of all ports, one row each.

A port owns its row from attach to close; a freed row is used again. Columns double when they are full, which moves
them in memory: nobody keeps a view of a column over a call to :meth:`Rows.take`, except by ``on_grow``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vb.media.settings import FRAME, HEADER, PACKET

Index = NDArray[np.intp]
_LOW = 0 if sys.byteorder == "little" else 1
"""Where the lower half of a header's first word, the sequence number, stands among its halves: it wraps by itself."""
BUFFER = 256
"""Octets of one received packet; a row that comes back full was cut off."""

_COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "rx": ("u1", (BUFFER,)),
    "later": ("u1", (BUFFER,)),
    "tx": ("u1", (PACKET,)),
    "spare": ("u1", (FRAME,)),
    "pcm": ("i2", (FRAME,)),
    "heard": ("i2", (FRAME,)),
    "expect": ("u4", (3,)),
    "active": ("?", ()),
    "law": ("u1", ()),
    "have": ("?", ()),
    "had": ("?", ()),
    "has_spare": ("?", ()),
    "spare_age": ("i4", ()),
    "wants_spare": ("?", ()),
    "patience": ("i4", ()),
    "slip_tick": ("i8", ()),
    "last_tick": ("i8", ()),
    "slow_tick": ("i8", ()),
    "touched": ("i8", ()),
    "miss_run": ("i4", ()),
    "gaps": ("i8", ()),
    "concealed": ("i8", ()),
    "slipped": ("i8", ()),
    "entered": ("u4", ()),
    "jitter": ("f8", ()),
    "jitter_at": ("u4", ()),
    "linked": ("?", ()),
    "muted": ("?", ()),
    "deaf": ("?", ()),
    "plain": ("?", ()),
    "sends": ("?", ()),
    "send_law": ("u1", ()),
    "out": ("u4", (3,)),
    "sent": ("i8", ()),
}


class Rows:
    """Preallocated columns of ``capacity`` rows, and which of them are free."""

    rx: NDArray[np.uint8]
    later: NDArray[np.uint8]
    tx: NDArray[np.uint8]
    spare: NDArray[np.uint8]
    pcm: NDArray[np.int16]
    heard: NDArray[np.int16]
    expect: NDArray[np.uint32]
    active: NDArray[np.bool_]
    law: NDArray[np.uint8]
    have: NDArray[np.bool_]
    had: NDArray[np.bool_]
    has_spare: NDArray[np.bool_]
    spare_age: NDArray[np.int32]
    wants_spare: NDArray[np.bool_]
    patience: NDArray[np.int32]
    slip_tick: NDArray[np.int64]
    last_tick: NDArray[np.int64]
    slow_tick: NDArray[np.int64]
    touched: NDArray[np.int64]
    miss_run: NDArray[np.int32]
    gaps: NDArray[np.int64]
    concealed: NDArray[np.int64]
    slipped: NDArray[np.int64]
    entered: NDArray[np.uint32]
    jitter: NDArray[np.float64]
    jitter_at: NDArray[np.uint32]
    linked: NDArray[np.bool_]
    muted: NDArray[np.bool_]
    deaf: NDArray[np.bool_]
    plain: NDArray[np.bool_]
    sends: NDArray[np.bool_]
    send_law: NDArray[np.uint8]
    out: NDArray[np.uint32]
    sent: NDArray[np.int64]

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = list(range(capacity - 1, -1, -1))
        self._on_grow: list[Callable[[], None]] = []
        for name, (kind, shape) in _COLUMNS.items():
            setattr(self, name, np.zeros((capacity, *shape), kind))
        self._views()

    @property
    def used(self) -> int:
        """How many rows are taken."""
        return self.capacity - len(self._free)

    def on_grow(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` whenever the columns have moved in memory."""
        self._on_grow.append(callback)

    def take(self) -> int:
        """A free row with every column zero."""
        if not self._free:
            self._grow()
        row = self._free.pop()
        for name in _COLUMNS:
            getattr(self, name)[row] = 0
        self.active[row] = True
        for column in (self.last_tick, self.slow_tick, self.touched):
            column[row] = -1
        return row

    def give_back(self, row: int) -> None:
        """Free ``row``; it takes part in nothing from here on."""
        for column in (
            self.active,
            self.have,
            self.had,
            self.has_spare,
            self.wants_spare,
            self.sends,
            self.linked,
            self.plain,
        ):
            column[row] = False
        self.expect[row] = 0
        self._free.append(row)

    def _grow(self) -> None:
        old, self.capacity = self.capacity, 2 * self.capacity
        for name in _COLUMNS:
            column: NDArray[Any] = getattr(self, name)
            larger = np.zeros((self.capacity, *column.shape[1:]), column.dtype)
            larger[:old] = column
            setattr(self, name, larger)
        self._free.extend(range(self.capacity - 1, old - 1, -1))
        self._views()
        for callback in self._on_grow:
            callback()

    def _views(self) -> None:
        self.rx_heads: NDArray[Any] = self.rx.view(">u4")[:, :3]
        self.later_heads: NDArray[Any] = self.later.view(">u4")[:, :3]
        self.frames: NDArray[np.uint8] = self.rx[:, HEADER:PACKET]
        self.later_frames: NDArray[np.uint8] = self.later[:, HEADER:PACKET]
        self.tx_heads: NDArray[Any] = self.tx.view(">u4")[:, :3]
        self.sequence: NDArray[np.uint16] = self.out.view(np.uint16)[:, _LOW]
        self.timestamp: NDArray[np.uint32] = self.out[:, 1]
        self.ssrc: NDArray[np.uint32] = self.out[:, 2]
        self.tx_frames: NDArray[np.uint8] = self.tx[:, HEADER:]
