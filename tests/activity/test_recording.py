"""Recordings: what is in the files, when they appear, and the events in the order of the recorded flows."""

from __future__ import annotations

import errno
import re
import threading
from pathlib import Path

import numpy as np
import pytest
import trio

from tests.activity.studio import Studio, level_at, open_studio, tone, wav
from vb.activity import recorder, recording_file
from vb.activity.playback import PlayRequest
from vb.activity.recording import Recordings, RecordRequest
from vb.call.errors import CommandError, Conflict, Invalid, NotFound
from vb.dsp.level import rms

pytestmark = pytest.mark.realtime  # files are written in threads, which an auto-jumping clock does not wait for


async def recording(studio: Studio, phone: int = 0, **request: object) -> str:
    """Start recording a leg; its taps are on when it returns."""
    leg = studio.phones[phone].leg
    answer = await studio.recordings.start_leg(leg, RecordRequest(**request))  # type: ignore[arg-type]
    assert answer["status"] == "recording"
    await studio.settle()
    return str(answer["file"])


async def room_recording(studio: Studio, **request: object) -> str:
    answer = await studio.recordings.start_room(studio.rooms.get("r"), RecordRequest(**request))  # type: ignore[arg-type]
    await studio.settle()
    return str(answer["file"])


async def room_of(studio: Studio, phones: int) -> None:
    for _ in range(phones):
        studio.rooms.add_leg("r", (await studio.phone()).leg.id)
    studio.events.clear()


async def test_a_leg_in_stereo_received_left_sent_right(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio)
        assert re.fullmatch(r"\d{8}_\d{6}_[0-9a-f]{8}\.wav", Path(file).name)
        assert Path(file).parent == tmp_path
        alice.say(tone(440, 2))
        studio.playbacks.play_leg(alice.leg, PlayRequest(tone="de_dial", volume=-4))
        await studio.settle()
        await studio.tick(50)
        assert [name[:5] for name in studio.left_over()] == [".rec-"]
        stopped = await studio.recordings.stop_leg(alice.leg.id)
        assert stopped == {"status": "stopped", "file": file}
        rate, samples = wav(file)
        assert (rate, samples.shape) == (8000, (8000, 2))
        assert level_at(samples[800:, 0], 440) == pytest.approx(8000, rel=0.05)
        assert level_at(samples[800:, 1], 425) == pytest.approx(23000 * 10**-0.6, rel=0.05)
        assert level_at(samples[800:, 0], 425) < 200
        assert studio.mode(file) == 0o644
        assert studio.left_over() == [Path(file).name]
        assert [line for line in studio.said() if line.startswith("rec")] == ["recording.started", "recording.finished"]


async def test_pause_is_silence_on_both_sides_and_can_be_repeated(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio)
        alice.say(tone(440, 3))
        studio.playbacks.play_leg(alice.leg, PlayRequest(tone="de_dial"))
        await studio.settle()
        await studio.tick(20)
        studio.events.clear()
        assert studio.recordings.pause_leg(alice.leg.id) == {"status": "paused"}
        assert studio.recordings.pause_leg(alice.leg.id) == {"status": "already_paused"}
        await studio.tick(20)
        assert studio.recordings.resume_leg(alice.leg.id) == {"status": "resumed"}
        assert studio.recordings.resume_leg(alice.leg.id) == {"status": "not_paused"}
        assert [(event.type, event.fields["file"]) for event in studio.events] == [
            ("recording.paused", ""),
            ("recording.resumed", ""),
        ]
        await studio.tick(20)
        await studio.recordings.stop_leg(alice.leg.id)
        _, samples = wav(file)
        assert len(samples) == 60 * 160
        for channel in (0, 1):
            first, second, third = (rms(part) for part in np.split(samples[:, channel].copy(), 3))
            assert first > 4000
            assert second == 0
            assert third > 4000


async def test_what_is_not_recorded_cannot_be_stopped(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        recordings = studio.recordings
        for command in (recordings.pause_leg, recordings.resume_leg, recordings.pause_room, recordings.resume_room):
            with pytest.raises(NotFound, match="no recording in progress"):
                command(alice.leg.id)
        for stop in (recordings.stop_leg, recordings.stop_room):
            with pytest.raises(NotFound, match="no recording in progress"):
                await stop("nosuch")


async def test_a_second_start_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio)
        with pytest.raises(Conflict, match="recording already in progress"):
            await recording(studio)
        await studio.tick(10)
        assert (await studio.recordings.stop_leg(alice.leg.id))["file"] == file
        assert len(wav(file)[1]) == 1600
        assert studio.left_over() == [Path(file).name]


async def test_a_recording_without_audio_leaves_no_file(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        await studio.recordings.start_leg(alice.leg, RecordRequest())
        assert await studio.recordings.stop_leg(alice.leg.id) == {"status": "stopped", "file": ""}
        assert studio.left_over() == []
        assert [event.fields.get("file") == "" for event in studio.events] == [False, True]


async def test_a_ringing_leg_is_recorded_from_its_first_audio(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone(connected=False)
        file = await recording(studio)
        await studio.tick(10)
        alice.leg.attach_port(alice.peer.port)
        await studio.settle()
        await studio.tick(10)
        alice.leg.mark_connected()
        await studio.tick(25)
        await studio.recordings.stop_leg(alice.leg.id)
        assert len(wav(file)[1]) == 25 * 160


async def test_a_hangup_publishes_the_recording_before_the_leg_is_over(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio)
        alice.say(tone(440, 1))
        await studio.tick(25)
        alice.leg.end("remote_bye")
        await alice.leg.wait_ended()
        assert studio.said() == ["recording.started", "recording.finished", "leg.disconnected remote_bye"]
        assert len(wav(file)[1]) == 25 * 160
        with pytest.raises(NotFound):
            await studio.recordings.stop_leg(alice.leg.id)


async def test_a_leg_in_a_room_at_the_rooms_rate(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await room_of(studio, 2)
        alice, carol = studio.phones
        file = await recording(studio)
        alice.say(tone(440, 1))
        carol.say(tone(1000, 1))
        await studio.tick(40)
        await studio.recordings.stop_leg(alice.leg.id)
        rate, samples = wav(file)
        assert (rate, samples.shape) == (16000, (40 * 320, 2))
        assert level_at(samples[3200:, 0], 440, rate) == pytest.approx(8000, rel=0.05)
        assert level_at(samples[3200:, 1], 1000, rate) == pytest.approx(8000, rel=0.05)
        assert level_at(samples[3200:, 1], 440, rate) < 100


async def test_a_leg_recording_follows_the_leg_through_rooms(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await room_of(studio, 2)
        alice = studio.phones[0]
        dave = await studio.phone()
        studio.rooms.create("other", 48000)
        studio.rooms.add_leg("other", dave.leg.id)
        file = await recording(studio)
        alice.say(tone(440, 2))
        await studio.tick(20)
        studio.rooms.add_leg("other", alice.leg.id)
        dave.say(tone(700, 2))
        await studio.tick(20)
        studio.rooms.remove_leg("other", alice.leg.id)
        await studio.tick(20)
        await studio.recordings.stop_leg(alice.leg.id)
        rate, samples = wav(file)
        assert (rate, len(samples)) == (16000, 60 * 320)
        assert level_at(samples[3200:, 0], 440, rate) == pytest.approx(8000, rel=0.05)
        assert level_at(samples[8000:12000, 1], 700, rate) == pytest.approx(8000, rel=0.1)
        assert level_at(samples[14000:, 1], 700, rate) < 100


async def test_a_room_in_mono_until_its_last_leg_has_left(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await room_of(studio, 2)
        alice, bob = studio.phones
        file = await room_recording(studio)
        alice.say(tone(440, 1))
        bob.say(tone(700, 1))
        await studio.tick(25)
        alice.leg.end("remote_bye")
        await alice.leg.wait_ended()
        await studio.tick(5)
        bob.leg.end("remote_bye")
        await bob.leg.wait_ended()
        assert studio.said() == [
            "recording.started r",
            "leg.left_room r",
            "leg.disconnected remote_bye",
            "leg.left_room r",
            "recording.finished r",
            "leg.disconnected remote_bye",
        ]
        rate, samples = wav(file)
        assert (rate, samples.shape) == (16000, (30 * 320, 1))
        for frequency in (440, 700):
            assert level_at(samples[1600:8000, 0], frequency, rate) == pytest.approx(8000, rel=0.05)
        with pytest.raises(NotFound):
            await studio.recordings.stop_room("r")


async def test_an_empty_room_is_not_recorded(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        with pytest.raises(Conflict, match="room has no participants"):
            await studio.recordings.start_room(studio.rooms.create("empty"), RecordRequest())


async def test_every_participant_in_a_channel_of_its_own(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await room_of(studio, 2)
        alice, bob = studio.phones
        carol = await studio.phone()
        file = await room_recording(studio, multi_channel=True, filename="conf")
        assert Path(file).name == "conf.wav"
        alice.say(tone(440, 3))
        await studio.tick(20)
        studio.rooms.add_leg("r", carol.leg.id)
        carol.say(tone(1000, 0.4))
        await studio.tick(30)
        studio.rooms.remove_leg("r", bob.leg.id)
        await studio.tick(10)
        stopped = await studio.recordings.stop_room("r")
        assert stopped["file"] == file
        assert stopped["channels"] == {
            alice.leg.id: {"channel": 0, "start_ms": 0, "end_ms": 1200},
            bob.leg.id: {"channel": 1, "start_ms": 0, "end_ms": 1000},
            carol.leg.id: {"channel": 2, "start_ms": 400, "end_ms": 1200},
        }
        assert "omitted_legs" not in stopped
        assert re.fullmatch(r"\d{8}_\d{6}_multichannel_[0-9a-f]{8}\.wav", Path(stopped["multi_channel_file"]).name)
        assert len(wav(file)[1]) == 60 * 320
        rate, samples = wav(stopped["multi_channel_file"])
        assert (rate, samples.shape) == (16000, (60 * 320, 3))
        assert level_at(samples[3200:, 0], 440, rate) == pytest.approx(8000, rel=0.05)
        assert rms(samples[:, 1].copy()) < 20
        assert rms(samples[:6400, 2].copy()) == 0
        assert level_at(samples[8000:12000, 2], 1000, rate) == pytest.approx(8000, rel=0.1)
        assert rms(samples[14000:, 2].copy()) < 20
        finished = studio.events[-1]
        assert finished.type == "recording.finished"
        assert finished.data["channels"] == stopped["channels"]
        assert len(studio.left_over()) == 2


@pytest.mark.parametrize("name", ["my-call_1.x", "Aufnahme-Österreich", "通話٣", "a" * 128])
async def test_custom_names(tmp_path: Path, name: str) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio, filename=name)
        assert file == str(tmp_path / f"{name}.wav")
        await studio.tick(2)
        await studio.recordings.stop_leg(alice.leg.id)
        with pytest.raises(Conflict, match="recording file already exists"):
            await recording(studio, filename=name)


@pytest.mark.parametrize(
    "name",
    ["../up", "a/b", ".hidden", "dot.", "a..b", "x" * 129, "sp ace", "a\0b", "a\\b", "a\nb", "½", ".", "語" * 90],
)
async def test_names_that_are_refused(tmp_path: Path, name: str) -> None:
    async with open_studio(tmp_path) as studio:
        await studio.phone()
        with pytest.raises(Invalid, match="invalid recording filename"):
            await recording(studio, filename=name)


async def test_a_name_is_promised_once(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        await studio.phone()
        await studio.phone()
        await recording(studio, 0, filename="same")
        with pytest.raises(Conflict, match="recording file already exists"):
            await recording(studio, 1, filename="same")


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        (RecordRequest(storage="ftp"), "unknown storage type: ftp"),
        (RecordRequest(storage="s3"), "S3 storage not configured"),
        (RecordRequest(storage="gcs"), "GCS storage not configured"),
        (RecordRequest(storage="s3", s3_bucket="b", s3_access_key="only"), "must be given together"),
        (RecordRequest(storage="gcs", gcs_bucket="b"), "not available"),
    ],
)
async def test_storage_that_is_not_to_be_had(tmp_path: Path, request_: RecordRequest, text: str) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        with pytest.raises(Invalid, match=text):
            await studio.recordings.start_leg(alice.leg, request_)


async def test_a_folder_that_cannot_be_made_is_500_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        recordings = Recordings(studio.bus, tmp_path / "file" / "folder")
        for _ in range(2):
            with pytest.raises(CommandError, match="create recording file") as refused:
                await recordings.start_leg(alice.leg, RecordRequest(filename="x"))
            assert refused.value.status == 500
        assert studio.said() == []


async def test_a_disk_that_does_not_answer_at_the_start_is_500(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang, gone = threading.Event(), threading.Event()
    open_file, discard = recording_file.RecordingFolder.open, recording_file.RecordingFile.discard

    def slow(self: recording_file.RecordingFolder) -> recording_file.RecordingFile:
        hang.wait(10)
        return open_file(self)

    def discarded(self: recording_file.RecordingFile) -> None:
        discard(self)
        gone.set()

    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        monkeypatch.setattr("vb.activity.recording.FINISH_SECONDS", 0.05)
        monkeypatch.setattr(recording_file.RecordingFolder, "open", slow)
        monkeypatch.setattr(recording_file.RecordingFile, "discard", discarded)
        with pytest.raises(CommandError, match="does not answer") as refused:
            await studio.recordings.start_leg(alice.leg, RecordRequest())
        assert refused.value.status == 500
        hang.set()
        assert await trio.to_thread.run_sync(gone.wait, 5)
        assert studio.left_over() == []
        assert studio.recordings.active == 0


async def test_a_full_disk_leaves_no_file_and_the_call_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, block: object, rate: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        await recording(studio)
        await studio.tick(5)
        monkeypatch.setattr(recording_file.RecordingFile, "write", full)
        assert await studio.recordings.stop_leg(alice.leg.id) == {"status": "stopped", "file": ""}
        assert studio.left_over() == []
        assert studio.legs.active == 1
        assert studio.events[-1].fields["file"] == ""


async def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio, filename="mine")
        await trio.Path(file).write_text("theirs")
        await studio.tick(5)
        assert (await studio.recordings.stop_leg(alice.leg.id))["file"] == ""
        assert await trio.Path(file).read_text() == "theirs"
        assert studio.left_over() == ["mine.wav"]


async def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio)
        await studio.tick(5)
        assert (await studio.recordings.stop_leg(alice.leg.id))["file"] == file
        assert len(wav(file)[1]) == 800
        assert studio.mode(file) == 0o644


async def test_a_disk_that_hangs_does_not_hold_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang, gone = threading.Event(), threading.Event()
    discard = recording_file.RecordingFile.discard

    def stuck(descriptor: int) -> None:
        hang.wait(10)

    def discarded(self: recording_file.RecordingFile) -> None:
        discard(self)
        gone.set()

    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        monkeypatch.setattr("vb.activity.recording.FINISH_SECONDS", 0.05)
        monkeypatch.setattr(recording_file.os, "fsync", stuck)
        monkeypatch.setattr(recording_file.RecordingFile, "discard", discarded)
        await recording(studio)
        await studio.tick(5)
        alice.leg.end("remote_bye")
        with trio.fail_after(5):
            await alice.leg.wait_ended()
        assert studio.said() == ["recording.started", "recording.finished", "leg.disconnected remote_bye"]
        hang.set()
        assert await trio.to_thread.run_sync(gone.wait, 5)
        assert studio.left_over() == []


async def test_what_was_heard_goes_to_the_disk_while_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, write = trio.Event(), recorder.Recorder._write

    def writing(self: recorder.Recorder, count: int) -> None:
        write(self, count)
        trio.from_thread.run_sync(lambda: flushed.set())

    monkeypatch.setattr(recorder, "FLUSH_SECONDS", 0.001)
    monkeypatch.setattr(recorder.Recorder, "_write", writing)
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        file = await recording(studio)
        alice.say(tone(440, 4))
        for _ in range(30):
            flushed = trio.Event()
            await studio.tick(5)
            await flushed.wait()
        await studio.recordings.stop_leg(alice.leg.id)
        rate, samples = wav(file)
        assert len(samples) == 150 * 160
        assert level_at(samples[800:, 0], 440, rate) == pytest.approx(8000, rel=0.02)


async def test_shutting_down_publishes_what_was_recorded(tmp_path: Path) -> None:
    async with open_studio(tmp_path) as studio:
        alice = await studio.phone()
        studio.rooms.add_leg("r", alice.leg.id)
        file, room_file = await recording(studio), await room_recording(studio)
        await studio.tick(5)
        studio.nursery.cancel_scope.cancel()
    assert len(wav(file)[1]) == len(wav(room_file)[1]) == 5 * 320
    assert {"recording.finished", "leg.disconnected"} <= {event.type for event in studio.events}
