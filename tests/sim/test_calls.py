"""Whole calls between two real user agents with offer and answer, through two endpoints and foul weather."""

from __future__ import annotations

from random import Random

import attrs
import pytest
import trio

from tests.sim.network import VirtualNetwork, Weather
from vb.net.driver import Listen, SipEndpoint
from vb.sdp.formats import parse_codec_names
from vb.sdp.offer_answer import Negotiation
from vb.sip.config import UaConfig
from vb.sip.effects import (
    AckReceived,
    AnswerReceived,
    ByeCompleted,
    ByeReceived,
    Event,
    Hop,
    InviteFailed,
    InviteReceived,
    SessionEnded,
)
from vb.sip.fields import NameAddr, parse_name_addr
from vb.sip.uri import parse_uri
from vb.sip.user_agent import UserAgent

CODECS = parse_codec_names("PCMU,PCMA")[0]
CALLS = 20
LONG = 64 * 0.5 * 4  # seconds after which nothing of any transaction is left (64*T1, several in a row)


class Side:
    """One agent behind its endpoint. It answers what rings, and hangs up what it has dialled, a second later."""

    def __init__(self, network: VirtualNetwork, host: str, seed: int) -> None:
        config = UaConfig(
            contact=lambda hop: parse_uri(f"sip:{host}:5060"),
            sent_by=lambda hop: (host, 5060),
        )
        self.host = host
        self.agent = UserAgent(config, Random(seed))
        self.endpoint: SipEndpoint[Event] = SipEndpoint(
            self.agent, [Listen("UDP", host, 5060)], self._deliver, open_datagrams=network.open
        )
        self.nursery: trio.Nursery | None = None
        self.events: list[Event] = []

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def dial(self, host: str) -> None:
        negotiation = self.negotiation()
        body = negotiation.create_offer(4000)

        def verb(now: float) -> None:
            session = self.agent.invite(
                target=parse_uri(f"sip:room@{host}:5060"),
                hop=Hop("UDP", host, 5060),
                from_=self._name(self.host),
                to=self._name(host),
                now=now,
                body=body,
            )
            session.user_data = negotiation

        self.endpoint.command(verb)

    def negotiation(self) -> Negotiation:
        return Negotiation(address=self.host, codecs=CODECS, session_id=1)

    def _deliver(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, InviteReceived):
            negotiation = self.negotiation()
            negotiation.receive_offer(event.request.body)
            answer = negotiation.create_answer(5000)
            self.endpoint.command(lambda now: event.session.accept(now, answer))
        elif isinstance(event, AnswerReceived):
            assert isinstance(event.session.user_data, Negotiation)
            event.session.user_data.receive_answer(event.response.body)
            self.endpoint.command(event.session.ack)
            assert self.nursery is not None
            self.nursery.start_soon(self._hang_up, event)

    async def _hang_up(self, event: AnswerReceived) -> None:
        await trio.sleep(1)
        self.endpoint.command(event.session.bye)

    @staticmethod
    def _name(host: str) -> NameAddr:
        return parse_name_addr(f"<sip:user@{host}>")


async def run_calls(seed: int, weather: Weather) -> tuple[Side, Side, VirtualNetwork]:
    network = VirtualNetwork(Random(seed), weather)
    caller, callee = Side(network, "192.0.2.1", seed), Side(network, "192.0.2.2", seed + 1)
    async with trio.open_nursery() as nursery:
        for side in (caller, callee):
            side.nursery = nursery
            await nursery.start(side.endpoint.run)
        for _ in range(CALLS):
            caller.dial(callee.host)
            await trio.sleep(0.05)
        await trio.sleep(LONG)
        nursery.cancel_scope.cancel()
    return caller, callee, network


def assert_nothing_left(*sides: Side) -> None:
    for side in sides:
        left = attrs.astuple(side.agent.statistics())[:6]
        assert left == (0,) * 6, "transactions, dialogs and sessions are gone"
        assert side.agent.next_deadline() == float("inf")
        statistics = side.endpoint.statistics()
        assert (statistics.agent_errors, statistics.deliver_errors, statistics.waiting) == (0, 0, 0)


async def test_in_fair_weather_every_call_is_six_messages() -> None:
    """RFC 3665 §3.1 without the 180, which is the application's: INVITE, 100, 200, ACK, BYE, 200."""
    caller, callee, network = await run_calls(1, Weather())
    assert len(network.log) == 6 * CALLS
    assert caller.count(AnswerReceived) == callee.count(AckReceived) == callee.count(ByeReceived) == CALLS
    assert caller.count(SessionEnded) == callee.count(SessionEnded) == CALLS
    assert_nothing_left(caller, callee)


@pytest.mark.parametrize("seed", range(6))
async def test_foul_weather_costs_time_and_nothing_else(seed: int) -> None:
    weather = Weather(loss=0.25, duplicate=0.15, reorder=0.2, delay=0.02, jitter=0.1)
    caller, callee, network = await run_calls(seed, weather)
    assert len(network.log) > 6 * CALLS
    assert caller.count(SessionEnded) == CALLS
    assert callee.count(SessionEnded) == callee.count(InviteReceived)
    assert caller.count(AnswerReceived) + caller.count(InviteFailed) == CALLS
    assert caller.count(AnswerReceived) >= CALLS - 1, "eleven retransmissions do not all get lost"
    assert callee.count(ByeReceived) == CALLS, "also where no ACK came before the BYE (RFC 3261 §15)"
    assert_nothing_left(caller, callee)


async def test_a_peer_that_is_gone_ends_every_call() -> None:
    """Timer B (RFC 3261 §17.1.1.2) for new calls; a BYE without answer ends the session too (§15.1.1)."""
    network = VirtualNetwork(Random(1))
    caller, callee = Side(network, "192.0.2.1", 1), Side(network, "192.0.2.2", 2)
    async with trio.open_nursery() as nursery:
        for side in (caller, callee):
            side.nursery = nursery
            await nursery.start(side.endpoint.run)
        caller.dial(callee.host)
        await trio.sleep(0.5)
        network.down.add(callee.host)
        caller.dial(callee.host)
        await trio.sleep(LONG)
        assert caller.count(InviteFailed) == 1
        assert [event.response for event in caller.events if isinstance(event, ByeCompleted)] == [None]
        network.unreachable.add(callee.host)
        caller.dial(callee.host)
        assert [event.cause for event in caller.events if isinstance(event, InviteFailed)] == ["timeout", "transport"]
        await trio.sleep(LONG)
        assert_nothing_left(caller)
        nursery.cancel_scope.cancel()
