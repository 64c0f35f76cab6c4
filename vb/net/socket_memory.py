"""What the kernel knows about a socket's receive queue: its size, and the packets it had to drop."""

from __future__ import annotations

import socket
import struct

SO_MEMINFO = 55  # linux/sock_diag.h; nine u32 of which these are read
SO_RCVBUFFORCE = 33
_QUEUED, _CAPACITY, _DROPS, _COUNT = 0, 1, 8, 9


def raise_receive_buffer(sock: socket.socket, size: int) -> int:
    """Ask for ``size`` bytes of receive buffer, beyond the system's limit when we may; returns what was granted."""
    for option in (SO_RCVBUFFORCE, socket.SO_RCVBUF):
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, size)
        except OSError:
            continue
        break
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def kernel_drops(sock: socket.socket) -> int:
    """Packets that the kernel dropped for this socket since it was opened; 0 where the kernel does not tell."""
    return _memory(sock)[_DROPS]


def receive_queue(sock: socket.socket) -> tuple[int, int]:
    """Bytes waiting and bytes of room in the receive queue, as the kernel accounts them."""
    memory = _memory(sock)
    return memory[_QUEUED], memory[_CAPACITY]


def _memory(sock: socket.socket) -> tuple[int, ...]:
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _COUNT * 4)
    except OSError:
        return (0,) * _COUNT
    return struct.unpack(f"{_COUNT}I", raw) if len(raw) == _COUNT * 4 else (0,) * _COUNT
