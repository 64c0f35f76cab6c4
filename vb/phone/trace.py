"""What went over the wire, message by message, and the picture of it: the call ladder."""

from __future__ import annotations

from collections import deque
from typing import Literal

import attrs

from vb.sip.effects import Hop

MAX_MESSAGES = 2000


@attrs.frozen
class TracedMessage:
    """One SIP message: ``at`` in seconds of the driver's clock, ``text`` as it was on the wire."""

    at: float
    direction: Literal["in", "out"]
    hop: Hop
    text: str

    @property
    def start_line(self) -> str:
        return self.text.split("\r\n", 1)[0]

    def header(self, name: str) -> str:
        """The first value of a header by its long name, '' when absent."""
        for line in self.text.split("\r\n\r\n", 1)[0].split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name.lower():
                return value.strip()
        return ""


class Trace:
    """The last messages of one endpoint. `record` fits `SipEndpoint`'s trace hook."""

    def __init__(self) -> None:
        self.messages: deque[TracedMessage] = deque(maxlen=MAX_MESSAGES)

    def record(self, direction: Literal["in", "out"], data: bytes, hop: Hop, at: float) -> None:
        if data.strip():  # keep-alives are no messages
            self.messages.append(TracedMessage(at, direction, hop, data.decode("utf-8", "replace")))

    def retransmissions(self) -> int:
        """How many messages were seen more than once, byte for byte, in the same direction."""
        seen = [(m.direction, m.text) for m in self.messages]
        return len(seen) - len(set(seen))


def ladder(trace: Trace, left: str, right: str, *, width: int = 44) -> str:
    """The call as text: ``left`` kept the trace, arrows are messages, times are milliseconds from the first one."""
    if not trace.messages:
        return f"{left}: no messages"
    start = trace.messages[0].at
    lines = [f"{'ms':>8}  {left:<{width // 2}}{right:>{width // 2}}"]
    for message in trace.messages:
        label = f" {_label(message)} "[: width - 4]
        arrow = label.center(width - 2, "─")
        arrow = f"{arrow}►" if message.direction == "out" else f"◄{arrow}"
        lines.append(f"{(message.at - start) * 1000:8.1f}  │{arrow:<{width - 1}}│")
    return "\n".join(lines)


def _label(message: TracedMessage) -> str:
    start = message.start_line
    sdp = " +SDP" if message.header("Content-Type") == "application/sdp" else ""
    if start.startswith("SIP/2.0 "):
        method = message.header("CSeq").partition(" ")[2]
        return f"{start[8:]} ({method}){sdp}"
    return f"{start.split(' ', 1)[0]}{sdp}"
