"""Playback of tones and files on a leg, heard by it alone, or in a room, heard by all."""

from __future__ import annotations

import logging
import secrets
from typing import Any, Literal

import attrs
import trio

from vb.activity.fetch import Fetcher, FetchError
from vb.activity.sound import SoundError, pcm_source, set_volume, tone_source
from vb.call.errors import CommandError, Conflict, Invalid, NotFound
from vb.call.events import EventBus
from vb.call.leg import Leg
from vb.dsp.pcm_source import PcmSource
from vb.dsp.tones import ToneSource
from vb.room.room import Room

log = logging.getLogger("vb.activity")

Kind = Literal["leg", "room"]
NARROW = 8000
DECODERS = 2
"""Threads that decode and resample: an hour of audio takes hundreds of MB while it is converted."""
LOUDEST = 8


@attrs.frozen
class PlayRequest:
    """The body of a play command: exactly one of ``url`` and ``tone``; ``repeat`` 0 or 1 once, -1 for ever."""

    url: str = ""
    tone: str = ""
    mime_type: str = ""
    repeat: int = 0
    volume: int = 0

    def check(self) -> None:
        """Raises Invalid."""
        if not self.url and not self.tone:
            raise Invalid("url or tone is required")
        if self.url and self.tone:
            raise Invalid("url and tone are mutually exclusive")
        if self.repeat < -1:
            raise Invalid("repeat must be -1 (for ever) or more")
        _check_volume(self.volume)


def _check_volume(volume: int) -> None:
    if not -LOUDEST <= volume <= LOUDEST:
        raise Invalid(f"volume must be between -{LOUDEST} and {LOUDEST}")


class _Playback:
    """One playback that runs."""

    def __init__(self, key: tuple[Kind, str, str], request: PlayRequest, leg: Leg | None, room: Room | None) -> None:
        self.key = key
        self.request = request
        self.leg = leg
        self.room = room
        self.volume = request.volume
        self.source: PcmSource | ToneSource | None = None
        self.scope = trio.CancelScope()


class Playbacks:
    """All playbacks. Each is a child of its leg's life, or of its room for as long as somebody is there."""

    def __init__(self, bus: EventBus, fetcher: Fetcher) -> None:
        self._bus = bus
        self._fetcher = fetcher
        self._decoders = trio.CapacityLimiter(DECODERS)
        self._running: dict[tuple[Kind, str, str], _Playback] = {}

    @property
    def active(self) -> int:
        """How many run, downloads included."""
        return len(self._running)

    # --- commands

    def play_leg(self, leg: Leg, request: PlayRequest) -> dict[str, Any]:
        """Start: ``{"playback_id": "pb-<8 hex>", "status": "playing"}``; what fails later is ``playback.error``.

        Raises Invalid (400) for a bad request, Conflict (409) for a leg without audio, NotFound when it has ended.
        """
        self._check(request)
        if leg.port is None or leg.state == "ringing":
            raise Conflict(f"leg has no audio (state: {leg.state})")
        return self._start("leg", leg.id, request, leg=leg)

    def play_room(self, room: Room, request: PlayRequest) -> dict[str, Any]:
        """As ``play_leg``. Conflict when nobody is in the room."""
        self._check(request)
        if not room.members:
            raise Conflict("room has no participants")
        return self._start("room", room.id, request, room=room)

    def stop(self, kind: Kind, target_id: str, playback_id: str) -> dict[str, Any]:
        """Silence from the next tick on: ``{"status": "stopped"}``. Raises NotFound, also at the second time."""
        playback = self._running.pop((kind, target_id, playback_id), None)
        if playback is None:
            raise NotFound("no playback in progress")
        playback.scope.cancel()
        return {"status": "stopped"}

    def set_volume(self, kind: Kind, target_id: str, playback_id: str, volume: int) -> dict[str, Any]:
        """Louder or softer from the next tick on: ``{"status": "ok"}``. Raises Invalid, NotFound."""
        _check_volume(volume)
        playback = self._running.get((kind, target_id, playback_id))
        if playback is None:
            raise NotFound("playback not found")
        playback.volume = volume
        if playback.source is not None:
            set_volume(playback.source, volume)
        return {"status": "ok"}

    # --- inside

    def _check(self, request: PlayRequest) -> None:
        request.check()
        if request.url:
            self._fetcher.check(request.url)

    def _start(
        self, kind: Kind, target_id: str, request: PlayRequest, *, leg: Leg | None = None, room: Room | None = None
    ) -> dict[str, Any]:
        playback_id = f"pb-{secrets.token_hex(4)}"
        playback = _Playback((kind, target_id, playback_id), request, leg, room)
        target = leg or room
        assert target is not None
        target.start_soon(self._run, playback)
        self._running[playback.key] = playback
        return {"playback_id": playback_id, "status": "playing"}

    async def _run(self, playback: _Playback) -> None:
        reason, problem = "stopped", ""
        try:
            with playback.scope:
                await self._play(playback)
                reason = "completed"
        except (FetchError, SoundError, CommandError) as error:
            problem = str(error)
        except Exception:
            log.exception("playback crashed", extra={"playback_id": playback.key[2]})
            problem = "internal error"
        finally:  # also when the leg hangs up: whoever was told of the start is told of the end
            self._running.pop(playback.key, None)
            if problem:
                self._publish(playback, "playback.error", {"error": problem})
            else:
                played = playback.source.played_ms if playback.source is not None else 0
                self._publish(playback, "playback.finished", {"reason": reason, "played_ms": played})

    async def _play(self, playback: _Playback) -> None:
        source = playback.source = await self._prepare(playback)
        set_volume(source, playback.volume)
        leg, room = playback.leg, playback.room
        target = room.mix if room is not None else leg.port if leg is not None else None
        if target is None:  # the leg ended while we were loading: the cancellation is on its way
            await trio.sleep_forever()
        ended = trio.Event()
        failures: list[BaseException] = []

        def on_end(error: BaseException | None) -> None:
            if error is not None:
                failures.append(error)
            ended.set()

        handle = target.add_source(source, on_end=on_end)
        try:
            await ended.wait()
        finally:
            handle.remove()
        if failures:
            raise SoundError(f"play: {failures[0]}")

    async def _prepare(self, playback: _Playback) -> PcmSource | ToneSource:
        request = playback.request
        # The rate the target hears at, so that nothing is resampled while it plays.
        rate = playback.room.sample_rate if playback.room is not None else NARROW
        if request.tone:
            tone = tone_source(request.tone, rate)
            self._publish(playback, "playback.started", {})
            return tone
        try:
            fetched = await self._fetcher.fetch(request.url)
        except FetchError as error:
            raise FetchError(f"fetch audio: {error}") from error
        self._publish(playback, "playback.started", {})
        mime_type = request.mime_type or fetched.content_type
        return await trio.to_thread.run_sync(
            pcm_source,
            fetched.body,
            mime_type,
            rate,
            request.repeat,
            abandon_on_cancel=True,
            limiter=self._decoders,
        )

    def _publish(self, playback: _Playback, type_: str, data: dict[str, Any]) -> None:
        self._bus.publish(type_, {"playback_id": playback.key[2], **data}, leg=playback.leg, room=playback.room)
