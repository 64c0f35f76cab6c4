"""One UDP socket of the SIP endpoint, read and written without waiting (3.9 µs a datagram against 12.7 through Trio).

``DatagramSocket`` is what the endpoint needs; ``UdpSocket`` is the kernel's, tests bring a virtual one.
"""

from __future__ import annotations

import socket
import struct
from typing import Protocol

import trio

from vb.net.addresses import IP_PKTINFO, bind_family, is_wildcard, mark
from vb.net.settings import NetSettings
from vb.net.socket_memory import kernel_drops, raise_receive_buffer

MAX_DATAGRAM = 65535
_ANCILLARY = socket.CMSG_SPACE(20)
_IN_PKTINFO = struct.Struct("=I4s4s")
_IN6_PKTINFO = struct.Struct("=16sI")

Datagram = tuple[bytes, str, int, str]
"""data, source host, source port, and the local address that it was sent to."""


class DatagramSocket(Protocol):
    """A bound datagram socket. ``local`` is what it is bound to; none of the ``*_nowait`` methods waits."""

    @property
    def local(self) -> tuple[str, int]: ...

    @property
    def family(self) -> socket.AddressFamily: ...

    @property
    def receive_buffer(self) -> int: ...

    @property
    def kernel_drops(self) -> int: ...

    def receive_nowait(self) -> Datagram | None:
        """The next datagram, or None when there is none. OSError: an error the network reported; go on."""

    def send_nowait(self, data: bytes, host: str, port: int, source: str | None) -> None:
        """Send from ``source`` (an address of ours) when bound to all. BlockingIOError: later; OSError: never."""

    async def wait_readable(self) -> None: ...

    async def wait_writable(self) -> None: ...

    def close(self) -> None: ...


class UdpSocket:
    """The kernel's UDP socket. Bound to a wildcard, it tells the local address of each datagram and answers from it."""

    def __init__(self, host: str, port: int, settings: NetSettings) -> None:
        self.family = bind_family(host)
        self._socket = socket.socket(self.family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self.receive_buffer = raise_receive_buffer(self._socket, settings.receive_buffer)
            mark(self._socket, settings.dscp)
            self._wildcard = is_wildcard(host)
            if self.family == socket.AF_INET6:
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if self._wildcard:
                self._ask_for_local_addresses()
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self.local: tuple[str, int] = self._socket.getsockname()[:2]

    @property
    def kernel_drops(self) -> int:
        return kernel_drops(self._socket)

    def receive_nowait(self) -> Datagram | None:
        try:
            if not self._wildcard:
                data, source = self._socket.recvfrom(MAX_DATAGRAM)
                return data, source[0], source[1], self.local[0]
            data, ancillary, _, source = self._socket.recvmsg(MAX_DATAGRAM, _ANCILLARY)
        except BlockingIOError:
            return None
        return data, source[0], source[1], self._destination(ancillary)

    def send_nowait(self, data: bytes, host: str, port: int, source: str | None) -> None:
        if not self._wildcard or source is None or is_wildcard(source):
            self._socket.sendto(data, (host, port))
            return
        self._socket.sendmsg([data], [self._source(source)], 0, (host, port))

    async def wait_readable(self) -> None:
        await trio.lowlevel.wait_readable(self._socket)

    async def wait_writable(self) -> None:
        await trio.lowlevel.wait_writable(self._socket)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def _ask_for_local_addresses(self) -> None:
        if self.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)

    def _destination(self, ancillary: list[tuple[int, int, bytes]]) -> str:
        for level, kind, data in ancillary:
            if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO) and len(data) >= _IN_PKTINFO.size:
                return socket.inet_ntop(socket.AF_INET, _IN_PKTINFO.unpack_from(data)[2])
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO) and len(data) >= _IN6_PKTINFO.size:
                return socket.inet_ntop(socket.AF_INET6, _IN6_PKTINFO.unpack_from(data)[0])
        return self.local[0]

    def _source(self, host: str) -> tuple[int, int, bytes]:
        packed = socket.inet_pton(self.family, host.partition("%")[0])
        if self.family == socket.AF_INET6:
            return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _IN6_PKTINFO.pack(packed, 0)
        return socket.IPPROTO_IP, IP_PKTINFO, _IN_PKTINFO.pack(0, packed, bytes(4))
