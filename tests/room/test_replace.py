"""A call that takes the place of another, in the room of the other (RFC 3891)."""

from __future__ import annotations

from tests.room.stage import open_stage


async def test_the_new_leg_is_in_the_room_as_the_old_one_was() -> None:
    async with open_stage() as stage:
        old, new = await stage.leg(), await stage.leg()
        stage.rooms.add_leg("r", old.id, mute=True, deaf=True, accept_dtmf=False, role="agent")
        stage.rooms.replace(old, new)
        assert (new.room_id, new.muted, new.deaf, new.accept_dtmf, new.role) == ("r", True, True, False, "agent")
        old.end("transfer_completed")
        await stage.settle()
        assert list(stage.rooms.get("r").members) == [new.id]


async def test_no_room_and_another_room() -> None:
    async with open_stage() as stage:
        old, new = await stage.leg(), await stage.leg()
        stage.rooms.replace(old, new)
        assert new.room_id == ""
        stage.rooms.add_leg("r", old.id)
        stage.rooms.add_leg("other", new.id)
        stage.rooms.replace(old, new)
        assert new.room_id == "other"
