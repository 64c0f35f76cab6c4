"""One tick's sending: header columns in front of the payloads, digits in between, packets out."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

import numpy as np

from vb.media.io import RowIo, survivable
from vb.media.rows import Index, Rows
from vb.media.settings import FRAME

if TYPE_CHECKING:
    from vb.media.port import Port

_HEADER = struct.Struct("!III")
_MARKER = np.uint32(1 << 23)


class Sender:
    """Sends what the mixer left in ``rows.tx_frames``."""

    def __init__(self, rows: Rows, io: RowIo, ports: dict[int, Port]) -> None:
        self.rows = rows
        self.io = io
        self.ports = ports
        self.sent = 0
        self.refused = 0
        self.dialling: dict[int, Port] = {}
        """Ports with digits to send, by row."""
        self.marked: set[int] = set()
        """Rows whose next packet has the marker bit."""
        self.failed: list[tuple[int, BaseException]] = []

    def run(self, chosen: Index) -> None:
        """One packet for each of ``chosen`` (a telephone-event where digits are due), then time goes on for all."""
        rows = self.rows
        if self.dialling:
            chosen = self._dial(chosen)
        if len(chosen):
            self._write_heads(chosen)
            linked = rows.linked[chosen]
            if np.count_nonzero(linked) == len(linked):
                self.sent += self.io.send(chosen)
            else:
                self.sent += self.io.send(chosen[linked])
                for row in chosen[~linked].tolist():
                    self.send_to(self.ports[row], bytes(rows.tx[row]))
        rows.timestamp += np.uint32(FRAME)
        self.failed += self.io.failed
        self.io.failed.clear()

    def _write_heads(self, chosen: Index) -> None:
        rows = self.rows
        rows.tx_heads[chosen] = rows.out[chosen]
        rows.sequence[chosen] += np.uint16(1)
        rows.sent[chosen] += 1
        if self.marked:
            for row in self.marked.intersection(chosen.tolist()):
                self.mark(row, wanted=False)

    def mark(self, row: int, *, wanted: bool = True) -> None:
        """The row's next packet has the marker bit: it begins a talkspurt (RFC 3551 §4.1)."""
        if wanted:
            self.marked.add(row)
            self.rows.out[row, 0] |= _MARKER
        else:
            self.marked.discard(row)
            self.rows.out[row, 0] &= ~_MARKER

    def _dial(self, chosen: Index) -> Index:
        """Digits take the place of audio (RFC 4733 §2.5.1: the events are in the audio stream's own sequence)."""
        busy = []
        for row, port in list(self.dialling.items()):
            if not port.dtmf_out.busy:
                del self.dialling[row]
                continue
            params = port.inbound.params
            if not self.rows.sends[row] or self.rows.deaf[row] or params is None:
                continue
            frame = port.dtmf_out.tick(int(self.rows.timestamp[row]))
            if frame is not None and params.telephone_event_send is not None:
                busy.append(row)
                head = 0x80 << 24 | frame.marker << 23 | params.telephone_event_send << 16
                self.send_now(port, head, frame.timestamp, frame.payload)
        return np.setdiff1d(chosen, np.array(busy, np.intp)) if busy else chosen

    def send_now(self, port: Port, head: int, timestamp: int, payload: bytes) -> None:
        """One packet outside the columns; it takes the port's next sequence number."""
        rows, row = self.rows, port.row
        sequence = int(rows.sequence[row])
        rows.sequence[row] = (sequence + 1) & 0xFFFF
        rows.sent[row] += 1
        if port.inbound.control is not None:
            port.inbound.control.octets_short += FRAME - len(payload)
        header = _HEADER.pack(head | sequence, timestamp & 0xFFFFFFFF, int(rows.ssrc[row]))
        self.send_to(port, header + payload)

    def send_to(self, port: Port, packet: bytes) -> bool:
        """Send now, connected or not; False if there is nowhere to send to or the kernel would not."""
        remote = port.remote
        if remote is None:
            return False
        try:
            if self.rows.linked[port.row]:
                port.sock.send(packet)
            else:
                port.sock.sendto(packet, remote)
        except OSError as error:
            if error.errno in (errno.ECONNREFUSED,):
                self.refused += 1
            elif not survivable(error.errno):
                self.failed.append((port.row, error))
            return False
        self.sent += 1
        return True
