"""One UDP socket for the RTP of one leg."""

from __future__ import annotations

import socket

from vb.net.addresses import bind_family, mark
from vb.net.socket_memory import raise_receive_buffer

RECEIVE_BUFFER = 256 * 1024  # over a second of G.711 with the kernel's accounting, should a tick ever come late


def open_rtp_socket(host: str, port: int, dscp: int = 0) -> socket.socket:
    """A non-blocking UDP socket bound to exactly this address.

    Args:
        host: numeric local address.
        port: 0 lets the kernel choose.
        dscp: marking of what is sent, 0-63.

    Raises:
        OSError: EADDRINUSE when another socket has the port, or the address is not ours.
    """
    sock = socket.socket(bind_family(host), socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        raise_receive_buffer(sock, RECEIVE_BUFFER)
        if dscp:
            mark(sock, dscp)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock
