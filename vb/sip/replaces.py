"""Replaces: the header field that names the dialog which a new INVITE takes the place of (RFC 3891)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from vb.sip.errors import bad_request
from vb.sip.grammar import TOKEN, find_param, parse_params

if TYPE_CHECKING:
    from vb.sip.message import Request

_WORD = r"[A-Za-z0-9\-.!%*_+`'~()<>:\\\"/\[\]?{}]++"
_CALL_ID = re.compile(rf"{_WORD}(?:@{_WORD})?+").fullmatch  # RFC 3261 §25.1
_TAG = re.compile(TOKEN).fullmatch
NO_TAG = "0"
"""Stands for a peer of RFC 2543 that has none (§3)."""


@attrs.frozen
class Replaces:
    """One Replaces value (§6.1). The tags are as the one who receives it sees them: ``to_tag`` is its own."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        flag = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{flag}"


def parse_replaces(text: str) -> Replaces:
    """``callid *(SEMI replaces-param)`` with exactly one tag of each kind (§6.1). Raises RemoteError 400."""
    call_id, semicolon, rest = text.strip().partition(";")
    call_id = call_id.strip()
    if not _CALL_ID(call_id):
        raise bad_request("Unreadable Replaces")
    params = parse_params(semicolon + rest)
    names = [name.lower() for name, _ in params]
    tags = []
    for name in ("to-tag", "from-tag"):
        found = find_param(params, name)
        if names.count(name) != 1 or found is None or not found[1] or not _TAG(found[1]):
            raise bad_request(f"Replaces needs one {name}")
        tags.append(found[1])
    return Replaces(call_id, tags[0], tags[1], "early-only" in names)


def replaces_of(request: Request) -> Replaces | None:
    """The one Replaces of an INVITE. Raises RemoteError 400 for several, or in a request that cannot have one (§3)."""
    values = request.headers.get_all("Replaces")
    if not values:
        return None
    if request.method != "INVITE":
        raise bad_request("Replaces outside INVITE")
    if len(values) > 1 or "Join" in request.headers:
        raise bad_request("More than one Replaces")
    return parse_replaces(values[0])
