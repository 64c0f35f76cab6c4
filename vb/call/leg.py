"""A leg: one participant's connection to us, whatever carries it. The kinds of legs are adapters in ``vb.legs``."""

from __future__ import annotations

import abc
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import trio

from vb.call.cdr import Cdr, quality_view
from vb.call.deadlines import Deadlines
from vb.call.errors import Conflict, Invalid, NotFound
from vb.call.events import EventBus, RoomLike, Webhook
from vb.call.lifetime import Cause, Life
from vb.call.reasons import API_HANGUP, MAX_DURATION

if TYPE_CHECKING:
    from vb.media.port import Port

log = logging.getLogger("vb.call")

LegType = Literal[
    "sip_inbound",
    "sip_outbound",
    "webrtc",
    "whatsapp_in",
    "whatsapp_out",
    "websocket_in",
    "websocket_out",
    "moq_in",
    "livekit_publish",
    "livekit_participant",
    "siprec_in",
    "siprec_out",
]
LegState = Literal["ringing", "early_media", "connected", "held", "hung_up"]
TALKING: frozenset[str] = frozenset({"connected", "held"})


class Leg(abc.ABC):
    """One leg. Its life is a task (``live``) with a nursery; ``end`` is the only way to end it.

    Public attributes are read by everybody and written only by the leg, except ``room``, ``room_id`` and ``role``, that
    belong to the room. ``headers`` are the ``X-`` headers of an inbound INVITE.
    """

    def __init__(
        self,
        type_: LegType,
        bus: EventBus,
        *,
        app_id: str = "",
        webhook: Webhook | None = None,
        headers: Mapping[str, str] | None = None,
        accept_dtmf: bool = True,
        max_duration: float = 0.0,
    ) -> None:
        self.id = str(uuid.uuid4())
        self.type: LegType = type_
        self.state: LegState = "ringing"
        self.room_id = ""
        self.room: RoomLike | None = None
        self.role = ""
        self.muted = False
        self.deaf = False
        self.accept_dtmf = accept_dtmf
        self.answering = False  # answered by us, not yet confirmed by the caller
        self.app_id = app_id
        self.headers: dict[str, str] = dict(headers or {})
        self.webhook = webhook
        self.port: Port | None = None
        self.speaking = False
        self._detects_speech = False
        self.created_at = trio.current_time()
        self.connected_at: float | None = None
        self.cdr: Cdr | None = None
        self.on_hangup: list[Callable[[Leg], None]] = []  # called inside end(): the leg is no longer to be found
        self.on_ended: list[Callable[[Leg], None]] = []  # called after leg.disconnected; cdr is set
        self._bus = bus
        self._max_duration = max_duration
        self._life = Life(self.id)
        self._deadlines = Deadlines()
        self._settled = trio.Event()
        self._has_port = trio.Event()
        self._ended = trio.Event()
        self._quality: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"<{self.type} {self.id} {self.state}>"

    @property
    def held(self) -> bool:
        return self.state == "held"

    @property
    def cause(self) -> Cause | None:
        """Why it ended; None while it lives."""
        return self._life.cause

    def view(self) -> dict[str, Any]:
        """The leg as REST shows it: optional fields are left out when empty."""
        shown: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "state": self.state,
            "room_id": self.room_id,
            "muted": self.muted,
            "deaf": self.deaf,
            "accept_dtmf": self.accept_dtmf,
            "held": self.held,
            "role": self.role,
            "app_id": self.app_id,
            "sip_headers": self.headers,
            "headers": self.headers,
        }
        return {name: value for name, value in shown.items() if value not in ("", {})}

    # --- life

    def end(self, reason: str, *, sip_code: int | None = None, sip_reason: str = "") -> None:
        """End the leg: any number of times, from anywhere; the first cause wins. Says goodbye to the peer at once.

        ``leg.disconnected`` follows when everything that ran on the leg is over.
        """
        self._end(Cause(reason, sip_code, sip_reason))

    def start_soon(self, fn: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run ``fn(*args)`` as a part of the leg's life: cancelled when it ends, and its crash ends the leg.

        Raises NotFound when the leg has ended.
        """
        if not self._life.start_soon(fn, *args):
            raise NotFound("leg not found")

    async def live(self) -> None:
        """The leg's whole life. Publishes exactly one ``leg.disconnected``, whatever the exit."""
        try:
            await self._life.live(self._run, end=self._end)
        finally:
            self._close_media()
            self._finish(self._life.cause or Cause(API_HANGUP))

    async def wait_ended(self) -> None:
        """Return after ``leg.disconnected``."""
        await self._ended.wait()

    async def wait_answered(self, timeout: float) -> None:
        """Return when the leg is connected. Conflict when it ends first or ``timeout`` seconds pass."""
        with trio.move_on_after(timeout):
            await self._settled.wait()
        if self.state not in TALKING:
            raise Conflict(f"leg is {self.state}, not connected")

    # --- verbs; each raises CommandError when it cannot be done, before anything happened

    def ring(self) -> None:
        """Let an inbound caller hear ringing."""
        raise Invalid("only SIP and WhatsApp inbound legs can ring")

    def early_media(self, codec: str | None = None) -> None:
        """Open the audio of an inbound call before it is answered."""
        raise Invalid("only SIP inbound legs have early media")

    def answer(self, codec: str | None = None, codecs: list[str] | None = None, dtmf: Sequence[str] = ()) -> None:
        """Answer an inbound call, with ``codec`` or the first of ``codecs`` that was offered; None: our choice.

        ``dtmf`` names the methods of digits in order; none: as configured.
        """
        raise Invalid("only SIP and WhatsApp inbound legs can be answered")

    def challenge(
        self,
        *,
        realm: str,
        username: str = "",
        password: str = "",
        ha1: str = "",
        algorithm: str = "",
        qop: Sequence[str] = (),
    ) -> None:
        """Ask an inbound caller for credentials; the leg ends, and a good answer comes as a new one."""
        raise Invalid("only SIP inbound legs can be challenged")

    def hold(self) -> None:
        """Put the peer on hold; ``leg.hold`` or ``leg.command_failed`` follows. No effect on a held one."""
        raise Invalid("only SIP legs support hold")

    def unhold(self) -> None:
        """Take the peer back; ``leg.unhold`` or ``leg.command_failed`` follows. No effect on one that is not held."""
        raise Invalid("only SIP legs support hold")

    def send_dtmf(self, digits: str) -> None:
        """Send digits (``0-9 * # A-D``) to the peer."""
        raise Invalid("DTMF is not supported on this leg")

    def hangup(self, reason: str | None = None) -> None:
        """End the leg for the operator; ``reason`` is a word for calls that are not answered yet."""
        self.end(API_HANGUP)

    def set_muted(self, muted: bool) -> None:
        """Nobody hears a muted leg (recordings and detectors still do)."""
        self.muted = muted
        if self.port is not None:
            self.port.muted = muted
        self.publish("leg.muted" if muted else "leg.unmuted")

    def set_deaf(self, deaf: bool) -> None:
        """A deaf leg is sent nothing, not even silence."""
        self.deaf = deaf
        if self.port is not None:
            self.port.deaf = deaf
        self.publish("leg.deaf" if deaf else "leg.undeaf")

    def set_accept_dtmf(self, accept: bool) -> None:
        """Whether digits pressed by others in the room are sent to this leg."""
        self.accept_dtmf = accept

    def set_speech_detection(self, wanted: bool) -> None:
        """Whether ``speaking.started`` and ``speaking.stopped`` are published while the leg is connected."""
        self._detects_speech = wanted
        if self.port is not None and self.connected_at is not None:
            self.port.detect_speech(wanted)
        if not wanted:
            self.set_speaking(False)

    # --- for the adapters

    def set_speaking(self, speaking: bool) -> None:
        """The peer has begun or stopped to speak."""
        if speaking != self.speaking:
            self.speaking = speaking
            self._bus.publish("speaking.started" if speaking else "speaking.stopped", leg=self, room=self.room)

    def publish(self, type_: str, data: Mapping[str, Any] | None = None) -> None:
        """Publish an event about this leg."""
        self._bus.publish(type_, data, leg=self)

    def attach_port(self, port: Port) -> None:
        """Take ownership of a media port; it is closed when the leg ends."""
        self.port = port
        port.muted = self.muted
        port.deaf = self.deaf
        self._has_port.set()

    async def wait_port(self) -> None:
        """Return when the leg has got a media port; a leg that ends without one is for the caller to cancel."""
        await self._has_port.wait()

    def mark_connected(self, data: Mapping[str, Any] | None = None) -> None:
        """The call is up: state, ``leg.connected`` (once), and the clock of ``max_duration``."""
        if self.connected_at is not None or self._life.cause is not None:
            return
        self.state = "connected"
        self.connected_at = trio.current_time()
        if self._max_duration > 0:
            self._deadlines.set("max_duration", self.connected_at + self._max_duration)
        if self.port is not None and self._detects_speech:
            self.port.detect_speech(True)
        log.info("leg connected", extra={"leg_id": self.id, "leg_type": self.type, **(data or {})})
        self.publish("leg.connected", {"leg_type": self.type, **(data or {})})
        self._settled.set()

    def handle_deadline(self, name: str) -> None:
        """One of the leg's timers fired."""
        if name == "max_duration":
            self.end(MAX_DURATION)

    @abc.abstractmethod
    def say_goodbye(self, cause: Cause) -> None:
        """Tell the peer that it is over (BYE, CANCEL, a final response); called once, must not wait."""

    @abc.abstractmethod
    def release_media(self) -> None:
        """Give back what the media port used (the RTP port number); called once, after the port was closed."""

    # --- inside

    async def _run(self) -> None:
        try:
            await self._deadlines.run(self.handle_deadline)
        finally:
            self._close_media()

    def _end(self, cause: Cause) -> None:
        if not self._life.end(cause):
            return
        self.state = "hung_up"
        self._deadlines.clear()
        steps, self.on_hangup = self.on_hangup, []  # they know the leg: nothing is to keep it alive after its end
        for step in (*steps, lambda _: self.say_goodbye(cause)):
            self._guarded(step)
        self._settled.set()

    def _close_media(self) -> None:
        """The peer hears and is heard no more. What was counted is kept for ``leg.disconnected``."""
        port, self.port = self.port, None
        if port is None:
            return
        try:
            self._quality = quality_view(port.statistics())
        finally:
            port.close()
            self._guarded(lambda _: self.release_media())
            self.set_speaking(False)

    def _finish(self, cause: Cause) -> None:
        self.cdr = Cdr.of(cause, self.created_at, self.connected_at, trio.current_time())
        log.info(
            "leg disconnected",
            extra={"leg_id": self.id, "leg_type": self.type, "sip_code": cause.sip_code, **self.cdr.view()},
        )
        self.publish(
            "leg.disconnected",
            {
                "cdr": self.cdr.view(),
                "quality": self._quality,
                "sip_code": cause.sip_code,
                "sip_reason": cause.sip_reason,
            },
        )
        self._ended.set()
        callbacks, self.on_ended = self.on_ended, []
        for callback in callbacks:
            self._guarded(callback)

    def _guarded(self, step: Callable[[Leg], None]) -> None:
        """One step of ending must not keep the next from being done."""
        try:
            step(self)
        except Exception:
            log.exception("a step of ending failed", extra={"leg_id": self.id})
