"""Read a session description (RFC 8866 §5, §9): every size and count is bounded, and ``SdpError`` is the one exception.

Strict where a reader could be led astray (versions, numbers, ports, addresses without spaces), tolerant where real
phones are: bare LF, blank lines, lines of a level in any order, a missing ``s=`` or ``t=``, unknown line letters.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from vb.sdp.errors import SdpError
from vb.sdp.fields import Attribute, Bandwidth, Connection, Description, Media, Origin, Timing

__all__ = [
    "Attribute",
    "Bandwidth",
    "Connection",
    "Description",
    "Media",
    "Origin",
    "SdpError",
    "Timing",
    "parse_description",
]

MAX_BYTES = 64 * 1024
MAX_LINES = 2000
MAX_MEDIA = 64
MAX_FORMATS = 256
MAX_TOKEN = 255
MAX_DIGITS = 20  # 64 bits: more than any NTP time, session id or bandwidth needs


def parse_description(data: bytes) -> Description:
    """Read one session description.

    Raises:
        SdpError: it is none, or larger than 64 KiB, 2000 lines, 64 sections or 256 formats in a section.
    """
    if len(data) > MAX_BYTES:
        raise SdpError("session description is too large")
    if b"\0" in data:
        raise SdpError("NUL in a session description")
    lines = data.decode("utf-8", "surrogateescape").split("\n", MAX_LINES)
    if len(lines) > MAX_LINES:
        raise SdpError("session description has too many lines")
    reader = _Reader()
    for line in lines:
        reader.read(line.removesuffix("\r"))
    return reader.finish()


@attrs.define
class _Section:
    """The lines that both levels share, while they come in."""

    title: str | None = None
    connections: list[Connection] = attrs.Factory(list)
    bandwidths: list[Bandwidth] = attrs.Factory(list)
    key: str | None = None
    attributes: list[Attribute] = attrs.Factory(list)
    media: Media | None = None  # the m= line; None on session level


@attrs.define
class _Reader:
    version_seen: bool = False
    origin: Origin | None = None
    name: str | None = None
    uri: str | None = None
    zones: str | None = None
    emails: list[str] = attrs.Factory(list)
    phones: list[str] = attrs.Factory(list)
    timings: list[Timing] = attrs.Factory(list)
    sections: list[_Section] = attrs.Factory(lambda: [_Section()])

    def read(self, line: str) -> None:
        if not line.strip(" \t"):
            return
        if len(line) < 2 or line[1] != "=" or not (line[0].isascii() and line[0].isalpha()):
            raise SdpError("line is not of the form x=...")
        if "\r" in line:
            raise SdpError("bare CR in a line")
        letter, value = line[0], line[2:]
        if not self.version_seen:
            if letter != "v" or value.strip() != "0":
                raise SdpError("a session description starts with v=0")
            self.version_seen = True
            return
        read = _SESSION_ONLY.get(letter)
        if read is not None:
            if len(self.sections) > 1:
                raise SdpError(f"{letter}= inside a media section")
            read(self, value)
        elif letter in _BOTH:
            _BOTH[letter](self.sections[-1], value)
        elif letter == "m":
            if len(self.sections) > MAX_MEDIA:
                raise SdpError("too many media sections")
            self.sections.append(_Section(media=_media(value)))
        # §5 would have us ignore the whole description for a letter that we do not know; phones in the field send some

    def finish(self) -> Description:
        if self.origin is None:
            raise SdpError("no o= line" if self.version_seen else "empty session description")
        session, *media = self.sections
        return Description(
            origin=self.origin,
            session_name="-" if self.name is None else self.name,
            information=session.title,
            uri=self.uri,
            emails=tuple(self.emails),
            phones=tuple(self.phones),
            connection=session.connections[0] if session.connections else None,
            bandwidths=tuple(session.bandwidths),
            timings=tuple(self.timings) or (Timing(),),
            zones=self.zones,
            key=session.key,
            attributes=tuple(session.attributes),
            media=tuple(map(_finish_media, media)),
        )

    def read_version(self, _value: str) -> None:
        raise SdpError("second v= line")

    def read_origin(self, value: str) -> None:
        if self.origin is not None:
            raise SdpError("second o= line")
        self.origin = _origin(value)

    def read_name(self, value: str) -> None:
        self.name = value.strip() if self.name is None else self.name

    def read_uri(self, value: str) -> None:
        self.uri = value

    def read_zones(self, value: str) -> None:
        self.zones = value

    def read_email(self, value: str) -> None:
        self.emails.append(value)

    def read_phone(self, value: str) -> None:
        self.phones.append(value)

    def read_timing(self, value: str) -> None:
        words = value.split()
        if len(words) != 2:
            raise SdpError("t= needs two numbers")
        self.timings.append(Timing(_number(words[0], "t="), _number(words[1], "t=")))

    def read_repeat(self, value: str) -> None:
        if not self.timings:
            raise SdpError("r= without t=")
        last = self.timings[-1]
        self.timings[-1] = attrs.evolve(last, repeats=(*last.repeats, value))


def _read_title(section: _Section, value: str) -> None:
    section.title = value


def _read_key(section: _Section, value: str) -> None:
    section.key = value


def _read_connection(section: _Section, value: str) -> None:
    if section.media is None and section.connections:
        raise SdpError("second c= line on session level")
    section.connections.append(_connection(value))


def _read_bandwidth(section: _Section, value: str) -> None:
    kind, colon, number = value.strip().partition(":")
    if not colon or not kind or " " in kind:
        raise SdpError("b= needs modifier:number")
    section.bandwidths.append(Bandwidth(kind, _number(number, "b=")))


def _read_attribute(section: _Section, value: str) -> None:
    name, colon, rest = value.rstrip(" \t").partition(":")
    name = name.strip(" \t")
    if not name:
        raise SdpError("attribute without a name")
    section.attributes.append(Attribute(name, rest.strip(" \t") if colon else None))


_SESSION_ONLY: dict[str, Callable[[_Reader, str], None]] = {
    "v": _Reader.read_version,
    "o": _Reader.read_origin,
    "s": _Reader.read_name,
    "u": _Reader.read_uri,
    "e": _Reader.read_email,
    "p": _Reader.read_phone,
    "t": _Reader.read_timing,
    "r": _Reader.read_repeat,
    "z": _Reader.read_zones,
}
_BOTH: dict[str, Callable[[_Section, str], None]] = {
    "i": _read_title,
    "c": _read_connection,
    "b": _read_bandwidth,
    "k": _read_key,
    "a": _read_attribute,
}


def _number(text: str, where: str, most: int | None = None) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise SdpError(f"{where} needs a number")
    number = int(text)
    if most is not None and number > most:
        raise SdpError(f"{where}{number} is out of range")
    return number


def _words(value: str, where: str, count: int) -> list[str]:
    words = value.split()
    if len(words) != count or any(len(word) > MAX_TOKEN for word in words):
        raise SdpError(f"{where} needs {count} fields")
    return words


def _origin(value: str) -> Origin:
    username, session_id, version, net_type, address_type, address = _words(value, "o=", 6)
    return Origin(username, _number(session_id, "o="), _number(version, "o="), address, address_type, net_type)


def _connection(value: str) -> Connection:
    net_type, address_type, address = _words(value, "c=", 3)
    address, *numbers = address.split("/")
    if not address or len(numbers) > 2:
        raise SdpError("c= needs an address")
    values = [_number(number, "c=") for number in numbers]
    if address_type == "IP6" and values:  # an IPv6 group has no TTL (§5.7)
        if len(values) > 1:
            raise SdpError("c= of IP6 takes one number")
        values.insert(0, -1)
    ttl, count = (*values, None, None)[:2]
    return Connection(address, address_type, net_type, None if ttl == -1 else ttl, count)


def _media(value: str) -> Media:
    words = value.split()
    if len(words) < 4 or any(len(word) > MAX_TOKEN for word in words):
        raise SdpError("m= needs media, port, proto and a format")
    if len(words) - 3 > MAX_FORMATS:
        raise SdpError("too many formats in m=")
    kind, ports, proto, *formats = words
    port, slash, count = ports.partition("/")
    return Media(
        kind=kind,
        port=_number(port, "m=", most=65535),
        port_count=_number(count, "m=", most=65535) if slash else None,
        proto=proto,
        formats=tuple(formats),
    )


def _finish_media(section: _Section) -> Media:
    assert section.media is not None
    line = section.media
    return Media(
        kind=line.kind,
        port=line.port,
        port_count=line.port_count,
        proto=line.proto,
        formats=line.formats,
        title=section.title,
        connections=tuple(section.connections),
        bandwidths=tuple(section.bandwidths),
        key=section.key,
        attributes=tuple(section.attributes),
    )
