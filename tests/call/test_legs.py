"""The registry."""

from __future__ import annotations

import pytest
import trio

from tests.call.fakes import FakeLeg, Recorder
from vb.call.cdr import Cdr
from vb.call.errors import NotFound
from vb.call.leg import Leg
from vb.call.legs import Legs


async def test_a_leg_leaves_before_its_goodbye_and_is_counted_after_its_end() -> None:
    recorder, legs = Recorder(), Legs()
    leg = FakeLeg(recorder.bus)
    seen: list[str] = []

    def leaving(left: Leg) -> None:
        with pytest.raises(NotFound, match="leg not found"):
            legs.get(left.id)
        seen.append(f"leaving after {leg.story}")

    def ended(left: Leg, cdr: Cdr) -> None:
        seen.append(f"ended {cdr.reason} after {recorder.types}")

    legs.on_hangup(leaving)
    legs.on_ended(ended)
    legs.add(leg)
    assert legs.get(leg.id) is leg
    assert legs.all() == [leg]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.live)
        await trio.sleep(1)
        leg.connect()
        leg.end("busy")
        assert (legs.active, legs.unfinished) == (0, 1)
        await legs.wait_finished()
    assert seen == ["leaving after []", "ended busy after ['leg.connected', 'leg.disconnected']"]
    assert legs.unfinished == 0
    assert legs.reasons == {("sip_inbound", "busy"): 1}
    assert legs.total["sip_inbound", "connected"] == 1


async def test_waiting_until_all_have_finished() -> None:
    recorder, legs = Recorder(), Legs()
    await legs.wait_finished()
    async with trio.open_nursery() as nursery:
        for number in range(3):
            leg = FakeLeg(recorder.bus)
            legs.add(leg)
            nursery.start_soon(leg.live)

            async def later(leg: FakeLeg, number: int) -> None:
                await trio.sleep(number)
                leg.end("api_hangup")

            nursery.start_soon(later, leg, number)
        before = trio.current_time()
        await legs.wait_finished()
        assert trio.current_time() - before == 2
