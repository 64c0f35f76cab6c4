"""The operation that asks an inbound caller for credentials."""

from __future__ import annotations

from typing import Any

from vb.api.operation import operation
from vb.api.services import Services
from vb.api.shapes import ChallengeBody, Status


@operation(
    "POST",
    "/legs/{id}/challenge",
    "challengeLeg",
    tag="Legs",
    vsi="challenge_leg",
    status=202,
    body=ChallengeBody,
    body_required=True,
    needs=("realm",),
    result=Status,
    errors=(400, 404, 409),
)
def challenge_leg(services: Services, leg_id: str, body: ChallengeBody) -> Any:
    """Ask an inbound caller for digest credentials (401)."""
    services.legs.get(leg_id).challenge(
        realm=body.realm,
        username=body.username,
        password=body.password,
        ha1=body.ha1,
        algorithm=body.algorithm,
        qop=body.qop,
    )
    return {"status": "challenging"}
