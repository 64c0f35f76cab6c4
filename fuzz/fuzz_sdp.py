"""Fuzz target: session descriptions. ``python fuzz/fuzz_sdp.py [seconds] [seed]`` mutates the corpus for that long.

What must hold for any octets: `parse_description` raises SdpError or nothing, what it returns prints into what it is
parsed from; a negotiation takes them as offer or answer with SdpError or NotAcceptable at worst, its answer fits the
offer section by section (RFC 3264 §6), and nothing is agreed by an exchange that failed.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from vb.sdp.description import Description, parse_description  # noqa: E402
from vb.sdp.errors import NotAcceptable, SdpError  # noqa: E402
from vb.sdp.formats import parse_codec_names  # noqa: E402
from vb.sdp.offer_answer import Negotiated, Negotiation  # noqa: E402

CORPUS = ROOT / "tests/data/sdp"


def corpus() -> Iterator[bytes]:
    for path in sorted(CORPUS.glob("*.sdp")):
        yield path.read_bytes()


def check(data: bytes) -> Description | None:
    """One body, read and negotiated: a value, or None after the documented exception."""
    for address in ("192.0.2.1", "2001:db8::1"):
        _check_as_offer(data, address)
        _check_as_answer(data, address)
    try:
        description = parse_description(data)
    except SdpError:
        return None
    printed = description.to_bytes()
    assert parse_description(printed) == description
    assert parse_description(printed).to_bytes() == printed
    return description


def negotiation(address: str) -> Negotiation:
    return Negotiation(address=address, codecs=parse_codec_names("PCMA,PCMU")[0], session_id=1, strict_mlines=True)


def _check_as_offer(data: bytes, address: str) -> None:
    ours = negotiation(address)
    try:
        view = ours.receive_offer(data)
        body = ours.create_answer(4000)
    except (SdpError, NotAcceptable):
        assert ours.current is None
        return
    assert body == ours.create_answer(4000)
    _check_agreed(ours.current)
    assert view.usable
    offer, answer = parse_description(data), parse_description(body)
    assert len(offer.media) == len(answer.media)
    accepted = [media for media in answer.media if media.port]
    assert [media.port for media in accepted] == [4000]
    for asked, answered in zip(offer.media, answer.media, strict=True):
        assert (asked.kind.lower(), asked.proto) == (answered.kind.lower(), answered.proto)
        assert set(answered.formats) <= {str(int(text)) if text.isdecimal() else text for text in asked.formats} | set(
            asked.formats
        )


def _check_as_answer(data: bytes, address: str) -> None:
    ours = negotiation(address)
    ours.create_offer(4000)
    try:
        agreed = ours.receive_answer(data)
    except (SdpError, NotAcceptable):
        assert ours.current is None
        return
    _check_agreed(agreed)


def _check_agreed(agreed: Negotiated | None) -> None:
    assert agreed is not None
    assert 0 < agreed.remote_port <= 65535
    assert 0 < agreed.remote_rtcp[1] <= 65535
    assert agreed.codec.name in ("PCMA", "PCMU")
    assert 0 <= agreed.codec.payload_type <= 127
    assert agreed.ptime_ms in (20, 40, 60)


WORDS = (
    b"0", b"65536", b"-1", b"IN IP6 ::1", b"0.0.0.0", b"RTP/AVP", b"RTP/SAVP", b"audio", b"a=", b"a=inactive",
    b"m=audio 1 RTP/AVP 0", b"a=rtpmap:0 PCMA/8000", b"99999999999999999999999", b"\xff", b"\0", b"\r", b"\n", b"=",
    b"/", b" ",
)  # fmt: skip


def mutate(data: bytes, rng: random.Random) -> bytes:
    lines = data.split(b"\n")
    for _ in range(rng.randint(1, 4)):
        index, action = rng.randrange(len(lines)), rng.randrange(6)
        line = lines[index]
        place = rng.randrange(len(line) + 1)
        if action == 0:
            lines[index] = line[:place] + rng.choice(WORDS) + line[place + rng.randrange(8) :]
        elif action == 1:
            lines.insert(rng.randrange(len(lines) + 1), line)
        elif action == 2 and len(lines) > 1:
            del lines[index]
        elif action == 3:
            other = rng.randrange(len(lines))
            lines[index], lines[other] = lines[other], line
        elif action == 4:
            lines[index] = line[:place] + rng.randbytes(rng.randint(1, 3)) + line[place:]
        else:
            lines[index] = line[:place]
    return b"\n".join(lines)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    seeds = list(corpus())
    end, runs, read = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        data = mutate(rng.choice(seeds), rng)
        try:
            read += check(data) is not None
        except Exception:
            print(f"failed on {data!r}")
            raise
        runs += 1
    print(f"{runs} bodies, {read} of them session descriptions, nothing undocumented")


if __name__ == "__main__":
    main()
