"""Reports between two peers (RFC 3550 §6.2-6.4): what we say of their stream, what they say of ours, and when.

Everything here knows one peer, as a call has: the session is two members, and its timing is that of §6.3 for two.
"""

from __future__ import annotations

from collections import deque
from math import e, inf
from random import Random

import attrs

from vb.rtp.reception import Reception
from vb.rtp.rtcp import ReceiverReport, ReportBlock, RtcpPacket, SenderReport

LEAST_INTERVAL = 5.0
"""Seconds (§6.2), half of it before the first report."""
BANDWIDTH = 0.05 * 64000 / 8
"""Octets per second for RTCP: 5 % of G.711's rate (§6.2)."""
_MEMBERS = 2
_IP_UDP = 28
_COMPENSATION = e - 1.5
_NTP_EPOCH = 2208988800
"""Seconds from 1900 to 1970."""
_UNIT = 65536
_LONGEST_RTT = 60.0
_REPORTS_KEPT = 8
_LOST_RANGE = (-(1 << 23), (1 << 23) - 1)


def ntp_time(seconds: float) -> int:
    """Unix seconds as a 64-bit NTP time (RFC 3550 §4); it begins anew in 2036."""
    return int((seconds + _NTP_EPOCH) * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


def middle(ntp: int) -> int:
    """The middle 32 of 64 bits, in 1/65536 s: how reports refer to each other."""
    return ntp >> 16 & 0xFFFFFFFF


@attrs.frozen
class Stream:
    """The stream that the peer sends now: its SSRC, extended highest sequence, packets expected and received so far."""

    ssrc: int
    highest: int
    expected: int
    received: int
    jitter_units: float

    @classmethod
    def of(cls, reception: Reception, more: int = 0, jitter_units: float | None = None) -> Stream | None:
        """``more`` packets came in order after those that ``reception`` knows; None before the first packet."""
        if reception.ssrc is None:
            return None
        jitter = reception.jitter_units if jitter_units is None else jitter_units
        expected, received = reception.stream_expected + more, reception.stream_received + more
        return cls(reception.ssrc, reception.highest + more, expected, received, jitter)


@attrs.frozen
class RemoteReport:
    """What the peer says of our stream: packets lost in all, jitter in ms, when it said so (Unix seconds)."""

    lost: int
    jitter_ms: float
    at: float


@attrs.define
class Reports:
    """Both directions of reports of one call. ``clock_rate`` is that of both streams; times are Unix seconds."""

    clock_rate: int
    remote: RemoteReport | None = None
    rtt: float | None = None
    """Seconds, of the newest report that allowed to tell."""
    _told: Stream | None = None
    """Their stream as it was at our last report."""
    _last_sr: int = 0
    _last_sr_at: float = 0.0
    _last_sr_ssrc: int = -1
    _ours: deque[int] = attrs.field(factory=lambda: deque(maxlen=_REPORTS_KEPT))
    """The times of our last sender reports: an answer to anything else is made up."""

    def block(self, stream: Stream, now: float) -> ReportBlock:
        """Our report about ``stream``; the next one tells the loss since this one (RFC 3550 §6.4.1, §A.3)."""
        told = self._told if self._told is not None and self._told.ssrc == stream.ssrc else None
        expected = stream.expected - (told.expected if told else 0)
        lost = expected - (stream.received - (told.received if told else 0))
        fraction = min(lost * 256 // expected, 255) if expected > 0 and lost > 0 else 0
        self._told = stream
        heard = self._last_sr_ssrc == stream.ssrc
        return ReportBlock(
            ssrc=stream.ssrc,
            fraction_lost=fraction,
            lost=min(max(stream.expected - stream.received, _LOST_RANGE[0]), _LOST_RANGE[1]),
            highest=stream.highest & 0xFFFFFFFF,
            jitter=min(int(stream.jitter_units), 0xFFFFFFFF),
            last_sr=self._last_sr if heard else 0,
            delay=min(max(int((now - self._last_sr_at) * _UNIT), 0), 0xFFFFFFFF) if heard else 0,
        )

    def sent(self, report: SenderReport) -> None:
        """``report`` of ours went out."""
        self._ours.append(middle(report.ntp))

    def receive(self, packet: RtcpPacket, ssrc: int, now: float) -> None:
        """One packet of the peer; ``ssrc`` is ours. Packets that are no reports say nothing here."""
        if not isinstance(packet, SenderReport | ReceiverReport):
            return
        if isinstance(packet, SenderReport):
            self._last_sr, self._last_sr_at, self._last_sr_ssrc = middle(packet.ntp), now, packet.ssrc
        for block in packet.blocks:
            if block.ssrc == ssrc:
                self._read(block, now)

    def _read(self, block: ReportBlock, now: float) -> None:
        self.remote = RemoteReport(block.lost, block.jitter * 1000 / self.clock_rate, now)
        if not block.last_sr or block.last_sr not in self._ours:
            return
        units = middle(ntp_time(now)) - block.last_sr - block.delay & 0xFFFFFFFF  # §6.4.1, figure 2
        if units >= 1 << 31:
            units = 0  # two clocks that run at different speeds
        if units / _UNIT <= _LONGEST_RTT:
            self.rtt = units / _UNIT


def interval(rng: Random, octets: float, *, first: bool) -> float:
    """Seconds to the next report, random so that peers do not fall in step (RFC 3550 §6.3.1).

    ``octets`` is the average size of reports of both sides, IP and UDP included; ``first``: nothing was sent yet.
    """
    least = LEAST_INTERVAL / 2 if first else LEAST_INTERVAL
    return max(least, _MEMBERS * octets / BANDWIDTH) * rng.uniform(0.5, 1.5) / _COMPENSATION


@attrs.define
class Schedule:
    """When reports go out. ``due`` is in seconds of whatever clock the caller has; infinite before ``start``."""

    rng: Random
    due: float = inf
    average: float = 100.0 + _IP_UDP

    def start(self, now: float) -> None:
        """The peer's address is known; no effect once started."""
        if self.due == inf:
            self.due = now + interval(self.rng, self.average, first=True)

    def counted(self, octets: int) -> None:
        """A datagram of ``octets`` was sent or received (§6.3.3)."""
        self.average += (octets + _IP_UDP - self.average) / 16

    def sent(self, octets: int, now: float) -> None:
        """Our report went out at ``now``: the next one is due an interval later."""
        self.counted(octets)
        self.due = now + interval(self.rng, self.average, first=False)
