"""Codecs as SDP names them: static payload types (RFC 3551 §6), the dynamic ones we offer, and which we can run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from vb.sdp.fields import Media

TELEPHONE_EVENT = "telephone-event"
TELEPHONE_EVENT_PAYLOAD_TYPE = 101
TELEPHONE_EVENT_FMTP = "0-16"  # RFC 4733 §2.5.1.1: digits 0-9, *, #, A-D and flash
MAX_PAYLOAD_TYPE = 127


@attrs.frozen
class Codec:
    """One RTP payload format: name, payload type 0-127, RTP clock rate in Hz, channels and format parameters."""

    name: str
    payload_type: int
    clock_rate: int
    channels: int = 1
    fmtp: str = ""

    def same_format(self, other: Codec) -> bool:
        """Whether both name the same encoding, whatever the payload type (names ignore case, RFC 4855 §3)."""
        return (self.name.lower(), self.clock_rate, self.channels) == (
            other.name.lower(),
            other.clock_rate,
            other.channels,
        )

    @property
    def rtpmap(self) -> str:
        """``PT name/rate[/channels]`` as an ``a=rtpmap`` value (RFC 8866 §6.6)."""
        channels = f"/{self.channels}" if self.channels > 1 else ""
        name = _ENCODING_NAMES.get(self.name, self.name)
        return f"{self.payload_type} {name}/{self.clock_rate}{channels}"


STATIC: Mapping[int, Codec] = {
    codec.payload_type: codec
    for codec in (
        Codec("PCMU", 0, 8000),
        Codec("GSM", 3, 8000),
        Codec("G723", 4, 8000),
        Codec("DVI4", 5, 8000),
        Codec("DVI4", 6, 16000),
        Codec("LPC", 7, 8000),
        Codec("PCMA", 8, 8000),
        Codec("G722", 9, 8000),  # 8000 on the wire although it samples at 16000 (RFC 3551 §4.5.2)
        Codec("L16", 10, 44100, 2),
        Codec("L16", 11, 44100),
        Codec("QCELP", 12, 8000),
        Codec("CN", 13, 8000),
        Codec("MPA", 14, 90000),
        Codec("G728", 15, 8000),
        Codec("DVI4", 16, 11025),
        Codec("DVI4", 17, 22050),
        Codec("G729", 18, 8000),
    )
}

KNOWN: Mapping[str, Codec] = {
    codec.name.lower(): codec
    for codec in (
        STATIC[0],
        STATIC[8],
        STATIC[9],
        Codec("opus", 111, 48000, 2, "minptime=20; useinbandfec=1; stereo=0; sprop-stereo=0"),
        Codec("AMR-WB", 96, 16000),
        Codec("AMR-NB", 97, 8000),
    )
}
"""The codec names of the configuration and the API, by lower-case name, each with the payload type that we offer."""

BUILT: frozenset[str] = frozenset({"pcmu", "pcma"})
"""Lower-case names of the codecs that can really run."""

_ENCODING_NAMES = {"AMR-NB": "AMR"}  # what the API calls AMR-NB is AMR in SDP (RFC 4867 §8.1)

_KNOWN_NAMES: Mapping[tuple[str, int, int], str] = {
    (_ENCODING_NAMES.get(codec.name, codec.name).lower(), codec.clock_rate, codec.channels): codec.name
    for codec in KNOWN.values()
}


def find_codec(name: str) -> Codec | None:
    """The codec that the configuration and the API call ``name`` (any case), built or not; None when unknown."""
    return KNOWN.get(name.strip().lower())


def known_name(codec: Codec) -> str | None:
    """The configuration's name of an encoding read from SDP, or None when it is none that the platform knows."""
    return _KNOWN_NAMES.get((codec.name.lower(), codec.clock_rate, codec.channels))


def own_fmtp(codec: Codec) -> str:
    """The format parameters that we announce for a codec of ours."""
    known = KNOWN.get(codec.name.lower())
    return known.fmtp if known is not None else ""


def parse_codec_names(names: str | Iterable[str]) -> tuple[tuple[Codec, ...], tuple[str, ...]]:
    """Read ``SIP_CODECS`` or a request's ``codecs``: a comma list or a sequence of names, any case, in order.

    Returns:
        The codecs that can run, each once, and the names that were dropped because they cannot (yet): warn about them.
    """
    wanted = names.split(",") if isinstance(names, str) else list(names)
    codecs: list[Codec] = []
    dropped: list[str] = []
    for name in (name.strip() for name in wanted):
        codec = find_codec(name)
        if codec is not None and name.lower() in BUILT:
            if codec not in codecs:
                codecs.append(codec)
        elif name:
            dropped.append(name)
    return tuple(codecs), tuple(dropped)


def media_codecs(media: Media) -> tuple[Codec, ...]:
    """The payload formats of an RTP section in the order of its ``m=`` line.

    Static payload types need no ``a=rtpmap`` (RFC 8866 §6.6); a dynamic one without a readable map is left out, and so
    is a format that is no payload type. A repeated payload type counts once.
    """
    maps = _by_payload_type(media.attribute_values("rtpmap"))
    parameters = _by_payload_type(media.attribute_values("fmtp"))
    codecs: dict[int, Codec] = {}
    for text in media.formats:
        payload_type = _payload_type(text)
        if payload_type is None or payload_type in codecs:
            continue
        codec = _read_rtpmap(payload_type, maps[payload_type]) if payload_type in maps else STATIC.get(payload_type)
        if codec is not None:
            fmtp = parameters.get(payload_type)
            codecs[payload_type] = attrs.evolve(codec, fmtp=fmtp) if fmtp else codec
    return tuple(codecs.values())


def _payload_type(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        return None
    number = int(text)
    return number if number <= MAX_PAYLOAD_TYPE else None


def _by_payload_type(values: Iterable[str]) -> dict[int, str]:
    """``PT rest`` values as a mapping; the first of each payload type counts."""
    found: dict[int, str] = {}
    for value in values:
        first, _, rest = value.partition(" ")
        payload_type = _payload_type(first)
        if payload_type is not None:
            found.setdefault(payload_type, rest.strip())
    return found


def _read_rtpmap(payload_type: int, value: str) -> Codec | None:
    name, *numbers = value.split("/")
    if not 1 <= len(numbers) <= 2 or not name or not name.isascii() or not name.isprintable() or " " in name:
        return None
    if not all(number.isascii() and number.isdigit() and len(number) <= 7 for number in numbers):
        return None
    clock_rate, channels = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else 1
    return Codec(name, payload_type, clock_rate, channels) if clock_rate and channels else None
