"""One RTP packet: bytes to value and back (RFC 3550 §5.1), with every length checked."""

from __future__ import annotations

import struct

import attrs

HEADER_SIZE = 12
_HEADER = struct.Struct("!BBHII")
_EXTENSION = struct.Struct("!HH")


class RtpError(ValueError):
    """The bytes are no RTP packet. The only exception of :func:`parse_rtp`."""


@attrs.frozen
class RtpPacket:
    """A packet's fields; ``payload`` excludes padding. Ranges: 7, 16, 32 and 32 bits, at most 15 CSRCs.

    ``extension`` is (profile, data) with whole 32-bit words of data (RFC 3550 §5.3.1).
    """

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    marker: bool = False
    payload: bytes = b""
    csrc: tuple[int, ...] = ()
    extension: tuple[int, bytes] | None = None

    def to_bytes(self) -> bytes:
        """The packet without padding. Raises ValueError when a field is out of range."""
        if not 0 <= self.payload_type <= 127 or len(self.csrc) > 15:
            raise ValueError("payload type or CSRC count out of range")
        try:
            head = _HEADER.pack(
                0x80 | (0x10 if self.extension else 0) | len(self.csrc),
                (0x80 if self.marker else 0) | self.payload_type,
                self.sequence,
                self.timestamp,
                self.ssrc,
            )
            sources = struct.pack(f"!{len(self.csrc)}I", *self.csrc)
        except struct.error as error:
            raise ValueError(str(error)) from None
        return head + sources + self._extension_bytes() + self.payload

    def _extension_bytes(self) -> bytes:
        if self.extension is None:
            return b""
        profile, data = self.extension
        if len(data) % 4 or len(data) > 4 * 0xFFFF or not 0 <= profile <= 0xFFFF:
            raise ValueError("an extension is whole words, at most 65535 of them, with a 16-bit profile")
        return _EXTENSION.pack(profile, len(data) // 4) + data


def parse_rtp(data: bytes | bytearray | memoryview) -> RtpPacket:
    """Read one datagram. Raises RtpError for anything that RFC 3550 §A.1 calls invalid, and nothing else."""
    size = len(data)
    if size < HEADER_SIZE:
        raise RtpError(f"{size} bytes are no RTP header")
    first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
    if first >> 6 != 2:
        raise RtpError(f"version {first >> 6}")
    count = first & 0x0F
    start = HEADER_SIZE + 4 * count
    if start > size:
        raise RtpError("CSRC list is cut off")
    csrc = struct.unpack_from(f"!{count}I", data, HEADER_SIZE) if count else ()
    extension = None
    if first & 0x10:
        extension, start = _read_extension(data, start)
    end = size - _padding(data, start) if first & 0x20 else size
    return RtpPacket(second & 0x7F, sequence, timestamp, ssrc, second >= 0x80, bytes(data[start:end]), csrc, extension)


def _read_extension(data: bytes | bytearray | memoryview, start: int) -> tuple[tuple[int, bytes], int]:
    if start + 4 > len(data):
        raise RtpError("extension header is cut off")
    profile, words = _EXTENSION.unpack_from(data, start)
    end = start + 4 + 4 * words
    if end > len(data):
        raise RtpError("extension is cut off")
    return (profile, bytes(data[start + 4 : end])), end


def _padding(data: bytes | bytearray | memoryview, start: int) -> int:
    """The last octet counts the padding, itself included (RFC 3550 §5.1)."""
    padding = data[-1] if len(data) > start else 0
    if not 1 <= padding <= len(data) - start:
        raise RtpError(f"padding of {padding} in {len(data) - start} octets")
    return padding


def is_rtcp(data: bytes | bytearray | memoryview) -> bool:
    """RTCP on the RTP port: version 2 and a second octet of 192-223 (RFC 5761 §4)."""
    return len(data) >= 2 and data[0] >> 6 == 2 and 192 <= data[1] <= 223
