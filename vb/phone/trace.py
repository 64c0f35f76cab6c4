"""What went over the wire, message by message, and the picture of it: the call ladder."""

from __future__ import annotations

from collections import deque
from typing import Literal

from vb.sip.effects import Hop
from vb.sip.ladder import text_ladder
from vb.sip.redaction import redact_message
from vb.sip.traced import Direction, TracedMessage

MAX_MESSAGES = 2000


class Trace:
    """The last messages of one endpoint. `record` fits `SipEndpoint`'s trace hook."""

    def __init__(self) -> None:
        self._kept: deque[tuple[float, Direction, Hop, bytes]] = deque(maxlen=MAX_MESSAGES)

    def record(self, direction: Literal["in", "out", "error"], data: bytes, hop: Hop, at: float) -> None:
        if direction != "error" and data.strip():  # keep-alives are no messages
            self._kept.append((at, direction, hop, data))

    @property
    def messages(self) -> list[TracedMessage]:
        """What may be shown of them, oldest first."""
        return [TracedMessage(at, direction, hop, redact_message(data)) for at, direction, hop, data in self._kept]

    def retransmissions(self) -> int:
        """How many messages were seen more than once, byte for byte, in the same direction."""
        seen = [(direction, data) for _, direction, _, data in self._kept]
        return len(seen) - len(set(seen))


def ladder(trace: Trace, left: str, right: str) -> str:
    """The call as text: ``left`` kept the trace, arrows are messages, times are milliseconds from the first one."""
    return text_ladder(trace.messages, left, right)
