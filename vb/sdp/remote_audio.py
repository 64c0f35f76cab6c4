"""What a peer's description says about its audio: where it listens, what it understands, which way it flows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Literal

import attrs

from vb.sdp.errors import NotAcceptable
from vb.sdp.fields import Connection, Description, Media
from vb.sdp.formats import TELEPHONE_EVENT, Codec, known_name, media_codecs

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
DIRECTIONS: dict[str, tuple[bool, bool]] = {  # (sends, receives)
    "sendrecv": (True, True),
    "sendonly": (True, False),
    "recvonly": (False, True),
    "inactive": (False, False),
}
PLAIN_PROFILES = ("RTP/AVP", "RTP/AVPF")
STEP_MS, MAX_PTIME_MS = 20, 60


def direction_of(sends: bool, receives: bool) -> Direction:
    """The attribute for a side that sends, receives, both or neither (RFC 8866 §6.7)."""
    if sends:
        return "sendrecv" if receives else "sendonly"
    return "recvonly" if receives else "inactive"


@attrs.frozen
class RemoteAudio:
    """One usable audio section of the peer.

    Attributes:
        index: which m-line of its description this is, from 0.
        host, port: where it wants RTP; ``0.0.0.0`` or ``::`` is hold by address (RFC 3264 §8.4).
        codecs: its audio formats that the platform has a name for, under that name, in order.
        events: its telephone-event formats, one per clock rate.
        direction: the peer's own direction, with hold by address taken into account.
        ptime_ms: packet time to send to it, 20, 40 or 60.
    """

    index: int
    media: Media
    host: str
    port: int
    codecs: tuple[Codec, ...]
    events: tuple[Codec, ...]
    direction: Direction
    ptime_ms: int
    rtcp: tuple[str, int]
    rtcp_mux: bool

    def event_for(self, codec: Codec) -> Codec | None:
        """The telephone-event format that goes with a codec: the one of its clock rate (RFC 4733 §2.1)."""
        return next((event for event in self.events if event.clock_rate == codec.clock_rate), None)


def is_usable(media: Media) -> bool:
    """Whether a section is plain RTP audio that is not switched off."""
    return media.kind.lower() == "audio" and media.port != 0 and media.proto.upper() in PLAIN_PROFILES


def read_remote_audio(description: Description, index: int, family: int) -> RemoteAudio:
    """Read the audio section at ``index`` (one that ``is_usable``) for a leg of our own IP version ``family``.

    Raises:
        NotAcceptable: it has no address, or none that a unicast stream of ours can be sent to.
    """
    media = description.media[index]
    host = _host(media.connection or description.connection, family)
    formats = media_codecs(media)
    mux = media.attribute("rtcp-mux") is not None
    return RemoteAudio(
        index=index,
        media=media,
        host=host,
        port=media.port,
        codecs=tuple(_named(formats)),
        events=tuple(codec for codec in formats if codec.name.lower() == TELEPHONE_EVENT),
        direction=_direction(description, media, host),
        ptime_ms=_ptime(media),
        rtcp=_rtcp(media, host, mux, family),
        rtcp_mux=mux,
    )


def _named(formats: Iterable[Codec]) -> Iterator[Codec]:
    for codec in formats:
        name = known_name(codec)
        if name is not None:
            yield codec if codec.name == name else attrs.evolve(codec, name=name)


def _host(connection: Connection | None, family: int) -> str:
    if connection is None:
        raise NotAcceptable("no connection address")
    address = _numeric(connection.address)
    if address is None:
        raise NotAcceptable("connection address is not numeric")
    if address.is_multicast or str(address) == "255.255.255.255":
        raise NotAcceptable("connection address is not unicast")
    if address.version != family and not address.is_unspecified:
        raise NotAcceptable("connection address is of the other IP version")
    return str(address)


def _numeric(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return None if "%" in text else ipaddress.ip_address(text)
    except ValueError:
        return None


def _direction(description: Description, media: Media, host: str) -> Direction:
    """A section's own attribute wins over the session's; none means sendrecv (RFC 8866 §6.7)."""
    names = [attribute.name.lower() for attribute in (*media.attributes, *description.attributes)]
    stated = next((name for name in names if name in DIRECTIONS), "sendrecv")
    sends, receives = DIRECTIONS[stated]
    if ipaddress.ip_address(host).is_unspecified:
        receives = False  # RFC 3264 §8.4: nothing is to be sent to 0.0.0.0
    return direction_of(sends, receives)


def _ptime(media: Media) -> int:
    """The peer's wish (RFC 8866 §6.4) as whole media frames of 20 ms; anything else leaves 20 ms, which all accept."""
    wish, most = (_milliseconds(media.attribute(name)) for name in ("ptime", "maxptime"))
    limit = MAX_PTIME_MS if most is None else min(most, MAX_PTIME_MS)
    return wish if wish is not None and wish % STEP_MS == 0 and STEP_MS <= wish <= limit else STEP_MS


def _milliseconds(value: str | None) -> int | None:
    text = (value or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def _rtcp(media: Media, host: str, mux: bool, family: int) -> tuple[str, int]:
    """Where the peer wants RTCP: ``a=rtcp`` (RFC 3605), else the RTP port when muxed (RFC 5761), else the next one."""
    default = (host, media.port if mux else min(media.port + 1, 65535))
    words = (media.attribute("rtcp") or "").split()
    if mux or not words or not (words[0].isascii() and words[0].isdigit() and len(words[0]) <= 5):
        return default
    port = int(words[0])
    if not 0 < port <= 65535:
        return default
    if len(words) == 4:
        address = _numeric(words[3])
        if address is not None and address.version == family and not address.is_multicast:
            return str(address), port
    return host, port
