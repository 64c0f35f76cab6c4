"""One call of a `Phone`: its SIP session, its media port, and what it said and heard."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import trio

from vb.media.events import DtmfReceived, MediaEvent
from vb.media.port import Port
from vb.media.settings import StreamParams
from vb.phone.heard import Heard
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sdp.offer_answer import Negotiated, Negotiation
from vb.sip import effects
from vb.sip.errors import LocalError
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.session import Session
from vb.sip.uri import Uri

if TYPE_CHECKING:
    from vb.phone.phone import Phone

log = logging.getLogger("vb.phone")


class CallRefused(Exception):
    """The call did not come about: ``status`` is the final response, 0 when there was none."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status
        self.reason = reason


class PhoneCall:
    """A call in either direction. Samples are int16 at 8 kHz (G.711)."""

    def __init__(self, phone: Phone, remote: Uri) -> None:
        self.phone = phone
        self.remote = remote
        self.session: Any = None  # InviteClientSession or InviteServerSession
        self.digits: list[str] = []
        self.statuses: list[int] = []
        self.ended_by: str = ""
        self.heard = Heard()
        self._answered = trio.Event()
        self._ringing = trio.Event()
        self._ended = trio.Event()
        self._accepted = False  # answered by us; the ACK may still be on its way
        self._refusal: CallRefused | None = None
        self._socket = phone.pool.open()
        self._rtp_port: int = self._socket.getsockname()[1]
        self._port: Port | None = None
        self._negotiation = Negotiation(
            address=phone.settings.host, codecs=phone.codecs, session_id=phone.rng.getrandbits(31)
        )

    # What the program does.

    def make_offer(self) -> bytes:
        return self._negotiation.create_offer(self._rtp_port)

    def ring(self) -> None:
        """Answer an incoming call with 180."""
        self._command(lambda now: self._server_session().provisional(now, 180))

    def answer(self) -> None:
        """Answer an incoming call with 200 and an SDP answer. Raises NotAcceptable when no codec is common."""
        body = self._negotiation.create_answer(self._rtp_port)
        self._start_media()
        self._command(lambda now: self._server_session().accept(now, body))
        self._accepted = True

    def reject(self, status: int) -> None:
        """Refuse an incoming call."""
        self._command(lambda now: self._server_session().reject(now, status))
        self._finish(f"rejected {status}")

    async def hangup(self) -> None:
        """End the call whatever its state, and wait until the peer has agreed or its timers have run out."""
        if self._ended.is_set():
            return
        try:
            self._command(self._goodbye)
        except LocalError as error:
            self._finish(f"local: {error}")
        await self._ended.wait()

    async def wait_ringing(self) -> None:
        """Until the peer rings (any 18x)."""
        await self._ringing.wait()

    async def wait_answered(self) -> Negotiated:
        """Until media can flow. Raises CallRefused when the call ends before."""
        await self._answered.wait()
        if self._refusal is not None:
            raise self._refusal
        negotiated = self._negotiation.current
        assert negotiated is not None
        return negotiated

    async def wait_ended(self) -> str:
        """Until the call is over; says by whom or why."""
        await self._ended.wait()
        return self.ended_by

    @property
    def answered(self) -> bool:
        """Whether the call came about (also after its end)."""
        return self._answered.is_set() and self._refusal is None

    @property
    def ended(self) -> bool:
        return self._ended.is_set()

    @property
    def port(self) -> Port:
        """The media port: `add_source` to speak, `statistics()`, `send_dtmf`."""
        if self._port is None:
            raise LocalError("no media yet: wait_answered() first")
        return self._port

    def close(self) -> None:
        """Free the media port and its socket, once."""
        if self._port is not None:
            self._port.close()
            self._port = None
        else:
            self._socket.close()
        self.phone.pool.release(self._rtp_port)
        self.phone.forget(self)

    # What the user agent says.

    def receive_invite(self, event: effects.InviteReceived) -> None:
        try:
            self._negotiation.receive_offer(event.request.body)
        except (SdpError, NotAcceptable) as error:
            log.info("incoming call refused", extra={"error": str(error)})
            self.reject(488)

    def receive_event(self, event: effects.Event) -> None:
        match event:
            case effects.ProvisionalReceived(response=response):
                self._receive_provisional(response.status, response.body)
            case effects.AnswerReceived(session=session, response=response):
                self._receive_answer(session, response.body)
            case effects.RefusalReceived(response=response):
                self._refuse(CallRefused(response.status, response.reason))
            case effects.InviteFailed(cause=cause):
                self._refuse(CallRefused(0, cause))
            case effects.AckReceived(reinvite=False):
                self._answered.set()
            case effects.ReinviteReceived(session=session, request=request):
                self._receive_reinvite(session, request.body)
            case effects.ByeReceived():
                self._finish("remote_bye")
            case effects.InviteCancelled():
                self._finish("remote_cancel")
            case effects.ByeCompleted() | effects.AckTimeout() | effects.SessionEnded():
                self._finish("local_bye")
            case _:
                pass

    def _receive_provisional(self, status: int, body: bytes) -> None:
        self.statuses.append(status)
        if status >= 180:
            self._ringing.set()
        if body and self._negotiation.current is None:
            self._apply_answer(body)

    def _receive_answer(self, session: InviteClientSession, body: bytes) -> None:
        self._command(session.ack)
        self.statuses.append(200)
        if body:
            self._apply_answer(body)
        if self._negotiation.current is None:
            self._command(session.bye)
            self._refuse(CallRefused(200, "no usable answer"))
            return
        self._ringing.set()
        self._answered.set()

    def _apply_answer(self, body: bytes) -> None:
        try:
            self._negotiation.receive_answer(body)
        except (SdpError, NotAcceptable) as error:
            log.info("answer not usable", extra={"error": str(error)})
            return
        self._start_media()

    def _receive_reinvite(self, session: Session, body: bytes) -> None:
        try:
            self._negotiation.receive_offer(body)
            answer = self._negotiation.create_answer(self._rtp_port)
        except (SdpError, NotAcceptable):
            self._command(lambda now: session.respond_reinvite(now, 488))
            return
        self._start_media()
        self._command(lambda now: session.respond_reinvite(now, 200, answer))

    def _start_media(self) -> None:
        negotiated = self._negotiation.current
        assert negotiated is not None
        if self._port is None:
            self._port = self.phone.clock.attach(self._socket, self._receive_media_event)
            self._port.add_tap("in", self.heard.write)
        self._port.configure(stream_params(negotiated))

    def _receive_media_event(self, event: MediaEvent) -> None:
        if isinstance(event, DtmfReceived):
            self.digits.append(event.digit)

    def _goodbye(self, now: float) -> None:
        if isinstance(self.session, InviteServerSession) and not self._accepted:
            self.session.reject(now, 486)
            self._finish("rejected 486")
        elif isinstance(self.session, InviteClientSession) and not self._answered.is_set():
            self.session.cancel(now)
        else:
            self.session.bye(now)

    def _server_session(self) -> InviteServerSession:
        if not isinstance(self.session, InviteServerSession):
            raise LocalError("this is an outgoing call")
        return self.session

    def _command(self, verb: Any) -> Any:
        return self.phone.endpoint.command(verb)

    def _refuse(self, refusal: CallRefused) -> None:
        if not self._answered.is_set():
            self._refusal = refusal
            self._answered.set()
        self._finish(f"refused {refusal}")

    def _finish(self, how: str) -> None:
        if self._ended.is_set():
            return
        self.ended_by = how
        if not self._answered.is_set():
            self._refusal = CallRefused(0, how)
            self._answered.set()
        self._ended.set()
        self.close()


def stream_params(negotiated: Negotiated) -> StreamParams:
    """What the media port needs to know of an offer/answer."""
    return StreamParams(
        remote_host=negotiated.remote_host,
        remote_port=negotiated.remote_port,
        codec_name="PCMA" if negotiated.codec.name == "PCMA" else "PCMU",
        send_payload_type=negotiated.codec.payload_type,
        receive={pt: codec.name for pt, codec in negotiated.receive.items()},
        telephone_event_send=negotiated.telephone_event,
        telephone_event_receive=negotiated.telephone_event_receive,
        ptime_ms=negotiated.ptime_ms,
        send=negotiated.direction in ("sendrecv", "sendonly"),
        receive_enabled=negotiated.direction in ("sendrecv", "recvonly"),
        pinhole=False,
    )
