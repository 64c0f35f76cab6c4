"""The sizes and times of the SIP transports; every buffer of the network layer is bounded by one of these."""

from __future__ import annotations

import attrs

MIB = 1 << 20


@attrs.frozen
class NetSettings:
    """Bounds of one endpoint.

    Attributes:
        receive_buffer: bytes wanted for SO_RCVBUF of each UDP socket; the kernel may grant less.
        dscp: marking of what we send, 0-63.
        batch: datagrams read before others get their turn; ``batch_seconds`` ends a batch of slow ones sooner.
        outbox_messages, outbox_octets: what one connection or UDP socket may have waiting.
        connect_timeout, resolve_timeout: seconds, for name and connection together twice at most; ``attempt_timeout``
            for each of several addresses, with what has to be agreed on a new connection (TLS).
        handshake_timeout: seconds that a peer has for that on a connection that it opened.
        resolve_ttl: seconds that a name's addresses are remembered.
        max_lookups: names being looked up at once, and sends waiting for one.
        max_connections, max_connections_per_source: open stream connections, total and by peer address.
        idle_timeout: seconds without a byte after which a connection is closed.
        message_timeout: seconds that a peer may take over one message, the first included.
        write_timeout: seconds that one write to a connection may take.
        linger: seconds that a closing connection gets for its last bytes.
    """

    receive_buffer: int = 8 * MIB
    dscp: int = 24
    batch: int = 64
    batch_seconds: float = 0.002
    outbox_messages: int = 512
    outbox_octets: int = MIB
    connect_timeout: float = 10.0
    attempt_timeout: float = 4.0
    handshake_timeout: float = 10.0
    resolve_timeout: float = 5.0
    resolve_ttl: float = 30.0
    max_lookups: int = 256
    max_connections: int = 10_000
    max_connections_per_source: int = 2_000
    idle_timeout: float = 900.0
    message_timeout: float = 32.0
    write_timeout: float = 32.0
    linger: float = 2.0
