"""One message as it went over the wire, ready to be shown."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Literal

import attrs

from vb.sip.effects import Hop
from vb.sip.headers import key_of

Direction = Literal["in", "out"]

_STATUS_LINE = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})\b")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


@attrs.frozen
class TracedMessage:
    """``at`` in seconds of the driver's clock; ``text`` is what may be shown of it.

    ``failed`` tells that one of ours could not be delivered, or that one of the peer's could not be read.
    """

    at: float
    direction: Direction
    hop: Hop
    text: str
    failed: bool = False

    @property
    def start_line(self) -> str:
        return self._head[0]

    @property
    def peer(self) -> str:
        """The other side, as in ``192.0.2.1:5060`` or ``[2001:db8::1]:5060``."""
        return address(self.hop.host, self.hop.port)

    @property
    def status(self) -> int:
        """The status code; 0 for a request and for what is neither."""
        match = _STATUS_LINE.match(self.start_line)
        return int(match[1]) if match is not None else 0

    @property
    def method(self) -> str:
        """The method of the request that this is, or belongs to."""
        if self.status:
            return self.header("CSeq").rpartition(" ")[2]
        return self.start_line.split(" ", 1)[0]

    @property
    def has_description(self) -> bool:
        return self.header("Content-Type").lower().startswith(("application/sdp", "multipart/")) and bool(self.body)

    def header(self, name: str) -> str:
        """The first value of a header, whichever form its name has; "" when absent."""
        wanted = key_of(name)
        for line in self._head[1:]:
            key, _, value = line.partition(":")
            if key_of(key.strip()) == wanted:
                return value.strip()
        return ""

    @cached_property
    def body(self) -> str:
        """What follows the empty line, with plain line ends."""
        return self._lines.partition("\n\n")[2]

    @cached_property
    def _head(self) -> list[str]:
        return self._lines.partition("\n\n")[0].split("\n")

    @property
    def _lines(self) -> str:
        return self.text.lstrip("\r\n").replace("\r\n", "\n")


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def printable(text: str) -> str:
    """The text without control characters: it moves no cursor, rings no bell, and is fit for XML."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
