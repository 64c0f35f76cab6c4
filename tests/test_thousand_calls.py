"""After a thousand mixed calls nothing is left: no task, socket, RTP port, row, transaction, dialog or leg."""

from __future__ import annotations

import os
import random
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.legs.sip.world import PEER, World, sdp, world
from tests.sim.network import Weather
from vb.call.errors import CommandError
from vb.legs.sip.outbound_request import OutboundRequest
from vb.sip.effects import AnswerReceived, Event, InviteReceived
from vb.sip.errors import LocalError

CALLS = 1000


class Fate:
    """What one call is meant to go through, drawn before it starts."""

    def __init__(self, rng: random.Random) -> None:
        self.inbound = rng.random() < 0.5
        self.answered = rng.random() < 0.6
        self.vanishes = rng.random() < 0.1
        self.refused = rng.choice((486, 603, 480, 404))
        self.decided_after = rng.uniform(0.0, 3.0)
        self.ended_after = rng.uniform(0.0, 8.0)
        self.ended_by_peer = rng.random() < 0.5
        self.early_media = rng.random() < 0.3


async def inbound(w: World, fate: Fate) -> None:
    session = w.peer.call(sdp(), [("X-Number", str(id(fate)))])
    await trio.sleep(fate.decided_after)
    leg = next((leg for leg in w.legs.all() if leg.headers.get("X-Number") == str(id(fate))), None)
    with suppress(CommandError):  # the caller was faster, as callers are
        if leg is not None and fate.early_media:
            leg.early_media()
        if leg is not None and fate.answered:
            leg.answer()
        elif leg is not None and not fate.ended_by_peer:
            leg.hangup("busy")
    await trio.sleep(fate.ended_after)
    if fate.vanishes:
        return
    with suppress(LocalError, CommandError):
        if fate.ended_by_peer:
            w.peer.do(session.bye)
        elif leg is not None:
            leg.hangup()


async def outbound(w: World, fate: Fate) -> None:
    leg = w.service.create_outbound(
        OutboundRequest(to=f"sip:bob@{PEER}", ring_timeout=20, headers={"X-Number": str(id(fate))})
    )
    await trio.sleep(fate.decided_after)
    sessions = (event.session for event in reversed(w.peer.events) if isinstance(event, InviteReceived))
    session = next((s for s in sessions if s.request.headers.get("X-Number") == str(id(fate))), None)
    with suppress(LocalError):
        if session is not None and fate.early_media:
            w.peer.do(session.provisional, 183, body=sdp())
        if session is not None and fate.answered:
            w.peer.do(session.accept, sdp())
        elif session is not None and fate.ended_by_peer:
            w.peer.do(session.reject, fate.refused)
    await trio.sleep(fate.ended_after)
    if fate.vanishes or session is None:
        return
    with suppress(LocalError, CommandError):
        if fate.ended_by_peer:
            w.peer.do(session.bye)
        else:
            leg.hangup()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.slow
@pytest.mark.parametrize("weather", [Weather(delay=0.02), Weather(loss=0.1, delay=0.05, jitter=0.1, duplicate=0.05)])
async def test_nothing_is_left(weather: Weather) -> None:
    rng = random.Random(4)
    async with world(weather, rtp_timeout=20.0, ring_limit=30.0) as w:

        def acknowledge(event: Event) -> None:
            if isinstance(event, AnswerReceived):
                w.peer.endpoint.command(event.session.ack)

        w.peer.on_event = acknowledge
        await trio.sleep(1)
        tasks, sockets = trio.lowlevel.current_statistics().tasks_living, descriptors()
        rows = w.clock.statistics().rows
        async with trio.open_nursery() as nursery:
            for _ in range(CALLS):
                fate = Fate(rng)
                nursery.start_soon(inbound if fate.inbound else outbound, w, fate)
                await trio.sleep(rng.uniform(0, 0.02))
        await trio.sleep(300)  # ring limits, silence, and every transaction's timers
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert descriptors() == sockets
        assert w.clock.statistics().rows == rows
        assert w.pool.in_use == 0
        assert w.legs.unfinished == 0
        assert w.service.parked == 0
        counts = w.agent.statistics()
        assert (counts.sessions, counts.dialogs, counts.invite_clients, counts.invite_servers) == (0, 0, 0, 0)
        started = {event.leg_id for event in w.recorder.of("leg.ringing")}
        ended = [event.leg_id for event in w.recorder.of("leg.disconnected")]
        assert len(ended) == len(set(ended))
        assert set(ended) == started
        connected = [event.leg_id for event in w.recorder.of("leg.connected")]
        assert len(connected) == len(set(connected))
        assert len(connected) > CALLS / 4
        assert "internal_error" not in w.reasons()


def test_this_machine_shows_its_descriptors() -> None:
    assert Path("/proc/self/fd").is_dir()
