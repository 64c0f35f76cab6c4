"""The call ladder: who said what to whom, as rungs and as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

import attrs

from vb.sip.traced import TracedMessage, printable

Kind = Literal["request", "progress", "success", "redirection", "failure"]

MAX_LABEL = 60
_KINDS: dict[int, Kind] = {1: "progress", 2: "success", 3: "redirection"}
_MEDIA = re.compile(r"^m=(\w{1,16}) (\d{1,5}) (\S{1,32})((?: \S{1,16}){0,16})", re.MULTILINE)
_CONNECTION = re.compile(r"^c=IN IP[46] ([0-9A-Fa-f:.]{1,45})", re.MULTILINE)
_DIRECTION = re.compile(r"^a=(sendonly|recvonly|inactive)[ \t]*$", re.MULTILINE)


@attrs.frozen
class Rung:
    """One arrow. ``at`` is seconds since the first; ``detail`` says in a few words why, or what was offered.

    ``peer`` is the address at the other end; ``again`` tells a retransmission.
    """

    at: float
    message: TracedMessage
    label: str
    kind: Kind
    peer: str
    description: bool
    again: bool
    detail: str


def rungs(messages: Iterable[TracedMessage]) -> list[Rung]:
    """The arrows of a ladder, in the order of the messages."""
    made: list[Rung] = []
    seen: set[tuple[str, str, str]] = set()
    start = 0.0
    for message in messages:
        if not made:
            start = message.at
        same = (message.direction, message.peer, message.text)
        made.append(
            Rung(
                at=message.at - start,
                message=message,
                label=_label(message),
                kind=_kind(message),
                peer=printable(message.peer),
                description=message.has_description,
                again=same in seen,
                detail=_detail(message),
            )
        )
        seen.add(same)
    return made


def text_ladder(messages: Iterable[TracedMessage], left: str, right: str, *, width: int = 52) -> str:
    """The call as text: ``left`` kept the trace, times are milliseconds from the first message."""
    steps = rungs(messages)
    if not steps:
        return f"{left}: no messages"
    several = len({rung.peer for rung in steps}) > 1
    lines = [f"{'ms':>8}  {left:<{width // 2}}{right:>{width // 2}}"]
    for rung in steps:
        label = f" {rung.label}{' +SDP' if rung.description else ''} "[: width - 4]
        arrow = label.center(width - 2, "╌" if rung.again or rung.message.failed else "─")
        arrow = f"{arrow}►" if rung.message.direction == "out" else f"◄{arrow}"
        notes = [rung.peer] if several else []
        notes += ["again"] if rung.again else []
        notes += [trouble(rung)] if rung.message.failed else []
        notes += [rung.detail] if rung.kind == "failure" or rung.message.header("Reason") else []
        lines.append(f"{rung.at * 1000:8.1f}  │{arrow:<{width - 1}}│ {'  '.join(notes)}".rstrip())
    return "\n".join(lines)


def trouble(rung: Rung) -> str:
    """What is wrong with a message that failed."""
    return "NOT DELIVERED" if rung.message.direction == "out" else "UNREADABLE"


def _label(message: TracedMessage) -> str:
    told = f"{message.start_line[8:].strip()} ({message.method})" if message.status else message.method
    return printable(told)[:MAX_LABEL]


def _kind(message: TracedMessage) -> Kind:
    return _KINDS.get(message.status // 100, "failure") if message.status else "request"


def _detail(message: TracedMessage) -> str:
    """What a reader wants to know without opening the message."""
    told = message.header("Reason") or (message.header("Warning") if message.status >= 300 else "")
    if not told and message.has_description:
        told = _media(message.body)
    if not told and message.status == 0 and message.method not in ("ACK", "BYE", "CANCEL"):
        told = message.start_line.split(" ")[1] if " " in message.start_line else ""
    return printable(told)[: 2 * MAX_LABEL]


def _media(description: str) -> str:
    """The first media section of a session description, in one line."""
    media = _MEDIA.search(description)
    if media is None:
        return ""
    connection, direction = _CONNECTION.search(description), _DIRECTION.search(description)
    where = f"{connection[1] if connection else '?'} port {media[2]}"
    return " ".join([media[1], where, media[3] + media[4], *([direction[1]] if direction else [])])
