"""What runs in a room for as long as somebody is there."""

from __future__ import annotations

import logging

import pytest
import trio

from tests.room.stage import open_stage
from vb.call.errors import Conflict


async def test_an_activity_needs_somebody_and_ends_with_the_last() -> None:
    async with open_stage() as stage:
        room = stage.rooms.create("r")
        with pytest.raises(Conflict, match="room has no participants"):
            room.start_soon(trio.sleep_forever)
        alice, bob = await stage.leg(), await stage.leg()
        stage.rooms.add_leg("r", alice.id)
        stage.rooms.add_leg("r", bob.id)
        ended: list[str] = []

        async def activity() -> None:
            try:
                await trio.sleep_forever()
            finally:
                ended.append("activity")

        room.start_soon(activity)
        await stage.settle()
        alice.end("remote_bye")
        await stage.settle()
        assert ended == []
        stage.rooms.remove_leg("r", bob.id)
        await room.wait_idle()
        assert ended == ["activity"]


async def test_what_ends_in_the_room_ends_before_its_last_leg_is_said_to_be_over() -> None:
    async with open_stage() as stage:
        alice = await stage.leg()
        stage.rooms.add_leg("r", alice.id)
        room = stage.rooms.get("r")
        stage.said()

        async def slow() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(1)
                stage.bus.publish("recording.finished", {"file": ""}, room=room)

        room.start_soon(slow)
        await stage.settle()
        alice.end("remote_bye")
        await trio.sleep(2)
        assert stage.said() == ["leg.left_room r", "recording.finished r", "leg.disconnected remote_bye"]


async def test_an_activity_that_never_ends_costs_the_last_words_and_no_more() -> None:
    async with open_stage() as stage:
        alice = await stage.leg()
        stage.rooms.add_leg("r", alice.id)

        async def stuck() -> None:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

        stage.rooms.get("r").start_soon(stuck)
        await stage.settle()
        alice.end("remote_bye")
        with trio.fail_after(5.1):
            await alice.wait_ended()


async def test_a_crash_of_one_activity_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async with open_stage() as stage:
        alice = await stage.leg()
        stage.rooms.add_leg("r", alice.id)
        room = stage.rooms.get("r")

        async def crash() -> None:
            raise KeyError("bug")

        alive = trio.Event()

        async def other() -> None:
            await trio.sleep(1)
            alive.set()

        with caplog.at_level(logging.ERROR, "vb.room"):
            room.start_soon(crash)
            room.start_soon(other)
            await alive.wait()
        assert "room activity crashed" in caplog.text
        assert stage.legs.active == 1


async def test_watchers_hear_who_comes_and_goes() -> None:
    async with open_stage() as stage:
        alice, bob = await stage.leg(), await stage.leg()
        room = stage.rooms.create("r")
        stage.rooms.add_leg("r", alice.id)
        seen: list[tuple[str, bool]] = []
        room.watchers.append(lambda leg, joined: seen.append((leg.id, joined)))
        stage.rooms.add_leg("r", bob.id)
        alice.end("remote_bye")
        stage.rooms.delete("r")
        assert seen == [(bob.id, True), (alice.id, False), (bob.id, False)]
