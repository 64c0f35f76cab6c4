"""INFO inside a call, by its legacy usage (RFC 6086 §2): digits, and nothing else that we understand."""

from __future__ import annotations

import logging

from vb.legs.sip.dtmf_relay import PLAIN, RELAY, read_digit
from vb.legs.sip.settings import Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.sip.effects import RequestReceived
from vb.sip.errors import LocalError, RemoteError
from vb.sip.message import Request
from vb.sip.multipart import is_optional

log = logging.getLogger("vb.legs")

METHOD = "INFO"


def receive_info(platform: Platform, event: RequestReceived) -> None:
    """Answer an INFO; a digit in it becomes ``dtmf.received`` of its leg where the leg listens to that method."""
    user = event.session.user_data if event.session is not None else None
    leg = user if isinstance(user, SipLeg) and user.cause is None else None
    accepted = (RELAY, PLAIN) if leg is not None and METHOD.lower() in leg.digits.methods else ()
    status, reason, headers, digit = 200, None, [], None
    try:
        if leg is not None:
            digit = _digit_in(event.request, accepted)
        else:
            status = 481  # RFC 6086 §4.2.2: INFO lives in a call only
    except RemoteError as error:
        status, reason = error.status, error.reason
        if status == 469:
            headers.append(("Recv-Info", ""))  # RFC 6086 §4.2.2: the packages that we would take: none
        elif status == 415:
            headers.append(("Accept", ", ".join(accepted)))  # RFC 3261 §21.4.13
    try:
        platform.endpoint.command(lambda now: platform.agent.respond(event, now, status, reason, headers))
    except LocalError:  # its dialog ended in the same instant
        log.debug("INFO was answered before", extra={"call_id": event.request.call_id})
        return
    if leg is not None and digit is not None:
        leg.digits.heard(*digit, "info")


def _digit_in(request: Request, accepted: tuple[str, ...]) -> tuple[str, int] | None:
    """Digit and milliseconds; None for an INFO that says nothing. Raises RemoteError."""
    if "Info-Package" in request.headers:
        raise RemoteError(469, "Bad Info Package")  # RFC 6086 §4.2.2
    if not request.body:
        return None
    encoding = (request.headers.get("Content-Encoding") or "identity").lower()
    if encoding == "identity" and request.content_type is None:
        raise RemoteError(400, "No Content-Type")  # RFC 3261 §20.15
    if encoding == "identity" and request.content_type in accepted:
        return read_digit(request.body)
    if is_optional(request.headers.get("Content-Disposition") or ""):
        return None
    raise RemoteError(415, "Unsupported Media Type")
