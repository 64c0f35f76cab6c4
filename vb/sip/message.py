"""SIP messages: requests and responses as values, and their text (RFC 3261 §7).

Parsing splits lines and checks what a response needs to be routed; every other field is read when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import attrs

from vb.sip.errors import LocalError, RemoteError, bad_request
from vb.sip.grammar import is_token
from vb.sip.head import content_length, read_head
from vb.sip.headers import Headers, Item, name_of
from vb.sip.limits import DEFAULT_LIMITS, Limits
from vb.sip.reasons import REASONS, default_reason
from vb.sip.typed import TypedFields
from vb.sip.uri import Uri, parse_uri

__all__ = ["REASONS", "Message", "Request", "Response", "make_response", "parse_message"]

_STATUS_LINE = re.compile(r"SIP/([0-9]++\.[0-9]++) ([1-6][0-9]{2})(?: (.*))?+", re.IGNORECASE | re.DOTALL).fullmatch
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE).fullmatch
_MANDATORY = ("from", "to", "call-id", "cseq")


@attrs.frozen(eq=False)
class Request(TypedFields):
    """A request. ``headers`` may be changed, the typed properties follow. ``Content-Length`` comes from ``body``."""

    method: str
    uri: Uri
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        return _to_bytes(f"{self.method} {self.uri} SIP/2.0\r\n", self.headers, self.body)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Request):
            return NotImplemented
        mine = (self.method, self.uri, self.body, _content(self.headers))
        return mine == (other.method, other.uri, other.body, _content(other.headers))

    __hash__ = None  # type: ignore[assignment]


@attrs.frozen(eq=False)
class Response(TypedFields):
    """A response; as `Request`. ``status`` is 100-699."""

    status: int
    reason: str
    headers: Headers
    body: bytes = b""

    def to_bytes(self) -> bytes:
        return _to_bytes(f"SIP/2.0 {self.status} {self.reason}\r\n", self.headers, self.body)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Response):
            return NotImplemented
        mine = (self.status, self.reason, self.body, _content(self.headers))
        return mine == (other.status, other.reason, other.body, _content(other.headers))

    __hash__ = None  # type: ignore[assignment]


Message = Request | Response


def parse_message(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Message:
    """The message that begins ``data``. Octets beyond its Content-Length are dropped; without one the rest is the body
    (§18.3). Guaranteed in what comes back: a readable topmost Via, one readable From, To, Call-ID and CSeq, and in a
    request a CSeq of its own method.

    Raises RemoteError: 400 malformed, 413 too large, 414 start line too long, 505 another version. What to answer then
    is in `vb.sip.salvage`.
    """
    if len(data) > limits.message:
        raise RemoteError(413, "Message too large")
    if data.startswith(b"\r\n"):  # §7.5
        data = data.lstrip(b"\r\n")
    end = data.find(b"\r\n\r\n")
    if end < 0:
        raise bad_request("No empty line after the headers")
    start_line, headers = read_head(data[:end], limits)
    message = read_start_line(start_line, headers, data[end + 4 :])
    length = content_length(headers)
    if length is not None and length != len(message.body):
        if length > len(message.body):
            raise bad_request("Body is shorter than Content-Length")
        message = attrs.evolve(message, body=message.body[:length])
    _check_mandatory(message)
    return message


def read_start_line(line: str, headers: Headers, body: bytes) -> Message:
    """Request-Line or Status-Line (§7.1, §7.2). Raises RemoteError 400 or 505."""
    if line[:4].upper() == "SIP/":
        match = _STATUS_LINE(line)
        if match is None:
            raise bad_request("Unreadable status line")
        if match[1] != "2.0":
            raise RemoteError(505, "Only SIP/2.0 is spoken here")
        return Response(int(match[2]), match[3] or "", headers, body)
    parts = line.split(" ")
    if len(parts) != 3:
        raise bad_request("Unreadable request line")
    method, uri, version = parts
    if version != "SIP/2.0" and version.upper() != "SIP/2.0":
        if _VERSION(version):
            raise RemoteError(505, "Only SIP/2.0 is spoken here")
        raise bad_request("Unreadable version")
    if not is_token(method):
        raise bad_request("Unreadable method")
    return Request(method, parse_uri(uri), headers, body)


def _check_mandatory(message: Message) -> None:
    """§8.1.1: what no message may lack, and what a response to it is made of."""
    index = message.headers.index
    for key in _MANDATORY:
        values = index.get(key)
        if values is None:
            raise bad_request(f"No {name_of(key)}")
        if len(values) > 1:
            raise bad_request(f"More than one {name_of(key)}")
    call_id = message.call_id
    if not call_id or " " in call_id or "\t" in call_id:
        raise bad_request("Unreadable Call-ID")
    cseq = message.cseq
    if type(message) is Request and cseq.method != message.method:
        raise bad_request("CSeq is of another method")
    message.via  # noqa: B018  # reading is checking
    message.from_  # noqa: B018
    message.to  # noqa: B018


def make_response(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """A response as §8.2.6 has it: Via, From, To, Call-ID, CSeq and Timestamp of the request, then ``headers``.

    ``to_tag`` is added to a To that has none. Works on salvaged requests: what they lack, the response lacks.
    """
    if reason is None:
        reason = default_reason(status)
    elif "\r" in reason or "\n" in reason:
        raise LocalError("reason phrase has a line break")
    index = request.headers.index
    items: list[Item] = [("via", "Via", value) for value in index.get("via", ())]
    for key, name in (
        ("from", "From"),
        ("to", "To"),
        ("call-id", "Call-ID"),
        ("cseq", "CSeq"),
        ("timestamp", "Timestamp"),
    ):
        values = index.get(key)
        if values:
            value = values[0]
            if to_tag is not None and key == "to" and not _has_tag(request, value):
                value = f"{value};tag={to_tag}"
            items.append((key, name, value))
    response = Headers.trusted(items)
    for name, value in headers:
        response.add(name, value)
    if content_type is not None:
        response.add("Content-Type", content_type)
    return Response(status, reason, response, body)


def _has_tag(request: Request, to: str) -> bool:
    try:
        return request.to.tag is not None
    except RemoteError:
        return ";tag=" in to.replace(" ", "").lower()


def _to_bytes(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line]
    lines += [f"{name}: {value}\r\n" for key, name, value in headers.items if key != "content-length"]
    lines.append(f"Content-Length: {len(body)}\r\n\r\n")
    # A salvaged request may hold octets that are no UTF-8: they go back as they came.
    return "".join(lines).encode("utf-8", "surrogateescape") + body


def _content(headers: Headers) -> list[Any]:
    """Headers as far as they are not framing."""
    return [(key, value) for key, _, value in headers.items if key != "content-length"]
