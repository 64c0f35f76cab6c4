"""RTCP packets: one compound datagram to values and back (RFC 3550 §6), with every length checked.

Packet types that are not of RFC 3550 (feedback, extended reports) are checked for length and left out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import attrs

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, GOODBYE, APPLICATION = 200, 201, 202, 203, 204
CNAME = 1
MAX_PACKETS = 64
"""Packets of one datagram; nobody sends more than a handful."""
_MOST = 31
"""Blocks, chunks or sources of one packet: the count has five bits."""
_HEAD = struct.Struct("!BBH")
_WORD = struct.Struct("!I")
_SENDER = struct.Struct("!QIII")
_BLOCK = struct.Struct("!IIIIII")
_LEAST_LOST, _MOST_LOST = -(1 << 23), (1 << 23) - 1

Octets = bytes | bytearray | memoryview


class RtcpError(ValueError):
    """The bytes are no RTCP datagram. The only exception of :func:`parse_rtcp`."""


@attrs.frozen
class ReportBlock:
    """What one receiver says of one source (RFC 3550 §6.4.1).

    ``fraction_lost`` in 1/256 since the report before (0-255), ``lost`` of 24 bits and signed, ``highest`` the extended
    sequence number, ``jitter`` in timestamp units, ``last_sr`` the middle of that report's NTP time, ``delay`` since
    then in 1/65536 s; both 0 when there was none.
    """

    ssrc: int
    fraction_lost: int = 0
    lost: int = 0
    highest: int = 0
    jitter: int = 0
    last_sr: int = 0
    delay: int = 0

    def to_bytes(self) -> bytes:
        if not 0 <= self.fraction_lost <= 255 or not _LEAST_LOST <= self.lost <= _MOST_LOST:
            raise ValueError("loss out of range")
        loss = self.fraction_lost << 24 | self.lost & 0xFFFFFF
        return _pack(_BLOCK, self.ssrc, loss, self.highest, self.jitter, self.last_sr, self.delay)


@attrs.frozen
class SenderReport:
    """RFC 3550 §6.4.1. ``ntp`` is a 64-bit NTP time, ``rtp_timestamp`` the same moment in the stream's clock."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int
    blocks: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        info = _pack(_SENDER, self.ntp, self.rtp_timestamp, self.packets, self.octets)
        return _packet(SENDER_REPORT, len(self.blocks), _pack(_WORD, self.ssrc) + info + _joined(self.blocks))


@attrs.frozen
class ReceiverReport:
    """RFC 3550 §6.4.2: of one that sends nothing itself."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()

    def to_bytes(self) -> bytes:
        return _packet(RECEIVER_REPORT, len(self.blocks), _pack(_WORD, self.ssrc) + _joined(self.blocks))


@attrs.frozen
class Chunk:
    """One source's items: (type 1-255, at most 255 octets of UTF-8)."""

    ssrc: int
    items: tuple[tuple[int, bytes], ...] = ()

    @property
    def cname(self) -> bytes | None:
        return next((value for kind, value in self.items if kind == CNAME), None)

    def to_bytes(self) -> bytes:
        octets = bytearray(_pack(_WORD, self.ssrc))
        for kind, value in self.items:
            if not 1 <= kind <= 255 or len(value) > 255:
                raise ValueError("an item has a type of 1-255 and at most 255 octets")
            octets += bytes((kind, len(value))) + value
        return bytes(octets) + bytes(4 - len(octets) % 4)  # §6.5: one to four null octets end the list


@attrs.frozen
class SourceDescription:
    """SDES (RFC 3550 §6.5)."""

    chunks: tuple[Chunk, ...] = ()

    def to_bytes(self) -> bytes:
        return _packet(DESCRIPTION, len(self.chunks), _joined(self.chunks))


@attrs.frozen
class Goodbye:
    """BYE (RFC 3550 §6.6): these sources are no more; ``reason`` has at most 255 octets, None is none."""

    ssrcs: tuple[int, ...] = ()
    reason: bytes | None = None

    def to_bytes(self) -> bytes:
        body = b"".join(_pack(_WORD, ssrc) for ssrc in self.ssrcs)
        if self.reason is not None:
            if len(self.reason) > 255:
                raise ValueError("a reason has at most 255 octets")
            text = bytes((len(self.reason),)) + self.reason
            body += text + bytes(-len(text) % 4)
        return _packet(GOODBYE, len(self.ssrcs), body)


@attrs.frozen
class Application:
    """APP (RFC 3550 §6.7): ``subtype`` of five bits, a ``name`` of four octets, whole words of data."""

    ssrc: int
    name: bytes
    subtype: int = 0
    data: bytes = b""

    def to_bytes(self) -> bytes:
        if len(self.name) != 4 or len(self.data) % 4:
            raise ValueError("a name has four octets, the data whole words")
        return _packet(APPLICATION, self.subtype, _pack(_WORD, self.ssrc) + self.name + self.data)


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye | Application


def build_rtcp(packets: Sequence[RtcpPacket]) -> bytes:
    """One compound datagram. Raises ValueError if it does not begin with a report, or a field is out of range."""
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise ValueError("a compound packet begins with a report")  # RFC 3550 §6.1
    return b"".join(packet.to_bytes() for packet in packets)


def parse_rtcp(data: Octets) -> tuple[RtcpPacket, ...]:
    """Read one datagram. Raises RtcpError for anything that RFC 3550 §A.2 calls invalid, and nothing else.

    One that begins with something else than a report is taken too, as RFC 5506 §3.4.2 allows.
    """
    data = memoryview(data)
    packets: list[RtcpPacket] = []
    start = count = 0
    while start < len(data):
        count += 1
        if count > MAX_PACKETS:
            raise RtcpError(f"more than {MAX_PACKETS} packets")
        head, kind, size = _read_head(data, start)
        end = start + size
        body = data[start + 4 : end]
        if head & 0x20:
            body = _unpadded(body, last=end == len(data))
        packet = _read(kind, head & 0x1F, body)
        if packet is not None:
            packets.append(packet)
        start = end
    if not count:
        raise RtcpError("nothing")
    return tuple(packets)


def _read_head(data: memoryview, start: int) -> tuple[int, int, int]:
    """First octet, packet type, octets of the whole packet."""
    if start + 4 > len(data):
        raise RtcpError("header is cut off")
    head, kind, words = _HEAD.unpack_from(data, start)
    if head >> 6 != 2:
        raise RtcpError(f"version {head >> 6}")
    if not 192 <= kind <= 223:
        raise RtcpError(f"packet type {kind}")  # RFC 5761 §4
    size = 4 * (words + 1)
    if start + size > len(data):
        raise RtcpError("packet is cut off")
    return head, kind, size


def _unpadded(body: memoryview, *, last: bool) -> memoryview:
    """RFC 3550 §6.4.1: only the last packet is padded, by a multiple of four octets that the last octet counts."""
    padding = body[-1] if body else 0
    if not last or not 4 <= padding <= len(body) or padding % 4:
        raise RtcpError("padding that cannot be")
    return body[:-padding]


def _read(kind: int, count: int, body: memoryview) -> RtcpPacket | None:
    match kind:
        case 200:
            return _read_sender_report(count, body)
        case 201:
            return ReceiverReport(_word(body, 0), _read_blocks(count, body, 4))
        case 202:
            return _read_description(count, body)
        case 203:
            return _read_goodbye(count, body)
        case 204:
            if len(body) < 8:
                raise RtcpError("APP is cut off")
            return Application(_word(body, 0), bytes(body[4:8]), count, bytes(body[8:]))
    return None


def _read_sender_report(count: int, body: memoryview) -> SenderReport:
    if len(body) < 4 + _SENDER.size:
        raise RtcpError("sender information is cut off")
    ntp, timestamp, packets, octets = _SENDER.unpack_from(body, 4)
    blocks = _read_blocks(count, body, 4 + _SENDER.size)
    return SenderReport(_word(body, 0), ntp, timestamp, packets, octets, blocks)


def _read_blocks(count: int, body: memoryview, start: int) -> tuple[ReportBlock, ...]:
    """What follows the blocks is an extension of some profile (RFC 3550 §6.4.3), not ours."""
    if start + count * _BLOCK.size > len(body):
        raise RtcpError("report blocks are cut off")
    blocks = []
    for place in range(start, start + count * _BLOCK.size, _BLOCK.size):
        ssrc, loss, *rest = _BLOCK.unpack_from(body, place)
        lost = loss & 0xFFFFFF
        blocks.append(ReportBlock(ssrc, loss >> 24, lost - (1 << 24) if lost > _MOST_LOST else lost, *rest))
    return tuple(blocks)


def _read_description(count: int, body: memoryview) -> SourceDescription:
    chunks, place = [], 0
    for _ in range(count):
        ssrc, place, items = _word(body, place), place + 4, []
        while True:
            if place >= len(body):
                raise RtcpError("chunk without end")
            kind = body[place]
            if kind == 0:
                place += 4 - place % 4
                break
            if place + 2 > len(body) or place + 2 + body[place + 1] > len(body):
                raise RtcpError("item is cut off")
            end = place + 2 + body[place + 1]
            items.append((kind, bytes(body[place + 2 : end])))
            place = end
        if place > len(body):
            raise RtcpError("chunk is cut off")
        chunks.append(Chunk(ssrc, tuple(items)))
    return SourceDescription(tuple(chunks))


def _read_goodbye(count: int, body: memoryview) -> Goodbye:
    ssrcs = tuple(_word(body, 4 * place) for place in range(count))
    rest = body[4 * count :]
    if not rest:
        return Goodbye(ssrcs)
    if 1 + rest[0] > len(rest):
        raise RtcpError("reason is cut off")
    return Goodbye(ssrcs, bytes(rest[1 : 1 + rest[0]]))


def _word(body: memoryview, place: int) -> int:
    if place + 4 > len(body):
        raise RtcpError("SSRC is cut off")
    return int(_WORD.unpack_from(body, place)[0])


def _pack(form: struct.Struct, *values: int) -> bytes:
    try:
        return form.pack(*values)
    except struct.error as error:
        raise ValueError(str(error)) from None


def _packet(kind: int, count: int, body: bytes) -> bytes:
    if not 0 <= count <= _MOST:
        raise ValueError(f"count or subtype {count}: it has five bits")
    return _pack(_HEAD, 0x80 | count, kind, len(body) // 4) + body


def _joined(parts: Sequence[ReportBlock | Chunk]) -> bytes:
    return b"".join(part.to_bytes() for part in parts)
