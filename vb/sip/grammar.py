"""The terminals of RFC 3261 §25.1 and the few ways in which fields are put together from them.

All patterns are possessive or anchored, so that matching is linear in the text whatever a peer sends.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from vb.sip.errors import bad_request

WORD_CHARS = r"A-Za-z0-9\-.!%*_+`'~"
TOKEN = rf"[{WORD_CHARS}]++"
QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
# gen-value is token / host / quoted-string; RFC 5118 §4.5 adds a bare IPv6 address, and tags in the field are base64.
VALUE = rf"[{WORD_CHARS}\[\]:@/=&$]++"
HOST_NAME = r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*+\.?+"
IPV6_REFERENCE = r"\[[0-9A-Fa-f:.]++\]"

Params = tuple[tuple[str, str | None], ...]

is_token = re.compile(TOKEN).fullmatch
_TOKEN_START = re.compile(TOKEN).match
_QUOTED_START = re.compile(QUOTED, re.DOTALL).match
_PARAM = re.compile(rf"[ \t]*+;[ \t]*+({TOKEN})(?:[ \t]*+=[ \t]*+({QUOTED}|{VALUE}))?+", re.DOTALL).match
_VALUE_OF_LIST = re.compile(rf'(?:[^,"<]++|{QUOTED}|<[^<>]*+>)*+', re.DOTALL).match
_ESCAPED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_MUST_BE_QUOTED_PAIR = re.compile(r'["\\\x00-\x08\x0b\x0c\x0e-\x1f\x7f]')
_BROKEN_IPV4_TAIL = re.compile(r":::(?=[0-9]{1,3}\.)")


def parse_number(text: str, most: int, what: str) -> int:
    """1*DIGIT, 0 to ``most``; leading zeros are legal (RFC 4475 §3.1.1.1). Raises RemoteError 400 naming ``what``."""
    if not (text.isascii() and text.isdigit()) or len(text) > 100:
        raise bad_request(f"{what} is not a number")
    number = int(text)
    if number > most:
        raise bad_request(f"{what} is too large")
    return number


def unquote(text: str) -> str:
    """The value of a quoted-string, or ``text`` itself when it is none (RFC 3261 §25.1 quoted-pair)."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return _ESCAPED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def quote(text: str) -> str:
    """``text`` as a quoted-string. Line breaks cannot be represented (§25.1): they become spaces."""
    text = text.replace("\r", " ").replace("\n", " ")
    return '"' + _MUST_BE_QUOTED_PAIR.sub(r"\\\g<0>", text) + '"'


def quoted_end(text: str, start: int = 0) -> int:
    """Where the quoted-string that begins at ``start`` ends. Raises RemoteError 400 when it never does."""
    match = _QUOTED_START(text, start)
    if match is None:
        raise bad_request("Unterminated quoted string")
    return match.end()


def split_values(text: str) -> list[str]:
    """The comma-separated values of one header line, commas inside quotes or <> excepted (RFC 3261 §7.3.1).

    Values are stripped; an empty line has none, an empty value between commas stays as "".
    Raises RemoteError 400 for unbalanced quotes or brackets.
    """
    if "," not in text:
        text = text.strip(" \t")
        return [text] if text else []
    if '"' not in text and "<" not in text:
        return [value.strip(" \t") for value in text.split(",")]
    values: list[str] = []
    start = 0
    while True:
        match = _VALUE_OF_LIST(text, start)
        end = match.end() if match else start
        values.append(text[start:end].strip(" \t"))
        if end == len(text):
            return values
        if text[end] != ",":
            raise bad_request("Unbalanced quotes or brackets")
        start = end + 1


def parse_params(text: str, start: int = 0) -> Params:
    """``*(SEMI generic-param)`` from ``start`` to the end of ``text`` (RFC 3261 §25.1).

    Values stay as they were written, quotes included; `unquote` gives their meaning. Raises RemoteError 400.
    """
    params, end = read_params(text, start)
    if text[end:].strip(" \t"):
        raise bad_request("Unreadable parameters")
    return params


def read_params(text: str, start: int) -> tuple[Params, int]:
    """The parameters from ``start`` on as far as they can be read, and where that is."""
    params: list[tuple[str, str | None]] = []
    match = _PARAM(text, start)
    while match is not None:
        params.append((match[1], match[2]))
        start = match.end()
        match = _PARAM(text, start)
    return tuple(params), start


def format_params(params: Params) -> str:
    """Header parameters as text, each led by its semicolon."""
    return "".join([f";{name}" if value is None else f";{name}={value}" for name, value in params])


def find_param(params: Params, name: str) -> tuple[str, str | None] | None:
    """The first parameter of that name, in any case of letters."""
    for param in params:
        if param[0] == name or param[0].lower() == name.lower():
            return param
    return None


def parse_host(text: str) -> str:
    """A host as this package stores it: lower case, IPv6 without brackets. Raises RemoteError 400.

    RFC 5118 §4.10: ``[2001:db8:::192.0.2.1]``, born of a slip in the grammar of RFC 3261, is read as with two colons.
    """
    if text[0] != "[":
        return text.lower()
    address = _BROKEN_IPV4_TAIL.sub("::", text[1:-1].lower())
    if not _is_ipv6(address):
        raise bad_request("Unreadable IPv6 address")
    return address


def _is_ipv6(text: str) -> bool:
    """RFC 4291 §2.2 (1-3), without the zone of RFC 4007, which SIP does not have."""
    head, gap, tail = text.partition("::")
    if "::" in tail or (gap and tail.startswith(":")):
        return False
    groups = [*(head.split(":") if head else ()), *(tail.split(":") if tail else ())]
    size = len(groups)
    if groups and "." in groups[-1]:
        octets = groups.pop().split(".")
        if len(octets) != 4 or not all(o.isdigit() and len(o) <= 3 and int(o) <= 255 for o in octets):
            return False
        size += 1
    if not all(0 < len(group) <= 4 and "." not in group for group in groups):
        return False
    return size <= 7 if gap else size == 8


def format_host(host: str) -> str:
    """The host as it stands in a URI or Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def unescape(text: str) -> str:
    """The text behind %HH escapes. Octets that are no UTF-8 are read as Latin-1, so that it is always printable."""
    if "%" not in text:
        return text
    octets = unquote_to_bytes(text)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
