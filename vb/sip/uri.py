"""SIP, SIPS and other URIs (RFC 3261 §19.1, §25.1)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any
from urllib.parse import quote as percent_encode

import attrs

from vb.sip.errors import bad_request
from vb.sip.grammar import (
    HOST_NAME,
    IPV6_REFERENCE,
    Params,
    find_param,
    format_host,
    parse_host,
    parse_number,
    unescape,
)

_ESCAPED = "%[0-9A-Fa-f]{2}"
_UNRESERVED = r"A-Za-z0-9\-_.!~*'()"
# "#" is not legal in a user part, but star codes (*21#) come with it unescaped; we write it as %23.
_USER = rf"(?:[{_UNRESERVED}&=+$,;?/#]|{_ESCAPED})++"
_PASSWORD = rf"(?:[{_UNRESERVED}&=+$,]|{_ESCAPED})*+"
_PARAM = rf"(?:[{_UNRESERVED}\[\]/:&+$]|{_ESCAPED})++"
_HEADER = rf"(?:[{_UNRESERVED}\[\]/?:+$]|{_ESCAPED})"
_SIP_URI = re.compile(
    rf"(sips?):(?:({_USER})(?::({_PASSWORD}))?+@)?+({HOST_NAME}|{IPV6_REFERENCE})(?::([0-9]++))?+"
    rf"((?:;{_PARAM}(?:={_PARAM})?+)*+)(?:\?({_HEADER}++={_HEADER}*+(?:&{_HEADER}++={_HEADER}*+)*+))?+",
    re.IGNORECASE,
).fullmatch
_ABSOLUTE_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*+):((?:[!#-$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})++)").fullmatch
_ESCAPE = re.compile(_ESCAPED)

_SAFE_USER = "-_.!~*'()&=+$,;?/"
_SAFE_AFTER_COLON = "-_.!~*'()&=+$,"
_SAFE_PARAM = "-_.!~*'()[]/:&+$"
_SAFE_HEADER = "-_.!~*'()[]/?:+$"
_CACHED_LENGTH = 256


@attrs.frozen
class Uri:
    """One URI. ``user``, ``password``, parameters and headers are stored without their escapes.

    ``host`` is lower case, IPv6 without brackets. For ``sip`` and ``sips`` ``opaque`` is ""; for every other scheme
    it is all that follows the colon and the other fields are empty. ``str()`` is the text that was parsed, as long as
    nothing has been changed: a remote target goes back to its owner byte for byte.
    """

    scheme: str
    user: str | None = None
    password: str | None = None
    host: str = ""
    port: int | None = None
    params: Params = ()
    headers: tuple[tuple[str, str], ...] = ()
    opaque: str = ""
    _text: str = attrs.field(init=False, default="", eq=False, repr=False)

    def param(self, name: str) -> str | None:
        """The value of the first parameter of that name; None when it is missing or has no value."""
        found = find_param(self.params, name)
        return found[1] if found else None

    def has_param(self, name: str) -> bool:
        return find_param(self.params, name) is not None

    def with_(self, **changes: Any) -> Uri:
        """A copy with some fields changed."""
        return attrs.evolve(self, **changes)

    def __str__(self) -> str:
        text: str = self._text
        if not text:
            text = _format(self)
            object.__setattr__(self, "_text", text)
        return text

    def equivalent(self, other: Uri) -> bool:
        """The comparison of RFC 3261 §19.1.4, which is not transitive and therefore not ``==``."""
        if self.opaque or other.opaque:
            return (self.scheme, self.opaque) == (other.scheme, other.opaque)
        mine = (self.scheme, _user_part(self), self.host, self.port)
        if mine != (other.scheme, _user_part(other), other.host, other.port):
            return False
        return _params_match(self.params, other.params) and _header_set(self) == _header_set(other)


def parse_uri(text: str) -> Uri:
    """The URI that ``text`` is, without brackets around it. Raises RemoteError 400.

    An unknown scheme is no error here: that is 416, for who must resolve it (RFC 3261 §8.2.2.1).
    """
    return _parse_cached(text) if len(text) <= _CACHED_LENGTH else _parse(text)


def _parse(text: str) -> Uri:
    match = _SIP_URI(text)
    if match is None:
        return _parse_other(text)
    scheme, user, password, host, port, params, headers = match.groups()
    uri = Uri(
        scheme.lower(),
        user and unescape(user),
        password and unescape(password),
        parse_host(host),
        parse_number(port, 65535, "Port") if port else None,
        tuple([_parse_param(param) for param in params[1:].split(";")]) if params else (),
        tuple([_parse_header(header) for header in headers.split("&")]) if headers else (),
    )
    if ":::" not in host:  # RFC 5118 §4.10: read, never written
        object.__setattr__(uri, "_text", text)
    return uri


_parse_cached = lru_cache(maxsize=2048)(_parse)


def _parse_other(text: str) -> Uri:
    match = _ABSOLUTE_URI(text)
    if match is None or match[1].lower() in ("sip", "sips"):
        raise bad_request("Unreadable URI")
    return Uri(match[1].lower(), opaque=match[2])


def _parse_param(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    return unescape(name), unescape(value) if equals else None


def _parse_header(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return unescape(name), unescape(value)


def _escape(text: str, safe: str) -> str:
    return percent_encode(text, safe=safe, errors="replace")


def _format(uri: Uri) -> str:
    if uri.opaque:
        return f"{uri.scheme}:{uri.opaque}"
    parts = [uri.scheme, ":"]
    if uri.user is not None:
        parts.append(_escape(uri.user, _SAFE_USER))
        if uri.password is not None:
            parts += (":", _escape(uri.password, _SAFE_AFTER_COLON))
        parts.append("@")
    parts.append(format_host(uri.host))
    if uri.port is not None:
        parts.append(f":{uri.port}")
    for name, value in uri.params:
        parts.append(";" + _escape(name, _SAFE_PARAM))
        if value is not None:
            parts.append("=" + _escape(value, _SAFE_PARAM))
    for index, (name, text) in enumerate(uri.headers):
        parts.append(f"{'&' if index else '?'}{_escape(name, _SAFE_HEADER)}={_escape(text, _SAFE_HEADER)}")
    return "".join(parts)


def _user_part(uri: Uri) -> str | None:
    """User and password with the escapes of reserved characters kept: ``%2C`` is not a comma (§19.1.4)."""
    if uri.user is None:
        return None
    text = str(uri)[len(uri.scheme) + 1 :].partition("@")[0]
    return _ESCAPE.sub(_unescape_unreserved, text)


def _unescape_unreserved(match: re.Match[str]) -> str:
    character = chr(int(match[0][1:], 16))
    return match[0].upper() if character in ";/?:@&=+$," else character


def _params_match(mine: Params, theirs: Params) -> bool:
    ours = {name.lower(): value for name, value in mine}
    others = {name.lower(): value for name, value in theirs}
    for name in ours.keys() | others.keys():
        if name in ours and name in others:
            if (ours[name] or "").lower() != (others[name] or "").lower():
                return False
        elif name in ("user", "ttl", "method", "maddr", "transport"):
            return False
    return True


def _header_set(uri: Uri) -> list[tuple[str, str]]:
    return sorted((name.lower(), value) for name, value in uri.headers)
