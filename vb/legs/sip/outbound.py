"""An outbound call: from POST /legs to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from vb.call.errors import Invalid
from vb.call.reasons import (
    API_HANGUP,
    CONNECT_FAILED,
    INVITE_FAILED,
    REJECTIONS,
    RING_TIMEOUT,
    TRANSFER_CONNECT_FAILED,
    TRANSFER_ORIGINATE_FAILED,
    word_of,
)
from vb.legs.sip.destination import bound_destination, destination_of
from vb.legs.sip.digits import methods_of
from vb.legs.sip.early_answers import EarlyAnswers
from vb.legs.sip.identity import custom_headers, from_of, identity_headers, merged, target_of, to_of
from vb.legs.sip.outbound_request import OutboundRequest, check_times, chosen_codecs
from vb.legs.sip.peer_request import described
from vb.legs.sip.reason_header import reason_header
from vb.legs.sip.settings import Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sip.digest import Credentials
from vb.sip.effects import AnswerReceived, Event, Hop, InviteFailed, ProvisionalReceived, RefusalReceived
from vb.sip.invite_uac import InviteClientSession
from vb.sip.location import Binding
from vb.sip.message import Request, Response
from vb.sip.routing import is_numeric
from vb.sip.uri import Uri

log = logging.getLogger("vb.legs")


class SipOutboundLeg(SipLeg):
    """A call that we make. Its making checks the whole request and takes the RTP port; ``start`` sends the INVITE.

    ``reach`` knows the phones that have registered; proxies are not for those.
    Raises Invalid (400) for a request that cannot be, Unavailable (503) without port or transport.
    """

    def __init__(
        self,
        platform: Platform,
        request: OutboundRequest,
        reach: Callable[[Uri], Binding | None] = lambda _: None,
    ) -> None:
        settings = platform.settings
        check_times(request)
        self._target = target_of(request.to)
        binding = reach(self._target)
        if binding is not None:
            self._destination = bound_destination(binding)
        else:
            self._destination = destination_of(self._target, request.outbound_proxy, settings.outbound_proxy)
        address = settings.address_for(self._destination.host)
        super().__init__(
            "sip_outbound",
            platform,
            address,
            chosen_codecs(request.codecs, settings.codecs),
            app_id=request.app_id,
            webhook=request.webhook,
            accept_dtmf=request.accept_dtmf,
            max_duration=request.max_duration,
            dtmf=methods_of(request.dtmf, settings.dtmf_methods),
        )
        if request.speech_detection is not None:
            self.set_speech_detection(request.speech_detection)
        self._request = request
        self._from = from_of(request.from_, settings, address.advertised, self._target.scheme)
        ours = identity_headers(request.from_, self._from, request.privacy)
        self._lines = [*merged(ours, custom_headers(request.headers)), *request.referred]
        self.on_early_media: list[Callable[[], None]] = []
        self._address = address
        self._hops: list[Hop] = list(self._destination.hops)
        self._uac: InviteClientSession | None = None
        self._early = EarlyAnswers()
        self.open_media()

    def announcement(self) -> dict[str, Any]:
        """The data of ``leg.ringing``."""
        return {
            "leg_type": self.type,
            "uri": self._request.to,
            "from": self._request.from_,
            "sip_headers": dict(self._request.headers),
        }

    def start(self) -> None:
        """Send the INVITE; to a name, once its servers are known."""
        if self._request.ring_timeout > 0:
            self._deadlines.set("ring_timeout", self.created_at + self._request.ring_timeout)
        routes = self._destination.routes
        where = routes[0].uri if routes else self._destination.target
        if self._hops or is_numeric(where.param("maddr") or where.host):
            self._platform.endpoint.command(self._invite)
        else:
            self.start_soon(self._locate, where)

    # --- events

    def receive(self, event: Event) -> None:
        match event:
            case AnswerReceived(response=response):
                self._answered(response)  # owed an ACK even if the leg has ended meanwhile
            case _ if self.cause is not None:
                return
            case ProvisionalReceived(response=response):
                self._progressed(response)
            case RefusalReceived(response=response):
                self._refused(response)
            case InviteFailed():
                self._over_at_the_peer = True
                self._fail(INVITE_FAILED)
            case _:
                super().receive(event)

    def handle_deadline(self, name: str) -> None:
        if name == "ring_timeout":
            self._fail(RING_TIMEOUT)
        else:
            super().handle_deadline(name)

    def hangup(self, reason: str | None = None) -> None:
        if self.connected_at is not None:
            self.end(API_HANGUP)
            return
        if reason and reason not in REJECTIONS:
            raise Invalid(f'unknown reason "{reason}"')
        self.end(reason or API_HANGUP)

    # --- inside

    async def _locate(self, where: Uri) -> None:
        """RFC 3263: to the first of its servers, and to the others if that one does not do."""
        try:
            self._hops = await self._platform.endpoint.locate(where)
        except OSError as error:
            log.info("no server", extra={"leg_id": self.id, "error": str(error)})
            self._fail(INVITE_FAILED)
            return
        wants_v6 = ":" in self._address.advertised
        self._hops.sort(key=lambda hop: (":" in hop.host) is not wants_v6)  # those that our offer suits come first
        self._platform.endpoint.command(self._invite)

    def _invite(self, now: float) -> None:
        # Everything is set inside the verb, because events of the session may come before the verb returns.
        self._uac = self._session = session = self._platform.agent.invite(
            target=self._destination.target,
            from_=self._from,
            to=to_of(self._target),
            now=now,
            headers=self._lines,
            body=self._media.negotiation.create_offer(self._media.number),
            routes=self._destination.routes,
            hop=self._hops[0] if self._hops else None,
            others=self._hops[1:],
            credentials=self._credentials(),
        )
        session.user_data = self
        self._platform.traces.claim(self.id, session.call_id)

    def _credentials(self) -> Credentials | None:
        auth = self._request.auth
        if auth is None or auth.username:
            return auth
        return Credentials(self._from.uri.user or "", auth.password)

    def _progressed(self, response: Response) -> None:
        """The first 1xx with a description opens the audio; every other only says that it rings."""
        body = described(response)
        if not body:
            return
        self._early.note(response)
        if self.state != "ringing":
            return
        try:
            self._media.negotiation.receive_answer(body)
        except (SdpError, NotAcceptable) as error:
            log.warning("early answer cannot be used", extra={"leg_id": self.id, "error": str(error)})
            return
        self._early.run(response)
        self.state = "early_media"
        self.apply_media()
        log.info("leg has early media", extra={"leg_id": self.id})
        self.publish("leg.early_media", {"leg_type": self.type})
        for heard in self.on_early_media:
            heard()

    def _reinvited(self, request: Request) -> None:
        if self.state == "early_media" and request.from_.tag != self._early.running:
            self._respond_reinvite(491, b"")  # of another branch of a fork: its audio is not the one that is heard
        else:
            super()._reinvited(request)

    def _answered(self, response: Response) -> None:
        uac = self._uac
        assert uac is not None
        self._platform.endpoint.command(uac.ack)  # RFC 3261 §13.2.2.4: whatever comes of the answer
        if self.cause is not None:
            ended = self.cause
            self._platform.endpoint.command(lambda now: uac.bye(now, [reason_header(ended)]))
            return
        self._deadlines.drop("ring_timeout")
        self.digits.learn(response)
        try:
            answer = self._early.answer_of(response)
            if answer is not None:
                self._media.negotiation.receive_answer(answer)
        except (SdpError, NotAcceptable) as error:
            log.warning("answer cannot be used", extra={"leg_id": self.id, "error": str(error)})
            self._fail(CONNECT_FAILED)
            return
        self.mark_connected()
        self.apply_media()

    def _refused(self, response: Response) -> None:
        self._over_at_the_peer = True
        self._fail(word_of(response.status), sip_code=response.status, sip_reason=response.reason[:200])

    def _fail(self, reason: str, *, sip_code: int | None = None, sip_reason: str = "") -> None:
        """The call comes to nothing; one for a REFER says so in words of its own."""
        if self._request.referred:
            reason = TRANSFER_CONNECT_FAILED if reason == CONNECT_FAILED else TRANSFER_ORIGINATE_FAILED
        self.end(reason, sip_code=sip_code, sip_reason=sip_reason)
