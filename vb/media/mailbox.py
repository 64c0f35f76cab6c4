"""Reading sockets that are not in the columns: peers not latched yet, long packets, asymmetric paths.

Every packet comes with its source and in full (up to 2 KiB), for plain Python to look at.
"""

from __future__ import annotations

import errno
import select
import socket

from vb.media.io import survivable
from vb.media.statistics import Address

LONGEST = 2048
PER_TICK = 16
"""Packets read of one socket in one tick; the rest waits for the next one and the kernel drops what is too much."""
ALTOGETHER = 512
"""Packets after which no socket gets another turn in this tick: a flood of many ports must not hold up the others."""

Letter = tuple[int, bytes, Address]


class Mailbox:
    """Sockets by row, read until they are empty."""

    def __init__(self) -> None:
        self.refused = 0
        self.failed: list[tuple[int, OSError]] = []
        self._epoll = select.epoll()
        self._rows: dict[int, tuple[int, socket.socket]] = {}
        self._descriptors: dict[int, int] = {}

    def __contains__(self, row: int) -> bool:
        return row in self._descriptors

    def add(self, row: int, sock: socket.socket) -> None:
        """Read ``sock`` for ``row``."""
        self._descriptors[row] = sock.fileno()
        self._rows[sock.fileno()] = (row, sock)
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def remove(self, row: int) -> None:
        """No more; no effect if the row is not here."""
        descriptor = self._descriptors.pop(row, None)
        if descriptor is None:
            return
        del self._rows[descriptor]
        try:
            self._epoll.unregister(descriptor)
        except (OSError, ValueError):  # closed under us: the kernel has forgotten it already
            return

    def receive(self) -> list[Letter]:
        """What waits, in order of arrival per row: one of each row, then a second one ..., within both bounds."""
        letters: list[Letter] = []
        if not self._rows:
            return letters
        ready = [self._rows[descriptor] for descriptor, _ in self._epoll.poll(0, len(self._rows))]
        for _ in range(PER_TICK):
            ready = [(row, sock) for row, sock in ready if self._read(row, sock, letters)]
            if not ready or len(letters) >= ALTOGETHER:
                break
        return letters

    def _read(self, row: int, sock: socket.socket, letters: list[Letter]) -> bool:
        """One packet; False when there is none."""
        try:
            data, source = sock.recvfrom(LONGEST)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            self.refused += error.errno == errno.ECONNREFUSED
            if not survivable(error.errno):
                self.failed.append((row, error))
            return survivable(error.errno)
        letters.append((row, data, (source[0], source[1])))
        return True

    def close(self) -> None:
        """Free the epoll descriptor."""
        self._epoll.close()
