"""Fuzz target: RTCP. ``python fuzz/fuzz_rtcp.py [seconds] [seed]`` mutates the corpus for that long.

What must hold for any octets: `parse_rtcp` raises RtcpError or nothing; what it returns builds into what it parses
from; reports take whatever a packet says without an exception and stay within their ranges.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from fuzz.fuzz_rtp import mutate  # noqa: E402
from vb.rtp.report import Reports  # noqa: E402
from vb.rtp.rtcp import MAX_PACKETS, RtcpError, RtcpPacket, parse_rtcp  # noqa: E402

CORPUS = ROOT / "tests/data/rtp"


def corpus() -> Iterator[bytes]:
    single = [path.read_bytes() for path in sorted(CORPUS.glob("rtcp_*.bin"))]
    yield from single
    reports = [data for data in single if data[1] in (200, 201)]
    yield from (report + data for report in reports for data in single)  # compound packets (RFC 3550 §6.1)


def check(data: bytes) -> tuple[RtcpPacket, ...] | None:
    """One datagram: values that build into the same values, or the documented exception."""
    try:
        packets = parse_rtcp(data)
    except RtcpError:
        return None
    assert len(packets) <= MAX_PACKETS
    for packet in packets:
        assert parse_rtcp(packet.to_bytes()) == (packet,)
    reports = Reports(8000)
    for packet in packets:
        for block in getattr(packet, "blocks", ()):
            reports.receive(packet, block.ssrc, 1e9)
    assert reports.rtt is None  # we sent no report
    assert reports.remote is None or -(1 << 23) <= reports.remote.lost < 1 << 23
    return packets


def run(seconds: float, seed: int) -> tuple[int, int]:
    """Datagrams tried, and those that were RTCP."""
    rng = random.Random(seed)
    seeds = list(corpus())
    end, runs, read = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        data = mutate(rng.choice(seeds), rng)
        try:
            read += check(data) is not None
        except Exception:
            print(f"failed on {data.hex()}")
            raise
        runs += 1
    return runs, read


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    runs, read = run(seconds, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(f"{runs} datagrams, {read} of them RTCP, nothing undocumented")


if __name__ == "__main__":
    main()
