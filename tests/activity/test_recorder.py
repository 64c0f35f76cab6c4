"""The recorder's queue and clock, apart from any leg."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from vb.activity import recorder as module
from vb.activity.recorder import Outcome, Recorder
from vb.activity.recording_file import RecordingFile, RecordingFolder
from vb.dsp.wav import parse_wav_channels

FRAME = np.full(160, 5, np.int16)


def new_recorder(folder: Path, channels: int = 1) -> Recorder:
    return Recorder(RecordingFolder(folder).open, channels, trio.CapacityLimiter(1))


async def length(path: Path) -> int:
    return len(parse_wav_channels(await trio.Path(path).read_bytes())[1])


@pytest.mark.realtime
async def test_a_full_queue_loses_audio_but_not_the_timeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_SECONDS", 1)
    recorder = new_recorder(tmp_path)
    write = recorder.tap(0)
    for tick in range(150):
        write(FRAME, 8000, tick)
    assert recorder.dropped == 50
    await recorder.finish(tmp_path / "x.wav")
    assert await length(tmp_path / "x.wav") == 100 * 160


@pytest.mark.realtime
async def test_the_recording_reaches_to_its_stop_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 50.0
    monkeypatch.setattr(module.trio, "current_time", lambda: now)
    recorder = new_recorder(tmp_path)
    recorder.tap(0)(FRAME, 8000, 7)
    now += 1.009
    assert await recorder.finish(tmp_path / "x.wav") == Outcome(file=str(tmp_path / "x.wav"))
    assert await length(tmp_path / "x.wav") == 50 * 160


@pytest.mark.realtime
async def test_a_participant_whose_file_fails_is_omitted(tmp_path: Path) -> None:
    folder = RecordingFolder(tmp_path)
    opened = 0

    def open_file() -> object:
        nonlocal opened
        opened += 1
        if opened == 2:
            raise OSError(24, "Too many open files")
        return folder.open()

    recorder = Recorder(open_file, 1, trio.CapacityLimiter(1))  # type: ignore[arg-type]
    taps = [recorder.tap(0), *(recorder.participant_tap(name) for name in ("a", "b", "c", "silent"))]
    for tick in range(10):
        for write in taps[:4]:
            write(FRAME, 8000, tick)
    outcome = await recorder.finish(tmp_path / "x.wav", tmp_path / "y.wav")
    assert outcome.view() == {
        "file": str(tmp_path / "x.wav"),
        "multi_channel_file": str(tmp_path / "y.wav"),
        "channels": {
            "b": {"channel": 0, "start_ms": 0, "end_ms": 200},
            "c": {"channel": 1, "start_ms": 0, "end_ms": 200},
        },
        "omitted_legs": ["a", "silent"],
    }
    assert sorted(os.listdir(tmp_path)) == ["x.wav", "y.wav"]  # noqa: PTH208


@pytest.mark.realtime
async def test_who_comes_back_goes_on_in_the_same_channel(tmp_path: Path) -> None:
    recorder = new_recorder(tmp_path)
    main = recorder.tap(0)
    for tick in range(30):
        main(FRAME, 8000, tick)
        if tick < 5 or tick >= 20:
            recorder.participant_tap("a")(FRAME, 8000, tick)
    outcome = await recorder.finish(tmp_path / "x.wav", tmp_path / "y.wav")
    assert outcome.channels == {"a": {"channel": 0, "start_ms": 0, "end_ms": 600}}
    _, samples = parse_wav_channels(await trio.Path(tmp_path / "y.wav").read_bytes())
    assert samples[::160, 0].tolist() == [5] * 5 + [0] * 15 + [5] * 10


@pytest.mark.realtime
async def test_a_merge_that_nobody_waits_for_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = new_recorder(tmp_path)
    for write in (recorder.tap(0), recorder.participant_tap("a")):
        write(FRAME, 8000, 0)
    merging, given_up, over = threading.Event(), threading.Event(), threading.Event()
    interleave, finish = recorder._interleave, recorder._finish

    def slow_interleave(*args: Any) -> None:
        merging.set()
        given_up.wait(10)
        interleave(*args)

    def noted_finish(*args: Any) -> Outcome:
        try:
            return finish(*args)
        finally:
            over.set()

    monkeypatch.setattr(recorder, "_interleave", slow_interleave)
    monkeypatch.setattr(recorder, "_finish", noted_finish)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.finish, tmp_path / "x.wav", tmp_path / "y.wav")
        await trio.to_thread.run_sync(merging.wait, 10)
        nursery.cancel_scope.cancel()
    given_up.set()
    await trio.to_thread.run_sync(over.wait, 10)
    assert os.listdir(tmp_path) == []  # noqa: PTH208


@pytest.mark.realtime
async def test_a_merge_that_finds_no_descriptor_costs_the_channels_only(tmp_path: Path) -> None:
    folder, full = RecordingFolder(tmp_path), False

    def open_file() -> RecordingFile:
        if full:
            raise OSError(24, "Too many open files")
        return folder.open()

    recorder = Recorder(open_file, 1, trio.CapacityLimiter(1))
    for write in (recorder.tap(0), recorder.participant_tap("a")):
        write(FRAME, 8000, 0)
    recorder._write(2)
    full = True
    outcome = await recorder.finish(tmp_path / "x.wav", tmp_path / "y.wav")
    assert outcome.view() == {"file": str(tmp_path / "x.wav"), "omitted_legs": ["a"]}
