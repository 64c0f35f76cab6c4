"""RFC 3550 §5.1 and §A.1: what an RTP packet is, and what is none."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.packet import RtpError, RtpPacket, is_rtcp, parse_rtp

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
import fuzz_rtp

DATA = Path(__file__).parents[1] / "data" / "rtp"

packets = st.builds(
    RtpPacket,
    payload_type=st.integers(0, 127),
    sequence=st.integers(0, 0xFFFF),
    timestamp=st.integers(0, 0xFFFFFFFF),
    ssrc=st.integers(0, 0xFFFFFFFF),
    marker=st.booleans(),
    payload=st.binary(max_size=200),
    csrc=st.lists(st.integers(0, 0xFFFFFFFF), max_size=15).map(tuple),
    extension=st.none()
    | st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40).map(lambda data: data[: len(data) // 4 * 4])),
)


def read(name: str) -> RtpPacket:
    return parse_rtp((DATA / name).read_bytes())


@given(packets)
def test_what_is_built_is_read_back(packet: RtpPacket) -> None:
    assert parse_rtp(packet.to_bytes()) == packet


@given(packets, st.integers(1, 255))
def test_padding_is_removed(packet: RtpPacket, padding: int) -> None:
    """RFC 3550 §5.1: the last octet of the padding counts it, itself included."""
    data = bytearray(packet.to_bytes() + bytes(padding - 1) + bytes([padding]))
    data[0] |= 0x20
    assert parse_rtp(data) == packet


@given(packets, st.data())
def test_a_header_cut_anywhere_is_refused(packet: RtpPacket, data: st.DataObject) -> None:
    octets = packet.to_bytes()
    header = len(octets) - len(packet.payload)
    with pytest.raises(RtpError):
        parse_rtp(octets[: data.draw(st.integers(0, header - 1))])


@pytest.mark.parametrize("padding", [0, 5, 255])
def test_padding_that_cannot_be(padding: int) -> None:
    with pytest.raises(RtpError, match="padding"):
        parse_rtp(b"\xa0\0" + bytes(10) + b"abc" + bytes([padding]))
    with pytest.raises(RtpError, match="padding"):
        parse_rtp(b"\xa0\0" + bytes(9) + bytes([padding]))  # nothing after the header


@pytest.mark.parametrize("version", [0, 1, 3])
def test_other_versions(version: int) -> None:
    with pytest.raises(RtpError, match="version"):
        parse_rtp(bytes([version << 6]) + bytes(20))


def test_packets_of_another_stack() -> None:
    assert read("rtp.bin") == RtpPacket(0, 15743, 3937035252, 4028317929, payload=b"\xff" * 160)
    dtmf = read("rtp_dtmf.bin")
    assert (dtmf.payload_type, dtmf.marker, dtmf.payload.hex()) == (101, True, "018a03c0")
    assert read("rtp_only_padding.bin").payload == b""
    padded = read("rtp_only_padding_with_header_extensions.bin")
    assert (padded.payload, padded.extension) == (b"", (0xBEDE, bytes.fromhex("22f1cc8c")))
    assert read("rtp_with_csrc.bin").csrc == (2882400001, 3735928559)
    assert read("rtp_with_sdes_mid.bin").extension == (0xBEDE, bytes.fromhex("90300000"))


def test_rtcp_is_told_apart() -> None:
    """RFC 5761 §4: packet types 192-223."""
    for path in DATA.iterdir():
        assert is_rtcp(path.read_bytes()) == path.name.startswith("rtcp_"), path.name
    assert not is_rtcp(b"")
    assert not is_rtcp(b"\x80")
    assert [second for second in range(256) if is_rtcp(bytes([0x80, second]))] == list(range(192, 224))
    assert not is_rtcp(b"\x00\xc8\x00\x01")  # STUN-like: no version 2


@pytest.mark.parametrize("wrong", [
    {"payload_type": 128}, {"payload_type": -1}, {"sequence": 65536}, {"timestamp": -1}, {"ssrc": 1 << 32},
    {"csrc": (0,) * 16}, {"csrc": (-1,)}, {"extension": (0, b"abc")}, {"extension": (70000, b"")},
])  # fmt: skip
def test_fields_out_of_range_are_our_own_mistake(wrong: dict[str, object]) -> None:
    fields = {"payload_type": 0, "sequence": 0, "timestamp": 0, "ssrc": 0} | wrong
    with pytest.raises(ValueError):
        RtpPacket(**fields).to_bytes()  # type: ignore[arg-type]


def test_any_buffer_is_read() -> None:
    data = struct.pack("!BBHII", 0x80, 0x88, 1, 2, 3) + b"abc"
    assert (
        parse_rtp(data)
        == parse_rtp(bytearray(data))
        == parse_rtp(memoryview(data))
        == RtpPacket(8, 1, 2, 3, True, b"abc")
    )


@given(st.binary(max_size=100))
def test_any_octets(data: bytes) -> None:
    fuzz_rtp.check(data)
    fuzz_rtp.check(bytes([0x80 | (data[0] if data else 0) & 0x3F]) + data)


def test_the_corpus() -> None:
    for data in fuzz_rtp.corpus():
        fuzz_rtp.check(data)
