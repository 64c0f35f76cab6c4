"""Rows by epoll, ``recv_into`` and ``send``: the implementation that runs everywhere on Linux."""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from vb.media.io import NO_ROWS, Lengths, reads_again, survivable
from vb.media.rows import Index, Rows

Reader = tuple[int, Callable[[Any], int], memoryview, memoryview]
Writer = tuple[Callable[[Any], int], memoryview]


class EpollIo:
    """See :class:`vb.media.io.RowIo`."""

    name = "epoll"

    def __init__(self, rows: Rows) -> None:
        self.refused = 0
        self.failed: list[tuple[int, OSError]] = []
        self._rows = rows
        self._epoll = select.epoll()
        self._last: set[int] = set()
        self._readers: dict[int, Reader] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._descriptors: dict[int, int] = {}
        self._writers: dict[int, Writer] = {}
        rows.on_grow(self._rebind)

    def open_reader(self, row: int, sock: socket.socket) -> None:
        descriptor = sock.fileno()
        self._descriptors[row], self._sockets[row] = descriptor, sock
        self._readers[descriptor] = self._reader(row, sock)
        self._epoll.register(descriptor, select.EPOLLIN)

    def close_reader(self, row: int) -> None:
        descriptor = self._descriptors.pop(row, None)
        if descriptor is None:
            return
        del self._readers[descriptor], self._sockets[row]
        try:
            self._epoll.unregister(descriptor)
        except (OSError, ValueError):  # closed under us: the kernel has forgotten it already
            return

    def open_writer(self, row: int, sock: socket.socket) -> None:
        self._writers[row] = (sock.send, memoryview(self._rows.tx[row]))

    def close_writer(self, row: int) -> None:
        self._writers.pop(row, None)

    def receive(self, tick: int, again: int, odd: Sequence[int] = ()) -> tuple[Index, Lengths]:
        if reads_again(len(self._readers), tick, again):
            readers = [self._readers[descriptor] for descriptor, _ in self._epoll.poll(0, len(self._readers) or 1)]
            if again > 1:
                readers = [reader for reader in readers if reader[0] in self._last]
        elif again == 1:
            readers = [self._readers[self._descriptors[row]] for row in odd if row in self._descriptors]
        else:
            return NO_ROWS, NO_ROWS
        if not readers:
            return NO_ROWS, NO_ROWS
        if again:
            self._last = {reader[0] for reader in readers}
        rows: list[int] = []
        lengths: list[int] = []
        rest, row = iter(readers), -1
        while True:
            try:
                if again:
                    for row, receive, _, view in rest:
                        lengths.append(receive(view))
                        rows.append(row)
                else:
                    for row, receive, view, _ in rest:
                        lengths.append(receive(view))
                        rows.append(row)
                break
            except OSError as error:  # the iterator stands behind the one that failed
                self._note(row, error)
        return np.array(rows, np.intp), np.array(lengths, np.intp)

    def waiting(self) -> Index:
        ready = self._epoll.poll(0, len(self._readers) or 1)
        return np.array([self._readers[descriptor][0] for descriptor, _ in ready], np.intp)

    def send(self, rows: Index) -> int:
        chosen = rows.tolist()
        writers = self._writers
        pairs = iter([writers[row] for row in chosen])
        lost, start, position = 0, 0, 0
        while True:
            try:
                for position, (send, view) in enumerate(pairs, start):  # noqa: B007
                    send(view)
                break
            except OSError as error:  # no room in the kernel's buffer: this frame is lost, as on any wire
                self._note(chosen[position], error)
            lost += 1
            start = position + 1
        return len(chosen) - lost

    def _note(self, row: int, error: OSError) -> None:
        if error.errno == errno.ECONNREFUSED:
            self.refused += 1
        elif not survivable(error.errno):
            self.failed.append((row, error))

    def close(self) -> None:
        self._epoll.close()

    def _reader(self, row: int, sock: socket.socket) -> Reader:
        return row, sock.recv_into, memoryview(self._rows.rx[row]), memoryview(self._rows.later[row])

    def _rebind(self) -> None:
        for row, sock in self._sockets.items():
            self._readers[sock.fileno()] = self._reader(row, sock)
        for row, (send, _) in list(self._writers.items()):
            self._writers[row] = (send, memoryview(self._rows.tx[row]))
