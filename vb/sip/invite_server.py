"""The INVITE server transaction: RFC 3261 §17.2.1 (figure 7) as amended by RFC 6026 §7.1 and §8.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vb.sip.effects import Hop
from vb.sip.timers import Timer, TimerValues
from vb.sip.transaction import IGNORED, Effect, Input, Kind, State, Table, Transaction, response_input

if TYPE_CHECKING:
    from vb.sip.message import Request, Response


class InviteServer(Transaction):
    """One received INVITE. ``fallback`` is where responses go when a connection is gone (§18.2.2)."""

    __slots__ = ("_interval", "_response", "fallback", "merge_key", "request", "request_tag", "to_tag")

    kind: ClassVar[Kind] = Kind.INVITE_SERVER

    def __init__(self, key: object, request: Request, hop: Hop, fallback: Hop | None, values: TimerValues) -> None:
        super().__init__(key, hop, values, State.PROCEEDING)
        self.request: Request | None = request  # until the final response
        self.request_tag = request.to.tag
        self.fallback = fallback
        self.merge_key: object = None
        self.to_tag: str | None = None  # of our responses; an RFC 2543 ACK is matched by it (§17.2.3)
        self._interval = values.t1
        self._response = b""

    def receive_request(self, request: Request, now: float) -> list[Effect]:
        """The INVITE again, or an ACK that matches this transaction."""
        return self.step(Input.ACK if request.method == "ACK" else Input.REQUEST, now, request)

    def respond(self, response: Response, now: float) -> list[Effect]:
        return self.step(response_input(response.status), now, response)

    def _answer(self, message: Request | Response | None, now: float) -> None:
        assert message is not None
        self._response = message.to_bytes()
        self._send(self._response)

    def _accept(self, message: Request | Response | None, now: float) -> None:
        # The user repeats the 2xx (§13.3.1.4); L only absorbs repeated INVITEs and passes up ACKs (RFC 6026 §7.1).
        self._answer(message, now)
        self.request = None
        self.timers.start(Timer.L, now + self.values.give_up)

    def _refuse(self, message: Request | Response | None, now: float) -> None:
        self._answer(message, now)
        self.request = None
        if not self.hop.reliable:
            self.timers.start(Timer.G, now + self._interval)
        self.timers.start(Timer.H, now + self.values.give_up)

    def _answer_again(self, message: Request | Response | None, now: float) -> None:
        if self._response:
            self._send(self._response)

    def _retransmit(self, message: Request | Response | None, now: float) -> None:
        self._interval = min(2 * self._interval, self.values.t2)
        self.timers.start(Timer.G, now + self._interval)
        self._send(self._response)

    def _acknowledged(self, message: Request | Response | None, now: float) -> None:
        self.timers.clear()
        self._linger(Timer.I, self.values.t4, now)

    def _reroute(self, message: Request | Response | None, now: float) -> None:
        """§18.2.2: the connection is gone; try the address of the Via once. After that a lost 1xx or 2xx is the
        business of the user: it decides, or its wait for the ACK ends."""
        if self.fallback is not None and self._response:
            self.hop, self.fallback = self.fallback, None
            self._send(self._response)

    def _reroute_or_fail(self, message: Request | Response | None, now: float) -> None:
        if self.fallback is None:
            self._terminate("transport")
        else:
            self._reroute(message, now)

    table: ClassVar[Table] = {
        (State.PROCEEDING, Input.REQUEST): (_answer_again, State.PROCEEDING),
        (State.PROCEEDING, Input.ACK): IGNORED,
        (State.PROCEEDING, Input.PROVISIONAL): (_answer, State.PROCEEDING),
        (State.PROCEEDING, Input.SUCCESS): (_accept, State.ACCEPTED),
        (State.PROCEEDING, Input.REFUSAL): (_refuse, State.COMPLETED),
        (State.PROCEEDING, Input.TRANSPORT_ERROR): (_reroute, State.PROCEEDING),
        (State.PROCEEDING, Timer.G): IGNORED,
        (State.PROCEEDING, Timer.H): IGNORED,
        (State.PROCEEDING, Timer.I): IGNORED,
        (State.PROCEEDING, Timer.L): IGNORED,
        (State.COMPLETED, Input.REQUEST): (_answer_again, State.COMPLETED),
        (State.COMPLETED, Input.ACK): (_acknowledged, State.CONFIRMED),
        (State.COMPLETED, Input.PROVISIONAL): IGNORED,
        (State.COMPLETED, Input.SUCCESS): IGNORED,
        (State.COMPLETED, Input.REFUSAL): IGNORED,
        (State.COMPLETED, Input.TRANSPORT_ERROR): (_reroute_or_fail, State.COMPLETED),
        (State.COMPLETED, Timer.G): (_retransmit, State.COMPLETED),
        (State.COMPLETED, Timer.H): (Transaction.timed_out, State.TERMINATED),
        (State.COMPLETED, Timer.I): IGNORED,
        (State.COMPLETED, Timer.L): IGNORED,
        (State.CONFIRMED, Input.REQUEST): IGNORED,
        (State.CONFIRMED, Input.ACK): IGNORED,
        (State.CONFIRMED, Input.PROVISIONAL): IGNORED,
        (State.CONFIRMED, Input.SUCCESS): IGNORED,
        (State.CONFIRMED, Input.REFUSAL): IGNORED,
        (State.CONFIRMED, Input.TRANSPORT_ERROR): IGNORED,
        (State.CONFIRMED, Timer.G): IGNORED,
        (State.CONFIRMED, Timer.H): IGNORED,
        (State.CONFIRMED, Timer.I): (Transaction.done, State.TERMINATED),
        (State.CONFIRMED, Timer.L): IGNORED,
        (State.ACCEPTED, Input.REQUEST): IGNORED,  # absorbed (RFC 6026 §7.1)
        (State.ACCEPTED, Input.ACK): (Transaction.pass_up, State.ACCEPTED),
        (State.ACCEPTED, Input.PROVISIONAL): IGNORED,
        (State.ACCEPTED, Input.SUCCESS): (_answer_again, State.ACCEPTED),
        (State.ACCEPTED, Input.REFUSAL): IGNORED,
        (State.ACCEPTED, Input.TRANSPORT_ERROR): (_reroute, State.ACCEPTED),
        (State.ACCEPTED, Timer.G): IGNORED,
        (State.ACCEPTED, Timer.H): IGNORED,
        (State.ACCEPTED, Timer.I): IGNORED,
        (State.ACCEPTED, Timer.L): (Transaction.done, State.TERMINATED),
        (State.TERMINATED, Input.REQUEST): IGNORED,
        (State.TERMINATED, Input.ACK): IGNORED,
        (State.TERMINATED, Input.PROVISIONAL): IGNORED,
        (State.TERMINATED, Input.SUCCESS): IGNORED,
        (State.TERMINATED, Input.REFUSAL): IGNORED,
        (State.TERMINATED, Input.TRANSPORT_ERROR): IGNORED,
        (State.TERMINATED, Timer.G): IGNORED,
        (State.TERMINATED, Timer.H): IGNORED,
        (State.TERMINATED, Timer.I): IGNORED,
        (State.TERMINATED, Timer.L): IGNORED,
    }
