"""What a REGISTER asks for, read and checked (RFC 3261 §10.2, §10.3 steps 1, 5 and 6; RFC 3327 for Path)."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from vb.sip.errors import RemoteError, bad_request
from vb.sip.fields import NameAddr, parse_name_addrs
from vb.sip.grammar import parse_number
from vb.sip.location import canonical_aor
from vb.sip.message import Request
from vb.sip.uri import Uri
from vb.sip.validate import is_qvalue

_EXPIRES_MOST = 2**32 - 1
_MOST_PATH = 16
_LONGEST = 1024
"""Characters of a contact or a user agent's name: they are kept, and shown to others."""


@attrs.frozen
class Wish:
    """One contact to bind, or to remove with ``expires`` 0. ``expires`` None leaves it to us."""

    contact: Uri
    expires: int | None
    q: int | None = None


@attrs.frozen(kw_only=True)
class Registration:
    """One REGISTER. ``removes_all`` is ``Contact: *``; without that and without ``wishes`` it only asks."""

    aor: str
    call_id: str
    cseq: int
    wishes: tuple[Wish, ...] = ()
    removes_all: bool = False
    path: tuple[NameAddr, ...] = ()
    user_agent: str = ""

    @property
    def asks_only(self) -> bool:
        return not self.wishes and not self.removes_all


def read_registration(request: Request, domains: Collection[str] = ()) -> Registration:
    """What ``request`` asks for. ``domains`` are those that we serve, in lower case; none: every one.

    Raises RemoteError: 400 for what is malformed, 404 for a domain that is not ours.
    """
    address = request.to.uri
    if domains and not {address.host, request.uri.host} <= set(domains):
        raise RemoteError(404, "Not a domain of ours")  # step 5
    removes_all = request.contact_is_star
    if removes_all and request.expires != 0:
        raise bad_request("Contact: * wants Expires: 0")  # step 6
    return Registration(
        aor=canonical_aor(address),
        call_id=request.call_id,
        cseq=request.cseq.number,
        wishes=tuple(_wish(contact, request.expires) for contact in request.contacts),
        removes_all=removes_all,
        path=_path(request),
        user_agent=(request.headers.get("User-Agent") or "")[:_LONGEST],
    )


def _wish(contact: NameAddr, expires: int | None) -> Wish:
    """§10.3 step 7: the contact's own expiration goes before that of the request."""
    uri = contact.uri.with_(headers=()) if contact.uri.headers else contact.uri
    if len(str(uri)) > _LONGEST:
        raise bad_request("Contact too long")
    own = contact.param("expires")
    if own is not None:
        expires = parse_number(own, _EXPIRES_MOST, "Contact expires")
    q = contact.param("q")
    if q is not None and not is_qvalue(q):
        raise bad_request("Unreadable Contact q")
    return Wish(uri, expires, None if q is None else round(float(q) * 1000))


def _path(request: Request) -> tuple[NameAddr, ...]:
    values = request.headers.values("Path")
    if len(values) > _MOST_PATH:
        raise bad_request("Path too long")
    path = parse_name_addrs(values)
    if any(hop.uri.scheme not in ("sip", "sips") for hop in path):
        raise bad_request("Path is no SIP URI")
    return path
