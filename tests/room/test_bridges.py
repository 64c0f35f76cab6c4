from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.room.stage import open_stage
from vb.call.errors import CommandError


def refusal(command: Callable[[], Any]) -> tuple[int, str]:
    with pytest.raises(CommandError) as refused:
        command()
    return refused.value.status, refused.value.message


async def test_a_bridge_is_seen_from_both_rooms() -> None:
    async with open_stage() as stage:
        for room_id in "abc":
            stage.rooms.create(room_id, app_id="shop" if room_id == "a" else "")
        bridges = stage.rooms.bridges
        made = bridges.create("a", "b", direction="send")
        assert made == {"id": made["id"], "room_id": "b", "direction": "send", "sample_rate": 16000}
        assert bridges.get("b", made["id"]) == made | {"room_id": "a", "direction": "receive"}
        assert (bridges.of("a"), bridges.of("c")) == ([made], [])
        (media,) = stage.rooms.get("a").mix.bridges
        assert (media.a_to_b, media.b_to_a) == (True, False)
        assert bridges.update("b", made["id"], "send")["direction"] == "send"
        assert (media.a_to_b, media.b_to_a) == (False, True)
        assert bridges.delete("b", made["id"]) == {"status": "deleted"}
        assert bridges.of("a") == stage.rooms.get("b").mix.bridges == []
        facts = {"bridge_id": made["id"], "room_a_id": "a", "room_b_id": "b", "app_id": "shop"}
        told = [event for event in stage.events if "bridge" in event.type or "bridged" in event.type]
        assert [(event.type, event.fields.get("direction")) for event in told] == [
            ("room.bridged", "a_to_b"),
            ("room.bridge_updated", "b_to_a"),
            ("room.unbridged", None),
        ]
        for event in told:
            assert event.fields == event.fields | facts
            assert not {"room_id", "reason"} & set(event.fields)


@pytest.mark.parametrize(
    ("direction", "from_a", "from_b"),
    [
        ("", "bidirectional", "bidirectional"),
        ("receive", "receive", "send"),
        ("none", "none", "none"),
    ],
)
async def test_directions(direction: str, from_a: str, from_b: str) -> None:
    async with open_stage() as stage:
        stage.rooms.create("a")
        stage.rooms.create("b")
        made = stage.rooms.bridges.create("a", "b", "mine", direction)
        assert (made["id"], made["direction"]) == ("mine", from_a)
        assert stage.rooms.bridges.get("b", "mine")["direction"] == from_b


async def test_what_is_refused() -> None:
    async with open_stage() as stage:
        for room_id in ("a", "b", "c"):
            stage.rooms.create(room_id)
        stage.rooms.create("n8", 8000)
        bridges = stage.rooms.bridges
        bridges.create("a", "b", "ab")
        create = bridges.create
        assert refusal(lambda: create("a", "")) == (400, "room_id is required")
        assert refusal(lambda: create("a", "c", direction="up"))[0] == 400
        assert refusal(lambda: create("x", "a")) == (404, "room not found: x")
        assert refusal(lambda: create("a", "x")) == (404, "room not found: x")
        assert refusal(lambda: create("a", "a")) == (400, "cannot bridge a room to itself")
        mismatch = "sample rate mismatch: room a is 16000Hz, room n8 is 8000Hz"
        assert refusal(lambda: create("a", "n8")) == (400, mismatch)
        assert refusal(lambda: create("b", "a")) == (409, "bridge between these rooms already exists")
        assert refusal(lambda: create("b", "c", "ab"))[0] == 409
        for room_id, bridge_id in (("a", "x"), ("c", "ab"), ("x", "ab")):
            assert refusal(lambda: bridges.get(room_id, bridge_id)) == (404, "bridge not found")  # noqa: B023
            assert refusal(lambda: bridges.delete(room_id, bridge_id))[0] == 404  # noqa: B023
            assert refusal(lambda: bridges.update(room_id, bridge_id, "none"))[0] == 404  # noqa: B023
        assert refusal(lambda: bridges.update("a", "ab", "")) == (400, "direction is required")
        assert refusal(lambda: bridges.update("a", "ab", "up"))[0] == 400
        assert refusal(lambda: bridges.of("x"))[0] == 404
        assert len(bridges.of("a")) == 1


async def test_a_deleted_room_takes_its_bridges_along_before_it_goes() -> None:
    async with open_stage() as stage:
        for room_id in "abc":
            stage.rooms.create(room_id)
        stage.rooms.bridges.create("a", "c", "ac")
        stage.rooms.bridges.create("b", "c", "bc")
        stage.rooms.bridges.create("a", "b", "ab")
        stage.rooms.delete("c")
        assert [event.type for event in stage.events][-3:] == ["room.unbridged", "room.unbridged", "room.deleted"]
        assert [event.fields["reason"] for event in stage.of("room.unbridged")] == ["room_deleted"] * 2
        assert [bridge["id"] for bridge in stage.rooms.bridges.of("a")] == ["ab"]
        stage.rooms.create("c")
        assert stage.rooms.bridges.of("c") == []
