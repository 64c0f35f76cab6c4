"""Ends that race: whatever comes first wins, and there is one end, one goodbye at most, and nothing left."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import trio

from tests.legs.sip.world import PEER, World, sdp, settle, world
from tests.sim.network import Weather
from vb.call.errors import CommandError
from vb.legs.sip.outbound_request import OutboundRequest
from vb.media.events import RowFailed
from vb.sip.errors import LocalError
from vb.sip.session import Session

Race = Callable[[World, Any, Session], None]


def by_the_operator(w: World, leg: Any, session: Session) -> None:
    with suppress(CommandError):
        leg.hangup()


def by_the_peer(w: World, leg: Any, session: Session) -> None:
    with suppress(LocalError):
        w.peer.do(session.bye)


def by_a_failing_row(w: World, leg: Any, session: Session) -> None:
    leg._notified(RowFailed(OSError("gone")))


def by_shutdown(w: World, leg: Any, session: Session) -> None:
    leg.end("shutdown")


CAUSES: dict[Race, str] = {
    by_the_operator: "api_hangup",
    by_the_peer: "remote_bye",
    by_a_failing_row: "internal_error",
    by_shutdown: "shutdown",
}
ORDERS = list(itertools.permutations(CAUSES, 3))


def the_end(w: World, connected: int) -> None:
    assert w.events.count("leg.disconnected") == 1
    assert w.events.count("leg.connected") == connected
    assert w.events[-1] == "leg.disconnected"
    assert len(set(w.sent("BYE"))) <= 1
    assert w.pool.in_use == 0


@pytest.mark.parametrize("order", ORDERS)
async def test_inbound_in_the_same_moment(order: tuple[Race, ...]) -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        session = w.peer.call(sdp())
        await settle()
        leg = w.leg
        leg.answer()
        await settle()
        for race in order:
            race(w, leg, session)
        await trio.sleep(40)
        the_end(w, connected=1)
        local = [CAUSES[race] for race in order if race is not by_the_peer]
        assert w.reasons() == local[:1]  # a BYE needs its way on the wire
        assert w.agent.statistics().sessions == 0


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("answered", [True, False])
async def test_outbound_a_little_apart_on_a_bad_network(order: tuple[Race, ...], answered: bool) -> None:
    async with world(Weather(loss=0.2, delay=0.02, jitter=0.05, duplicate=0.1)) as w:
        leg = w.service.create_outbound(OutboundRequest(to=f"sip:bob@{PEER}"))
        await trio.sleep(8)
        session = w.peer.called
        if answered:
            w.peer.do(session.accept, sdp())
            await trio.sleep(8)
        for race in order:
            race(w, leg, session)
            await trio.sleep(0.03)
        await trio.sleep(120)
        the_end(w, connected=int(answered))
        counts = w.agent.statistics()
        assert (counts.sessions, counts.dialogs) == (0, 0)


@pytest.mark.parametrize("order", list(itertools.permutations(["cancel", "answer", "hangup"])))
async def test_parked_calls_whose_fate_is_decided_twice(order: tuple[str, ...]) -> None:
    async with world() as w:
        w.peer.acknowledge_answers()
        session = w.peer.call(sdp())
        await settle()
        leg = w.leg
        for step in order:
            with suppress(CommandError, LocalError):
                if step == "cancel":
                    w.peer.do(session.cancel)
                    await trio.sleep(0.003)
                elif step == "answer":
                    leg.answer()
                else:
                    leg.hangup()
        await trio.sleep(80)
        assert w.events.count("leg.disconnected") == 1
        assert w.events.count("leg.connected") <= 1
        assert w.events[-1] == "leg.disconnected"
        assert w.agent.statistics().sessions == 0
        assert w.service.parked == 0
