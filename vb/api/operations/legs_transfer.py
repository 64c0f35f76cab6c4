"""Operations on transfers of SIP legs: ours by REFER, and decisions about those that a peer asks for."""

from __future__ import annotations

from typing import Any

from vb.api.operation import operation
from vb.api.services import Services
from vb.api.shapes import CompleteTransferBody, DeclineTransferBody, Status, TransferBody, TransferProgressBody


@operation(
    "POST",
    "/legs/{id}/transfer",
    "transferLeg",
    tag="Legs",
    vsi="leg_transfer",
    status=202,
    body=TransferBody,
    body_required=True,
    needs=("target",),
    result=Status,
    errors=(400, 404, 409),
)
def transfer_leg(services: Services, leg_id: str, body: TransferBody) -> Any:
    """Ask the peer of a leg to call somebody else, or to take over the call of another leg."""
    services.sip.transfers.transfer(leg_id, body.target, body.replaces_leg_id)
    return {"status": "transfer_initiated"}


@operation(
    "POST",
    "/legs/{id}/transfer/accept",
    "acceptTransfer",
    tag="Legs",
    vsi="accept_transfer",
    status=202,
    result=Status,
)
def accept_transfer(services: Services, leg_id: str) -> Any:
    """Agree to carry out the transfer that a peer asks for."""
    services.sip.transfers.accept(leg_id)
    return {"status": "accepting"}


@operation(
    "POST",
    "/legs/{id}/transfer/progress",
    "transferProgress",
    tag="Legs",
    vsi="progress_transfer",
    status=202,
    body=TransferProgressBody,
    body_required=True,
    needs=("status_code",),
    result=Status,
    errors=(400, 404),
)
def transfer_progress(services: Services, leg_id: str, body: TransferProgressBody) -> Any:
    """Tell the peer how the call that it asked for goes."""
    services.sip.transfers.progress(leg_id, body.status_code, body.reason)
    return {"status": "progress"}


@operation(
    "POST",
    "/legs/{id}/transfer/complete",
    "completeTransfer",
    tag="Legs",
    vsi="complete_transfer",
    status=202,
    body=CompleteTransferBody,
    body_required=True,
    needs=("success",),
    result=Status,
    errors=(400, 404),
)
def complete_transfer(services: Services, leg_id: str, body: CompleteTransferBody) -> Any:
    """Tell the peer the outcome of the transfer; its leg stays as it is."""
    services.sip.transfers.complete(leg_id, body.success, body.status_code, body.reason)
    return {"status": "completing"}


@operation(
    "POST",
    "/legs/{id}/transfer/decline",
    "declineTransfer",
    tag="Legs",
    vsi="decline_transfer",
    status=202,
    body=DeclineTransferBody,
    result=Status,
    errors=(400, 404),
)
def decline_transfer(services: Services, leg_id: str, body: DeclineTransferBody) -> Any:
    """Refuse the transfer that a peer asks for."""
    services.sip.transfers.decline(leg_id, body.code, body.reason)
    return {"status": "declining"}
