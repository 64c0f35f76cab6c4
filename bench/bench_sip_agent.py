"""How many calls per second the pure user agent does on one core, as either side, and how far that is from its floor.

One call is INVITE, 200, ACK, BYE, 200 (the 100 of the agent too) over UDP, with `handle_timers` and `next_deadline`
asked before every call, 2 ms of virtual time apart, so that transactions of the last 32 s are all alive. The floor is
what the same messages cost when they are only parsed and written, measured in the same run.
``python bench/bench_sip_agent.py [calls]``
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent.parent))

from vb.sip.effects import AnswerReceived, Hop, InviteReceived
from vb.sip.fields import parse_name_addr
from vb.sip.message import Request, Response, make_response, parse_message
from vb.sip.uri import parse_uri
from vb.sip.user_agent import UaConfig, UserAgent

PEER = Hop("UDP", "192.0.2.9", 5060)
STEP = 0.002
SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n"
    b"a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n"
)


def peer_request(method: str, number: int, tag: str, body: bytes = b"") -> bytes:
    to = f"<sip:vb@192.0.2.1>;tag={tag}" if tag else "<sip:vb@192.0.2.1>"
    content = "Content-Type: application/sdp\r\n" if body else ""
    cseq = 2 if method == "BYE" else 1
    return (
        f"{method} sip:vb@192.0.2.1:5060 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKPj{method}{number}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:peer@192.0.2.9>;tag=peer{number}\r\nTo: {to}\r\n"
        f"Contact: <sip:peer@192.0.2.9:5060>\r\nCall-ID: call-{number}\r\nCSeq: {cseq} {method}\r\n"
        f"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\nUser-Agent: bench\r\n{content}Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def agent() -> UserAgent:
    contact = parse_uri("sip:vb@192.0.2.1:5060")
    config = UaConfig(contact=lambda hop: contact, sent_by=lambda hop: ("192.0.2.1", 5060))
    return UserAgent(config, Random(1))


def called() -> Iterator[list[bytes]]:
    """One call per step; gives what went in and out."""
    ours, now, number = agent(), 0.0, 0
    while True:
        now += STEP
        number += 1
        ours.handle_timers(now)
        ours.next_deadline()
        messages = [peer_request("INVITE", number, "", SDP)]
        ours.receive(messages[0], PEER, now)
        [event] = [e for e in ours.take_events() if isinstance(e, InviteReceived)]
        event.session.accept(now, SDP)
        messages += [send.data for send in ours.take_sends()]
        for method in ("ACK", "BYE"):
            messages.append(peer_request(method, number, event.session.local_tag))
            ours.receive(messages[-1], PEER, now)
        messages += [send.data for send in ours.take_sends()]
        ours.take_events()
        yield messages


def calling() -> Iterator[list[bytes]]:
    ours, now = agent(), 0.0
    target = parse_uri("sip:peer@192.0.2.9")
    me, to = parse_name_addr("<sip:vb@192.0.2.1>"), parse_name_addr("<sip:peer@192.0.2.9>")
    contact = [("Contact", "<sip:peer@192.0.2.9:5060>")]
    while True:
        now += STEP
        ours.handle_timers(now)
        ours.next_deadline()
        session = ours.invite(target=target, from_=me, to=to, now=now, body=SDP)
        messages = [send.data for send in ours.take_sends()]
        for status in (100, 200):
            tag = "peer" if status == 200 else None
            response = make_response(
                session.request,
                status,
                to_tag=tag,
                headers=contact,
                body=SDP if tag else b"",
                content_type="application/sdp",
            )
            messages.append(response.to_bytes())
            ours.receive(messages[-1], PEER, now)
        assert any(isinstance(event, AnswerReceived) for event in ours.take_events())
        session.ack(now)
        session.bye(now)
        ack, bye = ours.take_sends()
        parsed = parse_message(bye.data)
        assert isinstance(parsed, Request)
        ok = make_response(parsed, 200).to_bytes()
        ours.receive(ok, PEER, now)
        ours.take_events()
        messages += [ack.data, bye.data, ok]
        yield messages


def rate(side: Callable[[], Iterator[list[bytes]]], calls: int) -> tuple[float, list[bytes]]:
    steps = side()
    for _ in range(500):
        messages = next(steps)
    gc.collect()
    start = time.process_time()
    for _ in range(calls):
        next(steps)
    return calls / (time.process_time() - start), messages


def floor(messages: list[bytes], calls: int) -> float:
    """Each message parsed once, or written once."""
    ours = [parse_message(data) for data in messages if b"branch=z9hG4bK" in data]
    received = messages[: len(messages) // 2]
    written: list[Request | Response] = ours[len(messages) // 2 :]
    start = time.process_time()
    for _ in range(calls):
        for data in received:
            parse_message(data)
        for message in written:
            message.to_bytes()
    return calls / (time.process_time() - start)


def main() -> None:
    calls = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    for name, side in (("UAS", called), ("UAC", calling)):
        speed, messages = rate(side, calls)
        least = floor(messages, calls)
        print(f"{name}: {speed:6.0f} calls/s  floor {least:6.0f} calls/s  ratio {speed / least:.2f}")


if __name__ == "__main__":
    main()
