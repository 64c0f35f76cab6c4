"""What a leg's peer and we said to each other, as data, as text, or drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import trio

from vb.api.ladder_svg import svg_ladder
from vb.api.operation import operation
from vb.api.raw import Document
from vb.api.replies import encode
from vb.api.services import Services
from vb.call.errors import Invalid, NotFound
from vb.call.events import rfc3339
from vb.call.traces import LegTrace
from vb.sip.ladder import text_ladder
from vb.sip.traced import TracedMessage, address, printable

TEXT, SVG = "text/plain; charset=utf-8", "image/svg+xml"
_MARKS = {"in": "<", "out": ">"}
_SMALL = 32 * 1024
"""Octets that are redacted and drawn at once, in 2 ms; more would hold up a tick of the media clock."""


class TracedView(msgspec.Struct, omit_defaults=True):
    """One SIP message; ``failed``: not delivered, or not readable."""

    at: str
    dir: Literal["in", "out"]
    transport: str
    local: str
    remote: str
    start_line: str
    text: str
    failed: bool = False


class TraceView(msgspec.Struct):
    """The last messages of a leg; ``dropped`` older ones are gone."""

    leg_id: str
    call_id: str
    messages: list[TracedView]
    dropped: int


@operation(
    "GET",
    "/legs/{id}/trace",
    "getLegTrace",
    tag="Legs",
    query=("format",),
    result=TraceView,
    texts=(TEXT, SVG),
    errors=(400, 404),
)
async def leg_trace(services: Services, leg_id: str, **query: str) -> Document:
    """The SIP messages of a leg, or of one of the last 500 that ended; ``format`` is json, text or svg."""
    form = query.get("format") or "json"
    render = {"json": _json, "text": _text, "svg": _svg}.get(form)
    if render is None:
        raise Invalid(f'unknown format "{form}"')
    trace = _find(services, leg_id)
    if trace.size <= _SMALL:
        return render(services.instance_id, trace)
    return await trio.to_thread.run_sync(render, services.instance_id, trace)


def _find(services: Services, leg_id: str) -> LegTrace:
    try:
        return services.traces.get(leg_id)
    except NotFound:
        services.legs.get(leg_id)  # a leg of a kind that has no SIP
        return LegTrace.empty(leg_id)


def _json(instance_id: str, trace: LegTrace) -> Document:
    messages = trace.messages()
    view = TraceView(trace.leg_id, trace.call_id, _views(messages, trace.epoch), trace.dropped)
    answer: dict[str, Any] = msgspec.to_builtins(view)
    return Document(encode(instance_id, answer))


def _views(messages: Sequence[TracedMessage], epoch: float) -> list[TracedView]:
    known = {message.hop.transport: message.hop.local for message in messages if message.hop.local is not None}
    return [
        TracedView(
            at=rfc3339(message.at + epoch),
            dir=message.direction,
            transport=message.hop.transport,
            local=_local(message, known.get(message.hop.transport)),
            remote=message.peer,
            start_line=message.start_line,
            text=message.text,
            failed=message.failed,
        )
        for message in messages
    ]


def _local(message: TracedMessage, known: tuple[str, int] | None) -> str:
    """Our address: of the flow, else of another message, else the one that our own Via tells."""
    local = message.hop.local or known
    if local is not None:
        return address(*local)
    if message.direction == "out" and not message.status:
        return message.header("Via").partition(" ")[2].partition(";")[0].strip()
    return ""


def _text(instance_id: str, trace: LegTrace) -> Document:
    messages = trace.messages()
    lines = [*_head(trace, messages), ""]
    lines.append(text_ladder(messages, "vb", messages[0].peer if messages else "peer"))
    if trace.ended:
        lines.append(f"ended: {trace.ended}")
    for message in messages:
        mark = "!" if message.failed else _MARKS[message.direction]
        lines += ["", f"{mark} {rfc3339(message.at + trace.epoch)} {message.hop.transport} {message.peer}"]
        lines.append(message.text.replace("\r\n", "\n").rstrip("\n"))
    return Document((printable("\n".join(lines)) + "\n").encode(errors="replace"), TEXT)


def _svg(instance_id: str, trace: LegTrace) -> Document:
    messages = trace.messages()
    end = f"ended: {trace.ended}" if trace.ended else ""
    picture = svg_ladder(messages, head=_head(trace, messages), end=end)
    return Document(picture.encode(errors="replace"), SVG)


def _head(trace: LegTrace, messages: Sequence[TracedMessage]) -> tuple[str, str, str]:
    """Three lines: which leg, who calls whom, and what is kept."""
    who = f"{messages[0].header('From')}  →  {messages[0].header('To')}" if messages else "no messages"
    since = f", since {rfc3339(messages[0].at + trace.epoch)}" if messages else ""
    dropped = f", {trace.dropped} older ones dropped" if trace.dropped else ""
    return f"Leg {trace.leg_id}", who, f"Call-ID {trace.call_id or '-'}, {len(messages)} messages{since}{dropped}"
