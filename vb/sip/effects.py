"""What the SIP layer wants done and what it tells: sends and events, as values.

`Hop` names where bytes came from or go to; `Send` is one write; everything else is an event that the user agent
core hands up. Events name their session, so that a driver can route them without knowing SIP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from vb.sip.client_request import ClientRequest
    from vb.sip.in_dialog import DialogRequest
    from vb.sip.invite_uac import InviteClientSession
    from vb.sip.invite_uas import InviteServerSession
    from vb.sip.message import Request, Response
    from vb.sip.refer import SubscriptionState
    from vb.sip.referral import ReferClient, Referral, ReferServer
    from vb.sip.session import Session

Transport = Literal["UDP", "TCP", "TLS", "WS", "WSS"]


@attrs.frozen
class Hop:
    """One side of a transport: where a message came from, or where it goes.

    ``host`` is a numeric address (IPv6 without brackets), or a name that the driver resolves. ``connection`` names an
    open stream connection to reuse (RFC 3261 §18.2.2), 0 means any or none. ``local`` is our own address on that flow.
    ``port`` 0 is none given: the servers of the domain ``host``, else the default port (RFC 3263 §4.2). ``name`` is the
    domain that a numeric ``host`` was found by, for its certificate (RFC 5922 §7.3).
    """

    transport: Transport
    host: str
    port: int
    connection: int = 0
    local: tuple[str, int] | None = None
    name: str = ""

    @property
    def reliable(self) -> bool:
        return self.transport != "UDP"


@attrs.frozen
class Send:
    """Write ``data`` (one whole message or keep-alive) to ``hop``. ``close`` ends that connection after the write."""

    data: bytes
    hop: Hop
    close: bool = False


@attrs.frozen(eq=False)
class InviteReceived:
    """A new call: the INVITE passed every check of RFC 3261 §8.2; 100 has been sent; decide by verbs of the session.

    ``replaces`` is the session that its Replaces names: who accepts the call ends that one (RFC 3891 §3).
    """

    session: InviteServerSession
    request: Request
    replaces: Session | None = None


@attrs.frozen(eq=False)
class InviteCancelled:
    """CANCEL came before our final response; 200 and 487 have been sent (§9.2). ``request`` is the CANCEL."""

    session: InviteServerSession
    request: Request


@attrs.frozen(eq=False)
class AckReceived:
    """The ACK of our 2xx (§13.3.1.4): the session is confirmed. Once per INVITE; ``reinvite`` tells which."""

    session: Session
    request: Request
    reinvite: bool = False


@attrs.frozen(eq=False)
class AckTimeout:
    """No ACK for 64*T1 after our 2xx; the agent has sent BYE (§13.3.1.4)."""

    session: Session


@attrs.frozen(eq=False)
class ProvisionalReceived:
    """A 101-199 to our INVITE (§13.2.2.1). A reliable one comes once and in order, and has got its PRACK.

    But when our INVITE made no offer and this does, call ``session.prack()`` with the answer (RFC 3262 §5).
    """

    session: InviteClientSession
    response: Response


@attrs.frozen(eq=False)
class AnswerReceived:
    """The first 2xx to our INVITE (§13.2.2.4): call ``session.ack()`` at once."""

    session: InviteClientSession
    response: Response


@attrs.frozen(eq=False)
class RefusalReceived:
    """A final 300-699 to our INVITE (§13.2.2.2, §13.2.2.3), already ACKed by the transaction."""

    session: InviteClientSession
    response: Response


@attrs.frozen(eq=False)
class InviteFailed:
    """No final response: ``timeout`` (Timer B, or a CANCEL that got no 487 in 64*T1, §9.1) or ``transport``."""

    session: InviteClientSession
    cause: Literal["timeout", "transport"]


@attrs.frozen(eq=False)
class ReinviteReceived:
    """A re-INVITE inside the dialog (§14.2), or an UPDATE or PRACK with an offer: answer by
    ``session.respond_reinvite()``."""

    session: Session
    request: Request


@attrs.frozen(eq=False)
class ReinviteCompleted:
    """Our re-INVITE ended (§14.1): a 2xx, already ACKed, or a refusal, which leaves the session as it was.

    ``response`` is None after a timeout or transport error. After that, a 408 or a 481 the dialog is dead: send BYE.
    """

    session: Session
    response: Response | None


@attrs.frozen(eq=False)
class UpdateCompleted:
    """Our UPDATE with an offer ended (RFC 3311 §5.1), as `ReinviteCompleted` for a re-INVITE."""

    session: Session
    response: Response | None


@attrs.frozen(eq=False)
class PrackReceived:
    """The PRACK of a reliable 1xx with an offer of ours (RFC 3262 §5): it has the answer, or should have had it.

    A PRACK that makes an offer itself comes as `ReinviteReceived`; others are not told.
    """

    session: InviteServerSession
    request: Request


@attrs.frozen(eq=False)
class PrackTimeout:
    """No PRACK for 64*T1 after a reliable 1xx; the INVITE has been refused with 504 (RFC 3262 §3)."""

    session: InviteServerSession


@attrs.frozen(eq=False)
class RefreshDue:
    """The session wants a refresh by a re-INVITE now (RFC 4028 §7.4): call ``session.reinvite`` with an offer.

    Only for peers without UPDATE; else the agent does it. Without it `SessionExpired` follows.
    """

    session: Session


@attrs.frozen(eq=False)
class SessionExpired:
    """Nobody has refreshed the session in time; the agent has sent BYE (RFC 4028 §10)."""

    session: Session


@attrs.frozen(eq=False)
class ByeReceived:
    """The peer ended the session (§15.1.2); 200 has been sent. Also a BYE in an early dialog, or one before the ACK."""

    session: Session
    request: Request


@attrs.frozen(eq=False)
class ByeCompleted:
    """Our BYE ended: with a response, or ``response`` is None after a timeout or transport error (§15.1.1)."""

    session: Session
    response: Response | None


@attrs.frozen(eq=False)
class SessionEnded:
    """The session's last transaction is over; nothing of it is left in the agent. Exactly once for each session."""

    session: Session


@attrs.frozen(eq=False)
class RequestReceived:
    """A request that the core hands up undecided (methods of ``UaConfig.handed_up``): answer by ``agent.respond``.

    ``session`` is that of its dialog, None outside.
    """

    request: Request
    source: Hop
    transaction: object
    session: Session | None = None


@attrs.frozen(eq=False)
class ResponseReceived:
    """A response, provisional or final, to a request of ``UserAgent.request``."""

    client_request: ClientRequest
    response: Response


@attrs.frozen(eq=False)
class RequestFailed:
    """A request of ``UserAgent.request`` got no final response (Timer F, or the transport failed)."""

    client_request: ClientRequest
    cause: Literal["timeout", "transport"]


@attrs.frozen(eq=False)
class DialogRequestCompleted:
    """A request of ``session.inside`` ended: with a final response, or None after a timeout or transport error.

    After that, a 408 or a 481 the dialog is dead (RFC 3261 §12.2.1.2): send BYE.
    """

    session: Session
    sent: DialogRequest
    response: Response | None


ReferralCause = Literal["timeout", "refused", "session"]


class ReferralEvent:
    """What the four events of a REFER have in common."""

    referral: Referral

    @property
    def session(self) -> Session:
        return self.referral.session


@attrs.frozen(eq=False)
class ReferReceived(ReferralEvent):
    """A REFER inside a dialog (RFC 3515 §2.4.2): decide by ``referral.accept()`` or ``referral.reject()``."""

    referral: ReferServer


@attrs.frozen(eq=False)
class ReferAnswered(ReferralEvent):
    """The final response to our REFER (RFC 3515 §2.4.3); None after a timeout or transport error.

    A 2xx is followed by `ReferNotified`, unless the peer did without a subscription (RFC 4488 §4).
    """

    referral: ReferClient
    response: Response | None


@attrs.frozen(eq=False)
class ReferNotified(ReferralEvent):
    """A NOTIFY about our REFER (RFC 3515 §2.4.4), answered. ``status`` is None when it says nothing of the call.

    It may come before `ReferAnswered`. Nothing follows one whose ``state`` is terminated.
    """

    referral: ReferClient
    status: int | None
    reason: str
    state: SubscriptionState


@attrs.frozen(eq=False)
class ReferralEnded(ReferralEvent):
    """A subscription ended without its last NOTIFY, on either side: no news for too long, the peer does not want
    them, or the session has ended."""

    referral: Referral
    cause: ReferralCause


Event = (
    InviteReceived
    | InviteCancelled
    | AckReceived
    | AckTimeout
    | ProvisionalReceived
    | AnswerReceived
    | RefusalReceived
    | InviteFailed
    | ReinviteReceived
    | ReinviteCompleted
    | UpdateCompleted
    | PrackReceived
    | PrackTimeout
    | RefreshDue
    | SessionExpired
    | ByeReceived
    | ByeCompleted
    | SessionEnded
    | RequestReceived
    | ResponseReceived
    | RequestFailed
    | DialogRequestCompleted
    | ReferReceived
    | ReferAnswered
    | ReferNotified
    | ReferralEnded
)
