"""What a UAS looks at before anything else: RFC 3261 §8.2.1 to §8.2.3, in that order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from vb.sip.errors import RemoteError
from vb.sip.multipart import MULTIPART, description_of
from vb.sip.refer import check_refer
from vb.sip.reliable_server import wants_reliable
from vb.sip.replaces import replaces_of
from vb.sip.session_timer import too_small
from vb.sip.validate import validate

if TYPE_CHECKING:
    from vb.sip.config import UaConfig
    from vb.sip.message import Request

_SCHEMES = ("sip", "sips")
_WITH_BODY = ("INVITE", "UPDATE", "PRACK")
"""Whose bodies the agent's user must understand. A BYE with a strange body still ends the call."""


@attrs.frozen
class Refusal:
    """A final response that needs no decision."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None


def check_method(request: Request, config: UaConfig) -> Refusal | None:
    """§8.2.1. The Allow of the 405 is in every response of ours."""
    if request.method in config.allow or request.method in config.handed_up:
        return None
    if request.method == "SUBSCRIBE":
        # RFC 6665 §4.2.1.3; and a subscription to refer is made by REFER only (RFC 3515 §2.4.4).
        event = (request.headers.get("Event") or "").partition(";")[0].strip()
        return Refusal(403) if event == "refer" else Refusal(489, (("Allow-Events", "refer"),))
    return Refusal(405)


def check_headers(request: Request, config: UaConfig) -> Refusal | None:
    """§8.2.2: Request-URI scheme and Require; then the content, §8.2.3. Raises RemoteError for what cannot be read."""
    if request.uri.scheme not in _SCHEMES:
        return Refusal(416)
    if request.method != "BYE":  # whatever else it says, a BYE ends the call
        validate(request)
    if request.method == "REGISTER" and request.to.uri.scheme not in _SCHEMES:
        return Refusal(400, reason="To is no SIP URI")  # §10.2
    if request.method == "REFER":
        check_refer(request)
    if request.method != "BYE":
        replaces_of(request)
    known = (*config.supported, *config.supported_in.get(request.method, ()))
    unknown = [tag for tag in request.require if tag not in known]
    if unknown:
        return Refusal(420, (("Unsupported", ", ".join(unknown)),))  # §8.2.2.3
    if config.require_100rel and request.method == "INVITE" and not request.to.tag and not wants_reliable(request)[0]:
        return Refusal(421, (("Require", "100rel"),))  # §21.4.16
    if request.method in _WITH_BODY:
        return _check_body(request, config) or _check_interval(request, config)
    return None


def _check_interval(request: Request, config: UaConfig) -> Refusal | None:
    """RFC 4028 §9; asked of refreshes too."""
    least = too_small(request, config.min_se) if "timer" in config.supported else None
    return None if least is None else Refusal(422, (("Min-SE", str(least)),))


def _check_body(request: Request, config: UaConfig) -> Refusal | None:
    if request.body:
        encoding = (request.headers.get("Content-Encoding") or "identity").lower()
        if encoding != "identity":
            return Refusal(415, (("Accept", ", ".join(config.accept)), ("Accept-Encoding", "identity")))
        if request.content_type is None:
            return Refusal(400, reason="No Content-Type")  # §20.15
        if request.content_type == MULTIPART or request.content_type not in config.accept:
            try:
                description_of(request)
            except RemoteError as error:
                if error.status != 415:
                    raise
                return Refusal(415, (("Accept", ", ".join(config.accept)),))
    accept = request.headers.values("Accept")
    if accept and not any(_matches(value, config.accept[0]) for value in accept):
        # §8.2.3 note, §21.4.7: whatever we answered, the peer could not read it.
        return Refusal(406, (("Warning", '399 voiceblender "No acceptable body type"'),))
    return None


def _matches(accept: str, ours: str) -> bool:
    wanted = accept.partition(";")[0].strip().lower()
    if wanted in ("*/*", "*"):
        return True
    if wanted.endswith("/*"):
        return ours.startswith(wanted[:-1])
    return wanted == ours


def refusal_of(error: RemoteError) -> Refusal:
    return Refusal(error.status, reason=error.reason)
