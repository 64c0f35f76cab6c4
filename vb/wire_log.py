"""What becomes of every SIP message that passes: it is kept with its leg and, with SIP_DEBUG, logged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final, Literal

from vb.call.traces import CallTraces
from vb.log import Redactor
from vb.net.driver import Trace
from vb.sip.effects import Hop
from vb.sip.redaction import redact_message
from vb.sip.traced import address

MARKS: Final = {"in": "<", "out": ">", "error": "!"}
"""The first character of a line: received, sent, or not to be delivered or read."""


def shown(secrets: Iterable[str]) -> Callable[[bytes], str]:
    """Makes of a message what may be shown of it, without credentials, digits and the ``secrets`` of the settings."""
    redact = Redactor(secrets)
    return lambda data: redact.text(redact_message(data))


def wire_log(show: Callable[[bytes], str]) -> Trace:
    """Every message as one log record: its mark and start line, the peer, and the text."""
    wire = logging.getLogger("vb.sip.wire")

    def trace(direction: Literal["in", "out", "error"], data: bytes, hop: Hop, at: float) -> None:
        text = show(data).lstrip("\r\n")
        if text:  # keep-alives are no messages
            peer = f"{hop.transport} {address(hop.host, hop.port)}"
            start_line = text.partition("\n")[0].rstrip("\r")
            wire.info("%s %s", MARKS[direction], start_line, extra={"peer": peer, "message_text": text})

    return trace


def tracer(traces: CallTraces, log: Trace | None) -> Trace:
    """The endpoint's trace hook."""
    if log is None:
        return traces.record

    def trace(direction: Literal["in", "out", "error"], data: bytes, hop: Hop, at: float) -> None:
        traces.record(direction, data, hop, at)
        log(direction, data, hop, at)

    return trace
