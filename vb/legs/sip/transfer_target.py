"""Whom a transfer is to, and who we say asks for it."""

from __future__ import annotations

import re

from vb.call.errors import Invalid
from vb.legs.sip.identity import sent_by_of
from vb.legs.sip.settings import SipSettings
from vb.sip.effects import Hop
from vb.sip.errors import RemoteError
from vb.sip.uri import Uri, parse_uri

_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:").match
_NO_HOST = re.compile(r"sips?:(?:[^@]*@)?(?:[;?:].*)?", re.IGNORECASE).fullmatch


def transfer_target(text: str) -> Uri:
    """The URI for Refer-To. Raises Invalid unless it is a SIP or SIPS URI with a host."""
    text = text.strip()
    if not text:
        raise Invalid("missing target")
    if not _HAS_SCHEME(text):
        raise Invalid("invalid target URI: missing protocol scheme")
    if _NO_HOST(text):
        raise Invalid("target URI missing host")
    try:
        uri = parse_uri(text)
    except RemoteError:
        raise Invalid("invalid target URI: unreadable") from None
    if uri.scheme not in ("sip", "sips"):
        raise Invalid("invalid target URI: a SIP URI is wanted")
    return uri


def referrer_of(settings: SipSettings, hop: Hop) -> Uri:
    """Ourselves in Referred-By (RFC 3892 §2): our name, or the address that the peer knows us by."""
    host, _ = sent_by_of(settings, hop)
    return Uri("sip", host=host)
