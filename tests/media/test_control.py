"""RTCP of a port: reports on schedule, both ways, over one socket or two (RFC 3550 §6, RFC 5761)."""

from __future__ import annotations

import socket
from typing import Any

import attrs
import pytest

from tests.media.stage import Peer, Stage, descriptors
from vb.media.control import DATAGRAMS_PER_TICK, REPORTS_PER_TICK
from vb.media.settings import RtcpParams
from vb.net.rtp_socket import open_rtp_socket
from vb.rtp.packet import is_rtcp, parse_rtp
from vb.rtp.report import middle
from vb.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
    SourceDescription,
    build_rtcp,
    parse_rtcp,
)

SIX_SECONDS = 320


@attrs.define
class Wire:
    """What came to a peer: its RTP socket (``rtp``), and where it takes reports."""

    rtp: list[bytes]
    reports: list[tuple[RtcpPacket, ...]]


def collect(*socks: socket.socket) -> Wire:
    wire = Wire([], [])
    for sock in socks:
        while True:
            try:
                data = sock.recv(2048)
            except BlockingIOError:
                break
            if is_rtcp(data):
                wire.reports.append(parse_rtcp(data))
            else:
                wire.rtp.append(data)
    return wire


def at(sock: socket.socket, *, mux: bool = False) -> RtcpParams:
    host, port = sock.getsockname()
    return RtcpParams(host, port, mux)


def muxed(stage: Stage, **stream: Any) -> Peer:
    peer = stage.peer(configure=False)
    peer.port.configure(stage.stream(peer, rtcp=at(peer.sock, mux=True), **stream))
    for _ in range(4):
        peer.say(0)
        stage.tick()
    assert stage.clock.rows.linked[peer.port.row]
    return peer


def talk(stage: Stage, peer: Peer, ticks: int, *socks: socket.socket) -> Wire:
    whole = Wire([], [])
    for _ in range(ticks):
        peer.say(0)
        stage.tick()
        came = collect(*(socks or (peer.sock,)))
        whole.rtp += came.rtp
        whole.reports += came.reports
    return whole


def test_a_sender_report_says_what_was_sent_and_received(stage: Stage) -> None:
    peer = muxed(stage)
    before = collect(peer.sock)
    peer.sequence += 2  # lost
    wire = talk(stage, peer, 160)
    (report, description), *others = wire.reports
    assert not others  # the first one comes after 1 to 3.1 s, the next not within 2 s of it
    assert isinstance(report, SenderReport)
    sent = [parse_rtp(data) for data in before.rtp + wire.rtp]
    assert report.ssrc == sent[0].ssrc
    assert 0 < report.packets <= len(sent)
    assert report.octets == 160 * report.packets
    # The moment of the report, in the stream's clock: that of the next packet (RFC 3550 §6.4.1).
    assert report.rtp_timestamp == sent[report.packets].timestamp
    (block,) = report.blocks
    assert (block.ssrc, block.lost) == (peer.ssrc, 2)
    assert 0 < block.fraction_lost < 10
    assert isinstance(description, SourceDescription)
    assert len(description.chunks[0].cname or b"") == 16


def test_intervals_are_random_and_about_five_seconds(stage: Stage) -> None:
    peer = muxed(stage)
    wire = talk(stage, peer, 50 * 60)
    assert 60 / 6.2 < len(wire.reports) < 60 / 2
    names = {report[1].chunks[0].cname for report in wire.reports if isinstance(report[1], SourceDescription)}
    assert len(names) == 1


def test_one_who_sends_nothing_sends_receiver_reports(stage: Stage) -> None:
    peer = muxed(stage, send=False)
    (report, _), *_ = talk(stage, peer, SIX_SECONDS).reports
    assert isinstance(report, ReceiverReport)
    assert report.blocks[0].ssrc == peer.ssrc


def test_nothing_is_said_of_a_stream_that_paused(stage: Stage) -> None:
    """RFC 3550 §6.4: blocks are about sources heard since the report before."""
    peer = muxed(stage)
    talk(stage, peer, SIX_SECONDS)
    came: list[tuple[RtcpPacket, ...]] = []
    for _ in range(2 * SIX_SECONDS):
        stage.tick()
        came += collect(peer.sock).reports
    assert isinstance(came[-1][0], SenderReport)
    assert came[-1][0].blocks == ()


def answer(report: SenderReport, **fields: Any) -> bytes:
    block = ReportBlock(report.ssrc, **{"last_sr": middle(report.ntp), "lost": 7, "jitter": 80, **fields})
    return build_rtcp([ReceiverReport(99, (block,))])


def test_the_peers_report_is_read(stage: Stage) -> None:
    """RFC 3550 §6.4.1: two seconds later, held for 1.9 of them."""
    peer = muxed(stage)
    assert peer.port.statistics().remote_report is None
    wire = Wire([], [])
    while not wire.reports:
        wire = talk(stage, peer, 1)
    talk(stage, peer, 99)
    report = wire.reports[0][0]
    assert isinstance(report, SenderReport)
    peer.send(answer(report, delay=int(1.9 * 65536)))
    stage.tick()
    told = peer.port.statistics()
    assert told.rtt == pytest.approx(0.1, abs=0.001)
    assert told.remote_report is not None
    assert (told.remote_report.lost, told.remote_report.jitter_ms) == (7, 10.0)
    assert told.rtcp == 1
    peer.port.close()
    assert peer.port.statistics().rtt == told.rtt


def test_rtcp_costs_no_audio(stage: Stage) -> None:
    peer = muxed(stage)
    for _ in range(100):
        peer.say(0)
        peer.send(build_rtcp([ReceiverReport(99)]))
        stage.tick()
    told = peer.port.statistics()
    assert (told.received, told.lost, told.gaps, told.rtcp) == (104, 0, 0, 100)


def test_a_flood_is_dropped(stage: Stage) -> None:
    peer = muxed(stage)
    for lost in range(5):
        peer.send(build_rtcp([ReceiverReport(99, (ReportBlock(int(stage.clock.rows.ssrc[0]), lost=lost),))]))
    stage.tick(2)
    told = peer.port.statistics()
    assert told.remote_report is not None
    assert told.remote_report.lost < 5
    assert told.rtcp == 5
    assert DATAGRAMS_PER_TICK < 5


def test_rubbish_and_strangers(stage: Stage) -> None:
    peer = muxed(stage)
    peer.send(b"\x81\xc9\x00\x07rubbish!")
    stage.tick()
    assert peer.port.statistics().ignored == 1
    control = peer.port.inbound.control
    assert control is not None
    data = build_rtcp([ReceiverReport(99, (ReportBlock(control.ssrc, lost=3),))])
    control.receive(data, ("192.0.2.1", 4000))
    control.receive(data, peer.sock.getsockname(), muxed=False)
    assert peer.port.statistics().remote_report is None


def test_goodbye_at_the_end(stage: Stage) -> None:
    """RFC 3550 §6.3.7."""
    peer = muxed(stage)
    ssrc = int(stage.clock.rows.ssrc[peer.port.row])
    collect(peer.sock)
    peer.port.close()
    ((report, _, goodbye),) = collect(peer.sock).reports
    assert isinstance(report, SenderReport)
    assert goodbye == Goodbye((ssrc,))
    stage.tick(SIX_SECONDS)
    assert not collect(peer.sock).reports


def test_one_who_never_spoke_says_no_goodbye(stage: Stage) -> None:
    peer = stage.peer(configure=False)
    peer.port.configure(stage.stream(peer, send=False, rtcp=at(peer.sock, mux=True)))
    peer.port.close()
    assert not collect(peer.sock).reports


def test_without_reports_nothing_is_sent(stage: Stage) -> None:
    peer = stage.peer()
    stage.settle(peer)
    wire = talk(stage, peer, SIX_SECONDS)
    peer.port.close()
    assert not wire.reports
    assert not collect(peer.sock).reports


# Two sockets (RFC 3550 §11)


def apart(stage: Stage) -> tuple[Peer, socket.socket]:
    peer = stage.peer(configure=False)
    reports = stage.socket()
    peer.port.configure(stage.stream(peer, rtcp=at(reports)))
    stage.settle(peer)
    return peer, reports


def test_reports_go_to_and_come_from_the_odd_port(stage: Stage) -> None:
    before = descriptors()
    peer, reports = apart(stage)
    wire = talk(stage, peer, SIX_SECONDS, reports)
    assert not wire.rtp
    report = wire.reports[0][0]
    assert isinstance(report, SenderReport)
    peer.send(answer(report))  # not muxed: nobody reads it there
    stage.tick()
    assert peer.port.statistics().remote_report is None
    reports.sendto(answer(report), ("127.0.0.1", peer.port.local[1] + 1))
    stage.tick()
    assert peer.port.statistics().remote_report is not None
    peer.port.close()
    assert [type(packet) for packet in collect(reports).reports[-1]] == [SenderReport, SourceDescription, Goodbye]
    reports.close()
    peer.sock.close()
    stage.tick()
    assert descriptors() == before


def test_reports_follow_where_the_peers_come_from(stage: Stage) -> None:
    """A NAT may have given the peer's reports another port."""
    peer, reports = apart(stage)
    elsewhere = stage.socket()
    elsewhere.sendto(build_rtcp([ReceiverReport(99)]), ("127.0.0.1", peer.port.local[1] + 1))
    wire = talk(stage, peer, SIX_SECONDS, elsewhere)
    assert wire.reports
    assert not collect(reports).reports
    elsewhere.close()
    reports.close()


def test_an_odd_port_that_another_has(stage: Stage) -> None:
    """None are received then; ours are sent from the RTP socket."""
    peer = stage.peer(configure=False)
    reports = stage.socket()
    other = open_rtp_socket("127.0.0.1", peer.port.local[1] + 1)
    peer.port.configure(stage.stream(peer, rtcp=at(reports)))
    stage.settle(peer)
    assert talk(stage, peer, SIX_SECONDS, reports).reports
    other.close()
    reports.close()


def test_a_renegotiation_changes_between_one_socket_and_two(stage: Stage) -> None:
    peer, reports = apart(stage)
    before = descriptors()
    peer.port.configure(stage.stream(peer, rtcp=at(peer.sock, mux=True)))
    assert descriptors() == before - 1
    assert talk(stage, peer, SIX_SECONDS).reports
    peer.port.configure(stage.stream(peer, rtcp=RtcpParams("0.0.0.0", 9, mux=False)))
    assert talk(stage, peer, SIX_SECONDS).reports
    peer.port.configure(stage.stream(peer))
    collect(peer.sock)
    assert not talk(stage, peer, SIX_SECONDS).reports
    reports.close()


def test_many_reports_are_spread_over_ticks(stage: Stage) -> None:
    peers = [muxed(stage) for _ in range(3 * REPORTS_PER_TICK)]
    for peer in peers:
        collect(peer.sock)
    stage.time += 4  # all are due
    counts = []
    for _ in range(3):
        stage.tick()
        counts.append(sum(len(collect(peer.sock).reports) for peer in peers))
    assert counts[:2] == [REPORTS_PER_TICK, REPORTS_PER_TICK]
    assert 0 < counts[2] <= REPORTS_PER_TICK


# Collisions (RFC 3550 §8.2)


def test_a_peer_with_our_ssrc(stage: Stage) -> None:
    peer = muxed(stage)
    collect(peer.sock)
    ours = peer.ssrc = int(stage.clock.rows.ssrc[peer.port.row])
    wire = talk(stage, peer, 3)
    assert wire.reports[0][-1] == Goodbye((ours,))
    new = {parse_rtp(data).ssrc for data in wire.rtp[-2:]}
    assert ours not in new
    wire = talk(stage, peer, SIX_SECONDS)
    report = wire.reports[0][0]
    assert isinstance(report, SenderReport)
    assert {report.ssrc} == new
    assert report.packets <= SIX_SECONDS + 3


def test_an_echo_is_no_collision(stage: Stage) -> None:
    """What comes back from the same place once more is our own: a loop."""
    peer = muxed(stage)
    seen = set()
    for _ in range(100):
        for data in collect(peer.sock).rtp:
            seen.add(parse_rtp(data).ssrc)
            peer.send(data)
        stage.tick()
    assert len(seen) == 2
    assert peer.port.statistics().received > 80


def test_a_report_with_our_ssrc(stage: Stage) -> None:
    peer = muxed(stage)
    ours = int(stage.clock.rows.ssrc[peer.port.row])
    peer.send(build_rtcp([ReceiverReport(ours)]))
    stage.tick()
    assert int(stage.clock.rows.ssrc[peer.port.row]) != ours


def test_digits_are_shorter_than_frames(stage: Stage) -> None:
    peer = muxed(stage)
    packets = [parse_rtp(data) for data in collect(peer.sock).rtp]
    peer.port.send_dtmf("1")
    wire = talk(stage, peer, SIX_SECONDS)
    packets += [parse_rtp(data) for data in wire.rtp]
    report = wire.reports[0][0]
    assert isinstance(report, SenderReport)
    sent = packets[: report.packets]
    assert any(len(packet.payload) == 4 for packet in sent)
    assert report.octets == sum(len(packet.payload) for packet in sent)
