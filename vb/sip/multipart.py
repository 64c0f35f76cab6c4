"""Bodies of several parts (RFC 2046 §5.1, RFC 5621): which of them is the session description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from vb.sip.errors import RemoteError, bad_request
from vb.sip.fields import parse_media_type

if TYPE_CHECKING:
    from vb.sip.message import Message

SDP = "application/sdp"
MULTIPART = "multipart/mixed"

_MOST_PARTS = 16
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"((?:[^"\\]|\\.){1,140})"|([^\s;",]{1,70}))', re.IGNORECASE).search
_HANDLING = re.compile(r';\s*handling\s*=\s*"?([a-z-]+)"?', re.IGNORECASE).search


@attrs.frozen
class Part:
    """One part: its media type in lower case, how it is to be used, and whether it may be ignored."""

    content_type: str
    disposition: str
    optional: bool
    encoding: str
    body: bytes


def description_of(message: Message) -> bytes:
    """The session description in a message; b"" when there is none, or only bodies that may be ignored.

    Raises RemoteError: 415 for a required body that we do not understand (RFC 5621 §3.1, §3.2), 400 for one that
    cannot be taken apart.
    """
    if not message.body:
        return b""
    kind = message.content_type or SDP
    if kind == SDP:
        return message.body
    if kind != MULTIPART:
        if is_optional(message.headers.get("Content-Disposition") or ""):
            return b""
        raise RemoteError(415, "Unsupported Media Type")
    found = [part for part in parts_of(message) if _wanted(part)]
    if len(found) > 1:
        raise RemoteError(415, "More than one session description")  # RFC 5621 §3.1: one part per disposition type
    return found[0].body if found else b""


def parts_of(message: Message) -> tuple[Part, ...]:
    """The parts of a multipart body. Raises RemoteError 400."""
    match = _BOUNDARY(message.headers.get("Content-Type") or "")
    if match is None:
        raise bad_request("No boundary")
    name = re.sub(r"\\(.)", r"\1", match[1]) if match[1] is not None else match[2]
    delimiter = b"\r\n--" + name.encode("utf-8", "surrogateescape")
    sections = (b"\r\n" + message.body).split(delimiter, _MOST_PARTS + 2)[1:]  # before the first is a preamble
    parts: list[Part] = []
    for section in sections:
        if section.startswith(b"--"):  # RFC 2046 §5.1.1: the last delimiter; an epilogue may follow
            return tuple(parts)
        if len(parts) == _MOST_PARTS:
            raise bad_request("Too many body parts")
        parts.append(_part(section))
    raise bad_request("Multipart body without an end")


def is_optional(disposition: str) -> bool:
    """``handling=optional`` lets a UAS ignore the body; without the parameter it is required (RFC 3261 §20.11)."""
    match = _HANDLING(disposition)
    return match is not None and match[1].lower() == "optional"


def _part(section: bytes) -> Part:
    padding, line_end, rest = section.partition(b"\r\n")
    if not line_end or padding.strip(b" \t"):
        raise bad_request("Unreadable boundary line")
    if rest.startswith(b"\r\n"):
        head, body = b"", rest[2:]
    else:
        head, empty, body = rest.partition(b"\r\n\r\n")
        if not empty:
            raise bad_request("Body part without an empty line")
    fields: dict[str, str] = {}
    for line in re.sub(rb"\r\n[ \t]+", b" ", head).split(b"\r\n"):
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if line and not colon:
            raise bad_request("Unreadable header of a body part")
        fields.setdefault(name.strip().lower(), value.strip())
    given = fields.get("content-type", "")
    disposition = fields.get("content-disposition", "")
    return Part(
        parse_media_type(given) if given else "text/plain",  # RFC 2046 §5.2
        disposition.partition(";")[0].strip().lower(),
        is_optional(disposition),
        fields.get("content-transfer-encoding", "binary").lower(),
        body,
    )


def _wanted(part: Part) -> bool:
    """Whether it is the description. Raises RemoteError 415 for a part that must be understood and is not."""
    if part.content_type == SDP and part.disposition in ("", "session"):
        if part.encoding in ("binary", "8bit", "7bit"):
            return True
        reason = "Unsupported Content-Transfer-Encoding"
    else:
        reason = "Unsupported Media Type"
    if part.optional:
        return False
    raise RemoteError(415, reason)
