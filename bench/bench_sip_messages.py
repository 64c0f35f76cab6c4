"""SIP messages per second, and how many times the floor each costs.

The floor cuts the same message into lines at CRLF and every line at its colon: what any parser in Python pays at least.
``python bench/bench_sip_messages.py [messages]``
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent))

from vb.sip.framing import StreamFramer
from vb.sip.message import Message, Request, make_response, parse_message
from vb.sip.validate import validate

SDP = b"v=0\r\no=- 53655765 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
INVITE = """INVITE sip:room-{0}@127.0.0.1:5060 SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-{0}-1-0;rport
From: "caller" <sip:{0}@127.0.0.1:5061>;tag={0}SIPpTag00
To: <sip:room-{0}@127.0.0.1:5060>
Call-ID: {0}-12345@127.0.0.1
CSeq: 1 INVITE
Contact: <sip:{0}@127.0.0.1:5061>
Max-Forwards: 70
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, NOTIFY, INFO
Supported: replaces, timer
User-Agent: a phone
Content-Type: application/sdp
Content-Length: {1}

"""
ROUNDS = 5
Value = TypeVar("Value")


def floor(data: bytes) -> object:
    return [line.partition(b":") for line in data.split(b"\r\n")]


def parse_and_validate(data: bytes) -> Message:
    message = parse_message(data)
    validate(message)
    return message


def trying(request: Request) -> bytes:
    return make_response(request, 100).to_bytes()


def ok(request: Request) -> bytes:
    headers = [("Contact", "<sip:vb@127.0.0.1:5060>"), ("Allow", "INVITE, ACK, BYE, CANCEL"), ("Server", "vb")]
    response = make_response(request, 200, to_tag="tag", headers=headers, body=SDP, content_type="application/sdp")
    return response.to_bytes()


def seconds_each(run: Callable[[Value], object], values: Sequence[Value]) -> float:
    """The best of some rounds: what the machine can do when nobody disturbs it."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for value in values:
            run(value)
        best = min(best, time.perf_counter() - started)
    return best / len(values)


def report(name: str, seconds: float, least: float) -> None:
    print(f"{name:<24}{1 / seconds:>10,.0f} /s{seconds * 1e6:>9.1f} µs{seconds / least:>8.1f} x floor")


def main(count: int) -> None:
    data = [INVITE.format(n, len(SDP)).replace("\n", "\r\n").encode() + SDP for n in range(count)]
    requests = [message for message in map(parse_message, data) if isinstance(message, Request)]
    least = seconds_each(floor, data)
    report("floor: split lines", least, least)
    report("parse INVITE", seconds_each(parse_message, data), least)
    report("parse and validate", seconds_each(parse_and_validate, data), least)
    report("build 100", seconds_each(trying, requests), least)
    report("build 200 with SDP", seconds_each(ok, requests), least)
    report("frame a stream", seconds_each(StreamFramer().feed, data), least)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5000)
