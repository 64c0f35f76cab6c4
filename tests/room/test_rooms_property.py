"""Whatever legs and operators do in whatever order, rooms, legs and events tell the same story."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import cast

import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.room.stage import Stage, StageLeg, StageMix, open_stage
from vb.call.errors import CommandError
from vb.room.room import Room
from vb.room.routing import matrix_of

ROOMS = ("a", "b", "c")
ROLES = ("", "agent", "customer", "coach")
ACTS = [
    *["add"] * 3,
    *["remove", "hangup", "delete", "create", "connect", "wait", "activity"],
    *["role", "matrix", "bridge", "part"],
]
LEGS = 4
STEPS = st.lists(
    st.tuples(
        st.sampled_from(ACTS),
        st.sampled_from(ROOMS),
        st.integers(0, LEGS - 1),
    ),
    max_size=40,
)


def check(stage: Stage) -> None:
    for room in stage.rooms.all():
        for leg in room.members.values():
            assert leg.room_id == room.id
            assert leg.cause is None
            assert isinstance(leg, StageLeg)
            assert leg.stage_port.mix is room.mix  # type: ignore[comparison-overlap]
    here = Counter(leg.id for room in stage.rooms.all() for leg in room.members.values())
    assert all(count == 1 for count in here.values())
    for leg in stage.legs.all():
        assert bool(leg.room_id) == (leg.id in here)
    for room in stage.rooms.all():
        check_hearing(room)
        for view in stage.rooms.bridges.of(room.id):
            assert stage.rooms.bridges.get(view["room_id"], view["id"])["room_id"] == room.id


def check_hearing(room: Room) -> None:
    """The mix does what the matrix says of the roles that its members have now."""
    routes = cast(StageMix, room.mix).routes
    for me in room.members.values():
        heard = {
            other.port
            for other in room.members.values()
            if other is not me and (me.role not in room.matrix or other.role in room.matrix[me.role])
        }
        everybody = {other.port for other in room.members.values() if other is not me}
        assert routes.get(me.port, everybody) == heard


def check_story(stage: Stage) -> None:
    """Joins and leaves alternate; a deleted room's legs hang up instead of leaving; nothing comes after the end."""
    where: dict[str, str] = {}
    rooms: set[str] = set()
    bridges: dict[str, set[str]] = {}
    over: set[str] = set()
    for event in stage.events:
        if event.leg_id:
            assert event.leg_id not in over
        match event.type:
            case "room.created":
                assert event.room_id not in rooms
                rooms.add(event.room_id)
            case "room.bridged":
                ends = {event.data["room_a_id"], event.data["room_b_id"]}
                assert ends <= rooms
                assert ends not in bridges.values()
                bridges[event.data["bridge_id"]] = ends
            case "room.unbridged":
                assert bridges.pop(event.data["bridge_id"]) <= rooms
            case "room.deleted":
                assert not any(event.room_id in ends for ends in bridges.values())
                rooms.remove(event.room_id)
                where = {leg: room for leg, room in where.items() if room != event.room_id}
            case "leg.joined_room":
                assert event.room_id in rooms
                assert event.leg_id not in where
                where[event.leg_id] = event.room_id
            case "leg.left_room":
                assert where.pop(event.leg_id) == event.room_id
            case "leg.disconnected":
                assert event.leg_id not in where
                over.add(event.leg_id)
    assert {leg.id: leg.room_id for leg in stage.legs.all() if leg.room_id} == where


async def act(stage: Stage, legs: list[StageLeg], what: str, room_id: str, leg: StageLeg) -> None:
    rooms = stage.rooms
    match what:
        case "add":
            rooms.add_leg(room_id, leg.id)
        case "role":
            rooms.roles.assign(leg.id, ROLES[(legs.index(leg) + len(stage.events)) % len(ROLES)])
        case "matrix":
            rows = {"agent": ["customer", "coach"], "customer": ["agent"], "coach": []}
            kept = dict(list(rows.items())[: legs.index(leg)])
            rooms.roles.change_matrix(room_id, "set", lambda _: matrix_of(kept))
        case "bridge":
            rooms.bridges.create(room_id, ROOMS[legs.index(leg) % len(ROOMS)])
        case "part":
            rooms.bridges.delete(room_id, rooms.bridges.of(room_id)[0]["id"] if rooms.bridges.of(room_id) else "")
        case "remove":
            rooms.remove_leg(room_id, leg.id)
        case "hangup":
            leg.end("remote_bye")
        case "delete":
            rooms.delete(room_id)
        case "create":
            rooms.create(room_id)
        case "connect" if leg.cause is None and leg.state == "ringing":
            leg.connect()
        case "activity":
            rooms.get(room_id).start_soon(trio.sleep_forever)
        case "wait":
            await trio.sleep(31)


@given(STEPS)
@settings(max_examples=200)
def test_rooms_legs_and_events_agree(steps: list[tuple[str, str, int]]) -> None:
    async def main() -> None:
        async with open_stage() as stage:
            legs = [await stage.leg(connected=number % 2 == 0) for number in range(LEGS)]
            stage.events.clear()
            for what, room_id, number in steps:
                with suppress(CommandError):
                    await act(stage, legs, what, room_id, legs[number])
                check(stage)
                await stage.settle()
                check(stage)
            for leg in legs:
                leg.end("api_hangup")
            for leg in legs:
                await leg.wait_ended()
            check_story(stage)
            for room in stage.rooms.all():
                assert room.members == {}
                await room.wait_idle()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
