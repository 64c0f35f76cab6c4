"""What an endpoint counts."""

from __future__ import annotations

import attrs


@attrs.frozen
class EndpointStatistics:
    """What has passed since the start, and what there is now.

    ``kernel_drops`` are datagrams that came while the socket's buffer was full; ``receive_buffer`` is the smallest
    granted one in bytes; ``datagrams_dropped`` and ``overflowed_outboxes`` are ours, for want of room; ``waiting`` are
    writes not yet made; ``agent_errors`` and ``deliver_errors`` are exceptions that should not have been.
    """

    datagrams_in: int
    datagrams_out: int
    datagrams_dropped: int
    datagram_errors: int
    kernel_drops: int
    receive_buffer: int
    messages_in: int
    open_connections: int
    refused_connections: int
    overflowed_outboxes: int
    waiting: int
    sends_failed: int
    agent_errors: int
    deliver_errors: int
