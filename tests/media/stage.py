"""A clock that is ticked by hand, and peers on loopback sockets that say exactly what a test wants."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np

from vb.codec.g711 import LAWS
from vb.media.clock import MediaClock
from vb.media.events import MediaEvent
from vb.media.port import Port
from vb.media.settings import TICK, MediaSettings, StreamParams
from vb.net.rtp_socket import open_rtp_socket
from vb.rtp.packet import RtpPacket, parse_rtp

FRAME = 160


@attrs.define
class Peer:
    """A phone at the other end of one port: its own socket, SSRC and sequence."""

    stage: Stage
    port: Port
    sock: socket.socket
    events: list[MediaEvent]
    law: str = "PCMU"
    ssrc: int = 1
    sequence: int = 100
    timestamp: int = 5000

    def packet(self, samples: Any, *, marker: bool = False, payload_type: int | None = None) -> bytes:
        """The next packet of the stream, not sent yet. ``samples``: a number (constant frame) or an array."""
        pcm = np.full(FRAME, samples, np.int16) if np.isscalar(samples) else np.asarray(samples, np.int16)
        payload = LAWS[self.law].encode(pcm).tobytes()
        static = LAWS[self.law].payload_type if payload_type is None else payload_type
        data = RtpPacket(static, self.sequence, self.timestamp, self.ssrc, marker, payload).to_bytes()
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + len(pcm)) & 0xFFFFFFFF
        return data

    def send(self, data: bytes, sock: socket.socket | None = None) -> None:
        (sock or self.sock).sendto(data, self.port.local)

    def say(self, samples: Any) -> None:
        self.send(self.packet(samples))

    def packets(self) -> list[RtpPacket]:
        """What came since the last call."""
        found = []
        while True:
            try:
                found.append(parse_rtp(self.sock.recv(2048)))
            except BlockingIOError:
                return found

    def heard(self) -> list[int]:
        """First sample of each audio frame that came since the last call."""
        return [int(LAWS[self.law].decode(np.frombuffer(p.payload, np.uint8))[0]) for p in self.packets()]

    def heard_frames(self) -> np.ndarray:
        frames = [LAWS[self.law].decode(np.frombuffer(p.payload, np.uint8)) for p in self.packets()]
        return np.concatenate(frames) if frames else np.zeros(0, np.int16)


class Stage:
    def __init__(self, io: str, **settings: Any) -> None:
        self.time = 1000.0
        self.clock = MediaClock(
            MediaSettings(io=io, **settings),  # type: ignore[arg-type]
            now=lambda: self.time,
            rng=random.Random(1),
        )
        self.peers: list[Peer] = []

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.time += TICK
            self.clock.tick()
            assert self.clock.statistics().tick_errors == 0

    def peer(self, law: str = "PCMU", *, configure: bool = True, **stream: Any) -> Peer:
        events: list[MediaEvent] = []
        port = self.clock.attach(open_rtp_socket("127.0.0.1", 0), events.append)
        peer = Peer(self, port, self.socket(), events, law, ssrc=len(self.peers) + 1)
        self.peers.append(peer)
        if configure:
            port.configure(self.stream(peer, **stream))
        return peer

    def stream(self, peer: Peer, **stream: Any) -> StreamParams:
        host, number = peer.sock.getsockname()
        given = {
            "codec_name": peer.law,
            "send_payload_type": LAWS[peer.law].payload_type,
            "pinhole": False,
            "telephone_event_send": 101,
            "telephone_event_receive": 101,
        }
        return StreamParams(host, number, **{**given, **stream})  # type: ignore[arg-type]

    def socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        return sock

    def settle(self, *peers: Peer, level: int = 0) -> None:
        """Get every peer latched, connected and into the columns, then forget what was heard."""
        for _ in range(4):
            for peer in peers:
                peer.say(level)
            self.tick()
        for peer in peers:
            peer.packets()
            assert self.clock.rows.linked[peer.port.row]

    def close(self) -> None:
        self.clock.close()
        for peer in self.peers:
            peer.sock.close()


@contextmanager
def staged(io: str, **settings: Any) -> Iterator[Stage]:
    stage = Stage(io, **settings)
    try:
        yield stage
    finally:
        stage.close()


def event_payload(digit: int, duration: int, *, end: bool = False) -> bytes:
    return struct.pack("!BBH", digit, 10 | (0x80 if end else 0), duration)


def level(value: int, law: str = "PCMU") -> int:
    """What a constant of this value is after one trip through the codec."""
    codec = LAWS[law]
    return int(codec.decode(codec.encode(np.array([value], np.int16)))[0])


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
