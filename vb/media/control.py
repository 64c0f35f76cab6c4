"""RTCP of all ports: reports go out on schedule and come in, a bounded number per tick (RFC 3550 §6, RFC 5761).

Nothing here is done per RTP packet: reports are made from what the columns and ``Reception`` have counted anyway.
Arrival is the tick's time, so a round-trip time is up to 20 ms longer than the network's.
"""

from __future__ import annotations

import heapq
import logging
import random
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from vb.media.mailbox import Mailbox
from vb.media.rows import Rows
from vb.media.settings import FRAME, RATE, RtcpParams
from vb.media.statistics import Address
from vb.net.rtp_socket import open_rtp_socket
from vb.rtp.latch import plain_host
from vb.rtp.report import Reports, Schedule, Stream, ntp_time
from vb.rtp.rtcp import (
    CNAME,
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

if TYPE_CHECKING:
    import socket

    from vb.media.port import Port
    from vb.media.receiver import Receiver

log = logging.getLogger("vb.media")

REPORTS_PER_TICK = 8
"""Reports sent in one tick at most: enough for 2,000 ports; what is due waits."""
DATAGRAMS_PER_TICK = 2
"""RTCP datagrams of one peer looked at in one tick; a flood is counted and dropped."""
MOST_CONFLICTS = 8
_UNSPECIFIED = ("0.0.0.0", "::", "")  # noqa: S104  (RFC 3264 §8.4: nobody there)


class Control:
    """One port's RTCP. Made when a negotiation first has reports; lives as long as the port."""

    def __init__(self, plane: ControlPlane, port: Port, params: RtcpParams) -> None:
        self.params = params
        self.reports = Reports(RATE)
        self.schedule = Schedule(plane.rng)
        self.octets_short = 0
        """By how much the payloads sent were shorter than frames."""
        self.sock: socket.socket | None = None
        """The socket beside the RTP socket; None while both share one, or where it cannot be had."""
        self.source: Address | None = None
        """Where the peer's reports come from, when not from the RTP address."""
        self.closed = False
        self._plane = plane
        self._port = port
        self._cname = b64encode(plane.rng.getrandbits(96).to_bytes(12, "big"))  # RFC 7022 §4.2: says nothing
        self._sent_before: deque[int] = deque([0, 0], maxlen=2)
        self._first_packet = self._first_short = 0
        self._spoke = False
        self._heard: tuple[int, int] | None = None
        self._tick, self._burst = -1, 0
        self._conflicts: set[Address] = set()

    @property
    def ssrc(self) -> int:
        return int(self._plane.rows.ssrc[self._port.row])

    def configure(self, params: RtcpParams) -> None:
        """A negotiation completed. On hold by address the old place stays."""
        if params.host in _UNSPECIFIED:
            return
        if params != self.params:
            self.params, self.source = params, None
        if params.mux:
            self.close_socket()
        elif self.sock is None:
            self._open_socket()

    def _open_socket(self) -> None:
        """RFC 3550 §11: the next higher port. Where another has it, reports are sent, but none are received."""
        host, number = self._port.local
        try:
            self.sock = open_rtp_socket(host, number + 1)
        except (OSError, OverflowError) as error:
            log.debug("no RTCP port", extra={"cause": str(error)})
            return
        self._plane.mailbox.add(self._port.row, self.sock)

    def close_socket(self) -> None:
        if self.sock is not None:
            self._plane.mailbox.remove(self._port.row)
            self.sock.close()
            self.sock = None

    # What comes

    def receive(self, data: bytes, source: Address, *, muxed: bool = True) -> None:
        """One datagram; ``muxed``: it came to the RTP port. Strangers', floods and rubbish are dropped."""
        if muxed != self.params.mux or not self._in_keeping(source):
            return
        tick = self._plane.tick
        self._burst = self._burst + 1 if tick == self._tick else 1
        self._tick = tick
        if self._burst > DATAGRAMS_PER_TICK:
            return
        try:
            packets = parse_rtcp(data)
        except RtcpError:
            self._port.inbound.malformed += 1
            return
        self.schedule.counted(len(data))
        if not muxed:
            self.source = source
        for packet in packets:
            if isinstance(packet, SenderReport | ReceiverReport) and packet.ssrc == self.ssrc:
                self.collide(source)
                return
            self.reports.receive(packet, self.ssrc, self._plane.wall)

    def _in_keeping(self, source: Address) -> bool:
        remote = self._port.inbound.latch.remote
        known = {plain_host(self.params.host), plain_host(remote[0]) if remote else ""}
        return plain_host(source[0]) in known

    def collide(self, source: Address) -> None:
        """The peer has our SSRC: say goodbye to it and take another one (RFC 3550 §8.2).

        One that has the new one as well sends back what we send, which is a loop and no collision.
        """
        if source in self._conflicts or len(self._conflicts) >= MOST_CONFLICTS:
            return
        self._conflicts.add(source)
        self.say_goodbye()
        rows, row = self._plane.rows, self._port.row
        rows.ssrc[row] = self._plane.rng.getrandbits(32)
        self._first_packet, self._first_short = int(rows.sent[row]), self.octets_short
        self._sent_before.extend((int(rows.sent[row]),) * 2)
        self.reports = Reports(RATE, remote=self.reports.remote, rtt=self.reports.rtt)

    # What goes

    def report(self, now: float) -> None:
        """Send our report and settle when the next one is due."""
        packets = self._compound()
        data = build_rtcp(packets)
        if self._send(data) and isinstance(packets[0], SenderReport):
            self.reports.sent(packets[0])
        self.schedule.sent(len(data), now)

    def say_goodbye(self) -> None:
        """BYE, if anybody has heard of us (RFC 3550 §6.3.7)."""
        if self._spoke or self._plane.rows.sent[self._port.row]:
            self._send(build_rtcp([*self._compound(), Goodbye((self.ssrc,))]))

    def _compound(self) -> list[RtcpPacket]:
        """A report of the kind that is due, and who we are (RFC 3550 §6.1, §6.4)."""
        rows, row, ssrc = self._plane.rows, self._port.row, self.ssrc
        sent = int(rows.sent[row])
        sends = sent > self._sent_before[0]  # since the report before the last one
        self._sent_before.append(sent)
        blocks = self._blocks()
        name = SourceDescription((Chunk(ssrc, ((CNAME, self._cname),)),))
        if not sends:
            return [ReceiverReport(ssrc, blocks), name]
        packets = sent - self._first_packet
        octets = packets * FRAME - (self.octets_short - self._first_short)
        ntp, timestamp = ntp_time(self._plane.wall), int(rows.timestamp[row])
        return [SenderReport(ssrc, ntp, timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF, blocks), name]

    def _blocks(self) -> tuple[ReportBlock, ...]:
        """About the peer's stream, if something of it came since our last report (RFC 3550 §6.4)."""
        receiver, row = self._plane.receiver, self._port.row
        fast = receiver.fast_count(row)
        jitter = float(receiver.jitter_now(row)) if fast else None
        stream = Stream.of(self._port.inbound.reception, fast, jitter)
        if stream is None or (stream.ssrc, stream.received) == self._heard:
            return ()
        self._heard = (stream.ssrc, stream.received)
        return (self.reports.block(stream, self._plane.wall),)

    def _target(self) -> Address | None:
        if self.params.mux:
            return self._port.remote
        target = self.source or (self.params.host, self.params.port)
        return None if target[0] in _UNSPECIFIED else target

    def _send(self, data: bytes) -> bool:
        """Whether the kernel took it; a report that is lost is followed by the next one."""
        target = self._target()
        if target is None:
            return False
        try:
            (self.sock or self._port.sock).sendto(data, target)
        except OSError as error:
            log.debug("no RTCP sent", extra={"cause": str(error)})
            return False
        self._spoke = True
        return True


class ControlPlane:
    """The clock's part that does RTCP, for the ports that negotiated it."""

    def __init__(
        self, rows: Rows, receiver: Receiver, ports: dict[int, Port], rng: random.Random, now: Callable[[], float]
    ) -> None:
        self.rows = rows
        self.receiver = receiver
        self.rng = rng
        self.mailbox = Mailbox()
        self.tick = 0
        self._ports = ports
        self._now = now
        self._epoch: float | None = None
        self._due: list[tuple[float, int, Control]] = []
        self._made = 0

    @property
    def wall(self) -> float:
        """Unix seconds, as steady as the clock: the system's time may be set while calls go on."""
        return self.wall_at(self._now())

    def wall_at(self, seconds: float) -> float:
        """A moment of the clock in Unix seconds."""
        if self._epoch is None:
            self._epoch = time.time() - self._now()
        return self._epoch + seconds

    def configure(self, port: Port, params: RtcpParams | None) -> None:
        """``port`` has this negotiated from now on; None: it has no reports."""
        control = port.inbound.control
        if params is None:
            if control is not None:
                self.remove(port)
            return
        if control is None:
            control = port.inbound.control = Control(self, port, params)
        control.configure(params)
        if control.schedule.due == inf:
            control.schedule.start(self._now())
            self._made += 1
            heapq.heappush(self._due, (control.schedule.due, self._made, control))

    def remove(self, port: Port) -> None:
        """The port's end: the peer is told, its socket closed."""
        control, port.inbound.control = port.inbound.control, None
        if control is not None:
            control.closed = True
            control.say_goodbye()
            control.close_socket()

    def run(self, tick: int) -> None:
        """One tick: what came to ports beside RTP ports, then the reports that are due."""
        self.tick = tick
        for row, data, source in self.mailbox.receive():
            port = self._ports.get(row)
            if port is not None and port.inbound.control is not None:
                port.inbound.control.receive(data, source, muxed=False)
        for row, _ in self.mailbox.failed:
            port = self._ports.get(row)
            if port is not None and port.inbound.control is not None:
                port.inbound.control.close_socket()
        self.mailbox.failed.clear()
        if self._due and self._due[0][0] <= self._now():
            self._report()

    def _report(self) -> None:
        now = self._now()
        for _ in range(REPORTS_PER_TICK):
            if not self._due or self._due[0][0] > now:
                return
            _, number, control = heapq.heappop(self._due)
            if control.closed:
                continue
            control.report(now)
            heapq.heappush(self._due, (control.schedule.due, number, control))

    def close(self) -> None:
        """Free the epoll descriptor; after the ports were closed."""
        self.mailbox.close()
