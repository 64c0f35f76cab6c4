"""The whole of a message checked at once: every field that a user agent acts on, not only what routes a response."""

from __future__ import annotations

from vb.sip.errors import bad_request
from vb.sip.fields import NameAddr, parse_tokens
from vb.sip.grammar import parse_number
from vb.sip.message import Message, Request

_TOKEN_LISTS = ("Allow", "Proxy-Require", "Unsupported")


def validate(message: Message) -> None:
    """Raises RemoteError 400 for the first field that is malformed or repeated against its grammar.

    Checked beyond `parse_message`: every Via, Contact with its expires and q, Route, Record-Route, Require, Supported,
    Allow, Proxy-Require, Unsupported, Max-Forwards, Expires, Content-Type, and that a Request-URI has no headers.
    Fields that a user agent may ignore (Date with a strange zone, RFC 4475 §3.1.2.12) are left alone. What is read here
    stays read: the typed properties cost nothing afterwards.
    """
    if isinstance(message, Request) and message.uri.headers:
        raise bad_request("Request-URI has headers")  # §19.1.1 table 1
    index = message.headers.index
    for name in _TOKEN_LISTS:
        if name.lower() in index:
            parse_tokens(message.headers.values(name), name)
    if "contact" in index:
        _check_contacts(message)
    message.vias, message.routes, message.record_routes  # noqa: B018  # reading is checking
    message.require, message.supported  # noqa: B018
    message.max_forwards, message.expires, message.content_type  # noqa: B018


def _check_contacts(message: Message) -> None:
    values = message.headers.values("Contact")
    if "*" in values:
        # §10.2.2, §25.1: a star stands alone, and in REGISTER only.
        if len(values) > 1 or (isinstance(message, Request) and message.method != "REGISTER"):
            raise bad_request("Misplaced Contact: *")
        return
    for contact in message.contacts:
        _check_contact(contact)


def _check_contact(contact: NameAddr) -> None:
    if not contact.params:
        return
    expires = contact.param("expires")
    if expires is not None:
        parse_number(expires, 2**32 - 1, "Contact expires")  # RFC 4475 §3.1.2.4
    q = contact.param("q")
    if q is not None and not is_qvalue(q):
        raise bad_request("Unreadable Contact q")


def is_qvalue(text: str) -> bool:
    """0 to 1 with at most three decimals (§25.1)."""
    whole, _, decimals = text.partition(".")
    if whole not in ("0", "1") or len(decimals) > 3 or (decimals and not (decimals.isascii() and decimals.isdigit())):
        return False
    return whole == "0" or not decimals.strip("0")
