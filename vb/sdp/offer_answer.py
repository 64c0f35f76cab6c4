"""Offer/answer for one audio stream over the whole life of a dialog (RFC 3264).

A ``Negotiation`` holds the m-line slots, the payload types in use and the version of our description. Nothing of the
running stream changes before an exchange is complete: a re-offer that is refused leaves ``current`` as it was.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

import attrs

from vb.sdp.description import parse_description
from vb.sdp.errors import NotAcceptable, SdpError
from vb.sdp.fields import Attribute, Connection, Description, Media, Origin
from vb.sdp.formats import (
    BUILT,
    MAX_PAYLOAD_TYPE,
    TELEPHONE_EVENT,
    TELEPHONE_EVENT_FMTP,
    TELEPHONE_EVENT_PAYLOAD_TYPE,
    Codec,
    find_codec,
    known_name,
    own_fmtp,
)
from vb.sdp.remote_audio import DIRECTIONS, Direction, RemoteAudio, direction_of, is_usable, read_remote_audio

__all__ = ["Direction", "Negotiated", "Negotiation", "NotAcceptable", "OfferView", "SdpError"]


@attrs.frozen
class OfferView:
    """What a peer's offer says, for events and for the choice of a codec.

    Attributes:
        codecs: the offered codecs that the platform has a name for, built or not, in order, with their payload types.
        usable: those of them that this leg can answer with.
        direction: the peer's direction; ``held`` when it will not receive from us.
        remote: where it wants RTP, numeric host and port.
    """

    codecs: tuple[Codec, ...]
    usable: tuple[Codec, ...]
    direction: Direction
    remote: tuple[str, int]

    @property
    def held(self) -> bool:
        return not DIRECTIONS[self.direction][1]


@attrs.frozen
class Negotiated:
    """A complete exchange: all that the media port needs.

    Attributes:
        remote_host, remote_port: where RTP goes, numeric; the host is ``0.0.0.0`` or ``::`` on hold by address.
        codec: what we send, with the payload type that the peer gave it.
        receive: the payload types that may come in.
        telephone_event, telephone_event_receive: payload types of digits that we send and get, None when not agreed.
        direction: ours.
        ptime_ms: packet time that the peer asked for, 20, 40 or 60 ms.
        remote_rtcp, rtcp_mux: where RTCP would go, and whether it shares the RTP port.
    """

    remote_host: str
    remote_port: int
    codec: Codec
    receive: Mapping[int, Codec]
    telephone_event: int | None
    telephone_event_receive: int | None
    direction: Direction
    ptime_ms: int
    remote_rtcp: tuple[str, int]
    rtcp_mux: bool


@attrs.frozen
class _Offered:
    """Our last offer, kept to read the answer against."""

    slot: int
    codecs: tuple[Codec, ...]
    event: Codec | None
    direction: str


class Negotiation:
    """The description of one leg, its offers and its answers.

    ``address`` is our numeric RTP address; ``codecs`` our preference for offers and the limit for answers;
    ``session_id`` a random number for ``o=``. With ``strict_mlines`` an answer repeats every offered section (RFC 3264
    §6), refused ones with port 0; without it, refused sections behind the audio are left out.
    """

    def __init__(
        self,
        *,
        address: str,
        codecs: Sequence[Codec],
        session_id: int,
        telephone_event: bool = True,
        ptime_ms: int = 20,
        strict_mlines: bool = False,
        username: str = "-",
    ) -> None:
        self._address = address
        self._family = ipaddress.ip_address(address).version
        self._codecs = tuple(codecs)
        self._session_id = session_id
        self.telephone_event = telephone_event
        """Whether digits as telephone-events are offered, and answered where they are offered."""
        self._ptime_ms = ptime_ms
        self._strict_mlines = strict_mlines
        self._username = username
        self._version = 0
        self._last: Description | None = None
        self._slots: list[Media] = []  # append-only (RFC 3264 §8): ours is at _slot, the others stay refused
        self._slot: int | None = None
        self._payload_types: dict[tuple[str, int, int], int] = {}  # one format keeps its number (§8.3.2)
        self._offered: _Offered | None = None
        self._remote: RemoteAudio | None = None
        self._remote_slots: tuple[Media, ...] = ()
        self._chosen: str | None = None  # a codec that was asked for by name stays
        self.current: Negotiated | None = None

    def create_offer(self, port: int, *, direction: Direction = "sendrecv", every_codec: bool = False) -> bytes:
        """Our offer, first or later. A later one names only the codec in use, unless ``every_codec``.

        Raises:
            ValueError: no codec is configured, so there is nothing to offer.
        """
        wanted = self._codecs if self.current is None or every_codec else (self._current_codec(),)
        if not wanted:
            raise ValueError("no codec to offer")
        codecs = tuple(attrs.evolve(codec, payload_type=self._payload_type(codec)) for codec in wanted)
        event = self._own_event(codecs) if self.telephone_event else None
        slot = self._slot if self._slot is not None else len(self._slots)
        media = self._audio("RTP/AVP" if slot == len(self._slots) else self._slots[slot].proto, port, codecs, event)
        media = self._with_attributes(media, direction, rtcp_mux=True)
        slots = [_refused(other) for other in self._slots]
        slots[slot : slot + 1] = [media]
        self._slots, self._slot = slots, slot
        self._offered = _Offered(slot, codecs, event, direction)
        self._remote = None
        return self._print(tuple(slots))

    def receive_offer(self, body: bytes) -> OfferView:
        """Read a peer's offer; ``create_answer`` completes the exchange.

        Raises:
            SdpError: it cannot be read.
            NotAcceptable: it has no plain RTP audio that we can send to.
        """
        description = parse_description(body)
        usable = [index for index, media in enumerate(description.media) if is_usable(media)]
        if not usable:
            raise NotAcceptable("no plain RTP audio offered")
        index = self._slot if self._slot in usable else usable[0]
        assert index is not None
        remote = read_remote_audio(description, index, self._family)
        self._remote, self._remote_slots = remote, description.media
        return OfferView(
            codecs=remote.codecs,
            usable=tuple(codec for codec in remote.codecs if _among(codec, self._codecs)),
            direction=remote.direction,
            remote=(remote.host, remote.port),
        )

    def create_answer(
        self,
        port: int,
        *,
        codec: str | None = None,
        codecs: Sequence[Codec] | None = None,
        direction: Direction | None = None,
    ) -> bytes:
        """Answer the last offer read, any number of times (183, then 200): the same choice gives the same bytes.

        Args:
            port: our RTP port.
            codec: the name to answer with, in any case; else the first offered codec among ours.
            codecs: takes the place of the leg's codecs, when given.
            direction: the most that we want (``inactive``, ``sendonly`` to hold); the offer may allow less.

        Raises:
            NotAcceptable: no codec in common, or ``codec`` is not offered or cannot run.
            RuntimeError: there is no offer to answer.
        """
        remote = self._remote
        if remote is None:
            raise RuntimeError("no offer to answer")
        chosen = self._choose(remote, codec, self._codecs if codecs is None else codecs)
        event = remote.event_for(chosen) if self.telephone_event else None
        if event is not None:
            event = attrs.evolve(event, name=TELEPHONE_EVENT, fmtp=TELEPHONE_EVENT_FMTP)
        wanted = DIRECTIONS[direction or "sendrecv"]
        theirs = DIRECTIONS[remote.direction]
        ours = direction_of(wanted[0] and theirs[1], wanted[1] and theirs[0])
        media = self._audio(remote.media.proto, port, (attrs.evolve(chosen, fmtp=own_fmtp(chosen)),), event)
        media = self._with_attributes(media, ours, rtcp_mux=remote.rtcp_mux)
        slots = [_refused(other) for other in self._remote_slots]
        slots[remote.index] = media
        self._slots = slots + [_refused(other) for other in self._slots[len(slots) :]]
        self._slot, self._chosen, self._offered = remote.index, codec or self._chosen, None
        for format_ in (chosen, event):
            if format_ is not None:
                self._payload_types[_key(format_)] = format_.payload_type
        self.current = _negotiated(remote, chosen, {chosen.payload_type: chosen}, event, event, ours)
        return self._print(tuple(slots if self._strict_mlines else slots[: remote.index + 1]))

    def receive_answer(self, body: bytes) -> Negotiated:
        """Read the answer to our last offer. A second answer (200 after 183) is read against the same offer.

        Raises:
            SdpError: it cannot be read.
            NotAcceptable: the audio is refused, secured, or answered with nothing that we offered.
        """
        offered = self._offered
        if offered is None:
            raise NotAcceptable("an answer without an offer")  # the peer made it up
        description = parse_description(body)
        if len(description.media) <= offered.slot or not is_usable(description.media[offered.slot]):
            raise NotAcceptable("the audio section is refused")
        remote = read_remote_audio(description, offered.slot, self._family)
        ours = {_key(codec): codec for codec in offered.codecs}
        sent = next((codec for codec in remote.codecs if _key(codec) in ours), None)
        if sent is None:
            raise NotAcceptable("no codec in common")
        event = remote.event_for(sent) if offered.event is not None else None
        wants, theirs = DIRECTIONS[offered.direction], DIRECTIONS[remote.direction]
        self.current = _negotiated(
            remote,
            attrs.evolve(ours[_key(sent)], payload_type=sent.payload_type, fmtp=sent.fmtp),
            {codec.payload_type: codec for codec in offered.codecs},
            event,
            offered.event if event is not None else None,
            direction_of(wants[0] and theirs[1], wants[1] and theirs[0]),
        )
        return self.current

    def _choose(self, remote: RemoteAudio, name: str | None, allowed: Iterable[Codec]) -> Codec:
        """The first offered codec among ours, under our name and the peer's payload type (RFC 3264 §6.1)."""
        if name is None and self._chosen is not None:
            kept = next((codec for codec in remote.codecs if codec.name.lower() == self._chosen.lower()), None)
            if kept is not None:
                return kept
        if name is not None:
            asked = find_codec(name)
            allowed = (asked,) if asked is not None and asked.name.lower() in BUILT else ()
        allowed = tuple(allowed)
        for codec in remote.codecs:
            if _among(codec, allowed):
                return codec
        raise NotAcceptable("no codec in common" if name is None else f"codec {name} is not offered")

    def _current_codec(self) -> Codec:
        assert self.current is not None
        return self.current.codec

    def _own_event(self, codecs: Sequence[Codec]) -> Codec:
        event = Codec(TELEPHONE_EVENT, TELEPHONE_EVENT_PAYLOAD_TYPE, codecs[0].clock_rate, fmtp=TELEPHONE_EVENT_FMTP)
        return attrs.evolve(event, payload_type=self._payload_type(event))

    def _payload_type(self, codec: Codec) -> int:
        """The number that this format has in this session; a new one never takes a number that is in use."""
        key = _key(codec)
        if key not in self._payload_types:
            used = set(self._payload_types.values())
            free = (number for number in range(96, MAX_PAYLOAD_TYPE + 1) if number not in used)
            self._payload_types[key] = next(free) if codec.payload_type in used else codec.payload_type
        return self._payload_types[key]

    def _audio(self, proto: str, port: int, codecs: Sequence[Codec], event: Codec | None) -> Media:
        formats = [*codecs, *([event] if event is not None else [])]
        attributes: list[Attribute] = []
        for format_ in formats:
            attributes.append(Attribute("rtpmap", format_.rtpmap))
            if format_.fmtp:
                attributes.append(Attribute("fmtp", f"{format_.payload_type} {format_.fmtp}"))
        numbers = tuple(str(format_.payload_type) for format_ in formats)
        return Media("audio", port, proto, numbers, attributes=tuple(attributes))

    def _with_attributes(self, media: Media, direction: str, *, rtcp_mux: bool) -> Media:
        more = [Attribute("ptime", str(self._ptime_ms)), Attribute(direction)]
        if rtcp_mux:
            more.append(Attribute("rtcp-mux"))
        return attrs.evolve(media, attributes=(*media.attributes, *more))

    def _print(self, media: tuple[Media, ...]) -> bytes:
        """Bytes of our description; the version in ``o=`` grows by one exactly when something else differs (§8)."""
        address_type = f"IP{self._family}"
        origin = Origin(self._username, self._session_id, self._version, self._address, address_type)
        description = Description(origin, connection=Connection(self._address, address_type), media=media)
        if self._last is not None and description != self._last:
            self._version += 1
            description = attrs.evolve(description, origin=attrs.evolve(origin, version=self._version))
        self._last = description
        return description.to_bytes()


def _negotiated(
    remote: RemoteAudio,
    codec: Codec,
    receive: Mapping[int, Codec],
    event: Codec | None,
    event_receive: Codec | None,
    direction: Direction,
) -> Negotiated:
    return Negotiated(
        remote_host=remote.host,
        remote_port=remote.port,
        codec=codec,
        receive=receive,
        telephone_event=None if event is None else event.payload_type,
        telephone_event_receive=None if event_receive is None else event_receive.payload_type,
        direction=direction,
        ptime_ms=remote.ptime_ms,
        remote_rtcp=remote.rtcp,
        rtcp_mux=remote.rtcp_mux,
    )


def _refused(media: Media) -> Media:
    """A section as it is refused or stays switched off: port 0, same kind, profile and formats (RFC 3264 §6, §8.2)."""
    return Media(media.kind, 0, media.proto, media.formats)


def _key(codec: Codec) -> tuple[str, int, int]:
    return (known_name(codec) or codec.name).lower(), codec.clock_rate, codec.channels


def _among(codec: Codec, codecs: Iterable[Codec]) -> bool:
    return any(codec.name.lower() == other.name.lower() for other in codecs)
