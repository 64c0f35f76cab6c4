"""What every leg has: its view, mute and deaf, verbs that do not fit."""

from __future__ import annotations

import pytest
import trio

from tests.call.fakes import FakeLeg, FakePort, Recorder
from vb.call.errors import Conflict, Invalid, NotFound


async def test_the_view_leaves_out_what_is_empty() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)
    assert leg.view() == {
        "id": leg.id,
        "type": "sip_inbound",
        "state": "ringing",
        "muted": False,
        "deaf": False,
        "accept_dtmf": True,
        "held": False,
    }
    full = FakeLeg(recorder.bus, app_id="shop", headers={"X-A": "1"}, accept_dtmf=False)
    full.room_id, full.role, full.state = "r", "agent", "held"
    assert full.view() | {"id": ""} == {
        "id": "",
        "type": "sip_inbound",
        "state": "held",
        "room_id": "r",
        "muted": False,
        "deaf": False,
        "accept_dtmf": False,
        "held": True,
        "role": "agent",
        "app_id": "shop",
        "sip_headers": {"X-A": "1"},
        "headers": {"X-A": "1"},
    }
    assert leg.id in repr(leg)


async def test_mute_and_deaf_wait_for_the_port() -> None:
    leg = FakeLeg(Recorder().bus)
    leg.set_muted(True)
    leg.set_deaf(True)
    port = FakePort()
    leg.attach_port(port)  # type: ignore[arg-type]
    assert (port.muted, port.deaf) == (True, True)
    leg.set_muted(False)
    assert port.muted is False
    leg.set_accept_dtmf(False)
    assert leg.accept_dtmf is False


async def test_speaking_is_told_while_connected_and_ends_before_the_leg() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)
    leg.set_speech_detection(True)
    port = FakePort()
    leg.attach_port(port)  # type: ignore[arg-type]
    assert port.detects_speech is False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.live)
        await trio.sleep(1)
        leg.mark_connected()
        assert port.detects_speech is True
        for speaking in (True, True, False, True):
            leg.set_speaking(speaking)
        leg.set_speech_detection(False)
        assert port.detects_speech is False
        leg.set_speaking(True)
        leg.end("api_hangup")
    spoken = ["speaking.started", "speaking.stopped"]
    assert recorder.types == ["leg.connected", *spoken, *spoken, *spoken, "leg.disconnected"]


async def test_verbs_that_do_not_fit_say_so() -> None:
    leg = FakeLeg(Recorder().bus)
    for verb in (leg.ring, leg.early_media, leg.answer, lambda: leg.send_dtmf("1")):
        with pytest.raises(Invalid) as refusal:
            verb()
        assert refusal.value.status == 400


def test_errors_carry_their_status() -> None:
    assert [error("x").status for error in (Invalid, NotFound, Conflict)] == [400, 404, 409]
    assert Conflict("x", 423).status == 423


async def test_a_port_that_fails_to_close_does_not_hide_the_end() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)

    class Broken(FakePort):
        def statistics(self) -> object:  # type: ignore[override]
            raise OSError("gone")

    port = Broken()
    leg.attach_port(port)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.live)
        await trio.sleep(1)
        leg.end("api_hangup")
    assert recorder.types == ["leg.disconnected"]
    assert port.closed == 1
