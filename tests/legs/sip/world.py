"""A platform with SIP legs, and peers that call it or are called, on a virtual network in virtual time.

RTP ports and the rows of the media clock are real; the clock does not tick unless a test lets it.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from tests.call.fakes import Recorder
from tests.sim.network import VirtualNetwork, Weather
from vb.call.legs import Legs
from vb.call.traces import CallTraces
from vb.legs.sip.identity import contact_of, sent_by_of
from vb.legs.sip.service import SipService
from vb.legs.sip.settings import Address, Platform, SipSettings
from vb.media.clock import MediaClock
from vb.media.port_pool import PortPool
from vb.media.settings import MediaSettings
from vb.net.driver import Listen, SipEndpoint
from vb.sdp.formats import parse_codec_names
from vb.sip.config import ALLOW
from vb.sip.effects import AnswerReceived, Event, Hop, InviteReceived
from vb.sip.fields import NameAddr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.uri import Uri, parse_uri
from vb.sip.user_agent import UaConfig, UserAgent

SERVER, PEER = "192.0.2.1", "192.0.2.2"
PCMU_PCMA = parse_codec_names("PCMU,PCMA")[0]


AGENT: dict[str, Any] = {
    "supported": ("100rel", "timer"),
    "allow": (*ALLOW, "PRACK", "MESSAGE", "INFO"),
    "handed_up": frozenset({"MESSAGE", "INFO", "REGISTER"}),
    "supported_in": {"REGISTER": ("path",)},
    "session_expires": 1800,
}
"""What the composition root tells the agent beside addresses."""


def sdp(formats: str = "0 8 101", direction: str = "sendrecv", port: int = 40000, extra: str = "") -> bytes:
    """A peer's description. ``direction`` "" leaves the attribute out."""
    lines = [
        "v=0",
        f"o=- 1 {port} IN IP4 {PEER}",
        "s=-",
        f"c=IN IP4 {PEER}",
        "t=0 0",
        f"m=audio {port} RTP/AVP {formats}",
    ]
    if "101" in formats:
        lines.append("a=rtpmap:101 telephone-event/8000")
    lines += [line for line in (extra, f"a={direction}" if direction else "") if line]
    return "\r\n".join([*lines, ""]).encode()


class Peer:
    """A phone without a mind of its own: records the events of its agent; tests call the verbs of its sessions."""

    def __init__(self, network: VirtualNetwork, host: str = PEER, supported: tuple[str, ...] = ()) -> None:
        contact = Uri("sip", user="peer", host=host, port=5060)
        config = UaConfig(
            contact=lambda hop: contact,
            sent_by=lambda hop: (host, 5060),
            supported=supported,
            allow=(*ALLOW, "PRACK"),
        )
        self.agent = UserAgent(config, random.Random(host))
        self.events: list[Event] = []
        self.on_event: Callable[[Event], None] = lambda event: None
        self.endpoint: SipEndpoint[Event] = SipEndpoint(
            self.agent, [Listen("UDP", host, 5060)], self._deliver, open_datagrams=network.open
        )
        self.host = host

    def _deliver(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def call(self, body: bytes = b"", headers: Any = (), to: str = "sip:service@192.0.2.1") -> InviteClientSession:
        return self.endpoint.command(
            lambda now: self.agent.invite(
                target=parse_uri(to),
                from_=NameAddr("", parse_uri(f"sip:alice@{self.host}")),
                to=NameAddr("", parse_uri(to)),
                now=now,
                headers=headers,
                body=body,
            )
        )

    def do(self, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
        return self.endpoint.command(lambda now: verb(now, *args, **options))

    def acknowledge_answers(self, body: bytes = b"") -> None:
        def acknowledge(event: Event) -> None:
            if isinstance(event, AnswerReceived):
                self.endpoint.command(lambda now: event.session.ack(now, body))

        self.on_event = acknowledge

    @property
    def called(self) -> InviteServerSession:
        """The session of the last INVITE that came in."""
        return next(event.session for event in reversed(self.events) if isinstance(event, InviteReceived))

    def statuses(self) -> list[int]:
        """Status codes of the responses that came in, in order."""
        return [event.response.status for event in self.events if getattr(event, "response", None) is not None]

    def last(self, kind: type) -> Any:
        return next(event for event in reversed(self.events) if isinstance(event, kind))


@attrs.define
class World:
    network: VirtualNetwork
    recorder: Recorder
    platform: Platform
    service: SipService
    endpoint: SipEndpoint[Event]
    agent: UserAgent
    peer: Peer
    pool: PortPool
    clock: MediaClock

    @property
    def events(self) -> list[str]:
        return self.recorder.types

    @property
    def legs(self) -> Legs:
        return self.platform.legs

    @property
    def leg(self) -> Any:
        """The only leg."""
        (leg,) = self.legs.all()
        return leg

    def reasons(self) -> list[str]:
        return [event.data["cdr"]["reason"] for event in self.recorder.of("leg.disconnected")]

    def sent(self, start: str) -> list[str]:
        """Messages of ours on the wire that begin so."""
        texts = (p.data.decode() for p in self.network.log if p.source[0] == SERVER)
        return [text for text in texts if text.startswith(start)]


@asynccontextmanager
async def world(
    weather: Weather | None = None, *, peer_supports: tuple[str, ...] = (), **settings: Any
) -> AsyncIterator[World]:
    """A running platform and one peer. On exit everything has ended."""
    network = VirtualNetwork(random.Random(1), weather or Weather(delay=0.005))
    recorder, legs = Recorder(), Legs()
    defaults: dict[str, Any] = {"ipv4": Address("127.0.0.1", SERVER), "codecs": PCMU_PCMA, "host_name": "gw"}
    sip_settings = SipSettings(**defaults | settings)
    config = UaConfig(
        contact=lambda hop: contact_of(sip_settings, hop),
        sent_by=lambda hop: sent_by_of(sip_settings, hop),
        user_agent=sip_settings.host_name,
        **AGENT,
    )
    agent = UserAgent(config, random.Random(2))
    events: list[Callable[[Event], None]] = []
    traces = CallTraces()
    endpoint: SipEndpoint[Event] = SipEndpoint(
        agent, [Listen("UDP", SERVER, 5060)], lambda event: events[0](event), traces.record, open_datagrams=network.open
    )
    clock = MediaClock(MediaSettings(io="epoll"))
    pool = PortPool("127.0.0.1", 0, 0)
    platform = Platform(
        settings=sip_settings,
        endpoint=endpoint,
        agent=agent,
        clock=clock,
        pools={"127.0.0.1": pool},
        bus=recorder.bus,
        legs=legs,
        rng=random.Random(3),
        traces=traces,
    )
    service = SipService(platform)
    events.append(service.on_event)
    peer = Peer(network, supported=peer_supports)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        await nursery.start(peer.endpoint.run)
        await nursery.start(service.run)
        yield World(network, recorder, platform, service, endpoint, agent, peer, pool, clock)
        nursery.cancel_scope.cancel()
    clock.close()
    assert pool.in_use == 0
    assert legs.unfinished == 0


async def settle() -> None:
    """Let everything on the wire arrive."""
    await trio.sleep(0.05)


__all__ = ["PEER", "SERVER", "Hop", "Peer", "World", "sdp", "settle", "world"]
