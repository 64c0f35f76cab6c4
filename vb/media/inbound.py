"""The slow path of one row: every packet that is not exactly what the columns expect, in plain Python.

Reordering, loss, duplicates, a new SSRC, telephone-events, other frame lengths, strangers, RTCP and rubbish end up
here. What is to be heard comes out as frames of 20 ms, at most one more than this tick needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from vb.media.settings import FRAME, RATE, StreamParams
from vb.media.statistics import Address
from vb.rtp.latch import Latch, Mode
from vb.rtp.packet import RtpError, RtpPacket, is_rtcp, parse_rtp
from vb.rtp.reception import Reception, Verdict
from vb.rtp.telephone_event import Digit, DtmfReceiver

if TYPE_CHECKING:
    from vb.media.control import Control

_HALF = 0x8000


@attrs.define
class Inbound:
    """One port's receiving side. ``params`` is None until the stream is negotiated: all packets are ignored then."""

    mode: Mode
    params: StreamParams | None = None
    latch: Latch = attrs.field(default=attrs.Factory(lambda self: Latch(self.mode), takes_self=True))
    reception: Reception = attrs.field(factory=lambda: Reception(RATE))
    dtmf: DtmfReceiver = attrs.field(factory=lambda: DtmfReceiver(RATE))
    law: str = "PCMU"
    payload_type: int = -1
    timestamp: int = 0
    """Of the newest audio packet."""
    step: int = 0
    """How far it went on from the one before."""
    frame_size: int = FRAME
    """Octets of the newest audio packet."""
    rtcp: int = 0
    control: Control | None = None
    """Set while reports are exchanged."""
    malformed: int = 0
    unexpected: int = 0
    """Packets of a payload type that was not negotiated, or while receiving is off."""
    dropped: int = 0
    """Frames thrown away because newer ones waited."""
    digits: list[Digit] = attrs.field(factory=list)
    spare_sequence: int = -1
    """Extended sequence of the frame that ``take_spare`` gave away last."""
    _pending: list[tuple[int, bytes]] = attrs.field(factory=list)
    _octets: bytearray = attrs.field(factory=bytearray)
    _played: int = -1
    """Extended sequence of the newest frame that was handed out."""

    def configure(self, params: StreamParams) -> None:
        """A negotiation completed: addresses, payload types and direction are these from now on."""
        self.params = params
        self.latch.negotiate((params.remote_host, params.remote_port), params.signalling_host)
        if not params.receive_enabled:
            self.forget()

    def forget(self) -> None:
        """Nothing that waits is heard any more."""
        self._pending.clear()
        self._octets.clear()

    def receive(self, data: bytes, source: Address, now: float) -> bool:
        """One datagram at ``now``; True if it was an accepted RTP packet (not only audio)."""
        if is_rtcp(data):
            self.rtcp += 1
            if self.control is not None:
                self.control.receive(data, source)
            return False
        if self.params is None:
            return False
        try:
            packet = parse_rtp(data)
        except RtpError:
            self.malformed += 1
            return False
        if not self.latch.receive(source, packet.ssrc, now):
            return False
        if self.control is not None and packet.ssrc == self.control.ssrc:
            self.control.collide(source)
        self._accept(packet, self.params, now)
        return True

    def _accept(self, packet: RtpPacket, params: StreamParams, now: float) -> None:
        event = packet.payload_type == params.telephone_event_receive
        verdict = self.reception.receive(packet.sequence, packet.timestamp, packet.ssrc, now, timed=not event)
        if verdict is Verdict.RESTART:
            self._restart()
        if event:
            if verdict is not Verdict.JUMP:
                self.digits += self.dtmf.receive(packet.payload, packet.timestamp, packet.marker, now)
            return
        law = params.receive.get(packet.payload_type)
        if law is None or not params.receive_enabled or not packet.payload:
            self.unexpected += 1
            return
        if verdict.plays or verdict is Verdict.LATE:
            self._queue(packet, law, newest=verdict.plays)

    def _restart(self) -> None:
        self.digits += self.dtmf.finish()
        self.forget()
        self._played = -1

    def _queue(self, packet: RtpPacket, law: str, *, newest: bool) -> None:
        if newest:
            if law != self.law or len(packet.payload) != self.frame_size:
                self.forget()
            self.law, self.payload_type, self.frame_size = law, packet.payload_type, len(packet.payload)
            self.step = (packet.timestamp - self.timestamp) & 0xFFFFFFFF
            self.timestamp = packet.timestamp
        if self.frame_size != FRAME or len(packet.payload) != FRAME:
            if newest:  # octets are one stream: what comes late has no place in it
                self._octets += packet.payload
            return
        highest = self.reception.highest
        ahead = ((packet.sequence - highest + _HALF) & 0xFFFF) - _HALF
        if highest + ahead > self._played:
            self._pending.append((highest + ahead, packet.payload))
            self._pending.sort()

    def put_back(self, sequence: int, payload: bytes) -> None:
        """A frame that the columns kept as a spare: extended ``sequence``."""
        self._pending.append((sequence, payload))
        self._pending.sort()

    def played(self, sequence: int) -> None:
        """The columns have played everything up to this extended sequence."""
        self._played = max(self._played, sequence)

    def take_frame(self) -> bytes | None:
        """The frame of this tick, None if there is none; never more than one spare stays behind."""
        if self._octets:
            return self._take_octets()
        while len(self._pending) > 2:
            self._pending.pop(0)
            self.dropped += 1
        if not self._pending:
            return None
        sequence, payload = self._pending.pop(0)
        self._played = max(self._played, sequence)
        return payload

    def take_spare(self) -> bytes | None:
        """The one frame left for the next tick, if it is a whole one that the columns can keep."""
        if len(self._pending) != 1 or self._octets:
            return None
        self.spare_sequence, payload = self._pending.pop()
        self._played = max(self._played, self.spare_sequence)
        return payload

    @property
    def regular(self) -> bool:
        """Whether the newest audio packet is one that the columns could have taken."""
        return self.frame_size == FRAME and self.payload_type >= 0 and not self._octets

    @property
    def waiting(self) -> bool:
        """Whether the next tick finds something even if no packet comes."""
        return bool(self._pending) or len(self._octets) >= FRAME

    def _take_octets(self) -> bytes | None:
        most = max(self.frame_size, FRAME) + FRAME
        if len(self._octets) > most:
            excess = (len(self._octets) - most) // FRAME * FRAME
            del self._octets[:excess]
            self.dropped += excess // FRAME
        if len(self._octets) < FRAME:
            return None
        frame = bytes(self._octets[:FRAME])
        del self._octets[:FRAME]
        return frame

    def take_digits(self, now: float) -> list[Digit]:
        """Digits completed since the last call, those whose end packets were lost included."""
        if self.dtmf.next_deadline() <= now:
            self.digits += self.dtmf.handle_timers(now)
        digits, self.digits = self.digits, []
        return digits
