"""An inbound call: parked from its INVITE until somebody decides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import trio

from vb.call.errors import CommandError, Conflict, Invalid, Unavailable
from vb.call.events import Webhook
from vb.call.lifetime import Cause
from vb.call.reasons import (
    ACK_TIMEOUT,
    API_HANGUP,
    CALLER_CANCEL,
    CHALLENGED,
    CONNECT_FAILED,
    NOT_ACCEPTABLE,
    REJECTIONS,
    RING_TIMEOUT,
    SERVICE_UNAVAILABLE,
    final_of,
)
from vb.legs.sip.challenge import OpenChallenges, terms_of
from vb.legs.sip.digits import methods_of
from vb.legs.sip.identity import user_of
from vb.legs.sip.outbound_request import chosen_codecs
from vb.legs.sip.peer_request import described
from vb.legs.sip.reason_header import reason_header, reason_of
from vb.legs.sip.settings import Address, Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sdp.formats import Codec, find_codec
from vb.sdp.offer_answer import OfferView
from vb.sip.effects import AckReceived, Event, InviteCancelled, PrackReceived, PrackTimeout
from vb.sip.errors import LocalError
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request
from vb.sip.session import Session, SessionState

log = logging.getLogger("vb.legs")

_BUSY_LATER = ("service_unavailable", "shutdown")


class SipInboundLeg(SipLeg):
    """A call that came in. Raises SdpError or NotAcceptable from its making when the offer cannot be used at all."""

    def __init__(
        self,
        platform: Platform,
        address: Address,
        session: InviteServerSession,
        decided: Callable[[], None],
        challenges: OpenChallenges,
        auth_username: str | None = None,
    ) -> None:
        request = session.request
        headers = {name: value for name, value in request.headers if name[:2].lower() == "x-"}
        super().__init__(
            "sip_inbound",
            platform,
            address,
            platform.settings.codecs,
            app_id=_header(headers, "x-app-id"),
            webhook=_webhook(headers) or platform.settings.webhook,
            headers={name: value for name, value in headers.items() if name.lower() != "x-webhook-secret"},
        )
        self.answering = False
        self._decided: Callable[[], None] | None = decided  # called once: answered, or over
        self._challenges = challenges
        self._auth_username = auth_username  # who it has proved to be
        self._demand = ""  # what the caller is to answer, as a header value
        self.on_connected: list[Callable[[], None]] = []
        self._uas = session
        self._session = session
        self.digits.learn(request)
        # RFC 3261 §13.2.1: an INVITE without a description asks for ours in the 2xx.
        self._offer: OfferView | None = None
        offer = described(request)
        if offer:
            self._offer = self._media.negotiation.receive_offer(offer)
        self._body = b""  # what we said in 183, and say again in 200
        self._expired = False  # the caller's own limit passed
        limit = platform.settings.ring_limit
        if limit > 0:
            self._deadlines.set("ring_limit", self.created_at + limit)
        if request.expires is not None:
            self._deadlines.set("expires", self.created_at + request.expires)  # RFC 3261 §13.3.1
        self.on_hangup.append(lambda _: self._decide())

    def announcement(self) -> dict[str, Any]:
        """The data of ``leg.ringing``."""
        request = self._uas.request
        offered = self._offer.codecs if self._offer is not None else ()
        hop = self._uas.hop
        proved = {} if self._auth_username is None else {"authenticated": True, "auth_username": self._auth_username}
        return {
            "leg_type": self.type,
            "from": user_of(request.from_),
            "to": user_of(request.to),
            "sip_headers": self.headers,
            "offered_codecs": [_codec_view(codec, n) for n, codec in enumerate(offered, 1)],
            "source_address": f"[{hop.host}]:{hop.port}" if ":" in hop.host else f"{hop.host}:{hop.port}",
            **proved,
        }

    # --- events

    def receive(self, event: Event) -> None:
        if self.cause is not None:
            return
        match event:
            case InviteCancelled(request=request):
                self._over_at_the_peer = True
                code, text = reason_of(request)
                self.end(CALLER_CANCEL, sip_code=code, sip_reason=text)
            case AckReceived(request=request, reinvite=False):
                self._acknowledged(request)
            case PrackReceived(request=request):
                self._take_answer("early_media", request)
            case PrackTimeout():  # the agent has refused the INVITE
                self._over_at_the_peer = True
                self.end(ACK_TIMEOUT, sip_code=504)
            case _:
                super().receive(event)

    def handle_deadline(self, name: str) -> None:
        if name in ("ring_limit", "expires"):
            self._expired = name == "expires"
            self.end(RING_TIMEOUT)
        else:
            super().handle_deadline(name)

    # --- verbs

    def ring(self) -> None:
        if self.state != "ringing" or self.answering:
            raise Conflict(f"leg is {self._shown_state()}, not ringing")
        self._say(lambda now: self._uas.provisional(now, 180))
        log.info("leg rings", extra={"leg_id": self.id})

    def early_media(self, codec: str | None = None) -> None:
        if self.state != "ringing" or self.answering:
            raise Conflict(f"leg is {self._shown_state()}, not ringing")
        self._check_codec(codec)
        if self._offer is None and not self._uas.can_be_reliable:
            raise Conflict("the INVITE has no offer")  # and ours needs a 183 that is sure to arrive (RFC 3262 §5)
        if not self._start_media("early_media", codec, None):
            return
        self._say(lambda now: self._uas.provisional(now, 183, body=self._body))
        self.state = "early_media"
        self.apply_media()
        log.info("leg has early media", extra={"leg_id": self.id})

    def answer(self, codec: str | None = None, codecs: list[str] | None = None, dtmf: Sequence[str] = ()) -> None:
        if self.state not in ("ringing", "early_media") or self.answering:
            raise Conflict(f"leg is {self._shown_state()}, expected ringing or early_media")
        allowed = chosen_codecs(codecs, ()) if codecs else None
        methods = methods_of(dtmf, self.digits.methods)
        if self.state == "ringing":
            self._check_codec(codec)
            self._media.negotiation.telephone_event = "rfc4733" in methods
            if not self._start_media("answer", codec, allowed):
                return
        self.digits.methods = methods
        self.answering = True
        self._deadlines.drop("ring_limit")
        self._deadlines.drop("expires")
        self._decide()
        self._say(lambda now: self._uas.accept(now, self._body))
        if self._offer is not None:
            self.apply_media()
        log.info("leg answered", extra={"leg_id": self.id})

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
        terms = terms_of(realm=realm, username=username, password=password, ha1=ha1, algorithm=algorithm, qop=qop)
        if self.state != "ringing" or self.answering:
            raise Conflict(f"leg is {self._shown_state()}, not ringing")
        self._demand = self._challenges.demand(self.call_id, terms, trio.current_time()).line()
        log.info("leg challenged", extra={"leg_id": self.id, "realm": realm})
        self.end(CHALLENGED)

    def hangup(self, reason: str | None = None) -> None:
        if self.state not in ("ringing", "early_media") or self.answering:
            self.end(API_HANGUP)
            return
        if reason and reason not in REJECTIONS:
            raise Invalid(f'unknown reason "{reason}"')
        self.end(reason or API_HANGUP)

    # --- inside

    def close_session(self, session: Session, cause: Cause, now: float) -> None:
        if session.state is not SessionState.EARLY:
            session.bye(now, [reason_header(cause)])
            return
        lines = []
        if cause.reason in _BUSY_LATER:
            lines.append(("Retry-After", str(self._platform.settings.retry_after)))
        if cause.reason == CHALLENGED:
            lines.append(("WWW-Authenticate", self._demand))  # RFC 3261 §22.2
        self._uas.reject(now, 487 if self._expired else final_of(cause.reason), headers=lines)

    def _decide(self) -> None:
        decided, self._decided = self._decided, None
        if decided is not None:
            decided()

    def _shown_state(self) -> str:
        return "being answered" if self.answering and self.connected_at is None else self.state

    def _check_codec(self, name: str | None) -> None:
        if not name:
            return
        if find_codec(name) is None:
            raise Invalid(f'unknown codec "{name}"')
        usable = self._offer.usable if self._offer is not None else self._platform.settings.codecs
        if not any(codec.name.lower() == name.lower() for codec in usable):
            raise Invalid(f'codec "{name}" not in remote offer')

    def _start_media(self, command: str, codec: str | None, allowed: tuple[Codec, ...] | None) -> bool:
        """Open the port and make our description. False when that failed: published, and the call is refused."""
        try:
            self.open_media()
            if self._offer is None:
                self._body = self._media.negotiation.create_offer(self._media.number)
                self._offering = True
            else:
                negotiation = self._media.negotiation
                self._body = negotiation.create_answer(self._media.number, codec=codec or None, codecs=allowed)
        except NotAcceptable as error:
            self._failed(command, str(error), NOT_ACCEPTABLE)
            return False
        except Unavailable as error:
            self._failed(command, error.message, SERVICE_UNAVAILABLE)
            return False
        return True

    def _failed(self, command: str, error: str, reason: str) -> None:
        self.publish("leg.command_failed", {"command": command, "error": error})
        self.end(reason)

    def _say(self, verb: Any) -> None:
        """Do a verb of the session; one that the session is past is a Conflict."""
        try:
            self._platform.endpoint.command(verb)
        except LocalError as error:
            raise Conflict(f"the call is over: {error}") from None

    def _acknowledged(self, request: Request) -> None:
        if self._offering and not self._take_answer("answer", request):
            return
        self.answering = False
        self.mark_connected()
        for callback in self.on_connected:
            callback()

    def _take_answer(self, command: str, request: Request) -> bool:
        """The answer to our offer, in an ACK or a PRACK (RFC 3261 §13.2.1, RFC 3262 §5). False: there is no call."""
        self._offering = False
        try:
            self._media.negotiation.receive_answer(described(request))
        except (SdpError, NotAcceptable) as error:
            self._failed(command, str(error) or "no usable answer", CONNECT_FAILED)
            return False
        self.apply_media()
        return True


def auto_ring(leg: SipInboundLeg) -> None:
    """Ring without being asked; the caller may have given up meanwhile."""
    try:
        leg.ring()
    except CommandError as error:
        log.debug("no ringing", extra={"leg_id": leg.id, "error": error.message})


def _codec_view(codec: Codec, priority: int) -> dict[str, Any]:
    return {
        "name": codec.name,
        "payload_type": codec.payload_type,
        "clock_rate": codec.clock_rate,
        "priority": priority,
    }


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for given, value in headers.items() if given.lower() == name), "")


def _webhook(headers: Mapping[str, str]) -> Webhook | None:
    """The webhook that an INVITE names for its own events; anything but an http URL is none."""
    url = _header(headers, "x-webhook-url")
    if not url.startswith(("http://", "https://")):
        return None
    return Webhook(url, _header(headers, "x-webhook-secret"))
