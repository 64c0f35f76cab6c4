"""Operations on phones that register: what is bound, and decisions about who may register."""

from __future__ import annotations

from typing import Any

import msgspec

from vb.api.operation import operation
from vb.api.schema import Body
from vb.api.services import Services
from vb.api.shapes import ChallengeBody, Status


class BindingView(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One contact of an address-of-record; ``socket`` is where its REGISTER came from."""

    aor: str
    contact: str
    socket: str
    transport: str
    user_agent: str = ""
    call_id: str = ""
    app_id: str = ""
    created_at: str
    last_refresh: str
    expires_at: str
    granted_expires_seconds: int


class Bindings(msgspec.Struct):
    bindings: list[BindingView]


class ContactBody(Body):
    """Over REST ``contact`` is a query parameter."""

    contact: str = ""


class AcceptRegistrationBody(Body):
    max_expires: int = 0


class RejectRegistrationBody(Body):
    code: int = 0
    reason: str = ""


@operation(
    "GET",
    "/sip/registrations",
    "listSIPRegistrations",
    tag="SIP",
    vsi="list_sip_registrations",
    result=Bindings,
    errors=(),
)
def list_registrations(services: Services) -> Any:
    """List the contacts of all registered phones."""
    return {"bindings": [BindingView(**view) for view in services.sip.registrations.views()]}


@operation(
    "DELETE",
    "/sip/registrations/{aor}",
    "deleteSIPRegistration",
    tag="SIP",
    vsi="delete_sip_registration",
    status=204,
    body=ContactBody,
    query=("contact",),
    errors=(400, 404),
)
def delete_registration(services: Services, aor: str, body: ContactBody) -> Any:
    """Remove an address-of-record, or one contact of it."""
    services.sip.registrations.remove(aor, body.contact)
    return {"status": "unbound"}


@operation(
    "POST",
    "/sip/registrations/attempts/{id}/challenge",
    "challengeSIPRegistrationAttempt",
    tag="SIP",
    vsi="challenge_registration",
    status=202,
    body=ChallengeBody,
    body_required=True,
    needs=("realm",),
    result=Status,
    errors=(400, 404),
)
def challenge_registration(services: Services, attempt_id: str, body: ChallengeBody) -> Any:
    """Ask a phone that registers for digest credentials (401)."""
    services.sip.registrations.challenge(
        attempt_id,
        realm=body.realm,
        username=body.username,
        password=body.password,
        ha1=body.ha1,
        algorithm=body.algorithm,
        qop=body.qop,
        max_expires=body.max_expires,
    )
    return {"status": "challenging"}


@operation(
    "POST",
    "/sip/registrations/attempts/{id}/accept",
    "acceptSIPRegistrationAttempt",
    tag="SIP",
    vsi="accept_registration",
    status=202,
    body=AcceptRegistrationBody,
    result=Status,
    errors=(400, 404),
)
def accept_registration(services: Services, attempt_id: str, body: AcceptRegistrationBody) -> Any:
    """Let a phone register."""
    services.sip.registrations.accept(attempt_id, body.max_expires)
    return {"status": "accepting"}


@operation(
    "POST",
    "/sip/registrations/attempts/{id}/reject",
    "rejectSIPRegistrationAttempt",
    tag="SIP",
    vsi="reject_registration",
    status=202,
    body=RejectRegistrationBody,
    result=Status,
    errors=(400, 404),
)
def reject_registration(services: Services, attempt_id: str, body: RejectRegistrationBody) -> Any:
    """Refuse to register a phone."""
    services.sip.registrations.reject(attempt_id, body.code, body.reason)
    return {"status": "rejecting"}
