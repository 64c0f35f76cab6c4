"""Rooms by their commands and events, which come in the order of the recorded flows that we are compatible with."""

from __future__ import annotations

import pytest
import trio

from tests.room.stage import open_stage
from vb.call.errors import CommandError, Conflict, Invalid, NotFound
from vb.call.events import Webhook
from vb.room.rooms import ANSWER_TIMEOUT


async def test_create_with_and_without_an_id() -> None:
    async with open_stage() as stage:
        assert stage.rooms.create("support").view() == {"id": "support", "sample_rate": 16000, "participants": []}
        made = stage.rooms.create()
        assert len(made.id) == 36
        wide = stage.rooms.create("wide", 48000, "shop")
        assert wide.view() == {"id": "wide", "app_id": "shop", "sample_rate": 48000, "participants": []}
        assert [room.id for room in stage.rooms.all()] == ["support", made.id, "wide"]
        assert stage.said() == ["room.created support", f"room.created {made.id}", "room.created wide"]
        assert stage.rooms.get("wide") is wide


async def test_create_refuses_a_taken_id_and_an_odd_rate() -> None:
    async with open_stage() as stage:
        stage.rooms.create("support")
        with pytest.raises(Conflict, match="room support already exists"):
            stage.rooms.create("support")
        with pytest.raises(Invalid, match="invalid sample_rate: must be 8000, 16000, or 48000"):
            stage.rooms.create("bad", 44100)
        with pytest.raises(NotFound, match="room not found"):
            stage.rooms.get("bad")
        with pytest.raises(NotFound, match="room bad not found"):
            stage.rooms.delete("bad")
        assert stage.said() == ["room.created support"]


async def test_add_move_and_remove() -> None:
    async with open_stage() as stage:
        alice, bob = await stage.leg(), await stage.leg()
        stage.rooms.create("r1", 8000)
        assert stage.rooms.add_leg("r1", alice.id) == {"status": "added"}
        assert stage.said() == ["room.created r1", "leg.joined_room r1"]
        assert stage.rooms.add_leg("auto", bob.id, mute=True, deaf=True, accept_dtmf=False, role="agent") == {
            "status": "added"
        }
        assert stage.said() == ["room.created auto", "leg.joined_room auto", "room.routing_changed auto leg_joined"]
        assert stage.rooms.get("auto").view()["participants"] == [bob.view()]
        assert (bob.muted, bob.deaf, bob.accept_dtmf, bob.role) == (True, True, False, "agent")
        assert bob.stage_port.muted
        assert bob.stage_port.deaf
        assert stage.rooms.add_leg("auto", alice.id) == {"status": "moved", "from": "r1", "to": "auto"}
        assert stage.said() == ["leg.left_room r1", "leg.joined_room auto"]
        assert stage.rooms.add_leg("r1", bob.id) == {"status": "moved", "from": "auto", "to": "r1"}
        assert (bob.muted, bob.deaf, bob.accept_dtmf, bob.role) == (True, True, False, "agent")
        stage.said()
        assert stage.rooms.remove_leg("r1", bob.id) == {"status": "removed"}
        assert stage.said() == ["leg.left_room r1"]
        assert bob.room_id == ""
        assert bob.stage_port.mix is None
        assert (bob.muted, bob.role) == (True, "agent")
        assert stage.rooms.get("r1").view()["participants"] == []


async def test_what_cannot_be_added_or_removed_is_400_and_changes_nothing() -> None:
    async with open_stage() as stage:
        alice = await stage.leg()
        ringing = await stage.leg("sip_outbound", connected=False)
        stage.rooms.add_leg("r1", alice.id)
        stage.said()
        for room_id, leg_id, text in [
            ("r1", alice.id, "leg already in this room"),
            ("r1", "nosuch", "leg nosuch not found"),
            ("r1", "", "leg  not found"),
            ("new", ringing.id, f"leg {ringing.id} is not connected \\(state: ringing\\)"),
        ]:
            with pytest.raises(Invalid, match=text):
                stage.rooms.add_leg(room_id, leg_id)
        for room_id, leg_id, text in [
            ("nosuch", alice.id, "room nosuch not found"),
            ("r1", ringing.id, "is not in room r1"),
            ("r1", "nosuch", "is not in room r1"),
        ]:
            with pytest.raises(Invalid, match=text):
                stage.rooms.remove_leg(room_id, leg_id)
        assert stage.said() == []
        assert [room.id for room in stage.rooms.all()] == ["r1"]


async def test_a_missing_room_gets_the_app_id_of_the_leg() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(app_id="shop")
        stage.rooms.add_leg("r", leg.id)
        assert stage.rooms.get("r").app_id == "shop"
        assert [event.app_id for event in stage.events] == ["shop", "shop"]


async def test_deleting_a_room_hangs_its_legs_up() -> None:
    async with open_stage() as stage:
        alice, bob = await stage.leg(), await stage.leg()
        stage.rooms.add_leg("r", alice.id)
        stage.rooms.add_leg("r", bob.id)
        room = stage.rooms.get("r")
        stage.said()
        assert stage.rooms.delete("r") == {"status": "deleted"}
        await stage.settle()
        assert stage.said() == ["room.deleted r", *["leg.disconnected room_deleted"] * 2]
        assert alice.goodbyes == bob.goodbyes == ["room_deleted"]
        assert room.mix.closed
        assert stage.rooms.all() == []


async def test_a_leg_that_hangs_up_leaves_its_room_first_and_the_room_stays() -> None:
    async with open_stage() as stage:
        alice = await stage.leg()
        stage.rooms.add_leg("r", alice.id)
        stage.said()
        alice.end("remote_bye")
        assert stage.said() == ["leg.left_room r"]
        await stage.settle()
        assert stage.said() == ["leg.disconnected remote_bye"]
        assert stage.rooms.get("r").view()["participants"] == []


async def test_a_ringing_caller_is_answered_and_then_added() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        assert stage.rooms.add_leg("r", leg.id, mute=True) == {"status": "adding"}
        assert leg.answers == 1
        assert stage.said() == ["room.created r"]
        with pytest.raises(Invalid, match="is being added to room r"):
            stage.rooms.add_leg("r2", leg.id)
        leg.connect()
        await stage.settle()
        assert stage.said() == ["leg.connected", "leg.joined_room r"]
        assert leg.muted
        assert list(stage.rooms.get("r").members) == [leg.id]


async def test_a_caller_that_hangs_up_while_it_is_added() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        stage.rooms.add_leg("r9", leg.id)
        await stage.settle()
        leg.end("caller_cancel")
        await stage.settle()
        assert stage.said() == [
            "room.created r9",
            "leg.command_failed add_to_room leg ended: caller_cancel",
            "leg.disconnected caller_cancel",
        ]
        assert stage.rooms.get("r9").view()["participants"] == []


async def test_a_caller_that_never_gets_connected() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        stage.rooms.add_leg("r", leg.id)
        await trio.sleep(ANSWER_TIMEOUT + 0.1)
        assert stage.said() == ["room.created r", "leg.command_failed add_to_room leg is ringing, not connected"]
        assert stage.rooms.add_leg("r", leg.id) == {"status": "adding"}  # it may be tried again


async def test_an_answer_that_is_refused_is_400() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        leg.answer_refused = Conflict("leg is gone")
        with pytest.raises(CommandError, match="leg is gone") as refused:
            stage.rooms.add_leg("r", leg.id)
        assert refused.value.status == 400
        assert stage.said() == []


async def test_the_room_of_the_add_was_deleted_meanwhile() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        stage.rooms.add_leg("r", leg.id)
        stage.rooms.delete("r")
        leg.connect()
        await stage.settle()
        assert stage.said() == [
            "room.created r",
            "room.deleted r",
            "leg.connected",
            "room.created r",
            "leg.joined_room r",
        ]


@pytest.mark.parametrize("early", [True, False])
async def test_an_outbound_leg_joins_at_its_first_audio(early: bool) -> None:
    async with open_stage() as stage:
        leg = await stage.leg("sip_outbound", connected=False, app_id="shop")
        stage.rooms.join_with_media(leg, "auto-room")
        await stage.settle()
        assert stage.said() == ["room.created auto-room"]
        if early:
            leg.start_early_media()
            await stage.settle()
            assert stage.said() == ["leg.early_media", "leg.joined_room auto-room"]
        leg.connect()
        await stage.settle()
        assert stage.said() == ["leg.connected"] if early else ["leg.connected", "leg.joined_room auto-room"]
        assert stage.rooms.get("auto-room").app_id == "shop"


async def test_an_outbound_leg_that_fails_joins_nothing() -> None:
    async with open_stage() as stage:
        leg = await stage.leg("sip_outbound", connected=False)
        stage.rooms.join_with_media(leg, "r")
        await stage.settle()
        leg.end("busy")
        await stage.settle()
        assert stage.said() == ["room.created r", "leg.disconnected busy"]


async def test_events_go_to_the_webhook_of_the_leg_else_of_the_room() -> None:
    async with open_stage() as stage:
        room_hook, leg_hook = Webhook("http://room", "s"), Webhook("http://leg")
        bare, hooked = await stage.leg(), await stage.leg(webhook=leg_hook)
        stage.rooms.create("hooked", webhook=room_hook, app_id="shop")
        stage.rooms.add_leg("hooked", bare.id)
        stage.rooms.add_leg("hooked", hooked.id)
        bare.end("remote_bye")
        await stage.settle()
        stage.rooms.delete("hooked")
        await stage.settle()
        assert [(event.type, event.route) for event in stage.events] == [
            ("room.created", room_hook),
            ("leg.joined_room", room_hook),
            ("leg.joined_room", leg_hook),
            ("leg.left_room", room_hook),
            ("leg.disconnected", None),
            ("room.deleted", room_hook),
            ("leg.disconnected", leg_hook),
        ]
        # A leg's events carry the leg's own app_id, also where they name a room.
        assert [event.app_id for event in stage.events] == ["shop", "", "", "", "", "shop", ""]


async def test_digits_go_to_the_others_in_the_room_that_accept_them() -> None:
    async with open_stage() as stage:
        alice, bob, carol, outside = [await stage.leg() for _ in range(4)]
        stage.rooms.add_leg("r", alice.id)
        stage.rooms.add_leg("r", bob.id)
        stage.rooms.add_leg("r", carol.id, accept_dtmf=False)
        stage.rooms.add_leg("other", outside.id)
        alice.publish("dtmf.received", {"digit": "5", "seq": 1})
        bob.set_accept_dtmf(False)
        carol.set_accept_dtmf(True)
        alice.publish("dtmf.received", {"digit": "6", "seq": 2})
        assert [leg.digits for leg in (alice, bob, carol, outside)] == ["", "5", "6", ""]


async def test_an_answer_that_ends_the_leg_at_once_is_a_failed_command() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        leg.ends_when_answered = "not_acceptable"
        assert stage.rooms.add_leg("r", leg.id) == {"status": "adding"}
        await stage.settle()
        assert stage.said() == [
            "room.created r",
            "leg.command_failed add_to_room leg ended: not_acceptable",
            "leg.disconnected not_acceptable",
        ]


async def test_a_leg_that_has_lost_its_audio_is_not_added() -> None:
    async with open_stage() as stage:
        leg = await stage.leg(connected=False)
        leg.mark_connected()
        with pytest.raises(Invalid, match="has no audio"):
            stage.rooms.add_leg("r", leg.id)
        outbound = await stage.leg("sip_outbound", connected=False)
        stage.rooms.join_with_media(outbound, "r")
        await stage.settle()
        stage.said()
        outbound.mark_connected()
        await stage.settle()
        assert stage.said() == ["leg.connected", f"leg.command_failed add_to_room leg {outbound.id} has no audio"]


async def test_an_outbound_leg_that_was_put_elsewhere_stays_there() -> None:
    async with open_stage() as stage:
        leg = await stage.leg("sip_outbound", connected=False)
        stage.rooms.join_with_media(leg, "asked")
        await stage.settle()
        leg.connect()
        stage.rooms.add_leg("meant", leg.id)
        await stage.settle()
        assert leg.room_id == "meant"
        assert stage.said()[1:] == ["leg.connected", "room.created meant", "leg.joined_room meant"]


async def test_digits_are_not_kept_for_who_is_sent_nothing() -> None:
    async with open_stage() as stage:
        alice, bob, carol = [await stage.leg() for _ in range(3)]
        for leg in (alice, bob, carol):
            stage.rooms.add_leg("r", leg.id)
        bob.set_deaf(True)
        carol.state = "held"
        alice.publish("dtmf.received", {"digit": "5", "seq": 1})
        bob.set_deaf(False)
        carol.state = "connected"
        alice.publish("dtmf.received", {"digit": "6", "seq": 2})
        assert [leg.digits for leg in (bob, carol)] == ["6", "6"]


async def test_a_digit_that_cannot_be_sent_or_comes_too_late_is_dropped() -> None:
    async with open_stage() as stage:
        alice, bob = await stage.leg(), await stage.leg()
        stage.rooms.add_leg("r", alice.id)
        stage.rooms.add_leg("r", bob.id)
        bob.digits_refused = Invalid("DTMF is not supported on this leg")
        alice.publish("dtmf.received", {"digit": "5", "seq": 1})
        alice.end("remote_bye")
        alice.publish("dtmf.received", {"digit": "6", "seq": 2})
        assert bob.digits == ""
