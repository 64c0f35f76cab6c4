"""Rows by io_uring: all receives are one system call, all sends are another.

The first round of a tick reads every row. What a second packet would tell is worth less than a system call per row and
tick, so later rounds read the rows that are owed one (they found nothing in an earlier tick) and, in turns, a quarter
of the others: a packet too many waits for four ticks at most.
"""

from __future__ import annotations

import errno
import socket

import numpy as np

from vb.media.io import NO_ROWS, Lengths, survivable
from vb.media.ring import MSG_DONTWAIT, OP_RECV, OP_SEND, SQE, Entries, Ring
from vb.media.rows import BUFFER, Index, Rows
from vb.media.settings import PACKET

ENTRIES = 1024
TURNS = 4
MOST_OWED = 4


class UringIo:
    """See :class:`vb.media.io.RowIo`. Raises OSError where the kernel refuses io_uring."""

    name = "uring"

    def __init__(self, rows: Rows) -> None:
        self.refused = 0
        self.failed: list[tuple[int, OSError]] = []
        self._rows = rows
        self._ring = Ring(ENTRIES)
        self._readable: Index = NO_ROWS
        self._reading: set[int] = set()
        self._stale = False
        self._turn = 0
        self._again: Index = NO_ROWS
        self._receives: Entries = np.zeros(0, SQE)
        self._sends: Entries = np.zeros(0, SQE)
        self._owed = np.zeros(0, np.int8)
        self._prepare()
        rows.on_grow(self._prepare)

    def open_reader(self, row: int, sock: socket.socket) -> None:
        self._receives["fd"][row] = sock.fileno()
        self._owed[row] = 0
        self._reading.add(row)
        self._stale = True

    def close_reader(self, row: int) -> None:
        self._reading.discard(row)
        self._stale = True

    def open_writer(self, row: int, sock: socket.socket) -> None:
        self._sends["fd"][row] = sock.fileno()

    def close_writer(self, row: int) -> None:
        self._sends["fd"][row] = -1

    def receive(self, again: int) -> tuple[Index, Lengths]:
        if again == 0:
            return self._first_round()
        if again == 1:
            mine = self._readable[self._turn :: TURNS]
            owed = self._readable[self._owed[self._readable] > 0]
            self._again = np.union1d(mine, owed) if len(owed) else mine
            self._turn = (self._turn + 1) % TURNS
        if not len(self._again):
            return NO_ROWS, NO_ROWS
        entries = self._receives[self._again]
        entries["addr"] = self._rows.later.ctypes.data + self._again * BUFFER
        rows, lengths = self._run(entries)
        self._owed[rows] -= 1
        self._again = rows
        return rows, lengths

    def _first_round(self) -> tuple[Index, Lengths]:
        if self._stale:
            self._readable = np.array(sorted(self._reading), np.intp)
            self._stale = False
        rows, lengths = self._run(self._receives[self._readable])
        if len(rows) < len(self._readable):
            owed = self._owed
            owed[self._readable] += 1
            owed[rows] -= 1
            np.clip(owed, 0, MOST_OWED, out=owed)
        return rows, lengths

    def send(self, rows: Index) -> int:
        done, _ = self._run(self._sends[rows])
        return len(done)

    def _run(self, entries: Entries) -> tuple[Index, Lengths]:
        """Rows and results of the operations that worked; the others are counted or noted as failed."""
        done = (
            self._ring.run(entries)
            if len(entries) <= ENTRIES
            else np.concatenate(
                [self._ring.run(entries[start : start + ENTRIES]) for start in range(0, len(entries), ENTRIES)]
            )
        )
        rows, results = done["user_data"].astype(np.intp), done["res"].astype(np.intp)
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
        receives, sends, owed = np.zeros(count, SQE), np.zeros(count, SQE), np.zeros(count, np.int8)
        for entries, opcode, column, size in (
            (receives, OP_RECV, rows.rx, BUFFER),
            (sends, OP_SEND, rows.tx, PACKET),
        ):
            entries["opcode"], entries["op_flags"], entries["len"], entries["fd"] = opcode, MSG_DONTWAIT, size, -1
            entries["user_data"] = np.arange(count)
            entries["addr"] = column.ctypes.data + np.arange(count) * column.shape[1]
        old = len(self._sends)
        receives["fd"][:old], sends["fd"][:old], owed[:old] = self._receives["fd"], self._sends["fd"], self._owed
        self._receives, self._sends, self._owed = receives, sends, owed

    def close(self) -> None:
        self._ring.close()
