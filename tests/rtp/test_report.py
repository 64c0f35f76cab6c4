"""RFC 3550 §6.2-6.4 and §A.3: reports of one call, and when they go out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.rtp.reception import Reception
from vb.rtp.report import LEAST_INTERVAL, Reports, Schedule, Stream, interval, middle, ntp_time
from vb.rtp.rtcp import Goodbye, ReceiverReport, ReportBlock, SenderReport

OURS, THEIRS = 0x11111111, 0x22222222


def stream(*sequences: int, ssrc: int = THEIRS) -> Stream:
    reception = Reception(8000)
    for sequence in sequences:
        reception.receive(sequence, 160 * sequence & 0xFFFFFFFF, ssrc, sequence / 50)
    made = Stream.of(reception)
    assert made is not None
    return made


def test_no_stream_before_the_first_packet() -> None:
    assert Stream.of(Reception(8000)) is None


def test_packets_of_the_columns_count() -> None:
    reception = Reception(8000)
    reception.receive(10, 0, THEIRS, 0.0)
    reception.receive(12, 320, THEIRS, 0.04)
    assert Stream.of(reception, 5, 8.5) == Stream(THEIRS, 17, 8, 7, 8.5)


def test_the_fraction_is_of_what_was_expected_since_the_report_before() -> None:
    """RFC 3550 §A.3: 2 of 4 lost, then 0 of 4; the whole stays 2."""
    reports = Reports(8000)
    first = reports.block(stream(1, 4), 0.0)
    assert (first.fraction_lost, first.lost, first.highest) == (128, 2, 4)
    second = reports.block(stream(1, 4, 5, 6, 7, 8), 5.0)
    assert (second.fraction_lost, second.lost, second.highest) == (0, 2, 8)
    assert reports.block(stream(1, 4, 5, 6, 7, 8), 10.0).fraction_lost == 0  # nothing came, nothing was expected


def test_a_new_stream_begins_anew() -> None:
    reports = Reports(8000)
    reports.block(stream(1, 4), 0.0)
    block = reports.block(stream(100, 101, ssrc=7), 5.0)
    assert (block.ssrc, block.fraction_lost, block.lost) == (7, 0, 0)


def test_a_packet_overtaken_takes_loss_back() -> None:
    reports = Reports(8000)
    reports.block(stream(1, 4), 0.0)
    block = reports.block(stream(1, 4, 2, 3), 5.0)
    assert (block.fraction_lost, block.lost) == (0, 0)


def test_lost_is_clamped_to_24_bits() -> None:
    reports = Reports(8000)
    assert reports.block(Stream(THEIRS, 1 << 24, 1 << 24, 1, 0.0), 0.0).lost == (1 << 23) - 1
    assert reports.block(Stream(THEIRS, 1, 1, 1 << 24, 0.0), 0.0).lost == -(1 << 23)
    assert reports.block(Stream(THEIRS, 1 << 24, 1 << 24, 1, 0.0), 0.0).fraction_lost <= 255


def test_everything_lost_fits_in_eight_bits() -> None:
    assert Reports(8000).block(Stream(THEIRS, 9, 10, 0, 0.0), 0.0).fraction_lost == 255


def test_delay_since_their_last_report() -> None:
    """RFC 3550 §6.4.1: LSR and DLSR, zero before there was one."""
    reports = Reports(8000)
    assert reports.block(stream(1), 0.0).last_sr == 0
    reports.receive(SenderReport(THEIRS, 0x0123456789ABCDEF, 0, 0, 0), OURS, 100.0)
    block = reports.block(stream(1), 102.5)
    assert (block.last_sr, block.delay) == (0x456789AB, int(2.5 * 65536))
    assert reports.block(stream(1, ssrc=7), 102.5).last_sr == 0  # of another source


@given(st.floats(1.7e9, 2.2e9), st.floats(0, 2), st.floats(0, 30))
def test_round_trip_time(sent_at: float, rtt: float, held: float) -> None:
    """RFC 3550 §6.4.1, figure 2: arrival minus LSR minus DLSR."""
    reports = Reports(8000)
    report = SenderReport(OURS, ntp_time(sent_at), 0, 0, 0)
    reports.sent(report)
    block = ReportBlock(OURS, 3, 7, 0, 80, middle(report.ntp), int(held * 65536))
    reports.receive(ReceiverReport(THEIRS, (block,)), OURS, sent_at + held + rtt)
    assert reports.rtt == pytest.approx(rtt, abs=1e-4)
    assert reports.remote is not None
    assert (reports.remote.lost, reports.remote.jitter_ms) == (7, 10.0)


@pytest.mark.parametrize(
    "block",
    [
        ReportBlock(OURS),
        ReportBlock(OURS, last_sr=12345, delay=1),  # no report of ours
        ReportBlock(OURS, last_sr=middle(ntp_time(1000.0)), delay=0),  # held for 1000 s, it says for none
    ],
)
def test_no_round_trip_time_from_what_cannot_be(block: ReportBlock) -> None:
    reports = Reports(8000)
    reports.sent(SenderReport(OURS, ntp_time(1000.0), 0, 0, 0))
    reports.receive(ReceiverReport(THEIRS, (block,)), OURS, 2000.0)
    assert reports.rtt is None
    assert reports.remote is not None


def test_a_clock_that_runs_fast_gives_zero() -> None:
    reports = Reports(8000)
    reports.sent(SenderReport(OURS, ntp_time(1000.0), 0, 0, 0))
    block = ReportBlock(OURS, last_sr=middle(ntp_time(1000.0)), delay=int(5.001 * 65536))
    reports.receive(ReceiverReport(THEIRS, (block,)), OURS, 1005.0)
    assert reports.rtt == 0.0


def test_reports_about_others_say_nothing() -> None:
    reports = Reports(8000)
    reports.receive(ReceiverReport(THEIRS, (ReportBlock(7, lost=9),)), OURS, 0.0)
    reports.receive(Goodbye((THEIRS,)), OURS, 0.0)
    assert reports.remote is None


@given(st.integers(0, 1000), st.booleans())
def test_interval(seed: int, first: bool) -> None:
    """RFC 3550 §6.2, §6.3.1: at least 5 s, half before the first, times 0.5 to 1.5, compensated."""
    least = LEAST_INTERVAL / 2 if first else LEAST_INTERVAL
    assert 0.5 * least / 1.2183 <= interval(random.Random(seed), 130, first=first) <= 1.5 * least / 1.2182


def test_large_reports_are_rarer() -> None:
    assert interval(random.Random(1), 2000, first=False) > interval(random.Random(1), 130, first=False) * 1.5


def test_schedule() -> None:
    schedule = Schedule(random.Random(1))
    assert schedule.due == float("inf")
    schedule.start(100.0)
    due = schedule.due
    assert 101.0 < due < 103.2
    schedule.start(101.0)
    assert schedule.due == due
    schedule.sent(100, due)
    assert due + 2.0 < schedule.due < due + 6.2


def test_ntp_time() -> None:
    assert ntp_time(0.0) == 2208988800 << 32
    assert middle(ntp_time(0.5)) == (2208988800 & 0xFFFF) << 16 | 0x8000
