"""Rows by io_uring: all receives are one system call, all sends are another.

The first round of a tick reads every row, as nearly all have a packet. Later rounds ask epoll who has more: that costs
a quarter of what reading an empty socket does.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Sequence

import numpy as np

from vb.media.io import NO_ROWS, Lengths, reads_again, survivable
from vb.media.ring import MSG_DONTWAIT, OP_RECV, OP_SEND, SQE, Entries, Ring
from vb.media.rows import BUFFER, Index, Rows
from vb.media.settings import PACKET

ENTRIES = 1024


class UringIo:
    """See :class:`vb.media.io.RowIo`. Raises OSError where the kernel refuses io_uring."""

    name = "uring"

    def __init__(self, rows: Rows) -> None:
        self.refused = 0
        self.failed: list[tuple[int, OSError]] = []
        self._rows = rows
        self._ring = Ring(ENTRIES)
        self._last: set[int] = set()
        self._sending: Index = NO_ROWS
        self._reading: dict[int, int] = {}
        self._stale = False
        self._receives: Entries = np.zeros(0, SQE)
        self._sends: Entries = np.zeros(0, SQE)
        self._first_round = self._send_round = np.zeros(0, SQE)
        self._epoll = select.epoll()
        self._row_of: dict[int, int] = {}
        self._prepare()
        rows.on_grow(self._prepare)

    def open_reader(self, row: int, sock: socket.socket) -> None:
        descriptor = sock.fileno()
        self._receives["fd"][row] = descriptor
        self._reading[row], self._row_of[descriptor] = descriptor, row
        self._epoll.register(descriptor, select.EPOLLIN)
        self._stale = True

    def close_reader(self, row: int) -> None:
        descriptor = self._reading.pop(row, None)
        if descriptor is None:
            return
        del self._row_of[descriptor]
        self._stale = True
        try:
            self._epoll.unregister(descriptor)
        except (OSError, ValueError):  # closed under us: the kernel has forgotten it already
            return

    def open_writer(self, row: int, sock: socket.socket) -> None:
        self._sends["fd"][row] = sock.fileno()
        self._sending = NO_ROWS

    def close_writer(self, row: int) -> None:
        self._sends["fd"][row] = -1
        self._sending = NO_ROWS

    def receive(self, tick: int, again: int, odd: Sequence[int] = ()) -> tuple[Index, Lengths]:
        if again == 0:
            if self._stale:
                self._stale = False
                readable = np.array(sorted(self._reading), np.intp)
                self._first_round = self._receives[readable]
            return self._run(self._first_round)
        if reads_again(len(self._reading), tick, again):
            chosen = [self._row_of[descriptor] for descriptor, _ in self._epoll.poll(0, len(self._reading) or 1)]
            if again > 1:
                chosen = [row for row in chosen if row in self._last]
        else:
            chosen = [row for row in odd if row in self._reading] if again == 1 else []
        if not chosen:
            return NO_ROWS, NO_ROWS
        self._last = set(chosen)
        rows = np.array(chosen, np.intp)
        entries = self._receives[rows]
        entries["addr"] = self._rows.later.ctypes.data + rows * BUFFER
        return self._run(entries)

    def waiting(self) -> Index:
        ready = self._epoll.poll(0, len(self._reading) or 1)
        return np.array([self._row_of[descriptor] for descriptor, _ in ready], np.intp)

    def send(self, rows: Index) -> int:
        if rows is not self._sending:
            self._sending, self._send_round = rows, self._sends[rows]
        return len(self._run(self._send_round)[0])

    def _run(self, entries: Entries) -> tuple[Index, Lengths]:
        """Rows and results of the operations that worked; the others are counted or noted as failed."""
        done = (
            self._ring.run(entries)
            if len(entries) <= ENTRIES
            else np.concatenate(
                [self._ring.run(entries[start : start + ENTRIES]) for start in range(0, len(entries), ENTRIES)]
            )
        )
        rows, results = done["user_data"], done["res"]
        good = results >= 0
        if good.all():
            return rows, results
        for row, result in zip(rows[~good].tolist(), results[~good].tolist(), strict=True):
            if result == -errno.ECONNREFUSED:
                self.refused += 1
            elif not survivable(-result):
                self.failed.append((row, OSError(-result, errno.errorcode.get(-result, "unknown"))))
        return rows[good], results[good]

    def _prepare(self) -> None:
        """One ready-made entry per row and direction; kept over growth but for the addresses."""
        rows, count = self._rows, self._rows.capacity
        receives, sends = np.zeros(count, SQE), np.zeros(count, SQE)
        for entries, opcode, column, size in (
            (receives, OP_RECV, rows.rx, BUFFER),
            (sends, OP_SEND, rows.tx, PACKET),
        ):
            entries["opcode"], entries["op_flags"], entries["len"], entries["fd"] = opcode, MSG_DONTWAIT, size, -1
            entries["user_data"] = np.arange(count)
            entries["addr"] = column.ctypes.data + np.arange(count) * column.shape[1]
        old = len(self._sends)
        receives["fd"][:old], sends["fd"][:old] = self._receives["fd"], self._sends["fd"]
        self._receives, self._sends = receives, sends
        self._sending, self._stale = NO_ROWS, True

    def close(self) -> None:
        self._epoll.close()
        self._ring.close()
