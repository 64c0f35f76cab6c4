"""The header fields of one message: ordered, names in any case and in compact or long form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vb.sip.errors import LocalError
from vb.sip.grammar import is_token, split_values

# RFC 3261 §7.3.3 and the registrations of later RFCs.
COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}
_COMMON = """
Accept Allow Authorization Call-ID Contact Content-Disposition Content-Length Content-Type CSeq Date Expires From
Max-Forwards Min-Expires Min-SE P-Asserted-Identity Proxy-Authenticate Proxy-Authorization Proxy-Require RAck Reason
Record-Route Require Retry-After Route RSeq Server Session-Expires Subject Supported Timestamp To Unsupported
User-Agent Via Warning WWW-Authenticate X-Correlation-ID""".split()  # noqa: SIM905

KEYS: dict[str, str] = {}
"""The spellings that are met all the time, each with its key: the lower-case long form."""
for _name in _COMMON:
    KEYS |= dict.fromkeys((_name, _name.lower(), _name.upper(), _name.title()), _name.lower())
for _short, _name in COMPACT.items():
    KEYS |= dict.fromkeys((_short, _short.upper(), _name, _name.lower()), _name.lower())

_NOT_IN_A_VALUE = re.compile("[\r\n\ud800-\udfff]").search

Item = tuple[str, str, str]
"""Key, name as written, value."""


def key_of(name: str) -> str:
    """What names that mean the same field have in common (RFC 3261 §7.3.1, §7.3.3)."""
    key = KEYS.get(name)
    if key is None:
        lower = name.lower()
        key = KEYS.get(lower, lower)
    return key


def name_of(key: str) -> str:
    """How a key is written in a message."""
    return {"call-id": "Call-ID", "cseq": "CSeq"}.get(key) or key.title()


class Headers:
    """An ordered list of header fields. Values are text without line breaks, stripped.

    Iteration gives (name as written, value). Setting a value with CR, LF or a lone surrogate, or a name that is no
    token, raises LocalError: nothing that a REST client says can add a line.
    """

    __slots__ = ("_index", "_items", "typed")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items: list[Item] = [_checked(name, value) for name, value in items]
        self._index: dict[str, list[str]] | None = None
        self.typed: dict[str, Any] = {}
        """Parsed fields of the message that owns these headers, by key; a change of that field drops its entry."""

    @classmethod
    def trusted(cls, items: list[Item], index: dict[str, list[str]] | None = None) -> Headers:
        """Headers from items that a parser has checked; the list is taken over."""
        headers = cls.__new__(cls)
        headers._items = items
        headers._index = index
        headers.typed = {}
        return headers

    @property
    def index(self) -> dict[str, list[str]]:
        """Values by key, in order. Not to be changed."""
        if self._index is None:
            index: dict[str, list[str]] = {}
            for key, _, value in self._items:
                index.setdefault(key, []).append(value)
            self._index = index
        return self._index

    @property
    def items(self) -> list[Item]:
        """The list itself: key, name, value. Not to be changed."""
        return self._items

    def get(self, name: str) -> str | None:
        """The first value of that name."""
        values = self.index.get(key_of(name))
        return values[0] if values else None

    def get_all(self, name: str) -> list[str]:
        """The value of every line of that name."""
        return list(self.index.get(key_of(name), ()))

    def values(self, name: str) -> list[str]:
        """The comma-separated values of every line of that name. Raises RemoteError 400 for unbalanced quotes."""
        return [value for line in self.index.get(key_of(name), ()) for value in split_values(line)]

    def add(self, name: str, value: str) -> None:
        """A new line at the end."""
        item = _checked(name, value)
        self._items.append(item)
        if self._index is not None:
            self._index.setdefault(item[0], []).append(item[2])
        self._changed(item[0])

    def insert_first(self, name: str, value: str) -> None:
        """A new line before all others."""
        item = _checked(name, value)
        self._items.insert(0, item)
        if self._index is not None:
            self._index.setdefault(item[0], []).insert(0, item[2])
        self._changed(item[0])

    def set(self, name: str, value: str) -> None:
        """One line of that name: in the place of the first one, or at the end."""
        item = _checked(name, value)
        places = [at for at, (key, _, _) in enumerate(self._items) if key == item[0]]
        if not places:
            self._items.append(item)
        else:
            self._items[places[0]] = item
            for at in reversed(places[1:]):
                del self._items[at]
        if self._index is not None:
            self._index[item[0]] = [item[2]]
        self._changed(item[0])

    def set_first(self, name: str, value: str) -> None:
        """A new value for the first line of that name; its other lines stay (a Via that gets ``received``)."""
        item = _checked(name, value)
        for at, (key, _, _) in enumerate(self._items):
            if key == item[0]:
                self._items[at] = item
                break
        else:
            self._items.insert(0, item)
        if self._index is not None:
            self._index.setdefault(item[0], [""])[0] = item[2]
        self._changed(item[0])

    def remove(self, name: str) -> None:
        """Every line of that name goes; none is no error."""
        gone = key_of(name)
        self._items = [item for item in self._items if item[0] != gone]
        if self._index is not None:
            self._index.pop(gone, None)
        self._changed(gone)

    def compact(self) -> None:
        """Give up what was parsed, in a message that is kept for long: it is read again when somebody asks."""
        self._index = None
        self.typed = {}

    def copy(self) -> Headers:
        return Headers.trusted(list(self._items))

    def _changed(self, key: str) -> None:
        self.typed.pop(key, None)
        if key == "via":
            self.typed.pop("top-via", None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and key_of(name) in self.index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(name, value) for _, name, value in self._items])

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(k, v) for k, _, v in self._items] == [(k, v) for k, _, v in other._items]

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


def _checked(name: str, value: str) -> Item:
    key = KEYS.get(name)
    if key is None:
        if not is_token(name):
            raise LocalError("header name is not a token")
        key = key_of(name)
    if _NOT_IN_A_VALUE(value):
        raise LocalError(f"value of {name} has a line break or a lone surrogate")
    return key, name, value.strip(" \t")
