"""How packets get into rows and out of them: one small interface with two implementations."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vb.media.rows import Index, Rows

log = logging.getLogger("vb.media")

Lengths = NDArray[np.intp]
_PASSING = frozenset(
    {
        errno.EAGAIN,
        errno.EINTR,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.ECONNREFUSED,
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EPERM,  # a packet filter
        errno.EACCES,
        errno.EINVAL,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EMSGSIZE,
        errno.EPROTO,
        errno.ENOPROTOOPT,
    }
)


def survivable(number: int | None) -> bool:
    """Whether this errno of a send or receive concerns one packet or the way to the peer, not the socket itself."""
    return number in _PASSING


NO_ROWS: Index = np.zeros(0, np.intp)


FEW = 16
TURNS = 4


def reads_again(readers: int, tick: int, again: int) -> bool:
    """Whether round ``again`` > 0 of ``tick`` is worth asking for, where ``readers`` rows are read.

    While a thousand rows are read, new packets come for some of them. They are the next tick's: to fetch them now costs
    a round of its own and changes nothing. So all rows are read until they are empty in one tick of ``TURNS``; a packet
    too many waits for three ticks at most. Few rows are emptied in every tick.
    """
    return again == 0 or readers <= FEW or tick % TURNS == 0


class RowIo(Protocol):
    """Non-blocking reads and writes of connected sockets, many in one call.

    ``refused`` counts ICMP refusals, which end nothing; ``failed`` collects rows whose socket is broken, for the
    clock to remove.
    """

    name: str
    refused: int
    failed: list[tuple[int, OSError]]

    def open_reader(self, row: int, sock: socket.socket) -> None:
        """From now on :meth:`receive` reads this row's socket."""

    def close_reader(self, row: int) -> None:
        """Read it no more; no effect if it is not read."""

    def open_writer(self, row: int, sock: socket.socket) -> None:
        """``sock`` is connected: :meth:`send` may be asked for this row."""

    def close_writer(self, row: int) -> None:
        """The opposite; no effect if it is not open."""

    def receive(self, tick: int, again: int, odd: Sequence[int] = ()) -> tuple[Index, Lengths]:
        """One packet of every row with one waiting, into ``rows.rx``, or ``rows.later`` where ``again`` > 0.

        ``again`` counts the rounds within one tick, from 0. Returns rows (no row twice) and octets received.
        Rounds from 2 on read what the one before did not empty. ``odd`` rows are read in round 1 of any tick: what
        they had was no audio (RTCP, a telephone-event), which may wait behind it.
        """

    def waiting(self) -> Index:
        """The rows that have a packet waiting now; reads none."""

    def send(self, rows: Index) -> int:
        """Send ``rows.tx`` of these rows; returns how many the kernel took."""

    def close(self) -> None:
        """Free what the kernel holds for us (not the sockets)."""


def open_io(choice: Literal["auto", "uring", "epoll"], rows: Rows) -> RowIo:
    """The chosen implementation; ``auto`` and ``uring`` fall back to epoll where the kernel refuses io_uring."""
    from vb.media.io_epoll import EpollIo
    from vb.media.io_uring import UringIo

    if choice != "epoll":
        try:
            io = UringIo(rows)
        except OSError as error:
            level = logging.WARNING if choice == "uring" else logging.INFO
            log.log(level, "io_uring is refused", extra={"cause": str(error)})
        else:
            log.info("media I/O chosen", extra={"media_io": "uring", "asked": choice})
            return io
    log.info("media I/O chosen", extra={"media_io": "epoll", "asked": choice})
    return EpollIo(rows)
