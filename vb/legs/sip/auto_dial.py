"""A REFER carried out by ourselves (SIP_REFER_AUTO_DIAL): we call its target and tell the referrer how that goes."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from vb.call.errors import CommandError, Conflict
from vb.call.leg import Leg
from vb.call.lifetime import Cause
from vb.call.reasons import API_HANGUP, SHUTDOWN, TRANSFER_CONNECT_FAILED, TRANSFER_ORIGINATE_FAILED
from vb.legs.sip.outbound import SipOutboundLeg
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.settings import Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.sip.errors import RemoteError
from vb.sip.fields import parse_name_addr
from vb.sip.reasons import default_reason
from vb.sip.referral import EXPIRES, ReferServer

log = logging.getLogger("vb.legs")

Outcome = Callable[[SipLeg, ReferServer, int, str], None]

_RING_TIMEOUT = EXPIRES - 5.0
"""Seconds to ring: the referrer is told before its subscription ends."""

# What stands for the end of a call that had no final response of its own.
_STATUS = {
    API_HANGUP: 487,
    TRANSFER_ORIGINATE_FAILED: 408,
    TRANSFER_CONNECT_FAILED: 488,
    SHUTDOWN: 503,
}
# A refused command, as SIP says it (RFC 3261 §21): a URI that we cannot call, no room for one more call.
_REFUSED = {400: 416, 503: 503}


class AutoDial:
    """Makes the calls. ``outcome`` gets the referrer's leg and REFER, status and reason; the first is the one."""

    def __init__(
        self,
        platform: Platform,
        dial: Callable[[OutboundRequest], SipOutboundLeg],
        start_soon: Callable[..., None],
        outcome: Outcome,
    ) -> None:
        self._platform = platform
        self._dial = dial
        self._start_soon = start_soon
        self._outcome = outcome

    def start(self, referrer: SipLeg, referral: ReferServer) -> None:
        """Call the target of a REFER that has been accepted."""
        try:
            leg = self._dial(self._request(referrer, referral))
        except CommandError as error:
            log.info("transfer target cannot be called", extra={"leg_id": referrer.id, "error": error.message})
            status = _REFUSED.get(error.status, 500)
            self._outcome(referrer, referral, status, default_reason(status))
            return
        leg.on_early_media.append(lambda: self._progressed(referral))
        if leg.cause is not None:
            self._ended(leg, referrer, referral)
            return
        leg.on_hangup.append(lambda ended: self._ended(ended, referrer, referral))
        self._start_soon(self._follow, leg, referrer, referral)

    def _request(self, referrer: SipLeg, referral: ReferServer) -> OutboundRequest:
        dialog = referrer.session.dialog
        assert dialog is not None
        try:
            party = str(parse_name_addr(dialog.remote).uri)
        except RemoteError:
            party = ""
        # RFC 3892 §3: the referee copies Referred-By; a referrer that named itself in the dialog only is named by that.
        lines = [("Referred-By", referral.referred_by or f"<{party}>")] if referral.referred_by or party else []
        if referral.refer_to.replaces is not None:
            lines.append(("Replaces", str(referral.refer_to.replaces)))
        return OutboundRequest(
            to=str(referral.refer_to.target),
            from_=party,
            ring_timeout=_RING_TIMEOUT,
            app_id=referrer.app_id,
            webhook=referrer.webhook,
            referred=tuple(lines),
        )

    async def _follow(self, leg: SipOutboundLeg, referrer: SipLeg, referral: ReferServer) -> None:
        try:
            await leg.wait_answered(math.inf)
        except Conflict:
            return  # told by _ended
        self._outcome(referrer, referral, 200, default_reason(200))

    def _ended(self, leg: Leg, referrer: SipLeg, referral: ReferServer) -> None:
        if leg.connected_at is None and leg.cause is not None:
            self._outcome(referrer, referral, *final_of_call(leg.cause))
        else:
            self._outcome(referrer, referral, 200, default_reason(200))

    def _progressed(self, referral: ReferServer) -> None:
        self._platform.endpoint.command(lambda now: referral.notify(now, 180))


def final_of_call(cause: Cause) -> tuple[int, str]:
    """Status and reason that a referrer is told about a call that came to nothing: those of its final response."""
    if cause.sip_code is not None:
        return cause.sip_code, cause.sip_reason or default_reason(cause.sip_code)
    status = _STATUS.get(cause.reason, 500)
    return status, default_reason(status)
