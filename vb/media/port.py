"""A leg's handle on its row: what it sends to and hears from its peer. The port owns the row and the socket."""

from __future__ import annotations

import ctypes
import logging
import socket
import struct
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal

from vb.codec.g711 import LAWS
from vb.media.events import MediaEvent
from vb.media.inbound import Inbound
from vb.media.mix import Mix
from vb.media.series import Point, Series
from vb.media.settings import FRAME, RATE, StreamParams
from vb.media.sources import FrameSource, OnEnd, Pcm, SourceHandle, TapHandle, Write
from vb.media.statistics import Address, PortStatistics
from vb.rtp.quality import loss_percent, mos
from vb.rtp.telephone_event import DtmfSender

if TYPE_CHECKING:
    from vb.media.clock import MediaClock

log = logging.getLogger("vb.media")

PINHOLE = 3
_PAYLOAD_TYPE = 0x7F << 16
_LAW_NUMBERS = {"PCMU": 0, "PCMA": 1}
_SO_MEMINFO, _MEMINFO_SIZE, _MEMINFO_DROPS = 55, 36, 8
_LIBC = ctypes.CDLL(None, use_errno=True)
_UNSPECIFIED = ctypes.create_string_buffer(16)  # struct sockaddr with AF_UNSPEC


@lru_cache(maxsize=4096)
def numeric(address: Address | None) -> Address | None:
    """The address if its host is a literal: names are not looked up inside a tick."""
    if address is None or not 0 < address[1] < 65536:
        return None
    try:
        ip_address(address[0].partition("%")[0])
    except ValueError:
        return None
    return address


class Port:
    """Made by ``MediaClock.attach``. All verbs act between two ticks; none of them blocks."""

    def __init__(self, clock: MediaClock, sock: socket.socket, row: int, notify: Callable[[MediaEvent], None]) -> None:
        self.sock = sock
        self.row = row
        self.local: Address = sock.getsockname()[:2]
        self.inbound = Inbound(clock.settings.latch)
        self.dtmf_out = DtmfSender(RATE)
        self.mix: Mix | None = None
        self.peer: Address | None = None
        """Whom the socket is connected to."""
        self.linked_at = -1
        self.configured_at = -1
        self.told_source: Address | None = None
        self.closed = False
        self.series = Series()
        self._clock = clock
        self._notify = notify
        self._sources: list[SourceHandle] = []
        self._taps: dict[str, list[TapHandle]] = {"in": [], "out": []}
        self._final: PortStatistics | None = None

    # What was negotiated

    def configure(self, stream: StreamParams) -> None:
        """The stream as negotiated, first or anew: from the next tick on it is sent and received like this.

        The first time that something can be sent, three packets of silence go out at once (NAT pinhole).
        """
        if self.closed:
            return
        clock, rows, row = self._clock, self._clock.rows, self.row
        clock.receiver.fold(self)
        before = self.inbound.latch.remote
        self.inbound.configure(stream)
        self.configured_at = clock.ticks
        latch = self.inbound.latch
        if latch.source is None or latch.remote != before or latch.awaits_move:
            self.unlink()
        if not stream.receive_enabled:
            rows.had[row] = rows.have[row] = False
            rows.miss_run[row] = 0
        law = _LAW_NUMBERS[stream.codec_name]
        head = 0x80 << 24 | stream.send_payload_type << 16
        starts = stream.send and not rows.sends[row]
        anew = starts or int(rows.out[row, 0]) & _PAYLOAD_TYPE != head & _PAYLOAD_TYPE
        rows.out[row, 0] = head | int(rows.sequence[row])
        rows.send_law[row], rows.sends[row] = law, stream.send
        clock.sender.mark(row, wanted=anew or row in clock.sender.marked)
        if self.inbound.payload_type < 0:
            first = next(iter(stream.receive.values()), stream.codec_name)
            self.inbound.law, rows.law[row] = first, _LAW_NUMBERS[first]
        if starts and stream.pinhole and rows.sent[row] == 0:
            self._open_pinhole(head, LAWS[stream.codec_name].silence)
        clock.control.configure(self, stream.rtcp)
        self._changed()

    def _open_pinhole(self, head: int, silence: int) -> None:
        rows, row = self._clock.rows, self.row
        if self.remote is None:
            return
        for place in range(PINHOLE):
            marker = (place == 0) << 23
            timestamp = int(rows.timestamp[row]) - (PINHOLE - place) * FRAME
            self._clock.sender.send_now(self, head | marker, timestamp, bytes([silence]) * FRAME)
        self._clock.sender.mark(row, wanted=False)

    @property
    def remote(self) -> Address | None:
        """Where packets go now; None while nobody knows."""
        return numeric(self.inbound.latch.remote)

    # Rooms

    def join(self, mix: Mix) -> None:
        """Be in this room, and in no other, from the next tick on."""
        if self.closed or mix.closed or self.mix is mix:
            return
        self.leave()
        self.mix = mix
        mix.ports[self.row] = self
        self._clock.mixer.joined(self.row)

    def leave(self) -> None:
        """Be in no room from the next tick on; no effect outside one."""
        if self.mix is not None:
            self.mix.ports.pop(self.row, None)
            self.mix = None
            self._clock.mixer.joined(self.row)

    @property
    def muted(self) -> bool:
        """Nobody in the room hears this port; taps do."""
        return not self.closed and bool(self._clock.rows.muted[self.row])

    @muted.setter
    def muted(self, value: bool) -> None:
        if not self.closed:
            self._clock.rows.muted[self.row] = value
            self._changed()

    @property
    def deaf(self) -> bool:
        """The port is sent nothing, not even RTP."""
        return not self.closed and bool(self._clock.rows.deaf[self.row])

    @deaf.setter
    def deaf(self, value: bool) -> None:
        if not self.closed:
            if self.deaf and not value:
                self._clock.sender.mark(self.row)
            self._clock.rows.deaf[self.row] = value
            self._changed()

    # Sources and taps

    def add_source(self, source: FrameSource, *, gain: float = 1.0, on_end: OnEnd | None = None) -> SourceHandle:
        """Let this leg alone hear ``source``, on top of whatever else it hears, from the next tick on."""
        handle = SourceHandle(source, self._remove_source, on_end)
        handle.gain = gain
        self._sources = [*self._sources, handle]
        self._changed()
        return handle

    def add_tap(self, side: Literal["in", "out"], write: Write, *, rate: int = 0) -> TapHandle:
        """Listen to what the leg says (``in``, also while muted) or is sent (``out``), at ``rate`` Hz.

        ``rate`` 0 is that of the room the port is in now, or of its codec outside one; a tap keeps its rate.
        """
        if not rate:
            rate = self.mix.rate if self.mix is not None else RATE
        handle = TapHandle(write, rate, self._remove_tap)
        self._taps[side] = [*self._taps[side], handle]
        self._changed()
        return handle

    def detect_speech(self, wanted: bool) -> None:
        """Whether ``SpeechStarted`` and ``SpeechStopped`` are told, from the next tick on."""
        if self.closed:
            return
        if wanted:
            self._clock.mixer.speech.watch(self)
        else:
            self._clock.mixer.speech.forget(self.row)
        self._clock.mixer.change()

    def _remove_source(self, handle: SourceHandle) -> None:
        self._sources = [each for each in self._sources if each is not handle]
        self._changed()

    def _remove_tap(self, handle: TapHandle) -> None:
        self._taps = {side: [each for each in taps if each is not handle] for side, taps in self._taps.items()}
        self._changed()

    def feed_in(self, said: Pcm, tick: int) -> None:
        """The mixer's call: this tick's speech, int16[160]."""
        for tap in self._taps["in"]:
            tap.feed(said, RATE, tick)

    def feed_out(self, heard: Pcm, tick: int) -> None:
        """The mixer's call: add the sources to ``heard`` in place, then show it to the taps."""
        for source in self._sources:
            frame = source.read(RATE)
            if frame is not None:
                heard[:] = (heard.astype("i4") + frame).clip(-32768, 32767)
        if self._taps["out"]:
            rows = self._clock.rows
            sent = heard if rows.sends[self.row] and not rows.deaf[self.row] else heard * 0
            for tap in self._taps["out"]:
                tap.feed(sent, RATE, tick)

    def send_dtmf(self, digits: str) -> None:
        """Queue telephone-events. Raises DigitsError (ValueError) for what is no digit.

        Nothing is sent to a peer that did not offer telephone-events.
        """
        if self.inbound.params is not None and self.inbound.params.telephone_event_send is not None and not self.closed:
            self.dtmf_out.send(digits)
            self._clock.sender.dialling[self.row] = self

    # The clock's side

    def link(self, peer: Address, tick: int) -> None:
        """Connect to the peer: from here on the kernel drops what strangers send."""
        try:
            self.sock.connect(peer)
        except OSError as error:
            log.debug("RTP socket not connected", extra={"cause": str(error)})
            return
        self.peer, self.linked_at = peer, tick
        self._clock.rows.linked[self.row] = True
        self._clock.io.open_writer(self.row, self.sock)

    def unlink(self) -> None:
        """Dissolve the connection: packets from anywhere come again, for the latch to decide on."""
        if not self._clock.rows.linked[self.row]:
            return
        self._clock.rows.linked[self.row] = False
        self.peer = None
        self._clock.io.close_writer(self.row)
        self._clock.receiver.move_out(self)
        _LIBC.connect(self.sock.fileno(), _UNSPECIFIED, len(_UNSPECIFIED))
        if self.sock.getsockname()[1] != self.local[1]:  # the kernel takes back a port that it chose itself
            self.sock.bind(self.local)

    def tell(self, event: MediaEvent) -> None:
        """Hand ``event`` to the leg after this tick."""
        self._clock.post(self._notify, event)

    def _changed(self) -> None:
        if self.closed:
            return
        clock, rows, row = self._clock, self._clock.rows, self.row
        hears = bool(self._sources or self._taps["out"])
        for chosen, wanted in ((clock.mixer.tapped, bool(self._taps["in"])), (clock.mixer.hearing, hears)):
            if wanted:
                chosen[row] = self
            else:
                chosen.pop(row, None)
        quiet = rows.muted[row] or rows.deaf[row] or not rows.sends[row]
        rows.plain[row] = not (quiet or hears or self._taps["in"])
        clock.mixer.change()

    # Looking at it

    @property
    def last_heard(self) -> float | None:
        """Clock seconds of the last accepted packet; None before the first."""
        rows = self._clock.rows
        if self.closed:
            return self._final.last_heard if self._final else None
        newest = max(int(rows.last_tick[self.row]), int(rows.slow_tick[self.row]))
        return None if newest < 0 else self.time_of(newest)

    def time_of(self, tick: int) -> float:
        """Clock seconds of a past tick."""
        return self._clock.time_of(tick)

    def points(self) -> list[Point]:
        """How it sounded, a point per second, oldest first."""
        return self.series.points(lambda tick: self._clock.control.wall_at(self.time_of(tick)))

    def statistics(self) -> PortStatistics:
        """The port's counts so far; after ``close`` those of its end."""
        if self._final is not None:
            return self._final
        rows, row, inbound = self._clock.rows, self.row, self.inbound
        fast = self._clock.receiver.fast_count(row)
        received = inbound.reception.received + fast
        jitter = float(self._clock.receiver.jitter_now(row)) if fast else inbound.reception.jitter_units
        jitter_ms = jitter * 1000 / RATE
        lost = inbound.reception.lost
        params = inbound.params
        return PortStatistics(
            received=received,
            lost=lost,
            late=inbound.reception.late,
            duplicates=inbound.reception.duplicates,
            jitter_ms=jitter_ms,
            mos=mos(jitter_ms, loss_percent(received, lost)) if received >= 2 else None,
            sent=int(rows.sent[row]),
            last_heard=self.last_heard,
            local=self.local,
            remote=inbound.latch.remote,
            codec=params.codec_name if params else "",
            gaps=int(rows.gaps[row]),
            concealed=int(rows.concealed[row]),
            buffer_ms=20 * int(rows.has_spare[row]),
            slipped=int(rows.slipped[row]) + inbound.dropped,
            rtcp=inbound.rtcp,
            rtt=inbound.control.reports.rtt if inbound.control else None,
            remote_report=inbound.control.reports.remote if inbound.control else None,
            refused=inbound.latch.refused,
            ignored=inbound.malformed + inbound.unexpected,
            kernel_drops=self.kernel_drops(),
        )

    def kernel_drops(self) -> int:
        """Packets this socket lost because its buffer was full (SK_MEMINFO_DROPS of <linux/sock_diag.h>)."""
        try:
            memory = self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO_SIZE)
        except OSError:
            return 0
        return int(struct.unpack(f"{len(memory) // 4}I", memory)[_MEMINFO_DROPS])

    def close(self) -> None:
        """Out of the clock, socket closed, sources and taps gone; any number of times."""
        if self.closed:
            return
        self._final = self.statistics()
        self._clock.control.remove(self)
        self.leave()
        for source in self._sources:
            source.remove()
        for tap in (*self._taps["in"], *self._taps["out"]):
            tap.remove()
        self.closed = True
        self._clock.detach(self)
