"""The non-INVITE client transaction: RFC 3261 §17.1.2 (figure 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vb.sip.effects import Hop, Send
from vb.sip.timers import Timer, TimerValues
from vb.sip.transaction import IGNORED, Effect, Fallback, Input, Kind, State, Table, Transaction, response_input

if TYPE_CHECKING:
    from vb.sip.message import Request, Response


class NonInviteClient(Transaction):
    """One request other than INVITE and ACK on its way to a final response."""

    __slots__ = ("_data", "_fallback", "_interval")

    kind: ClassVar[Kind] = Kind.NON_INVITE_CLIENT

    def __init__(
        self, key: object, data: bytes, hop: Hop, values: TimerValues, fallback: Fallback | None = None
    ) -> None:
        super().__init__(key, hop, values, State.TRYING)
        self._fallback = fallback
        self._data = data
        self._interval = values.t1

    def start(self, now: float) -> list[Effect]:
        if not self.hop.reliable:
            self.timers.start(Timer.E, now + self._interval)
        self.timers.start(Timer.F, now + self.values.give_up)
        return [Send(self._data, self.hop)]

    def receive(self, response: Response, now: float) -> list[Effect]:
        return self.step(response_input(response.status), now, response)

    def _fall_back(self, message: Request | Response | None, now: float) -> None:
        if self._fallback is None:
            self.failed(message, now)
            return
        self._data, self.hop = self._fallback()
        self._fallback = None
        self.state = State.TRYING
        self._effects += self.start(now)

    def _retransmit(self, message: Request | Response | None, now: float) -> None:
        # Doubling up to T2; always T2 once a 1xx came (§17.1.2.2).
        doubled = min(2 * self._interval, self.values.t2)
        self._interval = self.values.t2 if self.state is State.PROCEEDING else doubled
        self.timers.start(Timer.E, now + self._interval)
        self._send(self._data)

    def _answered(self, message: Request | Response | None, now: float) -> None:
        self.timers.clear()
        self._data = b""
        self._fallback = None
        self.pass_up(message, now)
        self._linger(Timer.K, self.values.t4, now)

    table: ClassVar[Table] = {
        (State.TRYING, Input.PROVISIONAL): (Transaction.pass_up, State.PROCEEDING),
        (State.TRYING, Input.SUCCESS): (_answered, State.COMPLETED),
        (State.TRYING, Input.REFUSAL): (_answered, State.COMPLETED),
        (State.TRYING, Input.TRANSPORT_ERROR): (_fall_back, State.TERMINATED),
        (State.TRYING, Timer.E): (_retransmit, State.TRYING),
        (State.TRYING, Timer.F): (Transaction.timed_out, State.TERMINATED),
        (State.TRYING, Timer.K): IGNORED,
        (State.PROCEEDING, Input.PROVISIONAL): (Transaction.pass_up, State.PROCEEDING),
        (State.PROCEEDING, Input.SUCCESS): (_answered, State.COMPLETED),
        (State.PROCEEDING, Input.REFUSAL): (_answered, State.COMPLETED),
        (State.PROCEEDING, Input.TRANSPORT_ERROR): (Transaction.failed, State.TERMINATED),
        (State.PROCEEDING, Timer.E): (_retransmit, State.PROCEEDING),
        (State.PROCEEDING, Timer.F): (Transaction.timed_out, State.TERMINATED),
        (State.PROCEEDING, Timer.K): IGNORED,
        (State.COMPLETED, Input.PROVISIONAL): IGNORED,
        (State.COMPLETED, Input.SUCCESS): IGNORED,
        (State.COMPLETED, Input.REFUSAL): IGNORED,
        (State.COMPLETED, Input.TRANSPORT_ERROR): IGNORED,
        (State.COMPLETED, Timer.E): IGNORED,
        (State.COMPLETED, Timer.F): IGNORED,
        (State.COMPLETED, Timer.K): (Transaction.done, State.TERMINATED),
        (State.TERMINATED, Input.PROVISIONAL): IGNORED,
        (State.TERMINATED, Input.SUCCESS): IGNORED,
        (State.TERMINATED, Input.REFUSAL): IGNORED,
        (State.TERMINATED, Input.TRANSPORT_ERROR): IGNORED,
        (State.TERMINATED, Timer.E): IGNORED,
        (State.TERMINATED, Timer.F): IGNORED,
        (State.TERMINATED, Timer.K): IGNORED,
    }
