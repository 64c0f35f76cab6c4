"""One session description as a value (RFC 8866): what each line means, and how it is printed.

Every value here prints to the line it was read from, up to spacing. Reading is in ``description.py``.
Text is kept as ``str`` with surrogate escapes, so bytes that are not UTF-8 survive a round trip.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import attrs


@attrs.frozen
class Origin:
    """``o=`` (§5.2): who made the session, and the version that grows with each change."""

    username: str
    session_id: int
    version: int
    address: str
    address_type: str = "IP4"
    net_type: str = "IN"

    def __str__(self) -> str:
        return f"{self.username} {self.session_id} {self.version} {self.net_type} {self.address_type} {self.address}"


@attrs.frozen
class Connection:
    """``c=`` (§5.7). ``address`` is numeric or a name; ``ttl`` and ``count`` belong to multicast."""

    address: str
    address_type: str = "IP4"
    net_type: str = "IN"
    ttl: int | None = None
    count: int | None = None

    def __str__(self) -> str:
        tail = "".join(f"/{number}" for number in (self.ttl, self.count) if number is not None)
        return f"{self.net_type} {self.address_type} {self.address}{tail}"


@attrs.frozen
class Bandwidth:
    """``b=`` (§5.8): a modifier (CT, AS, TIAS, ...) and a number, in kbit/s unless the modifier says otherwise."""

    kind: str
    value: int

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"


@attrs.frozen
class Timing:
    """``t=`` with its ``r=`` lines (§5.9, §5.10); NTP seconds, 0 0 for a session without bounds."""

    start: int = 0
    stop: int = 0
    repeats: tuple[str, ...] = ()


@attrs.frozen
class Attribute:
    """``a=name`` (a flag, value None) or ``a=name:value`` (§5.13)."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}:{self.value}"


Attributes = tuple[Attribute, ...]


def find(attributes: Attributes, name: str) -> str | None:
    """The value of the first attribute called ``name``; '' for a flag, None when there is none."""
    for attribute in attributes:
        if attribute.name == name:
            return attribute.value or ""
    return None


def find_all(attributes: Attributes, name: str) -> list[str]:
    """The values of all attributes called ``name``, in order."""
    return [attribute.value or "" for attribute in attributes if attribute.name == name]


@attrs.frozen
class Media:
    """One ``m=`` section (§5.14). ``port_count`` is the number after the slash, None when there is no slash."""

    kind: str
    port: int
    proto: str
    formats: tuple[str, ...]
    port_count: int | None = None
    title: str | None = None
    connections: tuple[Connection, ...] = ()
    bandwidths: tuple[Bandwidth, ...] = ()
    key: str | None = None
    attributes: Attributes = ()

    @property
    def connection(self) -> Connection | None:
        """The section's own address, when it has one."""
        return self.connections[0] if self.connections else None

    def attribute(self, name: str) -> str | None:
        return find(self.attributes, name)

    def attribute_values(self, name: str) -> list[str]:
        return find_all(self.attributes, name)


@attrs.frozen
class Description:
    """A whole session description; ``v=0`` is implied."""

    origin: Origin
    session_name: str = "-"
    information: str | None = None
    uri: str | None = None
    emails: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    connection: Connection | None = None
    bandwidths: tuple[Bandwidth, ...] = ()
    timings: tuple[Timing, ...] = (Timing(),)
    zones: str | None = None
    key: str | None = None
    attributes: Attributes = ()
    media: tuple[Media, ...] = ()

    def attribute(self, name: str) -> str | None:
        return find(self.attributes, name)

    def to_bytes(self) -> bytes:
        """Print it in the order of §9, lines ended by CRLF.

        Raises:
            ValueError: a value of ours holds a line break or NUL and would start another line.
        """
        lines = list(_session_lines(self))
        for media in self.media:
            lines += _media_lines(media)
        text = "\r\n".join([*lines, ""])
        if not text.count("\r") == text.count("\n") == len(lines) or "\0" in text:
            raise ValueError("line break inside a session description value")
        return text.encode("utf-8", "surrogateescape")


def _session_lines(description: Description) -> Iterator[str]:
    yield "v=0"
    yield f"o={description.origin}"
    yield f"s={description.session_name}"
    yield from _lines("i", description.information)
    yield from _lines("u", description.uri)
    yield from _lines("e", *description.emails)
    yield from _lines("p", *description.phones)
    yield from _lines("c", description.connection)
    yield from _lines("b", *description.bandwidths)
    for timing in description.timings:
        yield f"t={timing.start} {timing.stop}"
        yield from _lines("r", *timing.repeats)
    yield from _lines("z", description.zones)
    yield from _lines("k", description.key)
    yield from _lines("a", *description.attributes)


def _media_lines(media: Media) -> Iterable[str]:
    ports = f"{media.port}" if media.port_count is None else f"{media.port}/{media.port_count}"
    yield " ".join([f"m={media.kind} {ports} {media.proto}", *media.formats])
    yield from _lines("i", media.title)
    yield from _lines("c", *media.connections)
    yield from _lines("b", *media.bandwidths)
    yield from _lines("k", media.key)
    yield from _lines("a", *media.attributes)


def _lines(letter: str, *values: object) -> Iterator[str]:
    return (f"{letter}={value}" for value in values if value is not None)
