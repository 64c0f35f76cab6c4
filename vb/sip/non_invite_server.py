"""The non-INVITE server transaction: RFC 3261 §17.2.2 (figure 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from vb.sip.effects import Hop
from vb.sip.timers import Timer, TimerValues
from vb.sip.transaction import IGNORED, Effect, Input, Kind, State, Table, Transaction, response_input

if TYPE_CHECKING:
    from vb.sip.message import Request, Response


class NonInviteServer(Transaction):
    """One received request other than INVITE and ACK. ``fallback`` is where responses go when a connection is gone."""

    __slots__ = ("_response", "fallback", "merge_key", "request", "request_tag")

    kind: ClassVar[Kind] = Kind.NON_INVITE_SERVER

    def __init__(self, key: object, request: Request, hop: Hop, fallback: Hop | None, values: TimerValues) -> None:
        super().__init__(key, hop, values, State.TRYING)
        self.request: Request | None = request  # until the final response
        self.request_tag = request.to.tag
        self.fallback = fallback
        self.merge_key: object = None
        self._response = b""

    def receive_request(self, request: Request, now: float) -> list[Effect]:
        """The request again (§17.2.2)."""
        return self.step(Input.REQUEST, now)

    def respond(self, response: Response, now: float) -> list[Effect]:
        return self.step(response_input(response.status), now, response)

    def _answer(self, message: Request | Response | None, now: float) -> None:
        assert message is not None
        self._response = message.to_bytes()
        self._send(self._response)

    def _complete(self, message: Request | Response | None, now: float) -> None:
        self._answer(message, now)
        self.request = None
        self._linger(Timer.J, self.values.give_up, now)

    def _answer_again(self, message: Request | Response | None, now: float) -> None:
        self._send(self._response)

    def _reroute(self, message: Request | Response | None, now: float) -> None:
        """§18.2.2: the connection is gone; try the address of the Via once."""
        if self.fallback is None or not self._response:
            self._terminate("transport")
        else:
            self.hop, self.fallback = self.fallback, None
            self._send(self._response)

    table: ClassVar[Table] = {
        (State.TRYING, Input.REQUEST): IGNORED,
        (State.TRYING, Input.PROVISIONAL): (_answer, State.PROCEEDING),
        (State.TRYING, Input.SUCCESS): (_complete, State.COMPLETED),
        (State.TRYING, Input.REFUSAL): (_complete, State.COMPLETED),
        (State.TRYING, Input.TRANSPORT_ERROR): IGNORED,  # nothing was sent yet
        (State.TRYING, Timer.J): IGNORED,
        (State.PROCEEDING, Input.REQUEST): (_answer_again, State.PROCEEDING),
        (State.PROCEEDING, Input.PROVISIONAL): (_answer, State.PROCEEDING),
        (State.PROCEEDING, Input.SUCCESS): (_complete, State.COMPLETED),
        (State.PROCEEDING, Input.REFUSAL): (_complete, State.COMPLETED),
        (State.PROCEEDING, Input.TRANSPORT_ERROR): (_reroute, State.PROCEEDING),
        (State.PROCEEDING, Timer.J): IGNORED,
        (State.COMPLETED, Input.REQUEST): (_answer_again, State.COMPLETED),
        (State.COMPLETED, Input.PROVISIONAL): IGNORED,
        (State.COMPLETED, Input.SUCCESS): IGNORED,
        (State.COMPLETED, Input.REFUSAL): IGNORED,
        (State.COMPLETED, Input.TRANSPORT_ERROR): (_reroute, State.COMPLETED),
        (State.COMPLETED, Timer.J): (Transaction.done, State.TERMINATED),
        (State.TERMINATED, Input.REQUEST): IGNORED,
        (State.TERMINATED, Input.PROVISIONAL): IGNORED,
        (State.TERMINATED, Input.SUCCESS): IGNORED,
        (State.TERMINATED, Input.REFUSAL): IGNORED,
        (State.TERMINATED, Input.TRANSPORT_ERROR): IGNORED,
        (State.TERMINATED, Timer.J): IGNORED,
    }
