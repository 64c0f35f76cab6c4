"""What inbound and outbound SIP legs share: media, hold by the peer, digits, silence, the end by BYE."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trio

from vb.call.errors import Conflict
from vb.call.events import Webhook
from vb.call.leg import TALKING, Leg, LegType
from vb.call.lifetime import Cause
from vb.call.reasons import ACK_TIMEOUT, INTERNAL_ERROR, REMOTE_BYE, RTP_TIMEOUT, SESSION_EXPIRED, word_of
from vb.legs.sip.digits import LegDigits
from vb.legs.sip.media import CallMedia
from vb.legs.sip.peer_request import described, states_direction
from vb.legs.sip.reason_header import reason_header, reason_of
from vb.legs.sip.settings import Address, Platform
from vb.media.events import DtmfReceived, MediaEvent, RowFailed, SpeechStarted, SpeechStopped
from vb.rtp.telephone_event import DigitsError
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sdp.formats import Codec
from vb.sdp.offer_answer import Direction
from vb.sip.effects import (
    AckReceived,
    AckTimeout,
    ByeReceived,
    DialogRequestCompleted,
    Event,
    RefreshDue,
    ReinviteCompleted,
    ReinviteReceived,
    SessionEnded,
    SessionExpired,
)
from vb.sip.errors import LocalError
from vb.sip.message import Request, Response
from vb.sip.session import Session, SessionState

log = logging.getLogger("vb.legs")


class SipLeg(Leg):
    """A call over SIP. Events of its session come in by ``receive``; everything is done at once, nothing waits."""

    def __init__(
        self,
        type_: LegType,
        platform: Platform,
        address: Address,
        codecs: Sequence[Codec],
        *,
        app_id: str = "",
        webhook: Webhook | None = None,
        headers: Mapping[str, str] | None = None,
        accept_dtmf: bool = True,
        max_duration: float = 0.0,
        dtmf: Sequence[str] = (),
    ) -> None:
        super().__init__(
            type_,
            platform.bus,
            app_id=app_id,
            webhook=webhook,
            headers=headers,
            accept_dtmf=accept_dtmf,
            max_duration=max_duration,
        )
        self.set_speech_detection(platform.settings.speech_detection)
        self._platform = platform
        self._session: Session | None = None
        self.digits = LegDigits(self, dtmf or platform.settings.dtmf_methods)
        self._media = CallMedia(platform, address, codecs)
        self._media.negotiation.telephone_event = "rfc4733" in self.digits.methods
        self._over_at_the_peer = False  # the peer or the agent has ended the session; there is nobody to tell
        self._held_by_us = False
        self._held_by_peer = False
        self._wanted_hold: bool | None = None  # what our re-INVITE under way is to bring about
        self._offering = False  # our offer went out in a response and its answer comes with the ACK or PRACK
        self._audio_since = 0.0

    @property
    def session(self) -> Session:
        assert self._session is not None
        return self._session

    @property
    def call_id(self) -> str:
        """The Call-ID, "" before the INVITE."""
        return self._session.call_id if self._session is not None else ""

    # --- events of the session

    def receive(self, event: Event) -> None:
        """One event of this leg's session. A leg that has ended listens no more."""
        if self.cause is not None:
            return
        match event:
            case ReinviteReceived(request=request):
                self._reinvited(request)
            case ReinviteCompleted(response=response) if self._wanted_hold is not None:
                self._hold_completed(response, self._wanted_hold)
            case ReinviteCompleted(response=response):
                self._refreshed(response)
            case RefreshDue():
                self._refresh()
            case DialogRequestCompleted(sent=sent, response=response):
                self.digits.completed(sent, response)
            case SessionExpired():  # the agent has sent BYE
                self._over_at_the_peer = True
                self.end(SESSION_EXPIRED)
            case AckReceived(request=request, reinvite=True):
                self._reinvite_acknowledged(request)
            case ByeReceived(request=request):
                self._over_at_the_peer = True
                code, text = reason_of(request)
                self.end(REMOTE_BYE, sip_code=code, sip_reason=text)
            case AckTimeout():  # of the INVITE or of a re-INVITE; the agent has sent BYE
                self._over_at_the_peer = True
                self.end(ACK_TIMEOUT)
            case SessionEnded():  # the agent has nothing left of a call that we take for alive
                log.error("session ended under its leg", extra={"leg_id": self.id})
                self.end(INTERNAL_ERROR)

    # --- verbs

    def send_dtmf(self, digits: str) -> None:
        self.digits.send(digits)

    def send_telephone_events(self, digits: str) -> bool:
        """Send digits as telephone-events; False where none are agreed."""
        current = self._media.current
        if self.port is None or current is None or current.telephone_event is None:
            return False
        try:
            self.port.send_dtmf(digits)
        except DigitsError as error:  # too many wait: the peer is on hold, or somebody presses faster than they go
            raise Conflict(str(error)) from error
        return True

    def hold(self) -> None:
        self._ask_hold(True)

    def unhold(self) -> None:
        self._ask_hold(False)

    def command(self, verb: Callable[[float], None]) -> None:
        """Give the session a verb."""
        self._platform.endpoint.command(verb)

    # --- the life

    def say_goodbye(self, cause: Cause) -> None:
        if self._over_at_the_peer or self._session is None or self._session.state is SessionState.TERMINATED:
            return
        session = self._session
        self._platform.endpoint.command(lambda now: self.close_session(session, cause, now))

    def close_session(self, session: Session, cause: Cause, now: float) -> None:
        """Tell the peer: BYE, or what stands for it before the answer."""
        session.bye(now, [reason_header(cause)])

    def release_media(self) -> None:
        self._media.release()

    async def live(self) -> None:
        await super().live()
        if self._session is not None:
            self._session.user_data = None  # the agent keeps the session a while for repeated messages, not the leg

    def handle_deadline(self, name: str) -> None:
        match name:
            case "silence":
                self._check_silence()
            case "held":
                self.end(RTP_TIMEOUT)
            case _:
                super().handle_deadline(name)

    def mark_connected(self, data: Mapping[str, Any] | None = None) -> None:
        current = self._media.current
        super().mark_connected({"codec": current.codec.name if current is not None else "", "srtp": "", **(data or {})})
        self._watch_silence()

    # --- media

    def open_media(self) -> None:
        """Take the RTP port, once. Raises Unavailable."""
        if self.port is None:
            self.attach_port(self._media.open(self._notified))

    def apply_media(self) -> None:
        """Bring the port in line with the exchange and the state of hold."""
        self._media.apply(silent=self.held, signalling_host=self.session.hop.host, pinhole=self.type == "sip_outbound")
        self._watch_silence()

    def _notified(self, event: MediaEvent) -> None:
        """From the media clock, between two ticks."""
        if self.cause is not None:
            return
        match event:
            case DtmfReceived(digit=digit, duration_ms=duration):
                self.digits.heard(digit, duration, "rfc4733")
            case SpeechStarted() | SpeechStopped():
                self.set_speaking(isinstance(event, SpeechStarted))
            case RowFailed(error=error):
                log.error("media row failed", extra={"leg_id": self.id, "error": repr(error)})
                self.end(INTERNAL_ERROR)

    def _watch_silence(self) -> None:
        """Start or stop counting the peer's silence: only while it may be expected to send."""
        limit = self._platform.settings.rtp_timeout
        if limit > 0 and self.state == "connected" and self._media.expects_audio:
            self._audio_since = trio.current_time()
            self._deadlines.set("silence", self._audio_since + limit)
        else:
            self._deadlines.drop("silence")

    def _check_silence(self) -> None:
        heard = self.port.last_heard if self.port is not None else None
        last = max(self._audio_since, heard or 0.0)
        due = last + self._platform.settings.rtp_timeout
        if trio.current_time() >= due:
            self.end(RTP_TIMEOUT)
        else:
            self._deadlines.set("silence", due)

    # --- re-INVITE and UPDATE

    def _reinvited(self, request: Request) -> None:
        offer = described(request)
        if not offer:
            self._offer_again()
            return
        try:
            status, body = self._reanswer(offer)
        except SdpError:
            status, body = 400, b""
        except NotAcceptable:
            status, body = 488, b""  # RFC 3261 §14.2: the session stays as it was
        self._respond_reinvite(status, body)
        if status == 200:
            self._apply_direction(offer)

    def _reanswer(self, offer: bytes) -> tuple[int, bytes]:
        if self._media.port is None:
            return 491, b""
        self._media.negotiation.receive_offer(offer)
        most: Direction | None = "sendonly" if self._held_by_us else None
        return 200, self._media.negotiation.create_answer(self._media.number, direction=most)

    def _offer_again(self) -> None:
        """A re-INVITE without an offer asks for ours (RFC 3261 §14.2)."""
        if self._media.port is None:
            self._respond_reinvite(491, b"")
            return
        self._offering = True
        self._respond_reinvite(200, self._offer_now(self._held_by_us, every_codec=True))

    def _offer_now(self, held: bool, *, every_codec: bool = False) -> bytes:
        """Our offer inside the call; ``every_codec`` where the peer asks what we can do (RFC 3261 §14.2)."""
        direction: Direction = "sendonly" if held else "sendrecv"
        return self._media.negotiation.create_offer(self._media.number, direction=direction, every_codec=every_codec)

    def _reinvite_acknowledged(self, request: Request) -> None:
        if not self._offering:
            return
        self._offering = False
        try:
            self._media.negotiation.receive_answer(described(request))
        except (SdpError, NotAcceptable) as error:
            log.warning("answer in ACK cannot be used", extra={"leg_id": self.id, "error": str(error)})
            return
        self._apply_direction(described(request))

    def _respond_reinvite(self, status: int, body: bytes) -> None:
        session = self.session

        def respond(now: float) -> None:
            session.respond_reinvite(now, status, body)

        try:
            self._platform.endpoint.command(respond)
        except LocalError:
            log.debug("re-INVITE was taken back", extra={"leg_id": self.id})

    def _apply_direction(self, body: bytes) -> None:
        """The peer holds when it will not hear us; a body that states no direction changes nothing."""
        current = self._media.current
        if current is not None and self.state in TALKING and states_direction(body, current.remote_host):
            # Ours is the mirror of theirs: recvonly or inactive means that they will not listen (RFC 3264 §6.1).
            self._held_by_peer = current.direction in ("recvonly", "inactive")
            self._show_hold()
        self.apply_media()

    def _show_hold(self) -> None:
        held = self._held_by_us or self._held_by_peer
        if held == self.held:
            return
        self.state = "held" if held else "connected"
        if held:
            self._deadlines.set("held", trio.current_time() + self._platform.settings.hold_limit)
        else:
            self._deadlines.drop("held")
        log.info("leg held" if held else "leg unheld", extra={"leg_id": self.id})
        self.publish("leg.hold" if held else "leg.unhold", {"leg_type": self.type})

    # --- session timer (RFC 4028)

    def _refresh(self) -> None:
        """A re-INVITE that changes nothing (§7.4); what became of it as a refresh is the agent's business."""
        session = self.session
        try:
            self._platform.endpoint.command(
                lambda now: session.reinvite(now, lambda: self._offer_now(self._held_by_us))
            )
        except LocalError as error:
            log.warning("no refresh", extra={"leg_id": self.id, "error": str(error)})

    def _refreshed(self, response: Response | None) -> None:
        if response is None or response.status >= 300:
            log.info("refresh failed", extra={"leg_id": self.id, "sip_code": response.status if response else None})
            return
        try:
            self._media.negotiation.receive_answer(described(response))
        except (SdpError, NotAcceptable) as error:
            log.warning("answer to a refresh cannot be used", extra={"leg_id": self.id, "error": str(error)})
            return
        self._apply_direction(described(response))

    # --- hold by us

    def _ask_hold(self, held: bool) -> None:
        """A re-INVITE with sendonly, or sendrecv to come back (RFC 3264 §8.4)."""
        if self.state not in TALKING:
            raise Conflict(f"leg is {self.state}, expected connected or held")
        if held == (self.held if self._wanted_hold is None else self._wanted_hold):
            return
        if self._wanted_hold is not None:
            raise Conflict(f"{'a hold' if self._wanted_hold else 'an unhold'} is under way")
        session = self.session
        self._wanted_hold = held
        try:
            self._platform.endpoint.command(lambda now: session.reinvite(now, lambda: self._offer_now(held)))
        except LocalError as error:
            self._wanted_hold = None
            raise Conflict(f"the call is being changed: {error}") from None

    def _hold_completed(self, response: Response | None, wanted: bool) -> None:
        self._wanted_hold = None
        verb = "hold" if wanted else "unhold"
        try:
            if response is None or response.status >= 300:
                told = "no answer" if response is None else f"{response.status} {response.reason}"
                raise NotAcceptable(f"re-INVITE rejected: {told}")  # noqa: TRY301  (one place that tells of failure)
            current = self._media.negotiation.receive_answer(described(response))
        except (SdpError, NotAcceptable) as error:
            self.publish("leg.command_failed", {"command": verb, "error": f"{verb} re-INVITE: {error}"})
            if response is None:  # RFC 3261 §14.1, §12.2.1.2: the dialog is dead
                self.end(word_of(408))
            elif response.status in (408, 481):
                self.end(word_of(response.status), sip_code=response.status, sip_reason=response.reason[:200])
            return
        self._held_by_us = wanted
        if not wanted:
            self._held_by_peer = current.direction in ("recvonly", "inactive")
        self._show_hold()
        self.apply_media()
