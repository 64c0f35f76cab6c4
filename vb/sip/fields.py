"""The header fields that a user agent reads and writes as values: name-addr, Via, CSeq (RFC 3261 §20, §25.1)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import attrs

from vb.sip.errors import bad_request
from vb.sip.grammar import (
    HOST_NAME,
    IPV6_REFERENCE,
    TOKEN,
    VALUE,
    Params,
    find_param,
    format_host,
    format_params,
    is_token,
    parse_host,
    parse_number,
    parse_params,
    quote,
    quoted_end,
    read_params,
    unquote,
)
from vb.sip.uri import Uri, parse_uri

_PLAIN_PARAMS = rf"((?:;{TOKEN}(?:={VALUE})?+)*+)"
_PLAIN_NAME_ADDR = re.compile(rf'(?:"([^"\\]*+)"[ \t]*+|([A-Za-z0-9]*+)[ \t]*+)<([^<> \t]++)>{_PLAIN_PARAMS}').fullmatch
_PLAIN_VIA = re.compile(rf"SIP/2\.0/([A-Za-z]++) ({HOST_NAME})(?::([0-9]{{1,5}}+))?+{_PLAIN_PARAMS}").fullmatch
_VIA = re.compile(
    rf"({TOKEN})[ \t]*+/[ \t]*+({TOKEN})[ \t]*+/[ \t]*+({TOKEN})[ \t]++"
    rf"({HOST_NAME}|{IPV6_REFERENCE})(?:[ \t]*+:[ \t]*+([0-9]++))?+"
).match
_CSEQ = re.compile(rf"([0-9]++)[ \t]++({TOKEN})").fullmatch
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*+:").match
# *(token LWS), and what phones leave unquoted although it is no token: other letters, (Sales), a@b.
_DISPLAY = re.compile(r'[^"<>,;:\\=\x00-\x08\x0a-\x1f\x7f]*+').fullmatch
_ADDR_SPEC_END = re.compile(r"[ \t;]")

CSEQ_MOST = 2**32 - 1
"""RFC 3261 §8.1.1.5: a 32-bit unsigned number."""


class Parameterised:
    """What fields with ``*(;name=value)`` have in common. Names match in any case of letters."""

    __slots__ = ()
    params: Params

    def param(self, name: str) -> str | None:
        """The first value of that name, without quotes; None when it is missing or has no value."""
        found = find_param(self.params, name)
        return unquote(found[1]) if found and found[1] is not None else None

    def has_param(self, name: str) -> bool:
        return find_param(self.params, name) is not None

    def with_param(self, name: str, value: str | None) -> Any:
        """A copy in which that parameter stands once, last, with the given raw value (quoted by the caller)."""
        kept = tuple([param for param in self.params if param[0].lower() != name.lower()])
        return attrs.evolve(self, params=(*kept, (name, value)))  # type: ignore[misc]

    def without_param(self, name: str) -> Any:
        """A copy without that parameter."""
        kept = tuple([param for param in self.params if param[0].lower() != name.lower()])
        return attrs.evolve(self, params=kept)  # type: ignore[misc]


@attrs.frozen
class NameAddr(Parameterised):
    """``"display" <uri>;params`` of From, To, Contact, Route and their like. ``display`` is without its quotes."""

    display: str
    uri: Uri
    params: Params = ()

    @property
    def tag(self) -> str | None:
        return self.param("tag")

    def with_tag(self, tag: str) -> NameAddr:
        """The same party with that tag."""
        value: NameAddr = self.with_param("tag", tag)
        return value

    def __str__(self) -> str:
        display = f"{quote(self.display)} " if self.display else ""
        return f"{display}<{self.uri}>{format_params(self.params)}"


@attrs.frozen
class Via(Parameterised):
    """One Via value (§20.42). ``transport`` is upper case, ``host`` lower case, IPv6 without brackets."""

    transport: str
    host: str
    port: int | None = None
    params: Params = ()
    protocol: str = "SIP/2.0"

    @property
    def branch(self) -> str | None:
        return self.param("branch")

    @property
    def received(self) -> str | None:
        """The address a server wrote, without brackets (RFC 5118 §4.5 knows both forms)."""
        value = self.param("received")
        return value.strip("[]") if value else None

    @property
    def rport(self) -> int | None:
        """The port a server wrote (RFC 3581); None when ``rport`` is missing, has no value, or no port in it."""
        value = self.param("rport")
        if value is None or not (value.isascii() and value.isdigit()) or len(value) > 5:
            return None
        port = int(value)
        return port if port <= 65535 else None

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        return f"{self.protocol}/{self.transport} {format_host(self.host)}{port}{format_params(self.params)}"


@attrs.frozen
class CSeq:
    """Sequence number and method (§20.16); the method keeps its case."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_name_addr(text: str) -> NameAddr:
    """name-addr or addr-spec with parameters. In the latter everything after the first ";" belongs to the field (§20).

    Raises RemoteError 400.
    """
    match = _PLAIN_NAME_ADDR(text)
    if match is not None:
        quoted, word, uri, params = match.groups()
        return NameAddr(quoted or word or "", parse_uri(uri), _plain_params(params))
    text = text.strip(" \t")
    if text.startswith('"'):
        after = quoted_end(text)
        start = _skip_space(text, after)
        if text[start : start + 1] != "<":
            raise bad_request("No URI after a display name")
        return _bracketed(unquote(text[:after]), text, start)
    if _SCHEME(text):
        return _addr_spec(text)
    display, bracket, _ = text.partition("<")
    if not bracket or not _DISPLAY(display):
        raise bad_request("Unreadable address")
    return _bracketed(" ".join(display.split()), text, len(display))


def _bracketed(display: str, text: str, start: int) -> NameAddr:
    end = text.find(">", start)
    if end < 0:
        raise bad_request("Unbalanced brackets in an address")
    return NameAddr(display, parse_uri(text[start + 1 : end]), parse_params(text, end + 1))


def _addr_spec(text: str) -> NameAddr:
    match = _ADDR_SPEC_END.search(text)
    end = match.start() if match else len(text)
    uri = text[:end]
    if "," in uri or "?" in uri:  # §20.10: these must be enclosed in brackets
        raise bad_request("URI needs brackets")
    return NameAddr("", parse_uri(uri), parse_params(text, end))


def _skip_space(text: str, start: int) -> int:
    return len(text) - len(text[start:].lstrip(" \t"))


def _plain_params(text: str) -> Params:
    """Parameters that are known to have no spaces and no quotes."""
    if not text:
        return ()
    params: list[tuple[str, str | None]] = []
    for param in text[1:].split(";"):
        name, equals, value = param.partition("=")
        params.append((name, value if equals else None))
    return tuple(params)


def parse_name_addrs(values: Iterable[str]) -> tuple[NameAddr, ...]:
    """`parse_name_addr` of each value."""
    return tuple([parse_name_addr(value) for value in values])


def parse_via(text: str) -> Via:
    """One Via value. Raises RemoteError 400."""
    match = _PLAIN_VIA(text)
    if match is not None:
        transport, host, port, params = match.groups()
        number = None if port is None else parse_number(port, 65535, "Via port")
        return Via(transport.upper(), host.lower(), number, _plain_params(params))
    text = text.strip(" \t")
    match = _VIA(text)
    if match is None:
        raise bad_request("Unreadable Via")
    name, version, transport, host, port = match.groups()
    number = None if port is None else parse_number(port, 65535, "Via port")
    params_ = parse_params(text, match.end())
    return Via(transport.upper(), parse_host(host), number, params_, f"{name.upper()}/{version}")


def parse_sent_by(text: str) -> Via:
    """The first Via of a line in a malformed request: what a response needs. What cannot be read is left out.

    Raises RemoteError 400 when there is no sent-by either.
    """
    match = _VIA(text)
    if match is None:
        raise bad_request("Unreadable Via")
    name, version, transport, host, port = match.groups()
    number = None if port is None else parse_number(port, 65535, "Via port")
    params, _ = read_params(text, match.end())
    return Via(transport.upper(), parse_host(host), number, params, f"{name.upper()}/{version}")


def parse_cseq(text: str) -> CSeq:
    """Raises RemoteError 400."""
    match = _CSEQ(text.strip(" \t"))
    if match is None:
        raise bad_request("Unreadable CSeq")
    return CSeq(parse_number(match[1], CSEQ_MOST, "CSeq"), match[2])


def parse_tokens(values: Iterable[str], what: str) -> tuple[str, ...]:
    """A list of tokens: option tags, methods. Raises RemoteError 400 naming ``what``."""
    tokens = tuple(values)
    for token in tokens:
        if not is_token(token):
            raise bad_request(f"Unreadable {what}")
    return tokens


def parse_media_type(text: str) -> str:
    """``type/subtype`` in lower case, parameters dropped (§20.15). Raises RemoteError 400."""
    media_type, _, _ = text.partition(";")
    kind, slash, subtype = media_type.partition("/")
    kind, subtype = kind.strip(" \t"), subtype.strip(" \t")
    if not (slash and is_token(kind) and is_token(subtype)):
        raise bad_request("Unreadable Content-Type")
    return f"{kind}/{subtype}".lower()
