"""io_uring as columns: N sends or N receives are one NumPy assignment and one system call.

System call numbers are the same on x86-64 and arm64. Container runtimes often refuse io_uring_setup (EPERM or
ENOSYS): OSError then. Every operation is expected to carry MSG_DONTWAIT: it completes inside the call, with -EAGAIN if
it must, so that no buffer is in flight when :meth:`Ring.run` returns.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

SETUP, ENTER = 425, 426
OFFSET_SQES = 0x10000000
OP_SEND, OP_RECV = 26, 27
MSG_DONTWAIT = 0x40

SQE = np.dtype(
    [
        ("opcode", "u1"),
        ("flags", "u1"),
        ("ioprio", "u2"),
        ("fd", "i4"),
        ("off", "u8"),
        ("addr", "u8"),
        ("len", "u4"),
        ("op_flags", "u4"),
        ("user_data", "u8"),
        ("buf_index", "u2"),
        ("personality", "u2"),
        ("splice_fd", "i4"),
        ("pad", "u8", 2),
    ]
)
CQE = np.dtype([("user_data", "i8"), ("res", "i4"), ("flags", "u4")])
Entries = NDArray[Any]


def _offsets(*names: str) -> Any:
    fields: list[Any] = [(name, ctypes.c_uint32) for name in names]
    return type(
        "Offsets",
        (ctypes.Structure,),
        {"_fields_": [*fields, ("resv", ctypes.c_uint32), ("user_addr", ctypes.c_uint64)]},
    )


class _Params(ctypes.Structure):
    """struct io_uring_params of <linux/io_uring.h>."""

    _fields_ = [
        *[
            (name, ctypes.c_uint32)
            for name in ("sq_entries", "cq_entries", "flags", "sq_thread_cpu", "sq_thread_idle", "features", "wq_fd")
        ],
        *[(name, ctypes.c_uint32) for name in ("resv0", "resv1", "resv2")],
        ("sq", _offsets("head", "tail", "mask", "entries", "flags", "dropped", "array")),
        ("cq", _offsets("head", "tail", "mask", "entries", "overflow", "cqes", "flags")),
    ]


class Ring:
    """A submission and a completion queue of ``entries`` (a power of two) shared with the kernel."""

    def __init__(self, entries: int) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        params: Any = _Params()
        self.fd = self._libc.syscall(SETUP, entries, ctypes.byref(params))
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        self.entries: int = params.sq_entries
        self._completions: int = params.cq_entries
        size = max(params.sq.array + 4 * self.entries, params.cq.cqes + CQE.itemsize * self._completions)
        self._rings = mmap.mmap(self.fd, size, mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._sqe_memory = mmap.mmap(
            self.fd, SQE.itemsize * self.entries, mmap.MAP_SHARED | mmap.MAP_POPULATE, offset=OFFSET_SQES
        )
        self._words = np.frombuffer(self._rings, np.uint32, count=size // 4)
        self._words[params.sq.array // 4 :][: self.entries] = np.arange(self.entries)
        self._sqes: Entries = np.frombuffer(self._sqe_memory, SQE)
        self._cqes: Entries = np.frombuffer(self._rings, CQE, count=self._completions, offset=params.cq.cqes)
        self._sq_tail, self._cq_head, self._cq_tail = (
            offset // 4 for offset in (params.sq.tail, params.cq.head, params.cq.tail)
        )

    def run(self, entries: Entries) -> Entries:
        """Submit prepared SQEs, at most ``self.entries``; returns a copy of their CQEs in order of completion."""
        count = len(entries)
        start = int(self._words[self._sq_tail]) % self.entries
        first = min(count, self.entries - start)
        self._sqes[start : start + first] = entries[:first]
        self._sqes[: count - first] = entries[first:]
        self._words[self._sq_tail] += np.uint32(count)
        left = count
        while left:
            taken = self._libc.syscall(ENTER, self.fd, left, 0, 0, None, 0)
            if taken <= 0 and ctypes.get_errno() != errno.EINTR:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            left -= max(taken, 0)
        head, tail = int(self._words[self._cq_head]), int(self._words[self._cq_tail])
        first = head % self._completions
        last = first + ((tail - head) & 0xFFFFFFFF)
        done: Entries = (
            self._cqes[first:last].copy()
            if last <= self._completions
            else np.concatenate((self._cqes[first:], self._cqes[: last - self._completions]))
        )
        self._words[self._cq_head] = tail
        return done

    def close(self) -> None:
        """Give the queues back to the kernel."""
        del self._words, self._sqes, self._cqes
        self._rings.close()
        self._sqe_memory.close()
        os.close(self.fd)
