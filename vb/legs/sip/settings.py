"""What SIP legs are told once, and the parts of the platform that they work with."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

from vb.call.errors import Unavailable
from vb.call.events import EventBus, Webhook
from vb.call.legs import Legs
from vb.call.traces import CallTraces
from vb.sdp.formats import Codec
from vb.sip.effects import Hop
from vb.sip.registrar import RegistrarPolicy
from vb.sip.uri import Uri

if TYPE_CHECKING:
    from vb.media.clock import MediaClock
    from vb.media.port_pool import PortPool
    from vb.sip.user_agent import UserAgent

T = TypeVar("T")


@attrs.frozen
class Address:
    """One IP version of ours: where RTP sockets are bound, and the numeric address that peers are told."""

    bind: str
    advertised: str


@attrs.frozen(kw_only=True)
class RegistrarSettings:
    """Settings of registrations; times in seconds. ``domains`` are those that are served, none: every one.

    A REGISTER waits ``consult_timeout`` for the application, 0 is not at all, then ``accept_by_default`` decides.
    At most ``max_parked`` wait at a time.
    """

    policy: RegistrarPolicy = attrs.field(factory=RegistrarPolicy)
    domains: frozenset[str] = frozenset()
    consult_timeout: float = 2.0
    accept_by_default: bool = False
    sweep_interval: float = 1.0
    max_parked: int = 1000


@attrs.frozen(kw_only=True)
class SipSettings:
    """Settings of SIP legs; all times in seconds, 0 means none.

    ``host_name`` is User-Agent and the caller of calls without ``from``; ``domain`` our name in From and Contact
    ("" for the address); ``webhook`` the global one, which inbound legs take as theirs.
    """

    host_name: str = "voiceblender"
    domain: str = ""
    port: int = 5060
    ipv4: Address | None = None
    ipv6: Address | None = None
    codecs: tuple[Codec, ...] = ()
    auto_ringing: bool = False
    strict_mlines: bool = True
    speech_detection: bool = False
    ring_limit: float = 180.0
    max_calls: int = 0
    max_parked: int = 1000
    rtp_timeout: float = 30.0
    dtmf_methods: tuple[str, ...] = ("rfc4733",)
    hold_limit: float = 7200.0
    challenge_lifetime: float = 60.0
    refer_auto_dial: bool = False
    refer_timeout: float = 2.0
    retry_after: int = 5
    outbound_proxy: Uri | None = None
    webhook: Webhook | None = None
    registrar: RegistrarSettings = attrs.field(factory=RegistrarSettings)

    def address_for(self, peer: str) -> Address:
        """Our side for a peer's numeric address or name (a name counts as IPv4 where we have that).

        Raises Unavailable when we do not speak that version of IP.
        """
        try:
            wants_v6 = ipaddress.ip_address(peer.strip("[]").partition("%")[0]).version == 6
        except ValueError:
            wants_v6 = self.ipv4 is None
        address = self.ipv6 if wants_v6 else self.ipv4
        if address is None:
            raise Unavailable(f"no IPv{6 if wants_v6 else 4} address is configured")
        return address


class Endpoint(Protocol):
    """The driver of the user agent: every verb goes through it, so that what it wants sent goes out at once."""

    def command(self, verb: Callable[[float], T]) -> T: ...

    async def locate(self, uri: Uri) -> list[Hop]:
        """The servers of a URI, best first (RFC 3263). Raises OSError when there is none."""


@attrs.frozen
class Platform:
    """What every SIP leg works with. ``pools`` has one pool of RTP ports for each address that sockets are bound to."""

    settings: SipSettings
    endpoint: Endpoint
    agent: UserAgent
    clock: MediaClock
    pools: Mapping[str, PortPool]
    bus: EventBus
    legs: Legs
    rng: Random
    traces: CallTraces = attrs.field(factory=CallTraces)
