"""Which of our addresses the world would see, where the configuration only says "all of them"."""

from __future__ import annotations

import socket

_FAR = {4: (socket.AF_INET, "198.51.100.1"), 6: (socket.AF_INET6, "2001:db8::1")}  # RFC 5737, RFC 3849: nobody's
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def default_address(version: int) -> str:
    """Our numeric address on the default route of IP ``version`` 4 or 6; the loopback address without a route.

    Nothing is sent: connecting a datagram socket only asks the routing table.
    """
    family, far = _FAR[version]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return _LOOPBACK[version]
