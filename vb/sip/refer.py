"""What REFER and its NOTIFYs carry: Refer-To, Referred-By, Refer-Sub, Event, Subscription-State, message/sipfrag.

RFC 3515 (REFER), RFC 3892 (Referred-By), RFC 4488 (norefersub), RFC 3420 (sipfrag), RFC 6665 (events).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from vb.sip.errors import RemoteError, bad_request
from vb.sip.fields import parse_name_addr
from vb.sip.grammar import find_param, is_token, parse_number, parse_params, unquote
from vb.sip.reasons import default_reason
from vb.sip.replaces import Replaces, parse_replaces

if TYPE_CHECKING:
    from vb.sip.message import Request
    from vb.sip.uri import Uri

SIPFRAG = "message/sipfrag"
SIPFRAG_VERSION = "message/sipfrag;version=2.0"
_STATUS_LINE = re.compile(r"SIP/2\.0 +([1-6][0-9]{2})(?: +([^\r\n]*))?(?:\r?\n|$)", re.IGNORECASE).match
_MOST_EXPIRES = 2**32 - 1
_LONGEST_REASON = 200


@attrs.frozen
class ReferTo:
    """Whom to call: ``target`` without URI headers, the ``method`` it asks for, and what that call is to replace."""

    target: Uri
    method: str = "INVITE"
    replaces: Replaces | None = None


@attrs.frozen
class SubscriptionState:
    """``state`` in lower case: active, pending, terminated or an extension (RFC 6665 §4.1.3). ``expires`` seconds."""

    state: str
    expires: int | None = None
    reason: str = ""

    @property
    def terminated(self) -> bool:
        return self.state == "terminated"


@attrs.frozen
class Notification:
    """What one NOTIFY of a REFER says. ``status`` is None when it has no body; ``number`` the CSeq number in its id."""

    state: SubscriptionState
    status: int | None
    reason: str
    number: int | None


def refer_to_value(target: Uri, replaces: Replaces | None = None) -> str:
    """The value of Refer-To, always in brackets; Replaces as an escaped URI header (RFC 3515 §2.1, RFC 3891 §7)."""
    if replaces is None:
        return f"<{target}>"
    headers = tuple((name, value) for name, value in target.headers if name.lower() != "replaces")
    return f"<{target.with_(headers=(*headers, ('Replaces', str(replaces))))}>"


def refer_to_of(request: Request) -> ReferTo:
    """Exactly one Refer-To, or 400 (RFC 3515 §2.4.2). Raises RemoteError."""
    lines = request.headers.get_all("Refer-To")
    if not lines:
        raise bad_request("Missing Refer-To")
    if len(lines) > 1:
        raise bad_request("More than one Refer-To")
    uri = parse_name_addr(lines[0]).uri
    replaces = [value for name, value in uri.headers if name.lower() == "replaces"]
    if len(replaces) > 1:
        raise bad_request("More than one Replaces")
    method = uri.param("method") or "INVITE"
    params = tuple(param for param in uri.params if param[0].lower() != "method")
    target = uri.with_(headers=(), params=params) if uri.headers or params != uri.params else uri
    return ReferTo(target, method, parse_replaces(replaces[0]) if replaces else None)


def referred_by_of(request: Request) -> str:
    """The one Referred-By as it came, "" without (RFC 3892 §2.1). Raises RemoteError 400."""
    lines = request.headers.get_all("Referred-By")
    if len(lines) > 1:
        raise bad_request("More than one Referred-By")
    if lines:
        parse_name_addr(lines[0])
    return lines[0] if lines else ""


def wants_subscription(message_lines: list[str]) -> bool:
    """By the lines of Refer-Sub: only "false" does without (RFC 4488 §4)."""
    return not any(line.partition(";")[0].strip().lower() == "false" for line in message_lines)


def check_refer(request: Request) -> None:
    """Raises RemoteError 400 for a REFER that nobody can do anything with."""
    refer_to_of(request)
    referred_by_of(request)


def sipfrag(status: int, reason: str | None = None) -> bytes:
    """The body of a NOTIFY: a status line (RFC 3515 §2.4.5). A reason cannot add a line."""
    phrase = " ".join((reason or default_reason(status)).split())[:_LONGEST_REASON]
    return f"SIP/2.0 {status} {phrase}\r\n".encode("utf-8", "replace")


def read_sipfrag(body: bytes) -> tuple[int, str]:
    """Status (100-699) and reason phrase; what follows the status line is for whoever wants it. Raises RemoteError."""
    match = _STATUS_LINE(body[:1024].decode("utf-8", "replace"))
    if match is None:
        raise bad_request("Unreadable sipfrag")
    return int(match[1]), (match[2] or "").strip()[:_LONGEST_REASON]


def event_of(request: Request) -> tuple[str, int | None]:
    """Event package, and the number in ``id``, of a NOTIFY. Raises RemoteError 400 or 489 (RFC 6665 §8.2.1)."""
    line = request.headers.get("Event") or ""
    package, semicolon, rest = line.partition(";")
    package = package.strip().lower()
    if not is_token(package):
        raise RemoteError(489, "Bad Event")
    found = find_param(parse_params(semicolon + rest), "id")
    if found is None or not found[1]:
        return package, None
    return package, parse_number(unquote(found[1]), _MOST_EXPIRES, "Event id")


def subscription_state_of(request: Request) -> SubscriptionState:
    """Subscription-State, which every NOTIFY has (RFC 6665 §8.2.3). Raises RemoteError 400."""
    line = request.headers.get("Subscription-State") or ""
    state, semicolon, rest = line.partition(";")
    if not is_token(state.strip()):
        raise bad_request("No Subscription-State")
    params = parse_params(semicolon + rest)
    expires = find_param(params, "expires")
    reason = find_param(params, "reason")
    return SubscriptionState(
        state.strip().lower(),
        parse_number(expires[1], _MOST_EXPIRES, "expires") if expires and expires[1] else None,
        unquote(reason[1]) if reason and reason[1] else "",
    )


def notification_of(request: Request) -> Notification:
    """A NOTIFY of the refer package. Raises RemoteError: 400, 415 for another body, 489 for another package."""
    package, number = event_of(request)
    if package != "refer":
        raise RemoteError(489, "Bad Event")
    state = subscription_state_of(request)
    if not request.body:
        return Notification(state, None, "", number)
    if request.content_type != SIPFRAG:
        raise RemoteError(415, "Unsupported Media Type")
    status, reason = read_sipfrag(request.body)
    return Notification(state, status, reason, number)
