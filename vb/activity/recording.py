"""Recordings of legs and rooms: start, stop, pause, resume, and their events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import attrs
import trio

from vb.activity.recorder import Outcome, Recorder
from vb.activity.recording_file import RecordingFolder
from vb.call.errors import CommandError, Conflict, Invalid, NotFound
from vb.call.events import EventBus
from vb.call.leg import Leg
from vb.room.room import Room

log = logging.getLogger("vb.activity")

FINISH_SECONDS = 5.0
"""How long the disk may take to make a file, or to hold what was recorded when a leg ends."""
MERGE_SECONDS = 30.0
"""The same for a multi-channel recording, whose channels are put together at its end."""
WRITERS = 8
"""Threads that write recordings; a slow disk delays other recordings, and nothing else."""

Key = tuple[Literal["leg", "room"], str]


@attrs.frozen
class RecordRequest:
    """The body of a record command; an empty string is as good as absent."""

    storage: str = ""
    multi_channel: bool = False
    filename: str = ""
    s3_bucket: str = ""
    s3_access_key: str = ""
    s3_secret_key: str = attrs.field(default="", repr=False)
    gcs_bucket: str = ""

    def check(self) -> None:
        """Raises Invalid when the storage is unknown or not to be had."""
        if self.storage in ("", "file"):
            return
        if bool(self.s3_access_key) != bool(self.s3_secret_key):
            raise Invalid("s3_access_key and s3_secret_key must be given together")
        if self.storage == "s3" and not self.s3_bucket:
            raise Invalid("S3 storage not configured: set S3_BUCKET env var or provide s3_bucket in request")
        if self.storage == "gcs" and not self.gcs_bucket:
            raise Invalid("GCS storage not configured: set GCS_BUCKET env var or provide gcs_bucket in request")
        if self.storage in ("s3", "gcs"):
            raise Invalid(f"storage {self.storage} is not available")
        raise Invalid(f"unknown storage type: {self.storage}")


class _Recording:
    """One recording that runs: what it writes, where to, and how it ended."""

    def __init__(self, recorder: Recorder, path: Path, leg: Leg | None, room: Room | None) -> None:
        self.recorder = recorder
        self.path = path
        self.leg = leg
        self.room = room
        self.scope = trio.CancelScope()
        self.done = trio.Event()
        self.multi_channel_path: Path | None = None
        self.outcome = Outcome()
        self.detach: list[Callable[[], None]] = []


class ChannelTaps:
    """A tap on every leg of a room, those that come later too, each for a lane of its own."""

    def __init__(self, room: Room, recorder: Recorder) -> None:
        self._room = room
        self._recorder = recorder
        self._taps: dict[str, Callable[[], None]] = {}
        for leg in room.members.values():
            self._changed(leg, True)
        room.watchers.append(self._changed)

    def _changed(self, leg: Leg, joined: bool) -> None:
        if joined and leg.port is not None:
            write = self._recorder.participant_tap(leg.id)
            self._taps[leg.id] = leg.port.add_tap("in", write, rate=self._room.sample_rate).remove
        elif leg.id in self._taps:
            self._taps.pop(leg.id)()

    def remove(self) -> None:
        self._room.watchers.remove(self._changed)
        for remove in self._taps.values():
            remove()


class Recordings:
    """All recordings, at most one for each leg and room."""

    def __init__(self, bus: EventBus, folder: Path, *, now: Callable[[], datetime] = datetime.now) -> None:
        self._bus = bus
        self._folder = RecordingFolder(folder, now)
        self._limiter = trio.CapacityLimiter(WRITERS)
        self._running: dict[Key, _Recording] = {}
        self._starting: set[Key] = set()

    @property
    def active(self) -> int:
        """How many run."""
        return len(self._running)

    # --- commands; stop, pause and resume raise NotFound when nothing is recorded

    async def start_leg(self, leg: Leg, request: RecordRequest) -> dict[str, Any]:
        """Record what a leg says (left) and hears (right), from its first audio to its end.

        Raises Invalid, Conflict (it is recorded already, or the name is taken), NotFound (the leg has ended meanwhile),
        CommandError 500 (no file can be written).
        """
        request.check()
        recorder = Recorder(self._folder.open, 2, self._limiter, begins=lambda: leg.state != "ringing")
        return await self._start(("leg", leg.id), request, recorder, leg=leg)

    async def start_room(self, room: Room, request: RecordRequest) -> dict[str, Any]:
        """Record what a room hears, mono, until it is stopped or nobody is left. Raises as ``start_leg``."""
        request.check()
        if not room.members:
            raise Conflict("room has no participants")
        recorder = Recorder(self._folder.open, 1, self._limiter)
        return await self._start(("room", room.id), request, recorder, room=room)

    async def stop_leg(self, leg_id: str) -> dict[str, Any]:
        """End the recording and wait for the file: ``{"status": "stopped", "file": path or ""}``."""
        return await self._stop(("leg", leg_id))

    async def stop_room(self, room_id: str) -> dict[str, Any]:
        """As ``stop_leg``."""
        return await self._stop(("room", room_id))

    def pause_leg(self, leg_id: str) -> dict[str, Any]:
        """Record silence from now on: ``{"status": "paused" | "already_paused"}``."""
        return self._pause(("leg", leg_id), True)

    def resume_leg(self, leg_id: str) -> dict[str, Any]:
        """Record again: ``{"status": "resumed" | "not_paused"}``."""
        return self._pause(("leg", leg_id), False)

    def pause_room(self, room_id: str) -> dict[str, Any]:
        return self._pause(("room", room_id), True)

    def resume_room(self, room_id: str) -> dict[str, Any]:
        return self._pause(("room", room_id), False)

    # --- inside

    async def _start(
        self, key: Key, request: RecordRequest, recorder: Recorder, *, leg: Leg | None = None, room: Room | None = None
    ) -> dict[str, Any]:
        if key in self._running or key in self._starting:
            raise Conflict("recording already in progress")
        recording = _Recording(recorder, self._folder.reserve(request.filename), leg, room)
        if room is not None and request.multi_channel:
            recording.multi_channel_path = self._folder.reserve(middle="multichannel")
        self._starting.add(key)
        started = False
        try:
            await self._open(recorder)
            target = leg or room
            assert target is not None
            target.start_soon(self._run, key, recording)
            started = True
        finally:
            self._starting.discard(key)
            if not started:
                self._release(recording)
                recorder.give_up()
        self._running[key] = recording
        self._bus.publish("recording.started", {"file": str(recording.path)}, leg=leg, room=room)
        return {"status": "recording", "file": str(recording.path)}

    @staticmethod
    async def _open(recorder: Recorder) -> None:
        with trio.move_on_after(FINISH_SECONDS) as patience:
            try:
                await recorder.open()
            except OSError as error:
                log.exception("cannot write recordings")
                raise CommandError(f"create recording file: {error.strerror}", 500) from error
        if patience.cancelled_caught:
            raise CommandError("create recording file: the disk does not answer", 500)

    def _release(self, recording: _Recording) -> None:
        for path in (recording.path, recording.multi_channel_path):
            if path is not None:
                self._folder.release(path)

    async def _run(self, key: Key, recording: _Recording) -> None:
        try:
            with recording.scope:
                await self._attach(recording)
                await recording.recorder.run()
        except Exception:
            log.exception("recorder crashed")
        finally:
            if self._running.get(key) is recording:  # it ended by itself: a stop would have taken it out
                del self._running[key]
            for detach in recording.detach:
                detach()
            await self._finish(recording)
            self._release(recording)
            shown = recording.outcome.view()
            self._bus.publish("recording.finished", shown, leg=recording.leg, room=recording.room)
            recording.done.set()

    @staticmethod
    async def _finish(recording: _Recording) -> None:
        """Within its time, also when the leg is ending; what goes wrong leaves no file and is never raised."""
        patience = MERGE_SECONDS if recording.multi_channel_path is not None else FINISH_SECONDS
        with trio.CancelScope(shield=True, deadline=trio.current_time() + patience):
            try:
                recording.outcome = await recording.recorder.finish(recording.path, recording.multi_channel_path)
            except Exception:
                log.exception("recording lost")

    async def _attach(self, recording: _Recording) -> None:
        recorder, room, leg = recording.recorder, recording.room, recording.leg
        if room is not None:
            recording.detach.append(room.mix.add_tap(recorder.tap(0)).remove)
            if recording.multi_channel_path is not None:
                recording.detach.append(ChannelTaps(room, recorder).remove)
            return
        assert leg is not None
        await leg.wait_port()
        if leg.port is not None:
            recording.detach.append(leg.port.add_tap("in", recorder.tap(0)).remove)
            recording.detach.append(leg.port.add_tap("out", recorder.tap(1)).remove)

    async def _stop(self, key: Key) -> dict[str, Any]:
        recording = self._running.pop(key, None)
        if recording is None:
            raise NotFound("no recording in progress")
        recording.scope.cancel()
        await recording.done.wait()
        return {"status": "stopped", **recording.outcome.view()}

    def _pause(self, key: Key, paused: bool) -> dict[str, Any]:
        recording = self._running.get(key)
        if recording is None:
            raise NotFound("no recording in progress")
        if recording.recorder.paused is paused:
            return {"status": "already_paused" if paused else "not_paused"}
        recording.recorder.paused = paused
        self._bus.publish(
            "recording.paused" if paused else "recording.resumed",
            {"file": ""},
            leg=recording.leg,
            room=recording.room,
        )
        return {"status": "paused" if paused else "resumed"}
