"""Messages out of a byte stream (RFC 3261 §7.5, §18.3; keep-alives of RFC 5626 §4.4.1)."""

from __future__ import annotations

import re

from vb.sip.errors import RemoteError, bad_request
from vb.sip.head import content_length, read_head
from vb.sip.limits import DEFAULT_LIMITS, Limits

_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*+:", re.IGNORECASE)
_PLAIN_LENGTH = re.compile(rb"[ \t]*+([0-9]{1,9}+)[ \t]*+(?:\r\n(?![ \t])|$)").match
_CONTENT_TYPE = re.compile(rb"\r\n(?:content-type|c)[ \t]*+:", re.IGNORECASE).search


class StreamFramer:
    """Cuts a stream into whole messages. Cost is linear in what is fed, and no more is kept than ``limits`` allow.

    A stream that cannot be cut any further (no readable Content-Length, a message beyond its limits) sets ``error``
    and ``error_head``, the octets from which an answer may be salvaged; whatever is fed then is dropped.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.error: RemoteError | None = None
        self.error_head = b""
        self._limits = limits
        self._buffer = bytearray()
        self._scanned = 0  # no empty line ends before this position
        self._whole = 0  # size of the message at the front, once its head has been read
        self._pings = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes, in order. Never raises: see ``error``."""
        if self.error is not None:
            return []
        self._buffer += data
        messages: list[bytes] = []
        try:
            while self._read_head():
                if len(self._buffer) < self._whole:
                    break
                messages.append(bytes(memoryview(self._buffer)[: self._whole]))
                del self._buffer[: self._whole]
                self._whole = self._scanned = 0
        except RemoteError as error:
            self._fail(error)
        return messages

    def take_pongs(self) -> int:
        """How many CRLFCRLF pings have come since the last call; each deserves one CRLF (RFC 5626 §4.4.1)."""
        pings, self._pings = self._pings, 0
        return pings

    def _read_head(self) -> bool:
        """Whether the message at the front has its head, and ``_whole`` its size."""
        if self._whole:
            return True
        if self._buffer.startswith(b"\r"):
            self._skip_line_breaks()
        end = self._buffer.find(b"\r\n\r\n", self._scanned)
        self._check_start_line()
        if end < 0:
            if len(self._buffer) >= self._limits.message:
                raise RemoteError(413, "Message too large")
            self._scanned = max(0, len(self._buffer) - 3)
            return False
        if end + 4 > self._limits.message:
            raise RemoteError(413, "Message too large")
        body = _body_size(bytes(memoryview(self._buffer)[:end]), self._limits)
        if end + 4 + body > self._limits.message:
            raise RemoteError(413, "Message too large")
        self._whole = end + 4 + body
        return True

    def _skip_line_breaks(self) -> None:
        """CRLF before a start line is ignored (§7.5); two of them are a ping."""
        buffer = self._buffer
        at = 0
        while buffer.startswith(b"\r\n\r\n", at):
            self._pings += 1
            at += 4
        # A lone CRLF may be half of a ping: it waits for what follows.
        if buffer.startswith(b"\r\n", at) and len(buffer) > at + 2 and buffer[at + 2] != 0x0D:
            at += 2
        del buffer[:at]

    def _check_start_line(self) -> None:
        """Noise without any line end is not worth waiting for a whole message of it."""
        room = self._limits.header + 2
        if self._scanned < room <= len(self._buffer) and self._buffer.find(b"\r\n", 0, room) < 0:
            raise RemoteError(414, "Start line too long")

    def _fail(self, error: RemoteError) -> None:
        self.error = error
        self.error_head = bytes(memoryview(self._buffer)[: self._limits.message])
        self._buffer = bytearray()


def _body_size(head: bytes, limits: Limits) -> int:
    """The octets that follow the empty line. Raises RemoteError."""
    found = _LENGTH.search(head)
    if found is not None and _LENGTH.search(head, found.end()) is None:
        plain = _PLAIN_LENGTH(head, found.end())
        if plain is not None:
            return int(plain[1])
    if found is None and _CONTENT_TYPE(head) is None:
        # §18.3 wants Content-Length on a stream; a message that announces no body at all has none.
        if b"SIP/" not in head.partition(b"\r\n")[0].upper():
            raise bad_request("No SIP message in the stream")
        return 0
    length = content_length(read_head(head, limits)[1])
    if length is None:
        raise bad_request("No Content-Length")  # §20.14
    return length
