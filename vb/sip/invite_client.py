"""The INVITE client transaction: RFC 3261 §17.1.1 (figure 5) as amended by RFC 6026 §7.2 and §8.4."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from vb.sip.effects import Hop, Send
from vb.sip.timers import Timer, TimerValues
from vb.sip.transaction import IGNORED, Effect, Fallback, Input, Kind, State, Table, Transaction, response_input

if TYPE_CHECKING:
    from vb.sip.message import Request, Response


class InviteClient(Transaction):
    """One INVITE on its way to a final response. ``make_ack`` builds the ACK of a refusal (§17.1.1.3)."""

    __slots__ = ("_ack", "_data", "_fallback", "_interval", "_make_ack")

    kind: ClassVar[Kind] = Kind.INVITE_CLIENT

    def __init__(
        self,
        key: object,
        data: bytes,
        hop: Hop,
        values: TimerValues,
        make_ack: Callable[[Response], bytes],
        fallback: Fallback | None = None,
    ) -> None:
        super().__init__(key, hop, values, State.CALLING)
        self._fallback = fallback
        self._data = data
        self._interval = values.t1
        self._make_ack: Callable[[Response], bytes] | None = make_ack
        self._ack = b""

    def start(self, now: float) -> list[Effect]:
        if not self.hop.reliable:
            self.timers.start(Timer.A, now + self._interval)
        self.timers.start(Timer.B, now + self.values.give_up)
        return [Send(self._data, self.hop)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        return self.step(response_input(response.status), now, response)

    def _fall_back(self, message: Request | Response | None, now: float) -> None:
        if self._fallback is None:
            self.failed(message, now)
            return
        self._data, self.hop = self._fallback()
        self._fallback = None
        self.state = State.CALLING
        self._effects += self.start(now)

    # Actions: the arrows of figure 5 (RFC 3261) and figure 7 (RFC 6026).

    def _retransmit(self, message: Request | Response | None, now: float) -> None:
        self._interval *= 2
        self.timers.start(Timer.A, now + self._interval)
        self._send(self._data)

    def _ringing(self, message: Request | Response | None, now: float) -> None:
        self.timers.clear()
        self.pass_up(message, now)

    def _accepted(self, message: Request | Response | None, now: float) -> None:
        # The user sends the ACK of a 2xx (§13.2.2.4); the transaction waits for further ones (RFC 6026 §7.2).
        self._forget_request()
        self.timers.start(Timer.M, now + self.values.give_up)
        self.pass_up(message, now)

    def _refused(self, message: Request | Response | None, now: float) -> None:
        assert message is not None
        assert self._make_ack is not None
        self._ack = self._make_ack(message)  # type: ignore[arg-type]
        self._forget_request()
        self._send(self._ack)
        self.pass_up(message, now)
        self._linger(Timer.D, self.values.wait_refusals, now)

    def _ack_again(self, message: Request | Response | None, now: float) -> None:
        self._send(self._ack)

    def _forget_request(self) -> None:
        self.timers.clear()
        self._data = b""
        self._fallback = None
        self._make_ack = None

    table: ClassVar[Table] = {
        (State.CALLING, Input.PROVISIONAL): (_ringing, State.PROCEEDING),
        (State.CALLING, Input.SUCCESS): (_accepted, State.ACCEPTED),
        (State.CALLING, Input.REFUSAL): (_refused, State.COMPLETED),
        (State.CALLING, Input.TRANSPORT_ERROR): (_fall_back, State.TERMINATED),
        (State.CALLING, Timer.A): (_retransmit, State.CALLING),
        (State.CALLING, Timer.B): (Transaction.timed_out, State.TERMINATED),
        (State.CALLING, Timer.D): IGNORED,
        (State.CALLING, Timer.M): IGNORED,
        (State.PROCEEDING, Input.PROVISIONAL): (Transaction.pass_up, State.PROCEEDING),
        (State.PROCEEDING, Input.SUCCESS): (_accepted, State.ACCEPTED),
        (State.PROCEEDING, Input.REFUSAL): (_refused, State.COMPLETED),
        (State.PROCEEDING, Input.TRANSPORT_ERROR): IGNORED,  # nothing of ours is on its way in this state
        (State.PROCEEDING, Timer.A): IGNORED,
        (State.PROCEEDING, Timer.B): IGNORED,
        (State.PROCEEDING, Timer.D): IGNORED,
        (State.PROCEEDING, Timer.M): IGNORED,
        (State.COMPLETED, Input.PROVISIONAL): IGNORED,
        (State.COMPLETED, Input.SUCCESS): IGNORED,
        (State.COMPLETED, Input.REFUSAL): (_ack_again, State.COMPLETED),
        (State.COMPLETED, Input.TRANSPORT_ERROR): (Transaction.failed, State.TERMINATED),
        (State.COMPLETED, Timer.A): IGNORED,
        (State.COMPLETED, Timer.B): IGNORED,
        (State.COMPLETED, Timer.D): (Transaction.done, State.TERMINATED),
        (State.COMPLETED, Timer.M): IGNORED,
        (State.ACCEPTED, Input.PROVISIONAL): IGNORED,
        (State.ACCEPTED, Input.SUCCESS): (Transaction.pass_up, State.ACCEPTED),
        (State.ACCEPTED, Input.REFUSAL): IGNORED,
        (State.ACCEPTED, Input.TRANSPORT_ERROR): IGNORED,
        (State.ACCEPTED, Timer.A): IGNORED,
        (State.ACCEPTED, Timer.B): IGNORED,
        (State.ACCEPTED, Timer.D): IGNORED,
        (State.ACCEPTED, Timer.M): (Transaction.done, State.TERMINATED),
        (State.TERMINATED, Input.PROVISIONAL): IGNORED,
        (State.TERMINATED, Input.SUCCESS): IGNORED,
        (State.TERMINATED, Input.REFUSAL): IGNORED,
        (State.TERMINATED, Input.TRANSPORT_ERROR): IGNORED,
        (State.TERMINATED, Timer.A): IGNORED,
        (State.TERMINATED, Timer.B): IGNORED,
        (State.TERMINATED, Timer.D): IGNORED,
        (State.TERMINATED, Timer.M): IGNORED,
    }
