"""Instant messages (MESSAGE, RFC 3428) as events: of a call, or of nobody's."""

from __future__ import annotations

import logging

from vb.legs.sip.settings import Platform
from vb.legs.sip.sip_leg import SipLeg
from vb.sip.effects import RequestReceived
from vb.sip.errors import LocalError
from vb.sip.message import Request

log = logging.getLogger("vb.legs")

METHOD = "MESSAGE"


def receive_message(platform: Platform, event: RequestReceived) -> None:
    """Answer a MESSAGE with 200 and publish it as ``sip.message_received``; 415 or 400 for a body nobody can read."""
    status = _status(event.request)
    try:
        platform.endpoint.command(lambda now: platform.agent.respond(event, now, status))
    except LocalError:  # its dialog ended in the same instant
        log.debug("the message was answered before", extra={"call_id": event.request.call_id})
        return
    if status != 200:
        return
    leg = event.session.user_data if event.session is not None else None
    platform.bus.publish(
        "sip.message_received", _shown(event.request), leg=leg if isinstance(leg, SipLeg) and not leg.cause else None
    )


def _status(request: Request) -> int:
    if (request.headers.get("Content-Encoding") or "identity").lower() != "identity":
        return 415
    if request.body and request.content_type is None:
        return 400  # RFC 3261 §20.15
    return 200


def _shown(request: Request) -> dict[str, str]:
    return {
        "from": str(request.from_.uri),
        "to": str(request.to.uri),
        "content_type": request.headers.get("Content-Type") or "",
        "body": request.body.decode("utf-8", "replace"),
    }
