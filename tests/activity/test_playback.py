"""Playback: what is heard, and the events in the order of the recorded flows."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
import trio

from tests.activity.studio import Studio, level_at, open_studio, tone
from vb.activity.playback import PlayRequest
from vb.call.errors import CommandError, Conflict, Invalid, NotFound
from vb.dsp.tones import ToneSource
from vb.dsp.wav_writer import WavWriter

pytestmark = pytest.mark.realtime  # decoding happens in threads, which an auto-jumping clock does not wait for

URL = "http://127.0.0.1:8000"


def wav_bytes(samples: np.ndarray, rate: int = 8000) -> bytes:
    file = io.BytesIO()
    with WavWriter(file, rate) as writer:
        writer.write(samples)
    return file.getvalue()


async def started(studio: Studio, request: PlayRequest, phone: int = 0) -> str:
    """Play on a leg and wait until it sounds."""
    answer = studio.playbacks.play_leg(studio.phones[phone].leg, request)
    assert answer["status"] == "playing"
    assert re.fullmatch("pb-[0-9a-f]{8}", answer["playback_id"])
    await studio.until("playback.started")
    await studio.sounding()
    return str(answer["playback_id"])


async def test_a_file_is_heard_once_and_completes(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies["/one.wav"] = wav_bytes(tone(440, 1))
        await started(studio, PlayRequest(url=f"{URL}/one.wav"))
        await studio.tick(52)
        assert studio.said() == ["playback.started", "playback.finished completed 1000"]
        assert level_at(alice.heard[1600:6400], 440) == pytest.approx(8000, rel=0.05)


@pytest.mark.parametrize(("repeat", "rounds"), [(0, 1), (1, 1), (2, 2), (3, 3)])
async def test_repeats_add_up(tmp_path: Path, repeat: int, rounds: int) -> None:
    async with open_studio(tmp_path) as studio:
        await studio.phone()
        studio.files.bodies["/x.wav"] = wav_bytes(tone(440, 0.1))
        await started(studio, PlayRequest(url=f"{URL}/x.wav", repeat=repeat))
        await studio.tick(5 * rounds + 2)
        assert studio.said() == ["playback.started", f"playback.finished completed {100 * rounds}"]


async def test_repeat_minus_one_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies["/x.wav"] = wav_bytes(tone(700, 0.1))
        playback = await started(studio, PlayRequest(url=f"{URL}/x.wav", repeat=-1))
        await studio.tick(50)
        assert studio.playbacks.stop("leg", alice.leg.id, playback) == {"status": "stopped"}
        with pytest.raises(NotFound, match="no playback in progress"):
            studio.playbacks.stop("leg", alice.leg.id, playback)
        await studio.settle()
        alice.forget()
        await studio.tick(3)
        assert level_at(alice.heard, 700) < 50
        assert studio.said() == ["playback.started", "playback.finished stopped 1000"]


async def test_the_volume_changes_while_it_sounds(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies["/x.wav"] = wav_bytes(tone(700, 1))
        playback = await started(studio, PlayRequest(url=f"{URL}/x.wav", repeat=-1))
        await studio.tick(20)
        assert studio.playbacks.set_volume("leg", alice.leg.id, playback, -6) == {"status": "ok"}
        await studio.tick(2)
        alice.forget()
        await studio.tick(20)
        assert level_at(alice.heard, 700) == pytest.approx(8000 * 10**-0.9, rel=0.05)
        for volume in (-9, 9):
            with pytest.raises(Invalid, match="volume must be between -8 and 8"):
                studio.playbacks.set_volume("leg", alice.leg.id, playback, volume)
        with pytest.raises(NotFound, match="playback not found"):
            studio.playbacks.set_volume("leg", alice.leg.id, "nosuch", 1)


async def test_tones_are_endless_and_have_a_volume(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        playback = await started(studio, PlayRequest(tone="us_ringback", volume=-8))
        await studio.tick(30)
        assert level_at(alice.heard[-3200:], 440) == pytest.approx(11500 * 10**-1.2, rel=0.1)
        studio.playbacks.set_volume("leg", alice.leg.id, playback, 0)
        await studio.tick(2)
        alice.forget()
        await studio.tick(20)
        assert level_at(alice.heard, 480) == pytest.approx(11500, rel=0.1)
        studio.playbacks.stop("leg", alice.leg.id, playback)
        await studio.settle()
        assert studio.said() == ["playback.started", "playback.finished stopped 1040"]


async def test_two_playbacks_are_mixed(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies["/a.wav"] = wav_bytes(tone(440, 2))
        studio.files.bodies["/b.wav"] = wav_bytes(tone(900, 1))
        await started(studio, PlayRequest(url=f"{URL}/a.wav"))
        await studio.tick(10)
        studio.events.clear()
        await started(studio, PlayRequest(url=f"{URL}/b.wav"))
        await studio.sounding(2)
        alice.forget()
        await studio.tick(40)
        assert level_at(alice.heard[800:], 440) == pytest.approx(8000, rel=0.05)
        assert level_at(alice.heard[800:], 900) == pytest.approx(8000, rel=0.05)
        await studio.tick(60)
        assert studio.said() == [
            "playback.started",
            "playback.finished completed 1000",
            "playback.finished completed 2000",
        ]


async def test_what_cannot_be_played_is_an_error_event(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies |= {
            "/text.txt": b"hello",
            "/x.mp3": b"ID3\4",
            "/empty.wav": wav_bytes(np.zeros(0, np.int16)),
        }
        for request, events in [
            (PlayRequest(tone="mars_ringback"), ['playback.error unknown tone "mars_ringback", available: au_busy, ']),
            (PlayRequest(url=f"{URL}/nosuch"), ["playback.error fetch audio: status 404"]),
            (PlayRequest(url="ftp://x/y"), ['playback.error fetch audio: unsupported protocol scheme "ftp"']),
            (PlayRequest(url="http://10.0.0.1/x"), ["playback.error fetch audio: 10.0.0.1 is not an address"]),
            (PlayRequest(url=f"{URL}/text.txt"), ["playback.started", "playback.error "]),
            (PlayRequest(url=f"{URL}/x.mp3"), ["playback.started", "playback.error MP3 is not supported"]),
        ]:
            studio.playbacks.play_leg(alice.leg, request)
            await studio.until("playback.error")
            said = studio.said()
            assert len(said) == len(events)
            assert all(line.startswith(start) for line, start in zip(said, events, strict=True)), said
        studio.playbacks.play_leg(alice.leg, PlayRequest(url=f"{URL}/empty.wav"))
        with trio.fail_after(5):
            while len(studio.events) < 2:
                await studio.tick()
        assert studio.said() == ["playback.started", "playback.finished completed 0"]


async def test_raw_pcm_by_its_type(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies["/raw.pcm"] = tone(440, 0.5).tobytes()
        await started(studio, PlayRequest(url=f"{URL}/raw.pcm", mime_type="audio/pcm;rate=8000"))
        await studio.tick(27)
        assert studio.said() == ["playback.started", "playback.finished completed 500"]
        assert level_at(alice.heard[800:3200], 440) == pytest.approx(8000, rel=0.05)


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (PlayRequest(), "url or tone is required"),
        (PlayRequest(url="x", tone="us_dial"), "url and tone are mutually exclusive"),
        (PlayRequest(tone="us_dial", repeat=-2), "repeat must be -1"),
        (PlayRequest(tone="us_dial", volume=9), "volume must be between -8 and 8"),
        (PlayRequest(url="file:///etc/passwd"), "file URLs are not allowed"),
    ],
)
async def test_bad_requests_are_refused_at_once(tmp_path: Path, request_: PlayRequest, text: str) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        with pytest.raises(Invalid, match=text):
            studio.playbacks.play_leg(alice.leg, request_)
        assert studio.said() == []


async def test_a_leg_without_audio_is_a_conflict(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        ringing = await studio.phone(connected=False)
        with pytest.raises(Conflict, match="no audio"):
            studio.playbacks.play_leg(ringing.leg, PlayRequest(tone="busy"))


async def test_a_stop_during_the_download_is_a_stop(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.gate = trio.Event()
        answer = studio.playbacks.play_leg(alice.leg, PlayRequest(url=f"{URL}/slow.wav"))
        await studio.settle()
        studio.playbacks.stop("leg", alice.leg.id, answer["playback_id"])
        await studio.settle()
        assert studio.said() == ["playback.finished stopped 0"]


async def test_a_hangup_stops_every_playback_before_the_leg_is_over(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        await started(studio, PlayRequest(tone="us_dial"))
        await studio.tick(10)
        studio.files.gate = trio.Event()
        studio.playbacks.play_leg(alice.leg, PlayRequest(url=f"{URL}/slow.wav"))
        await studio.settle()
        alice.leg.end("remote_bye")
        await studio.settle()
        said = studio.said()
        assert said[0] == "playback.started"
        assert sorted(said[1:3]) == ["playback.finished stopped 0", "playback.finished stopped 200"]
        assert said[3:] == ["leg.disconnected remote_bye"]
        with pytest.raises(CommandError):
            studio.playbacks.play_leg(alice.leg, PlayRequest(tone="us_dial"))


async def room_of(studio: Studio, phones: int) -> None:
    for _ in range(phones):
        studio.rooms.add_leg("r", (await studio.phone()).leg.id)
    studio.events.clear()


async def test_a_room_hears_what_is_played_in_it_and_a_leg_what_is_played_to_it(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        with pytest.raises(Conflict, match="room has no participants"):
            studio.playbacks.play_room(studio.rooms.create("r"), PlayRequest(tone="us_dial"))
        await room_of(studio, 2)
        alice, bob = studio.phones
        room = studio.rooms.get("r")
        playback = studio.playbacks.play_room(room, PlayRequest(tone="de_dial"))["playback_id"]
        await studio.settle()
        await studio.tick(30)
        assert level_at(alice.heard[-3200:], 425) == pytest.approx(23000, rel=0.1)
        assert level_at(bob.heard[-3200:], 425) == pytest.approx(23000, rel=0.1)
        assert studio.playbacks.set_volume("room", "r", playback, -4) == {"status": "ok"}
        assert studio.playbacks.stop("room", "r", playback) == {"status": "stopped"}
        await studio.settle()
        assert studio.said() == ["playback.started r", "playback.finished r stopped 600"]
        await started(studio, PlayRequest(tone="de_dial"))
        await studio.tick(3)
        alice.forget()
        bob.forget()
        await studio.tick(20)
        assert level_at(alice.heard, 425) > 20000
        assert level_at(bob.heard, 425) < 100
        assert studio.said() == ["playback.started"]


async def test_a_room_playback_goes_on_when_one_leaves_and_ends_with_the_last(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await room_of(studio, 2)
        alice, bob = studio.phones
        studio.playbacks.play_room(studio.rooms.get("r"), PlayRequest(tone="us_dial"))
        await studio.settle()
        await studio.tick(15)
        alice.leg.end("api_hangup")
        await studio.tick(1)
        bob.forget()
        await studio.tick(14)
        assert level_at(bob.heard, 440) > 10000
        bob.leg.end("remote_bye")
        await studio.settle()
        assert studio.said() == [
            "playback.started r",
            "leg.left_room r",
            "leg.disconnected api_hangup",
            "leg.left_room r",
            "playback.finished r stopped 600",
            "leg.disconnected remote_bye",
        ]


async def test_deleting_the_room_stops_its_playback(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await room_of(studio, 1)
        studio.playbacks.play_room(studio.rooms.get("r"), PlayRequest(tone="us_dial"))
        await studio.settle()
        await studio.tick(10)
        studio.rooms.delete("r")
        await studio.settle()
        assert studio.said() == [
            "playback.started r",
            "room.deleted r",
            "playback.finished r stopped 200",
            "leg.disconnected room_deleted",
        ]


async def test_a_source_that_fails_is_an_error_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: ToneSource, samples: int) -> np.ndarray:
        raise ZeroDivisionError("bug")

    async with open_studio(tmp_path) as studio:
        await studio.phone()
        await started(studio, PlayRequest(tone="us_dial"))
        monkeypatch.setattr(ToneSource, "read", broken)
        await studio.tick(2)
        assert studio.said() == ["playback.started", "playback.error play: bug"]
        assert studio.playbacks.active == 0


async def test_a_crash_ends_the_playback_and_not_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise KeyError("bug")

    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        monkeypatch.setattr("vb.activity.playback.tone_source", crash)
        studio.playbacks.play_leg(alice.leg, PlayRequest(tone="us_dial"))
        assert studio.playbacks.active == 1
        await studio.settle()
        assert studio.said() == ["playback.error internal error"]
        assert studio.legs.active == 1


async def test_the_volume_may_change_before_the_sound_is_there(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.files.bodies["/x.wav"] = wav_bytes(tone(700, 1))
        studio.files.gate = trio.Event()
        answer = studio.playbacks.play_leg(alice.leg, PlayRequest(url=f"{URL}/x.wav"))
        await studio.settle()
        studio.playbacks.set_volume("leg", alice.leg.id, answer["playback_id"], -8)
        studio.files.gate.set()
        await studio.sounding()
        await studio.tick(30)
        assert level_at(alice.heard[-3200:], 700) == pytest.approx(8000 * 10**-1.2, rel=0.1)
