"""Transfers of SIP legs: those that an operator asks for by REFER, and those that a peer asks us for."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, Literal

import attrs
import trio

from vb.call.errors import Conflict, Invalid, NotFound
from vb.call.leg import TALKING, Leg
from vb.call.reasons import TRANSFER_COMPLETED
from vb.legs.sip.auto_dial import AutoDial
from vb.legs.sip.outbound import SipOutboundLeg
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.settings import Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.legs.sip.transfer_target import referrer_of, transfer_target
from vb.sip.effects import ReferAnswered, ReferNotified, ReferralEnded, ReferReceived
from vb.sip.errors import LocalError
from vb.sip.reasons import default_reason
from vb.sip.refer import refer_to_value
from vb.sip.referral import Referral, ReferServer
from vb.sip.replacing import replaces_for_peer

log = logging.getLogger("vb.legs")

ReferEvent = ReferReceived | ReferAnswered | ReferNotified | ReferralEnded

_LONGEST_REASON = 200
_NO_PHRASE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]").search

_UNDECIDED = "no pending transfer for leg (unknown or already decided)"
_UNACCEPTED = "no pending transfer for leg (unknown or already accepted)"
_NOT_ACCEPTED = "no accepted transfer for leg"


@attrs.define(eq=False)
class _Outgoing:
    """A REFER of ours, until its outcome is told. ``replaced`` is the leg that the target is to be taken over from."""

    leg: SipLeg
    replaced: SipLeg | None


@attrs.define(eq=False)
class _Incoming:
    """A REFER of the peer: parked until decided, accepted until completed."""

    leg: SipLeg
    referral: ReferServer
    state: Literal["parked", "accepted", "dialled"] = "parked"


class Transfers:
    """All transfers under way. ``dial`` makes a call for `SIP_REFER_AUTO_DIAL`, ``start_soon`` runs its task.

    Every ``leg.transfer_initiated`` is followed by one completed or failed. So is every ``leg.transfer_requested``,
    unless it was accepted and the referrer hangs up before the outcome.
    """

    def __init__(
        self,
        platform: Platform,
        dial: Callable[[OutboundRequest], SipOutboundLeg],
        start_soon: Callable[..., None],
    ) -> None:
        self._platform = platform
        self._auto_dial = AutoDial(platform, dial, start_soon, self._auto_dialled)
        self._outgoing: dict[Referral, _Outgoing] = {}
        self._incoming: dict[str, _Incoming] = {}  # by leg id: one at a time

    # --- verbs of the operator

    def transfer(self, leg_id: str, target: str, replaces_leg_id: str = "") -> None:
        """Ask the peer of a leg to call ``target``, or to take over the call of another leg with it (RFC 3515, 3891).

        Raises NotFound, Invalid or Conflict before anything happened; events tell the rest.
        """
        leg = self._platform.legs.get(leg_id)
        uri = transfer_target(target)
        if not isinstance(leg, SipLeg) or leg.state != "connected":
            raise Conflict("leg must be connected to transfer")
        replaced = self._replaced(leg, replaces_leg_id) if replaces_leg_id else None
        refer_to = refer_to_value(uri, replaces_for_peer(replaced.session) if replaced is not None else None)
        referred_by = f"<{referrer_of(self._platform.settings, leg.session.hop)}>"
        outgoing = _Outgoing(leg, replaced)

        def refer(now: float) -> None:
            # All of it inside the verb, because an event of the referral may come before the verb returns.
            self._outgoing[leg.session.referrals.refer(now, refer_to, referred_by=referred_by)] = outgoing
            kind = "attended" if replaced is not None else "blind"
            leg.publish("leg.transfer_initiated", {"kind": kind, "target": target, "replaces_leg_id": replaces_leg_id})

        self._watch(leg)
        try:
            self._platform.endpoint.command(refer)
        except LocalError as error:
            raise Conflict(f"the call cannot be transferred now: {error}") from None
        log.info("transfer asked for", extra={"leg_id": leg.id, "target": str(uri.with_(headers=()))})

    def accept(self, leg_id: str) -> None:
        """202 to a parked REFER; the application carries it out, and tells by `progress` and `complete`."""
        incoming = self._find(leg_id, "parked", _UNDECIDED)
        self._tell(incoming.referral.accept, _UNDECIDED)
        incoming.state = "accepted"

    def progress(self, leg_id: str, status: int, reason: str = "") -> None:
        """Tell the referrer how the call that it asked for goes."""
        if not 100 <= status <= 699:
            raise Invalid("status_code must be a SIP status (100-699)")
        _check_reason(reason)
        referral = self._find(leg_id, "accepted", _NOT_ACCEPTED).referral
        self._tell(lambda now: referral.notify(now, status, reason or None), _NOT_ACCEPTED)

    def complete(self, leg_id: str, success: bool, status: int = 0, reason: str = "") -> None:
        """Tell the referrer the outcome; its leg is left as it is."""
        status = status or (200 if success else 500)
        if not 200 <= status <= 699:
            raise Invalid("status_code must be a final SIP status (200-699)")
        _check_reason(reason)
        missing = f"{_NOT_ACCEPTED} (accept it first)"
        incoming = self._find(leg_id, "accepted", missing)
        self._complete(incoming, success, status, reason or default_reason(status))

    def decline(self, leg_id: str, code: int = 0, reason: str = "") -> None:
        """Refuse a parked REFER, 603 unless told otherwise."""
        code = code or 603
        if not 300 <= code <= 699:
            raise Invalid("code must be a SIP refusal (300-699)")
        _check_reason(reason)
        self._decline(self._find(leg_id, "parked", _UNACCEPTED), code, reason or default_reason(code))

    # --- events of the user agent

    def receive(self, leg: SipLeg, event: ReferEvent) -> None:
        """One event of a REFER on a leg that lives."""
        match event:
            case ReferReceived(referral=referral):
                self._requested(leg, referral)
            case ReferAnswered(referral=referral, response=response):
                if response is None:
                    self._failed(referral, error="REFER rejected: no answer")
                elif response.status >= 300:
                    self._failed(referral, error=f"REFER rejected: {response.status} {response.reason}")
                elif referral.ended:  # RFC 4488: the peer will not tell
                    self._failed(referral, error="the peer tells no outcome")
            case ReferNotified():
                self._notified(event)
            case ReferralEnded(referral=referral, cause=cause) if cause != "session":
                self._failed(referral, error="the peer has told no outcome")
                incoming = self._incoming.get(leg.id)
                if incoming is not None and incoming.referral is referral and incoming.state == "parked":
                    self._close(incoming, 603, "Decline")

    # --- inside: outgoing

    def _replaced(self, leg: SipLeg, replaces_leg_id: str) -> SipLeg:
        try:
            other = self._platform.legs.get(replaces_leg_id)
        except NotFound:
            raise Conflict("replaces_leg_id not found") from None
        if other is leg:
            raise Conflict("replaces_leg_id is the leg itself")
        if not isinstance(other, SipLeg) or other.state not in TALKING:
            raise Conflict("replaces_leg_id is not a connected SIP leg")
        return other

    def _notified(self, event: ReferNotified) -> None:
        outgoing = self._outgoing.get(event.referral)
        if outgoing is None:
            return
        status, told = event.status, {"status_code": event.status, "reason": event.reason}
        if status is not None and 200 <= status < 300:
            del self._outgoing[event.referral]
            outgoing.leg.publish("leg.transfer_completed", told)
            outgoing.leg.end(TRANSFER_COMPLETED)
            if outgoing.replaced is not None:
                outgoing.replaced.end(TRANSFER_COMPLETED)
        elif status is not None and status >= 300:
            self._failed(event.referral, **told)
        elif event.state.terminated:
            why = event.state.reason or "no reason"
            self._failed(event.referral, **told, error=f"the peer tells no more: {why}")
        elif status is not None:
            outgoing.leg.publish("leg.transfer_progress", told)

    def _failed(self, referral: Referral, **told: Any) -> None:
        outgoing = self._outgoing.pop(referral, None)
        if outgoing is not None:
            log.info("transfer failed", extra={"leg_id": outgoing.leg.id, **told})
            outgoing.leg.publish("leg.transfer_failed", told)

    # --- inside: incoming

    def _requested(self, leg: SipLeg, referral: ReferServer) -> None:
        refer_to = referral.refer_to
        if leg.id in self._incoming:
            self._refuse(referral, 491)
            return
        if leg.state not in TALKING or refer_to.method.upper() != "INVITE":
            self._refuse(referral, 603)
            return
        settings = self._platform.settings
        declined = not settings.refer_auto_dial and settings.refer_timeout <= 0
        incoming = self._incoming[leg.id] = _Incoming(leg, referral)
        self._watch(leg)
        log.info("transfer requested", extra={"leg_id": leg.id, "target": str(refer_to.target)})
        leg.publish(
            "leg.transfer_requested",
            {
                "kind": "attended" if refer_to.replaces is not None else "blind",
                "target": str(refer_to.target),
                "replaces_call_id": refer_to.replaces.call_id if refer_to.replaces is not None else "",
                "declined": declined,
            },
        )
        if leg.id not in self._incoming or incoming.state != "parked":
            return  # a listener was faster
        if settings.refer_auto_dial:
            incoming.state = "dialled"
            self._tell(referral.accept, _UNDECIDED)
            self._auto_dial.start(leg, referral)
        elif declined:
            self._decline(incoming, 603, default_reason(603))
        else:
            leg.start_soon(self._decline_late, incoming)

    async def _decline_late(self, incoming: _Incoming) -> None:
        await trio.sleep(self._platform.settings.refer_timeout)
        if self._incoming.get(incoming.leg.id) is incoming and incoming.state == "parked":
            self._decline(incoming, 603, default_reason(603))

    def _decline(self, incoming: _Incoming, code: int, reason: str) -> None:
        self._tell(lambda now: incoming.referral.reject(now, code, reason), _UNACCEPTED)
        self._close(incoming, code, reason)

    def _auto_dialled(self, leg: SipLeg, referral: ReferServer, status: int, reason: str) -> None:
        """The call that we made for a referrer has an outcome; the referrer may have gone meanwhile."""
        incoming = self._incoming.get(leg.id)
        if incoming is None or incoming.referral is not referral:
            return
        success = status < 300
        self._complete(incoming, success, status, reason)
        if success:
            leg.end(TRANSFER_COMPLETED)

    def _complete(self, incoming: _Incoming, success: bool, status: int, reason: str) -> None:
        referral = incoming.referral
        self._tell(lambda now: referral.complete(now, status, reason), _NOT_ACCEPTED)
        self._close(incoming, status, reason, success=success)

    def _close(self, incoming: _Incoming, status: int, reason: str, *, success: bool = False) -> None:
        self._incoming.pop(incoming.leg.id, None)
        what = "completed" if success else "failed"
        log.info("transfer %s", what, extra={"leg_id": incoming.leg.id, "sip_code": status})
        incoming.leg.publish(f"leg.transfer_{what}", {"status_code": status, "reason": reason})

    def _find(self, leg_id: str, state: str, missing: str) -> _Incoming:
        incoming = self._incoming.get(leg_id)
        if incoming is None or incoming.state != state:
            raise NotFound(missing)
        return incoming

    def _tell(self, verb: Callable[[float], None], missing: str) -> None:
        try:
            self._platform.endpoint.command(verb)
        except LocalError:  # the agent was faster: the decision came too late
            raise NotFound(missing) from None

    def _refuse(self, referral: ReferServer, status: int) -> None:
        self._platform.endpoint.command(lambda now: referral.reject(now, status))

    # --- the ends of legs

    def _watch(self, leg: SipLeg) -> None:
        if self._leg_over not in leg.on_hangup:
            leg.on_hangup.append(self._leg_over)

    def _leg_over(self, leg: Leg) -> None:
        """Inside the end of a leg: nothing will be told about its transfers any more."""
        for referral in [referral for referral, outgoing in self._outgoing.items() if outgoing.leg is leg]:
            self._failed(referral, error="the call ended before the outcome was known")
        incoming = self._incoming.get(leg.id)
        if incoming is not None and incoming.state == "parked":
            self._close(incoming, 487, default_reason(487))
        self._incoming.pop(leg.id, None)


def _check_reason(reason: str) -> None:
    """Raises Invalid for what cannot stand in a status line (RFC 3261 §25.1)."""
    if len(reason) > _LONGEST_REASON or _NO_PHRASE(reason):
        raise Invalid(f"reason must be one line of {_LONGEST_REASON} characters at most")
