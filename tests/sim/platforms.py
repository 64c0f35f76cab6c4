"""Whole platforms of SIP legs on one virtual network, and an application behind each that does as it is told.

As in `tests.legs.sip.world`: RTP ports are real, the media clock does not tick, so nobody ever hears anybody.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
import trio

from tests.call.fakes import Recorder
from tests.legs.sip.world import AGENT, PCMU_PCMA
from tests.sim.network import VirtualNetwork
from vb.call.errors import CommandError
from vb.call.legs import Legs
from vb.call.traces import CallTraces
from vb.legs.sip.identity import contact_of, sent_by_of
from vb.legs.sip.service import SipService
from vb.legs.sip.settings import Address, Platform, SipSettings
from vb.legs.sip.sip_leg import SipLeg
from vb.media.clock import MediaClock
from vb.media.port_pool import PortPool
from vb.media.settings import MediaSettings
from vb.net.driver import Listen, SipEndpoint
from vb.sip.effects import Event
from vb.sip.user_agent import UaConfig, UserAgent


class Site:
    """One platform at ``host``. ``on_ringing`` is its application: it is shown every inbound leg."""

    def __init__(
        self, network: VirtualNetwork, host: str, *, agent: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        self.host = host
        self.recorder = Recorder()
        self.all_legs: list[SipLeg] = []
        self.on_ringing: Callable[[SipLeg], None] = lambda leg: None
        ours = SipSettings(
            **{"ipv4": Address("127.0.0.1", host), "codecs": PCMU_PCMA, "host_name": "gw"} | settings  # type: ignore[arg-type]
        )
        config = UaConfig(
            contact=lambda hop: contact_of(ours, hop),
            sent_by=lambda hop: sent_by_of(ours, hop),
            user_agent=ours.host_name,
            **AGENT | (agent or {}),
        )
        self.agent = UserAgent(config, random.Random(host))
        self.endpoint: SipEndpoint[Event] = SipEndpoint(
            self.agent, [Listen("UDP", host, 5060)], self._deliver, open_datagrams=network.open
        )
        self.clock = MediaClock(MediaSettings(io="epoll"))
        self.pool = PortPool("127.0.0.1", 0, 0)
        self.legs = Legs()
        platform = Platform(
            settings=ours,
            endpoint=self.endpoint,
            agent=self.agent,
            clock=self.clock,
            pools={"127.0.0.1": self.pool},
            bus=self.recorder.bus,
            legs=self.legs,
            rng=random.Random(host),
            traces=CallTraces(),
        )
        self.service = SipService(platform)
        self.recorder.bus.subscribe(self._published)

    async def run(self, nursery: trio.Nursery) -> None:
        await nursery.start(self.endpoint.run)
        await nursery.start(self.service.run)

    def _deliver(self, event: Event) -> None:
        self.service.on_event(event)

    def _published(self, event: Any) -> None:
        if event.type != "leg.ringing":
            return
        leg = self.legs.get(event.leg_id)
        assert isinstance(leg, SipLeg)
        self.all_legs.append(leg)
        if leg.type == "sip_inbound":
            self.on_ringing(leg)

    def leg_of(self, call_id: str) -> SipLeg | None:
        """The leg of a call that still goes on."""
        return next((leg for leg in self.all_legs if leg.call_id == call_id and leg.cause is None), None)

    @property
    def living(self) -> list[SipLeg]:
        return [leg for leg in self.all_legs if leg.cause is None]

    def hang_up_everything(self) -> None:
        for leg in self.living:
            with suppress(CommandError):
                leg.hangup()

    def assert_nothing_left(self) -> None:
        """Every leg has ended, once; no transaction, dialog, session, RTP port or row is left, and nothing crashed."""
        ended = [event.leg_id for event in self.recorder.of("leg.disconnected")]
        assert sorted(ended) == sorted(leg.id for leg in self.all_legs)
        assert attrs.astuple(self.agent.statistics())[:6] == (0,) * 6
        assert self.agent.next_deadline() == float("inf")
        assert (self.pool.in_use, self.clock.statistics().rows, self.legs.unfinished, self.service.parked) == (0,) * 4
        statistics = self.endpoint.statistics()
        assert (statistics.agent_errors, statistics.deliver_errors, statistics.waiting) == (0, 0, 0)
        reasons = {event.data["cdr"]["reason"] for event in self.recorder.of("leg.disconnected")}
        assert "internal_error" not in reasons
