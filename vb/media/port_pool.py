"""Local RTP ports: even ones, in turn, whoever else on the machine may hold some of them."""

from __future__ import annotations

import errno
import socket

from vb.net.rtp_socket import open_rtp_socket

_ATTEMPTS = 256
"""Ports the kernel is asked for before none of them is even (each is with 1 in 2)."""
_TAKEN = (errno.EADDRINUSE, errno.EACCES)


class PortsExhausted(Exception):
    """No port of the range is free."""


class PortPool:
    """Even ports of ``low`` to ``high`` (both included) on ``host``; both 0: whatever the kernel gives.

    Each port rests as long as possible before it is used again, so that packets of an old call find nobody.
    """

    def __init__(self, host: str, low: int, high: int, *, dscp: int = 0) -> None:
        if not (0 <= low <= high <= 65535):
            raise ValueError(f"no port range: {low} to {high}")
        self.host = host
        self._dscp = dscp
        self._ports = range(low + low % 2, high + 1, 2) if high else range(0)
        if high and not self._ports:
            raise ValueError(f"no even port between {low} and {high}")
        self._next = 0
        self._in_use: set[int] = set()

    @property
    def in_use(self) -> int:
        """How many ports are out."""
        return len(self._in_use)

    def open(self) -> socket.socket:
        """A bound non-blocking socket. Raises PortsExhausted, or OSError if the host is not ours."""
        return self._in_turn() if self._ports else self._ephemeral()

    def release(self, port: int) -> None:
        """The socket on ``port`` is closed; no effect for a port that is not out."""
        self._in_use.discard(port)

    def _in_turn(self) -> socket.socket:
        for step in range(len(self._ports)):
            place = (self._next + step) % len(self._ports)
            port = self._ports[place]
            if port in self._in_use:
                continue
            sock = self._try(port)
            if sock is not None:
                self._next = place + 1
                return sock
        raise PortsExhausted(f"no free RTP port in {self._ports[0]} to {self._ports[-1]}")

    def _ephemeral(self) -> socket.socket:
        for _ in range(_ATTEMPTS):
            sock = self._try(0)
            if sock is not None:
                return sock
        raise PortsExhausted("the kernel has no even port left")

    def _try(self, port: int) -> socket.socket | None:
        """The socket on ``port``, None if another one has it or it is odd."""
        try:
            sock = open_rtp_socket(self.host, port, self._dscp)
        except OSError as error:
            if error.errno in _TAKEN:
                return None
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise PortsExhausted("no descriptors left") from error
            raise
        bound = int(sock.getsockname()[1])
        if bound % 2:  # RFC 3550 §11
            sock.close()
            return None
        self._in_use.add(bound)
        return sock
