"""What the four transactions share: a table of (state, input) -> (action, next state), and the effects of a step.

Every pair of a table is listed; an input that a state ignores is listed as ``IGNORED``. A pair that is missing is a
bug, and the tests check that there is none. The state changes before its action runs, so an action can still end the
transaction at once (timers that are 0 on reliable transports).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import attrs

from vb.sip.effects import Hop, Send
from vb.sip.timers import AnyTimer, Timer, TimerTable, TimerValues

if TYPE_CHECKING:
    from vb.sip.message import Request, Response

Cause = Literal["normal", "timeout", "transport"]


class Kind(enum.Enum):
    """The four transactions of RFC 3261 §17."""

    INVITE_CLIENT = "invite_client"
    INVITE_SERVER = "invite_server"
    NON_INVITE_CLIENT = "non_invite_client"
    NON_INVITE_SERVER = "non_invite_server"

    __hash__ = object.__hash__


class State(enum.Enum):
    """The states of figures 5 to 8 of RFC 3261, with Accepted of RFC 6026."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"

    __hash__ = object.__hash__


class Input(enum.Enum):
    """What can happen to a transaction, besides its timers."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    REFUSAL = "300-699"
    REQUEST = "request again"
    ACK = "ACK"
    TRANSPORT_ERROR = "transport error"

    __hash__ = object.__hash__


@attrs.frozen
class PassUp:
    """The transaction user must see this message."""

    message: Request | Response


@attrs.frozen
class Terminated:
    """The last effect of every transaction; ``timeout`` and ``transport`` are to be told to its user."""

    cause: Cause


Effect = Send | PassUp | Terminated
Fallback = Callable[[], tuple[bytes, Hop]]
"""The same request for another transport, should the first one not be there (RFC 3261 §18.1.1)."""
Row = tuple[Callable[[Any, "Request | Response | None", float], None], State] | None
Table = Mapping[tuple[State, Input | Timer], Row]
IGNORED: Row = None
_NOTHING: list[Effect] = []  # of every transaction between two steps: never filled


def response_input(status: int) -> Input:
    """Which input a response is: 1xx, 2xx or 300-699."""
    if status < 200:
        return Input.PROVISIONAL
    return Input.SUCCESS if status < 300 else Input.REFUSAL


class Transaction:
    """Feed it messages and the time; carry out the effects that each call returns, in order.

    Thousands live for 32 s after their work is done, so each holds as little as it can.
    """

    __slots__ = ("_effects", "branch", "hop", "key", "state", "timers", "user", "values")

    kind: ClassVar[Kind]
    table: ClassVar[Table]

    def __init__(self, key: object, hop: Hop, values: TimerValues, state: State) -> None:
        self.key = key
        self.hop = hop
        self.values = values
        self.state = state
        self.timers = TimerTable()
        self.user: Any = None
        self._effects = _NOTHING

    def step(self, what: Input | Timer, now: float, message: Request | Response | None = None) -> list[Effect]:
        row = self.table[self.state, what]
        if row is None:
            return _NOTHING
        action, self.state = row
        effects: list[Effect] = []
        self._effects = effects
        action(self, message, now)
        self._effects = _NOTHING
        return effects

    def handle_timers(self, now: float) -> list[Effect]:
        effects: list[Effect] = []
        for timer in self.timers.take_expired(now):
            effects += self.step(_own(timer), now)
        return effects

    def transport_error(self, now: float) -> list[Effect]:
        """A send of this transaction could not be delivered (RFC 3261 §17.1.4, §17.2.4)."""
        return self.step(Input.TRANSPORT_ERROR, now)

    # Shared actions.

    def pass_up(self, message: Request | Response | None, now: float) -> None:
        if message is not None:
            self._effects.append(PassUp(message))

    def done(self, message: Request | Response | None, now: float) -> None:
        self._terminate("normal")

    def timed_out(self, message: Request | Response | None, now: float) -> None:
        self._terminate("timeout")

    def failed(self, message: Request | Response | None, now: float) -> None:
        self._terminate("transport")

    def _linger(self, timer: Timer, seconds: float, now: float) -> None:
        """Wait for retransmissions; 0 seconds on a reliable transport, that is: over at once."""
        if self.hop.reliable:
            self._terminate("normal")
        else:
            self.timers.start(timer, now + seconds)

    def _terminate(self, cause: Cause) -> None:
        self.timers.clear()
        self.state = State.TERMINATED
        self._effects.append(Terminated(cause))

    def _send(self, data: bytes) -> None:
        self._effects.append(Send(data, self.hop))


def _own(timer: AnyTimer) -> Timer:
    if not isinstance(timer, Timer):
        raise TypeError(timer)
    return timer
