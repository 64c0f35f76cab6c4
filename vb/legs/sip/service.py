"""SIP calls as legs: new ones in, new ones out, and events of the user agent to the leg that they belong to."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import trio

from vb.call.errors import CommandError, Unavailable
from vb.call.leg import Leg
from vb.call.reasons import INTERNAL_ERROR, TRANSFER_COMPLETED
from vb.legs.sip import info, messages, registrations
from vb.legs.sip.challenge import OpenChallenges
from vb.legs.sip.inbound import SipInboundLeg, auto_ring
from vb.legs.sip.outbound import SipOutboundLeg
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.registrations import Registrations
from vb.legs.sip.settings import Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.legs.sip.transfers import Transfers
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sip.effects import (
    Event,
    InviteReceived,
    ReferAnswered,
    ReferNotified,
    ReferralEnded,
    ReferReceived,
    RequestFailed,
    RequestReceived,
    ResponseReceived,
)
from vb.sip.errors import LocalError
from vb.sip.invite_uas import InviteServerSession
from vb.store.bindings import BindingStore

log = logging.getLogger("vb.legs")


class SipService:
    """Makes SIP legs and runs their lives in its nursery. Registrations outlive the process in ``store``."""

    def __init__(self, platform: Platform, store: BindingStore | None = None) -> None:
        self._platform = platform
        self._challenges = OpenChallenges(platform.settings.challenge_lifetime, platform.rng)
        self._nursery: trio.Nursery | None = None
        self._draining = False
        self._parked = 0
        self.refused = 0
        self.transfers = Transfers(platform, self.create_outbound, self._start_soon)
        self.registrations = Registrations(platform, self._start_soon, store)
        platform.agent.also_needed.append(self.registrations.needs)
        self.on_replaced: list[Callable[[Leg, Leg], None]] = []
        """Called with the old and the new leg when a call takes the place of another (RFC 3891), before that ends."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The lives of all SIP legs. Cancelling it ends each with ``shutdown``; it returns when all are told."""
        await self.registrations.load()
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self.registrations.run)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def drain(self) -> None:
        """From now on every new call and registration is refused with 503."""
        self._draining = True
        self.registrations.drain()

    @property
    def parked(self) -> int:
        """Inbound calls that nobody has decided about."""
        return self._parked

    def create_outbound(
        self, request: OutboundRequest, before: Callable[[Leg], None] = lambda _: None
    ) -> SipOutboundLeg:
        """Start a call; ``before`` is called with its leg before that is announced.

        Raises Invalid or Unavailable before anything happened.
        """
        if self._draining or self._nursery is None:
            raise Unavailable("the server is shutting down")
        limit = self._platform.settings.max_calls
        if limit and self._platform.legs.active >= limit:
            raise Unavailable(f"{limit} calls are the limit")
        leg = SipOutboundLeg(self._platform, request, self.registrations.reach)
        self._adopt(leg)
        before(leg)
        self._platform.bus.publish("leg.ringing", leg.announcement(), leg=leg)
        log.info("leg calls", extra={"leg_id": leg.id, "leg_type": leg.type, "to": request.to})
        self._guarded(leg, leg.start)
        if leg.call_id:
            log.info("INVITE sent", extra={"leg_id": leg.id, "call_id": leg.call_id})
        return leg

    def on_event(self, event: Event) -> None:
        """Take one event of the user agent. Never raises: a crash ends the leg that it belongs to, and only that."""
        match event:
            case InviteReceived():
                self._invited(event)
            case ReferReceived() | ReferAnswered() | ReferNotified() | ReferralEnded():
                leg = event.session.user_data
                if isinstance(leg, SipLeg) and leg.cause is None:
                    self._guarded(leg, lambda: self.transfers.receive(leg, event))
            case RequestReceived(request=request) if request.method == messages.METHOD:
                self._request(event, lambda: messages.receive_message(self._platform, event))
            case RequestReceived(request=request) if request.method == registrations.METHOD:
                self._request(event, lambda: self.registrations.receive(event))
            case RequestReceived(request=request) if request.method == info.METHOD:
                self._request(event, lambda: info.receive_info(self._platform, event))
            case RequestReceived() | ResponseReceived() | RequestFailed():
                log.debug("event for nobody", extra={"event_type": type(event).__name__})
            case _:
                leg = event.session.user_data
                if isinstance(leg, SipLeg):
                    self._guarded(leg, lambda: leg.receive(event))

    # --- inside

    def _request(self, event: RequestReceived, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            log.exception("%s crashed", event.request.method, extra={"call_id": event.request.call_id})

    def _invited(self, event: InviteReceived) -> None:
        session = event.session
        try:
            refusal, leg = self._overload(), None
            if refusal is None:
                refusal, leg = self._checked_leg(session)
        except SdpError as error:
            refusal, leg = (400, "Bad SDP"), None
            log.info("INVITE with unreadable SDP", extra={"call_id": session.call_id, "error": str(error)})
        except NotAcceptable as error:
            refusal, leg = (488, None), None
            log.info("INVITE not acceptable", extra={"call_id": session.call_id, "error": str(error)})
        except CommandError as error:
            refusal, leg = (error.status, None), None
        except Exception:
            log.exception("INVITE crashed", extra={"call_id": session.call_id})
            refusal, leg = (500, None), None
        if leg is None:
            assert refusal is not None
            self._refuse(session, *refusal)
            return
        replaced = event.replaces.user_data if event.replaces is not None else None
        if isinstance(replaced, SipLeg):
            log.info("call replaces another", extra={"leg_id": leg.id, "replaces_leg_id": replaced.id})
            leg.on_connected.append(lambda: self._take_over(replaced, leg))
        self._guarded(leg, lambda: self._park(leg))

    def _overload(self) -> tuple[int, str | None] | None:
        settings = self._platform.settings
        full = (settings.max_calls and self._platform.legs.active >= settings.max_calls) or (
            settings.max_parked and self._parked >= settings.max_parked
        )
        return (503, None) if full or self._draining or self._nursery is None else None

    def _checked_leg(self, session: InviteServerSession) -> tuple[tuple[int, str | None] | None, SipInboundLeg | None]:
        """A leg, or 403 for a caller that answered our challenge and answered wrong."""
        verdict = self._challenges.check(session.request, trio.current_time())
        if verdict is not None and not verdict.valid:
            log.info("credentials refused", extra={"call_id": session.call_id})
            return (403, None), None
        return None, self._inbound_leg(session, verdict.username if verdict is not None else None)

    def _inbound_leg(self, session: InviteServerSession, auth_username: str | None) -> SipInboundLeg:
        address = self._platform.settings.address_for(session.hop.host)
        leg = SipInboundLeg(self._platform, address, session, self._unpark, self._challenges, auth_username)
        session.user_data = leg
        return leg

    def _park(self, leg: SipInboundLeg) -> None:
        self._parked += 1
        self._adopt(leg)
        data: dict[str, Any] = leg.announcement()
        log.info(
            "leg rings in",
            extra={
                "leg_id": leg.id,
                "leg_type": leg.type,
                "call_id": leg.call_id,
                "from": data["from"],
                "to": data["to"],
                "source_address": data["source_address"],
            },
        )
        self._platform.bus.publish("leg.ringing", data, leg=leg)
        if self._platform.settings.auto_ringing and leg.state == "ringing":
            auto_ring(leg)

    def _take_over(self, old: SipLeg, new: SipLeg) -> None:
        """RFC 3891 §3: what the old call was attached to goes to the new one, and the old one ends."""
        if old.cause is not None:
            return
        for callback in self.on_replaced:
            self._guarded(new, lambda: callback(old, new))  # noqa: B023  (called at once)
        old.end(TRANSFER_COMPLETED)

    def _start_soon(self, task: Callable[..., Awaitable[Any]], *args: Any) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(task, *args)

    def _unpark(self) -> None:
        self._parked -= 1

    def _refuse(self, session: InviteServerSession, status: int, reason: str | None) -> None:
        self.refused += 1
        headers = [("Retry-After", str(self._platform.settings.retry_after))] if status == 503 else []
        try:
            self._platform.endpoint.command(lambda now: session.reject(now, status, reason, headers))
        except LocalError:
            log.debug("the caller was faster", extra={"call_id": session.call_id})

    def _adopt(self, leg: SipLeg) -> None:
        assert self._nursery is not None
        self._platform.legs.add(leg)
        traces = self._platform.traces
        traces.claim(leg.id, leg.call_id)
        leg.on_ended.append(lambda ended: traces.end(ended.id, ended.cdr.reason if ended.cdr is not None else ""))
        self._nursery.start_soon(leg.live)

    def _guarded(self, leg: SipLeg, step: Any) -> None:
        try:
            step()
        except Exception:
            log.exception("leg crashed", extra={"leg_id": leg.id})
            leg.end(INTERNAL_ERROR)
