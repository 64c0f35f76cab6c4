"""Fuzz target: RTP. ``python fuzz/fuzz_rtp.py [seconds] [seed]`` mutates the corpus for that long.

What must hold for any octets: `parse_rtp` raises RtpError or nothing; what it returns builds into what it parses from;
reception, telephone-events and latching take whatever a packet says without an exception, count it once, stay small.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from vb.rtp.latch import Latch  # noqa: E402
from vb.rtp.packet import RtpError, RtpPacket, is_rtcp, parse_rtp  # noqa: E402
from vb.rtp.reception import Reception, Verdict  # noqa: E402
from vb.rtp.telephone_event import DIGITS, MEMORY, DtmfReceiver  # noqa: E402

CORPUS = ROOT / "tests/data/rtp"


def corpus() -> Iterator[bytes]:
    for path in sorted(CORPUS.glob("*.bin")):
        yield path.read_bytes()


def check(data: bytes) -> RtpPacket | None:
    """One datagram: a value that builds into the same value, or the documented exception."""
    assert is_rtcp(data) == (len(data) > 1 and data[0] >> 6 == 2 and data[1] in range(192, 224))
    try:
        packet = parse_rtp(data)
    except RtpError:
        return None
    assert parse_rtp(packet.to_bytes()) == packet
    assert len(packet.payload) + 12 <= len(data)
    return packet


class Stream:
    """One receiver that gets everything that parses."""

    def __init__(self) -> None:
        self.reception = Reception(8000)
        self.dtmf = DtmfReceiver(8000)
        self.latch = Latch()
        self.latch.negotiate(("192.0.2.1", 4000), "192.0.2.2")
        self.accepted = 0
        self.now = 0.0

    def receive(self, packet: RtpPacket, rng: random.Random) -> None:
        self.now += rng.choice((0.0, 0.001, 0.02, 1.0))
        self.latch.receive((rng.choice(("192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1", "198.51.100.9")), 4000),
                           packet.ssrc, self.now)  # fmt: skip
        counted = self.reception
        verdict = counted.receive(packet.sequence, packet.timestamp, packet.ssrc, self.now)
        if verdict not in (Verdict.JUMP, Verdict.DUPLICATE):
            self.accepted += 1
        assert counted.received == self.accepted
        assert counted.lost >= 0
        assert counted.jitter_ms >= 0
        digits = self.dtmf.receive(packet.payload, packet.timestamp, packet.marker, self.now)
        digits += self.dtmf.handle_timers(self.now)
        assert len(digits) <= 3
        assert all(digit.digit in DIGITS and digit.duration_ms >= 0 for digit in digits)
        assert len(self.dtmf._done) <= MEMORY


def mutate(data: bytes, rng: random.Random) -> bytes:
    octets = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(min(len(octets), 24) + 1) if rng.random() < 0.8 else rng.randrange(len(octets) + 1)
        action = rng.randrange(4)
        if action == 0 and place < len(octets):
            octets[place] ^= 1 << rng.randrange(8)
        elif action == 1 and place < len(octets):
            octets[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif action == 2:
            del octets[place : place + rng.randint(1, 8)]
        else:
            octets[place:place] = rng.randbytes(rng.randint(1, 8))
    return bytes(octets)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    seeds, stream = list(corpus()), Stream()
    end, runs, read = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        data = mutate(rng.choice(seeds), rng)
        try:
            packet = check(data)
            if packet is not None:
                stream.receive(packet, rng)
                read += 1
        except Exception:
            print(f"failed on {data.hex()}")
            raise
        runs += 1
    print(f"{runs} datagrams, {read} of them RTP, nothing undocumented")


if __name__ == "__main__":
    main()
