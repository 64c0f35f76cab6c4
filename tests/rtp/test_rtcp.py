"""RFC 3550 §6 and §A.2: what an RTCP datagram is, and what is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.rtcp import (
    MAX_PACKETS,
    Application,
    Chunk,
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpError,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    build_rtcp,
    parse_rtcp,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "fuzz"))
import fuzz_rtcp

DATA = Path(__file__).parents[1] / "data" / "rtp"

words = st.integers(0, 0xFFFFFFFF)
blocks = st.lists(
    st.builds(
        ReportBlock,
        ssrc=words,
        fraction_lost=st.integers(0, 255),
        lost=st.integers(-(1 << 23), (1 << 23) - 1),
        highest=words,
        jitter=words,
        last_sr=words,
        delay=words,
    ),
    max_size=31,
).map(tuple)
reports = st.builds(
    SenderReport, ssrc=words, ntp=st.integers(0, 2**64 - 1), rtp_timestamp=words, packets=words, octets=words,
    blocks=blocks,
) | st.builds(ReceiverReport, ssrc=words, blocks=blocks)  # fmt: skip
items = st.lists(st.tuples(st.integers(1, 255), st.binary(max_size=255)), max_size=5).map(tuple)
others = st.one_of(
    st.builds(SourceDescription, st.lists(st.builds(Chunk, words, items), max_size=31).map(tuple)),
    st.builds(Goodbye, st.lists(words, max_size=31).map(tuple), st.none() | st.binary(max_size=255)),
    st.builds(
        Application,
        words,
        st.binary(min_size=4, max_size=4),
        st.integers(0, 31),
        st.binary(max_size=64).map(lambda data: data[: len(data) // 4 * 4]),
    ),
)
compounds = st.tuples(reports, st.lists(reports | others, max_size=5)).map(lambda parts: (parts[0], *parts[1]))


def read(name: str) -> RtcpPacket:
    (packet,) = parse_rtcp((DATA / name).read_bytes())
    return packet


@given(compounds)
def test_what_is_built_is_read_back(packets: tuple[RtcpPacket, ...]) -> None:
    data = build_rtcp(packets)
    assert len(data) % 4 == 0
    assert parse_rtcp(data) == packets


@given(compounds, st.integers(1, 63))
def test_padding_of_the_last_packet_is_removed(packets: tuple[RtcpPacket, ...], padding: int) -> None:
    """RFC 3550 §6.4.1."""
    *before, last = (packet.to_bytes() for packet in packets)
    padded = bytearray(last + bytes(4 * padding - 1) + bytes([4 * padding]))
    padded[0] |= 0x20
    padded[2:4] = (len(padded) // 4 - 1).to_bytes(2, "big")
    assert parse_rtcp(b"".join(before) + padded) == packets
    with pytest.raises(RtcpError):
        parse_rtcp(b"".join(before) + padded + ReceiverReport(1).to_bytes())


@given(compounds, st.data())
def test_a_datagram_cut_inside_a_word_is_refused(packets: tuple[RtcpPacket, ...], data: st.DataObject) -> None:
    octets = build_rtcp(packets)
    cut = data.draw(st.integers(1, len(octets) - 1).filter(lambda size: size % 4))
    with pytest.raises(RtcpError):
        parse_rtcp(octets[:cut])


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: b"\x81\xc8\x00\x0c" + data))
def test_any_octets(data: bytes) -> None:
    fuzz_rtcp.check(data)


def test_recorded_reports() -> None:
    block = ReportBlock(2398654957, highest=246, jitter=127)
    assert read("rtcp_sr.bin") == SenderReport(1831097322, 16016567581311369308, 1722342718, 269, 13557, (block,))
    assert read("rtcp_rr.bin") == ReceiverReport(817267719, (ReportBlock(1200895919, highest=630, jitter=1906),))


def test_recorded_descriptions_and_goodbyes() -> None:
    description = read("rtcp_sdes.bin")
    assert isinstance(description, SourceDescription)
    assert description.chunks[0].cname == b"{63f459ea-41fe-4474-9d33-9707c9ee79d1}"
    assert read("rtcp_bye.bin") == Goodbye((2924645187,))
    assert read("rtcp_bye_no_sources.bin") == Goodbye(())
    assert read("rtcp_bye_padding.bin") == Goodbye(())


@pytest.mark.parametrize("name", ["rtcp_rtpfb.bin", "rtcp_psfb_pli.bin"])
def test_feedback_is_left_out(name: str) -> None:
    assert parse_rtcp((DATA / name).read_bytes()) == ()


@pytest.mark.parametrize(
    "name",
    [
        "rtcp_bye_invalid.bin",
        "rtcp_rr_invalid.bin",
        "rtcp_sr_invalid.bin",
        "rtcp_sdes_item_truncated.bin",
        "rtcp_sdes_source_truncated.bin",
    ],
)
def test_recorded_rubbish(name: str) -> None:
    with pytest.raises(RtcpError):
        parse_rtcp((DATA / name).read_bytes())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\xc9\x00",
        b"\x40\xc9\x00\x01\x00\x00\x00\x01",  # version 1
        b"\x80\x00\x00\x01\x00\x00\x00\x01",  # RTP
        b"\x81\xc9\x00\x01\x00\x00\x00\x01",  # a block that is not there
        b"\xa0\xc9\x00\x00",  # padding of nothing
        b"\x80\xcc\x00\x01\x00\x00\x00\x01",  # APP without a name
        b"\x80\xcb\x00\x01\x04abc",  # a reason longer than the packet
        ReceiverReport(1).to_bytes() * (MAX_PACKETS + 1),
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(RtcpError):
        parse_rtcp(data)


def test_a_profile_may_add_to_a_report() -> None:
    """RFC 3550 §6.4.3: what follows the blocks is left out."""
    assert parse_rtcp(b"\x80\xc9\x00\x02\x00\x00\x00\x07more") == (ReceiverReport(7),)


@pytest.mark.parametrize(
    "packets",
    [
        (),
        (Goodbye((1,)),),
        (ReceiverReport(1 << 32),),
        (ReceiverReport(1, (ReportBlock(1, 256),)),),
        (ReceiverReport(1, (ReportBlock(1, 0, 1 << 23),)),),
        (ReceiverReport(1, (ReportBlock(1),) * 32),),
        (ReceiverReport(1), SourceDescription((Chunk(1, ((0, b""),)),))),
        (ReceiverReport(1), SourceDescription((Chunk(1, ((1, bytes(256)),)),))),
        (ReceiverReport(1), Goodbye((1,), bytes(256))),
        (ReceiverReport(1), Application(1, b"abc")),
        (ReceiverReport(1), Application(1, b"abcd", 32)),
    ],
)
def test_what_cannot_be_built(packets: tuple[RtcpPacket, ...]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        build_rtcp(packets)


def test_fuzz_target() -> None:
    fuzz_rtcp.run(0.2, 1)
