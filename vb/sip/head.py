"""From the octets before the empty line to a start line and header fields (RFC 3261 §7.1-§7.3)."""

from __future__ import annotations

import re

from vb.sip.errors import RemoteError, bad_request
from vb.sip.grammar import is_token, parse_number
from vb.sip.headers import KEYS, Headers, Item, key_of
from vb.sip.limits import Limits

# What may stand in a head anywhere. Other control characters are legal in a quoted pair only (§25.1).
_ANYWHERE = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F), *range(0x80, 0x100)])
_QUOTED_PAIR = re.compile(rb"\\[\x00-\x7f]")


def read_head(head: bytes, limits: Limits) -> tuple[str, Headers]:
    """Start line and headers of a head without its empty line. Raises RemoteError 400, for the first line 414."""
    if head.translate(None, _ANYWHERE) and _QUOTED_PAIR.sub(b"", head).translate(None, _ANYWHERE):
        raise bad_request("Control character in a header")
    breaks = head.count(b"\r\n")
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks:
        raise bad_request("Bare CR or LF in a header")
    if breaks > limits.headers and breaks - _folds(head) > limits.headers:
        raise bad_request("Too many header lines")
    try:
        lines = head.decode().split("\r\n")
    except UnicodeDecodeError:
        raise bad_request("Headers are not UTF-8") from None
    if b"\r\n " in head or b"\r\n\t" in head:
        lines = unfold(lines)
    if len(head) > limits.header:
        _check_lengths(lines, limits)
    return lines[0], read_lines(lines)


def read_lines(lines: list[str]) -> Headers:
    """Header fields from unfolded lines; the first line is the start line and skipped. Raises RemoteError 400."""
    items: list[Item] = []
    index: dict[str, list[str]] = {}
    known = KEYS.get
    start = True
    for line in lines:
        if start:
            start = False
            continue
        name, colon, value = line.partition(":")
        key = known(name)
        if key is None or not colon:
            name = name.rstrip(" \t")  # HCOLON = *( SP / HTAB ) ":" SWS
            if not colon or not is_token(name):
                raise bad_request("Unreadable header line")
            key = key_of(name)
        value = value.strip(" \t")
        items.append((key, name, value))
        if key in index:
            index[key].append(value)
        else:
            index[key] = [value]
    return Headers.trusted(items, index)


def unfold(lines: list[str]) -> list[str]:
    """Lines that begin with white space belong to the one before; the fold is worth one space (§7.3.1)."""
    whole: list[list[str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and whole:
            whole[-1].append(line.strip(" \t"))
        else:
            whole.append([line.rstrip(" \t") if whole else line])
    return [" ".join(parts) for parts in whole]


def content_length(headers: Headers) -> int | None:
    """The announced size of the body in octets; None when nothing is announced. Raises RemoteError 400 or 413."""
    values = headers.index.get("content-length")
    if values is None:
        return None
    if len(values) > 1:
        raise bad_request("More than one Content-Length")  # RFC 4475 §3.3.9
    return parse_number(values[0], 10**99, "Content-Length")


def _folds(head: bytes) -> int:
    return head.count(b"\r\n ") + head.count(b"\r\n\t")


def _check_lengths(lines: list[str], limits: Limits) -> None:
    for number, line in enumerate(lines):
        # Octets and characters differ only where a line is near the limit anyway.
        if len(line) > limits.header or len(line.encode()) > limits.header:
            raise RemoteError(400, "Header line too long") if number else RemoteError(414, "Start line too long")
