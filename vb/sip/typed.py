"""The fields that both kinds of message have, parsed when they are first read and kept until the headers change."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from vb.sip.errors import bad_request
from vb.sip.fields import (
    CSeq,
    NameAddr,
    Via,
    parse_cseq,
    parse_media_type,
    parse_name_addr,
    parse_name_addrs,
    parse_tokens,
    parse_via,
)
from vb.sip.grammar import parse_number, split_values
from vb.sip.headers import Headers, name_of

_T = TypeVar("_T")


class TypedFields:
    """Properties over ``headers``. Each raises RemoteError 400: field malformed, or mandatory and missing."""

    __slots__ = ()
    headers: Headers

    @property
    def via(self) -> Via:
        """The topmost Via."""
        typed = self.headers.typed
        via: Via | None = typed.get("top-via")
        if via is None:
            lines = self.headers.index.get("via")
            if not lines:
                raise bad_request("No Via")
            first = split_values(lines[0]) or [""]
            typed["top-via"] = via = parse_via(first[0])
        return via

    @property
    def vias(self) -> tuple[Via, ...]:
        """Every Via, topmost first."""
        lines = self.headers.index.get("via", ())
        if len(lines) == 1 and "," not in lines[0]:
            return (self.via,)
        return self._list("via", lambda values: tuple([parse_via(value) for value in values]))

    @property
    def from_(self) -> NameAddr:
        return self._one("from", parse_name_addr)

    @property
    def to(self) -> NameAddr:
        return self._one("to", parse_name_addr)

    @property
    def cseq(self) -> CSeq:
        return self._one("cseq", parse_cseq)

    @property
    def call_id(self) -> str:
        """Compared octet by octet (§20.8)."""
        values = self.headers.index.get("call-id")
        if not values:
            raise bad_request("No Call-ID")
        return values[0]

    @property
    def contacts(self) -> tuple[NameAddr, ...]:
        """Empty for ``Contact: *`` too: see `contact_is_star`."""
        return () if self.contact_is_star else self._list("contact", parse_name_addrs)

    @property
    def contact_is_star(self) -> bool:
        """``Contact: *`` (§10.2.2)."""
        return self.headers.index.get("contact") == ["*"]

    @property
    def routes(self) -> tuple[NameAddr, ...]:
        return self._list("route", parse_name_addrs)

    @property
    def record_routes(self) -> tuple[NameAddr, ...]:
        """In the order of the message, topmost first."""
        return self._list("record-route", parse_name_addrs)

    @property
    def require(self) -> tuple[str, ...]:
        """Option tags."""
        return self._list("require", lambda values: parse_tokens(values, "Require"))

    @property
    def supported(self) -> tuple[str, ...]:
        """Option tags."""
        return self._list("supported", lambda values: parse_tokens(values, "Supported"))

    @property
    def max_forwards(self) -> int | None:
        """0-255 (§20.22), None when missing."""
        return self._number("max-forwards", 255, "Max-Forwards")

    @property
    def expires(self) -> int | None:
        """Seconds, 0 to 2**32 - 1 (§20.19), None when missing."""
        return self._number("expires", 2**32 - 1, "Expires")

    @property
    def content_type(self) -> str | None:
        """``type/subtype`` in lower case, without parameters; None when missing."""
        return self._one("content-type", parse_media_type) if "content-type" in self.headers.index else None

    def _one(self, key: str, parse: Callable[[str], _T]) -> _T:
        typed = self.headers.typed
        if key in typed:
            known: _T = typed[key]
            return known
        values = self.headers.index.get(key)
        if not values:
            raise bad_request(f"No {name_of(key)}")
        if len(values) > 1:  # §7.3.1: only comma-separated grammars may be repeated
            raise bad_request(f"More than one {name_of(key)}")
        value = parse(values[0])
        typed[key] = value
        return value

    def _list(self, key: str, parse: Callable[[list[str]], tuple[_T, ...]]) -> tuple[_T, ...]:
        lines = self.headers.index.get(key)
        if lines is None:
            return ()
        typed = self.headers.typed
        if key in typed:
            known: tuple[_T, ...] = typed[key]
            return known
        value = parse([value for line in lines for value in split_values(line)])
        typed[key] = value
        return value

    def _number(self, key: str, most: int, what: str) -> int | None:
        if key not in self.headers.index:
            return None
        return self._one(key, lambda text: parse_number(text, most, what))
