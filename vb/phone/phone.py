"""A telephone of our own: a user agent over `vb.sip`, `vb.net` and the media clock.

The demo, `vb call`, the benches and the tests use it; so may anybody who wants to script a SIP phone:

    async with open_phone(user="alice") as phone:
        call = await phone.dial("sip:room@127.0.0.1:5060")
        await call.wait_answered()
        call.play(source)
        await call.hangup()

Everything the phone owns (sockets, clock, calls) ends with the ``async with`` block; calls still up get a BYE first.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Literal

import attrs
import trio

from vb.media.clock import MediaClock
from vb.media.port_pool import PortPool, PortsExhausted
from vb.media.settings import MediaSettings
from vb.net.driver import Listen, SipEndpoint
from vb.phone.call import PhoneCall
from vb.phone.trace import Trace
from vb.sdp.formats import Codec, parse_codec_names
from vb.sip import effects
from vb.sip.config import UaConfig
from vb.sip.effects import Hop
from vb.sip.fields import NameAddr
from vb.sip.uri import Uri, parse_uri
from vb.sip.user_agent import UserAgent

log = logging.getLogger("vb.phone")

GOODBYE_SECONDS = 2.0  # how long closing the phone waits for the answers to its BYEs
MAX_WAITING_CALLS = 100
MARGIN = 0.006  # a phone would rather wait for a late packet than a mixer would


@attrs.frozen
class PhoneSettings:
    """Who the phone is and where it listens. ``port`` 0 is any; ``codecs`` in order of preference."""

    user: str = "phone"
    host: str = "127.0.0.1"
    port: int = 0
    transport: Literal["UDP", "TCP"] = "UDP"
    codecs: Sequence[str] = ("PCMU", "PCMA")
    rtp_ports: tuple[int, int] = (0, 0)
    media: MediaSettings = attrs.field(factory=lambda: MediaSettings(io="epoll", margin=MARGIN))
    seed: int | None = None


class Phone:
    """See the module; made by `open_phone`."""

    def __init__(self, settings: PhoneSettings, nursery: trio.Nursery) -> None:
        self.settings = settings
        self.trace = Trace()
        self.calls: list[PhoneCall] = []
        self.rng = Random(settings.seed)
        self.clock = MediaClock(settings.media)
        self.pool = PortPool(settings.host, *settings.rtp_ports)
        self.codecs: tuple[Codec, ...] = parse_codec_names(list(settings.codecs))[0]
        self._nursery = nursery
        self._local = Hop(settings.transport, settings.host, settings.port)
        self._incoming_send, self._incoming = trio.open_memory_channel[PhoneCall](MAX_WAITING_CALLS)
        config = UaConfig(user_agent="vb-phone", contact=self._contact, sent_by=self._sent_by)
        listen = [Listen(settings.transport, settings.host, settings.port)]
        self.agent = UserAgent(config, self.rng)
        self.endpoint = SipEndpoint(self.agent, listen, self._deliver, self.trace.record)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the phone's SIP listens on."""
        return self._local.host, self._local.port

    @property
    def uri(self) -> Uri:
        """Where this phone can be called: its Contact."""
        return self._contact(self._local)

    async def start(self) -> None:
        """Open the sockets and start the clock; returns when both run."""
        bound = await self._nursery.start(self.endpoint.run)
        self._local = bound[0]
        await self._nursery.start(self.clock.run)

    async def dial(self, uri: str, *, headers: Sequence[tuple[str, str]] = ()) -> PhoneCall:
        """Send an INVITE with an offer; the call is returned at once, still unanswered.

        Raises RemoteError for an unreadable ``uri``, LocalError for headers that cannot be sent, ValueError without any
        codec, and PortsExhausted when no RTP port is free.
        """
        target = parse_uri(uri)
        me = NameAddr("", attrs.evolve(self.uri, params=()), ())
        to = NameAddr("", attrs.evolve(target, params=(), headers=()), ())
        hop = Hop(self._transport_of(target), target.host, target.port or 5060)
        call = PhoneCall(self, target)
        try:
            body = call.make_offer()
            call.session = self.endpoint.command(
                lambda now: self.agent.invite(
                    target=target, hop=hop, from_=me, to=to, now=now, headers=headers, body=body
                )
            )
        except BaseException:
            call.close()
            raise
        call.session.user_data = call
        self.calls.append(call)
        return call

    async def wait_call(self) -> PhoneCall:
        """The next incoming call, still ringing: answer it or hang it up."""
        return await self._incoming.receive()

    async def aclose(self) -> None:
        """Hang up what is still up and wait a moment for the peers to agree."""
        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
            async with trio.open_nursery() as nursery:
                for call in list(self.calls):
                    nursery.start_soon(call.hangup)
        for call in list(self.calls):
            call.close()

    def forget(self, call: PhoneCall) -> None:
        if call in self.calls:
            self.calls.remove(call)

    def _transport_of(self, target: Uri) -> effects.Transport:
        named = (target.param("transport") or "").upper()
        return "TCP" if named == "TCP" or (not named and self.settings.transport == "TCP") else "UDP"

    def _contact(self, hop: Hop) -> Uri:
        params: tuple[tuple[str, str | None], ...] = (("transport", "tcp"),) if hop.transport == "TCP" else ()
        return Uri("sip", self.settings.user, None, self._local.host, self._local.port, params, (), "")

    def _sent_by(self, hop: Hop) -> tuple[str, int]:
        return self._local.host, self._local.port

    def _deliver(self, event: effects.Event) -> None:
        if isinstance(event, effects.InviteReceived):
            self._receive_invite(event)
            return
        session = getattr(event, "session", None)
        if session is not None and isinstance(session.user_data, PhoneCall):
            session.user_data.receive_event(event)

    def _receive_invite(self, event: effects.InviteReceived) -> None:
        try:
            call = PhoneCall(self, event.request.uri)
        except PortsExhausted as error:
            log.warning("incoming call refused", extra={"error": str(error)})
            self.endpoint.command(lambda now: event.session.reject(now, 503))
            return
        call.session = event.session
        event.session.user_data = call
        self.calls.append(call)
        call.receive_invite(event)
        if call.ended:
            return
        try:
            self._incoming_send.send_nowait(call)
        except trio.WouldBlock:
            log.warning("too many calls wait unanswered: this one is refused")
            call.reject(486)


@asynccontextmanager
async def open_phone(settings: PhoneSettings | None = None) -> AsyncIterator[Phone]:
    """A running phone; leaving the block hangs up and closes everything."""
    async with trio.open_nursery() as nursery:
        phone = Phone(settings or PhoneSettings(), nursery)
        await phone.start()
        try:
            yield phone
        finally:
            await phone.aclose()
            nursery.cancel_scope.cancel()
