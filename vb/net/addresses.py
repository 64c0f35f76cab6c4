"""Numeric addresses: which family a text is of, and socket options that differ by family."""

from __future__ import annotations

import socket

import trio

KEEP_ALIVE_SECONDS = 60
IP_PKTINFO = 8  # linux/in.h; Python 3.11 has no name for it


def numeric_family(host: str) -> socket.AddressFamily | None:
    """AF_INET or AF_INET6 for a numeric address (no brackets; an IPv6 zone is allowed), None for a name."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.inet_pton(family, host.partition("%")[0] if family is socket.AF_INET6 else host)
    except (OSError, ValueError):
        return None
    return family


def is_wildcard(host: str) -> bool:
    return host in ("0.0.0.0", "::", "")  # noqa: S104 - a comparison, not a bind


def mark(sock: socket.socket | trio.socket.SocketType, dscp: int) -> None:
    """Set the DSCP (0-63) of what a socket sends; without the right to do so the packets stay unmarked."""
    level, option = socket.IPPROTO_IP, socket.IP_TOS
    if sock.family == socket.AF_INET6:
        level, option = socket.IPPROTO_IPV6, socket.IPV6_TCLASS
    try:
        sock.setsockopt(level, option, dscp << 2)
    except OSError:
        return


def watch(sock: trio.socket.SocketType) -> None:
    """Let the kernel ask a silent TCP peer whether it is still there (and keep the way through a NAT open)."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEP_ALIVE_SECONDS // 4)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)


def bind_family(host: str) -> socket.AddressFamily:
    """The family of an address to listen on.

    Raises:
        OSError: ``host`` is not numeric.
    """
    family = numeric_family(host)
    if family is None:
        raise OSError(f"cannot listen on {host!r}: not a numeric address")
    return family
