"""What a user agent is told once: identity, methods, timers, limits; and what it counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from vb.sip.effects import Hop
from vb.sip.limits import DEFAULT_LIMITS, Limits
from vb.sip.timers import DEFAULT_TIMERS, TimerValues
from vb.sip.uri import Uri

ALLOW = ("INVITE", "ACK", "CANCEL", "BYE", "UPDATE", "REFER", "NOTIFY", "OPTIONS", "REGISTER")


@attrs.frozen(kw_only=True)
class UaConfig:
    """Settings of a `UserAgent`.

    ``contact`` gives our Contact for a peer that is reached by a hop, ``sent_by`` host and port for the Via.
    ``allow`` are the methods that are not answered 405; those in ``handed_up`` come up as `RequestReceived` and
    are answered by ``UserAgent.respond``. ``supported`` are option tags, ```accept`` media types of bodies, ours first.
    Those that switch something on: ``timer`` session timers (RFC 4028), where ``session_expires`` seconds are asked for
    on our calls, 0 is never, and less than ``min_se`` is refused; ``100rel`` reliable provisional responses (RFC 3262),
    which ``require_100rel`` insists on. ``supported_in`` are further option tags, for requests of one method only.
    ``use_source_socket`` sends responses and requests inside dialogs to where packets came from.
    ``max_sessions`` and ``max_transactions`` bound what peers may start, 0 is no bound; beyond them: 503 with a
    Retry-After of ``retry_after`` seconds. ``source_rate`` bounds the new requests per second of one source address
    outside dialogs, 0 is no bound; beyond it: 503, and nothing beyond that. A request of ours that is larger than
    ``largest_datagram`` octets goes by TCP, where the peer has that; 0: none does.
    """

    contact: Callable[[Hop], Uri]
    sent_by: Callable[[Hop], tuple[str, int]]
    user_agent: str = "voiceblender"
    allow: tuple[str, ...] = ALLOW
    handed_up: frozenset[str] = frozenset()
    supported: tuple[str, ...] = ()
    supported_in: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    accept: tuple[str, ...] = ("application/sdp", "multipart/mixed")
    timers: TimerValues = DEFAULT_TIMERS
    limits: Limits = DEFAULT_LIMITS
    use_source_socket: bool = False
    auto_trying: bool = True
    session_expires: int = 0
    min_se: int = 90
    require_100rel: bool = False
    max_sessions: int = 0
    max_transactions: int = 100_000
    source_rate: float = 0.0
    largest_datagram: int = 0
    retry_after: int = 5


@attrs.frozen
class UaStatistics:
    """Counts of one moment; the first six fall back to 0 when nothing goes on, the others only rise.

    ``sessions`` counts until `SessionEnded`, ``dropped`` is by cause: ``malformed``, ``unroutable``, ``response``
    (no transaction), ``ack`` (no transaction or dialog), ``overload``, ``rate`` (of its source).
    """

    invite_clients: int
    invite_servers: int
    non_invite_clients: int
    non_invite_servers: int
    dialogs: int
    sessions: int
    received: int
    sent: int
    retransmitted: int
    dropped: Mapping[str, int]
