"""Messages as they may be shown to people: credentials, keys and pressed digits are replaced, everything else stays.

Whatever a peer sent may come through here, also what no parser would take; every pattern is linear in the text.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "***"

_LINE: Final = r"(?<![^\r\n])"  # the beginning of a line, also after a bare CR
_REST: Final = r"[^\n]*(?:\n[ \t][^\n]*)*"  # to the end of a header line with its folds (RFC 3261 §7.3.1)
_SECRET_HEADER: Final = re.compile(
    rf"{_LINE}([ \t]*(?:(?:Proxy-)?(?:Authorization|Authentication-Info)|X-Webhook-Secret|X-API-Key|(?:Set-)?Cookie)"
    rf"[ \t]*:?(?:[ \t]*(?:Digest|Basic|Bearer)\b)?){_REST}",
    re.IGNORECASE,
)
_HEADER_IN_URI: Final = re.compile(r"([?&](?:Proxy-)?Authorization=)[^&\s<>\"]*", re.IGNORECASE)
_SDP_KEYS: Final = (
    re.compile(r"(inline:)[A-Za-z0-9+/=]+", re.IGNORECASE),  # SDES (RFC 4568 §6.1)
    re.compile(rf"{_LINE}(k=)[^\r\n]*"),  # RFC 4566 §5.12
    re.compile(rf"{_LINE}(a=ice-pwd:)[^\r\n]*"),
)
_TOKEN: Final = re.compile(r"[^\s<>\"]+")
_SCHEME: Final = re.compile(r"sips?:", re.IGNORECASE)
_CONTENT_TYPE: Final = re.compile(rf"{_LINE}(?:Content-Type|c)[ \t]*:{_REST}", re.IGNORECASE)
_INFO: Final = re.compile(rf"\A[\r\n]*INFO |{_LINE}CSeq[ \t]*:[^\n]*INFO[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_EMPTY_LINE: Final = re.compile(r"\n\r?\n")


def redact_message(data: bytes) -> str:
    """One SIP message without its secrets; octets that are no UTF-8 are replaced."""
    return hide_credentials(_without_digits(data.decode("utf-8", "replace")))


def hide_credentials(text: str) -> str:
    """Any text without credential headers, passwords of SIP URIs and keys of media."""
    text = _SECRET_HEADER.sub(_only_its_name, text)
    text = _HEADER_IN_URI.sub(rf"\1{HIDDEN}", text)
    for pattern in _SDP_KEYS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(_without_password, text) if "@" in text else text


def _only_its_name(header: re.Match[str]) -> str:
    return f"{header[1]} {HIDDEN}" + ("\r" if header[0].endswith("\r") else "")


def _without_password(match: re.Match[str]) -> str:
    """``sip:user:password@host``: everything from the colon after the user to the last @ of the word."""
    token = match[0]
    at = token.rfind("@")
    scheme = _SCHEME.search(token, 0, at) if at > 0 else None
    colon = token.find(":", scheme.end(), at) if scheme is not None else -1
    return f"{token[: colon + 1]}{HIDDEN}{token[at:]}" if colon >= 0 else token


def _without_digits(text: str) -> str:
    """Bodies that carry pressed digits: those of INFO, and DTMF or KPML (RFC 4730) wherever they are."""
    types = [(match.end(), match[0].lower()) for match in _CONTENT_TYPE.finditer(text)]
    pressed = [end for end, type_ in types if "dtmf" in type_ or "kpml" in type_]
    if not pressed:
        if _INFO.search(text) is None or (types and "media_control" in types[0][1]):
            return text
        pressed = [0]
    # The line that ends a header is still before its end: an empty line may begin right there.
    empty = _EMPTY_LINE.search(text, max(0, pressed[0] - 1))
    if empty is None or not text[empty.end() :].strip():
        return text
    return text[: empty.end()] + HIDDEN
