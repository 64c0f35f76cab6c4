"""Call records and quality."""

from __future__ import annotations

import pytest

from tests.call.fakes import FakeStatistics
from vb.call.cdr import Cdr, quality_view
from vb.call.lifetime import Cause
from vb.rtp.report import RemoteReport


@pytest.mark.parametrize(
    ("created", "connected", "now", "total", "answered"),
    [(10.0, None, 10.004, 0.0, 0.0), (10.0, 11.0, 12.345, 2.35, 1.35), (10.0, 10.0, 9.0, 0.0, 0.0)],
)
def test_durations_to_ten_milliseconds(
    created: float, connected: float | None, now: float, total: float, answered: float
) -> None:
    cdr = Cdr.of(Cause("busy"), created, connected, now)
    assert cdr.view() == {
        "reason": "busy",
        "duration_total": pytest.approx(total, abs=0.006),
        "duration_answered": pytest.approx(answered, abs=0.006),
    }


def test_quality_needs_two_packets() -> None:
    assert quality_view(None) is None
    assert quality_view(FakeStatistics(received=1)) is None
    assert quality_view(FakeStatistics(received=2, mos=None)) is None
    assert quality_view(FakeStatistics(2, 3, 1.005, 4.405, gaps=4, concealed=2)) == {
        "mos_score": pytest.approx(4.41, abs=0.01),
        "rtp_packets_received": 2,
        "rtp_packets_lost": 3,
        "rtp_jitter_ms": pytest.approx(1.0, abs=0.01),
        "gaps": 4,
        "concealed_ms": 40,
    }


def test_what_the_peer_reported() -> None:
    told = RemoteReport(lost=3, jitter_ms=1.234, at=0.5)
    quality = quality_view(FakeStatistics(2, 3, 1.0, 4.4, rtt=0.0123, remote_report=told))
    assert quality is not None
    assert quality["rtt_ms"] == 12.3
    assert quality["remote_report"] == {
        "lost": 3,
        "jitter_ms": 1.23,
        "rtt_ms": 12.3,
        "at": "1970-01-01T00:00:00.500000Z",
    }


def test_a_report_without_a_round_trip_time() -> None:
    quality = quality_view(FakeStatistics(2, 3, 1.0, 4.4, remote_report=RemoteReport(0, 0.0, 0.0)))
    assert quality is not None
    assert "rtt_ms" not in quality
    assert quality["remote_report"]["rtt_ms"] is None
