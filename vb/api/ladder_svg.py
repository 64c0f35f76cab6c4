"""The call ladder as a picture (SVG): a lifeline for us and for each address of the peer, an arrow for each message.

Every text in it may come from a stranger: all are escaped, none is an attribute, and there is no script or link.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from vb.sip.ladder import Kind, Rung, rungs, trouble
from vb.sip.traced import TracedMessage, printable

_TIME, _FIRST, _GAP, _MARGIN = (
    96,
    120,
    430,
    40,
)  # where times end, our lifeline, the distance of lifelines, the right rim
_HEAD, _ROW, _PAUSE, _FOOT = 134, 46, 26, 34  # heights
_LONG_PAUSE: Final = 1.0  # seconds without a message that are worth a mark
_PEERS: Final = 4
_LETTER: Final = 7.25  # width of one letter of the labels
_NAME, _LABEL, _DETAIL, _TOOLTIP = 47, 44, 64, 4000  # characters
_COLOURS: Final[dict[Kind, str]] = {
    "request": "#1d4f91",
    "progress": "#6b7280",
    "success": "#15803d",
    "redirection": "#a15c00",
    "failure": "#c01c28",
}
_RED: Final = _COLOURS["failure"]
_STYLE: Final = (
    "text{font-family:'DejaVu Sans Mono','Liberation Mono',Menlo,Consolas,monospace;font-size:12px;fill:#1f2933}"
    ".over{paint-order:stroke;stroke:#ffffff;stroke-width:4px}.small{font-size:10.5px;fill:#6b7280}.title{font-size:14px;font-weight:bold}.name{font-weight:bold}"
    ".line{stroke:#9aa5b1;stroke-width:1}.box{fill:#f3f6f9;stroke:#9aa5b1}.arrow{stroke-width:1.6;fill:none}"
    ".sdp{fill:#fff3c4;stroke:#c99a00}.sdpt{font-size:9.5px;fill:#7a5c00;font-weight:bold}"
    "g.rung:hover .arrow{stroke-width:3}"
)


def svg_ladder(messages: Iterable[TracedMessage], *, head: Sequence[str], end: str = "", us: str = "vb") -> str:
    """The picture. ``head`` is a title and two lines; ``end`` says under the last arrow what became of the call."""
    steps = rungs(messages)
    peers = _peers(steps)
    width = _FIRST + _GAP * max(1, len(peers)) + _MARGIN + 90
    body: list[str] = []
    y = _HEAD + 30
    before = 0.0
    for rung in steps:
        if rung.at - before >= _LONG_PAUSE:
            body.append(_pause(y, rung.at - before, width))
            y += _PAUSE
        body.append(_rung(rung, y, _column(rung, peers)))
        before = rung.at
        y += _ROW
    if not steps:
        body.append(_text(_FIRST + 20, y, "no messages", "small"))
        y += _ROW
    lifelines = "".join(_lifeline(x, name, y) for x, name in _names(us, steps, peers))
    if end:
        body.append(_text(_FIRST + 14, y + 18, end, "name"))
    height = y + _FOOT
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f"<title>{_safe(head[0], 200)}</title><style>{_STYLE}</style>{_markers()}"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f"{_text(16, 26, head[0], 'title', most=int(width / 9))}"
        f"{''.join(_text(16, 46 + 17 * n, line, 'small', most=int(width / 7)) for n, line in enumerate(head[1:]))}"
        f"{lifelines}{''.join(body)}</svg>\n"
    )


def _peers(steps: Sequence[Rung]) -> list[str]:
    """Addresses in order of their first message; what is beyond the last lifeline shares it."""
    found = list(dict.fromkeys(rung.peer for rung in steps))
    return found if len(found) <= _PEERS else [*found[: _PEERS - 1], f"{len(found) - _PEERS + 1} others"]


def _column(rung: Rung, peers: list[str]) -> int:
    return peers.index(rung.peer) if rung.peer in peers else len(peers) - 1


def _names(us: str, steps: Sequence[Rung], peers: list[str]) -> list[tuple[float, tuple[str, str]]]:
    by_peer = {rung.peer: rung.message.hop.transport for rung in reversed(steps)}
    return [
        (_FIRST, (us, "this server")),
        *((_x(column), (peer, by_peer.get(peer, ""))) for column, peer in enumerate(peers)),
    ]


def _x(column: int) -> float:
    return _FIRST + _GAP * (column + 1)


def _lifeline(x: float, name: tuple[str, str], bottom: float) -> str:
    shown = name[0] if len(name[0]) <= _NAME else name[0][: _NAME - 1] + "…"
    half = max(48.0, len(shown) * _LETTER / 2 + 10)
    return (
        f'<line class="line" x1="{x}" y1="{_HEAD}" x2="{x}" y2="{bottom}"/>'
        f'<rect class="box" x="{x - half:.1f}" y="{_HEAD - 48}" width="{2 * half:.1f}" height="44" rx="5"/>'
        f"{_text(x, _HEAD - 30, shown, 'name', anchor='middle')}"
        f"{_text(x, _HEAD - 13, name[1], 'small', anchor='middle')}"
    )


def _rung(rung: Rung, y: float, column: int) -> str:
    """Times left, the label on the arrow, why or what under it."""
    message = rung.message
    colour = _RED if message.failed else _COLOURS[rung.kind]
    left, right = float(_FIRST), _x(column)
    start, stop = (left + 2, right - 9) if message.direction == "out" else (right - 2, left + 9)
    dashes = ' stroke-dasharray="6 4"' if rung.again or message.failed else ""
    label = rung.label if len(rung.label) <= _LABEL else rung.label[: _LABEL - 1] + "…"
    notes = " · ".join(
        part for part in ("again" if rung.again else "", trouble(rung) if message.failed else "", rung.detail) if part
    )
    middle = (left + right) / 2
    marker = "failed" if message.failed else rung.kind
    return (
        f'<g class="rung"><title>{_safe(message.text.replace(chr(13), ""), _TOOLTIP)}</title>'
        f"{_text(_TIME, y + 4, _time(rung.at), 'small', anchor='end')}"
        f'<line class="arrow" x1="{start}" y1="{y}" x2="{stop}" y2="{y}" stroke="{colour}"{dashes}'
        f' marker-end="url(#{marker})"/>'
        f"{_text(middle, y - 6, label, 'over', anchor='middle', colour=colour)}"
        f"{_sdp(middle + len(label) * _LETTER / 2 + 8, y) if rung.description else ''}"
        f"{_text(middle, y + 14, notes, 'small over', anchor='middle', most=_DETAIL) if notes else ''}</g>"
    )


def _sdp(x: float, y: float) -> str:
    return (
        f'<rect class="sdp" x="{x:.1f}" y="{y - 17}" width="27" height="13" rx="3"/>'
        f'<text class="sdpt" x="{x + 5:.1f}" y="{y - 7}">SDP</text>'
    )


def _pause(y: float, seconds: float, width: float) -> str:
    top = y - 18
    return (
        f'<line x1="{_FIRST - 16}" y1="{top}" x2="{width - _MARGIN}" y2="{top}" stroke="#cbd2d9"'
        f' stroke-dasharray="2 5"/>{_text(_TIME, top + 4, f"+{seconds:.1f} s", "small", anchor="end")}'
    )


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 10 else f"{seconds:.3f} s"


def _text(
    x: float, y: float, text: str, class_: str, *, anchor: str = "start", most: int = 120, colour: str = ""
) -> str:
    filled = f' style="fill:{colour}"' if colour else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{class_}"{filled}>{_safe(text, most)}</text>'


def _safe(text: str, most: int) -> str:
    """Bounded, fit for XML, and nothing in it is markup."""
    return escape(printable(text if len(text) <= most else text[: most - 1] + "…"))


def _markers() -> str:
    arrows = "".join(
        f'<marker id="{kind}" markerWidth="10" markerHeight="10" refX="1" refY="5" orient="auto"'
        f' markerUnits="userSpaceOnUse"><path d="M0 0.5 L9 5 L0 9.5 z" fill="{colour}"/></marker>'
        for kind, colour in _COLOURS.items()
    )
    cross = (
        '<marker id="failed" markerWidth="14" markerHeight="14" refX="7" refY="7" markerUnits="userSpaceOnUse">'
        f'<path d="M2 2 L12 12 M12 2 L2 12" stroke="{_RED}" stroke-width="2.4"/></marker>'
    )
    return f"<defs>{arrows}{cross}</defs>"
