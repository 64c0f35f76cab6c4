"""What can be answered when a request cannot be parsed: its Via and the fields a response copies (RFC 3261 §8.2.6)."""

from __future__ import annotations

from vb.sip.errors import RemoteError
from vb.sip.fields import parse_sent_by
from vb.sip.grammar import is_token
from vb.sip.head import unfold
from vb.sip.headers import KEYS, Headers, Item
from vb.sip.limits import DEFAULT_LIMITS, Limits
from vb.sip.message import Request
from vb.sip.uri import Uri, parse_uri

UNREADABLE_URI = Uri("invalid", opaque="unreadable")
"""The Request-URI of a salvaged request whose own cannot be read."""

_COPIED = ("via", "from", "to", "call-id", "cseq", "timestamp")


def salvage(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | None:
    """A request fit for `make_response` and nothing else, or None when no response can be routed.

    ``data`` is a message or its head that made `parse_message` or the framer raise. Only the fields that a response
    copies are kept, each at most once but for Via, and only where they have a value; From, To, Call-ID and CSeq may be
    missing or malformed (their properties then raise). ``via`` is readable. Costs at most one head of ``limits``.
    """
    data = data[: limits.message].lstrip(b"\r\n")
    head = data.partition(b"\r\n\r\n")[0].removesuffix(b"\r\n")
    lines = unfold(head.decode("utf-8", "surrogateescape").split("\r\n")[: limits.headers + 1])
    method, _, rest = lines[0].partition(" ")
    if not is_token(method):  # nor is that "SIP/2.0": responses are not answered
        return None
    items: list[Item] = []
    seen: set[str] = set()
    for line in lines[1:]:
        name, _, value = line.partition(":")
        key = KEYS.get(name) or KEYS.get(name.strip(" \t").lower())
        value = value.strip(" \t")
        if key not in _COPIED or not value or len(line) > limits.header or "\n" in value or "\r" in value:
            continue
        if key == "via" or key not in seen:
            items.append((key, name.strip(" \t"), value))
        seen.add(key)
    headers = Headers.trusted(items)
    top = headers.get("Via")
    if top is None:
        return None
    try:
        headers.typed["top-via"] = parse_sent_by(top)
    except RemoteError:
        return None
    return Request(method, _uri(rest), headers)


def _uri(rest: str) -> Uri:
    try:
        return parse_uri(rest.strip(" ").partition(" ")[0])
    except RemoteError:
        return UNREADABLE_URI
