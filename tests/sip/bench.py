"""What the tests of the user agent share: messages of a peer written by hand, and one agent that receives them."""

from __future__ import annotations

from random import Random

from vb.sip.effects import Event, Hop
from vb.sip.errors import RemoteError
from vb.sip.head import read_head
from vb.sip.limits import DEFAULT_LIMITS
from vb.sip.message import Message, Response, parse_message, read_start_line
from vb.sip.uri import parse_uri
from vb.sip.user_agent import UaConfig, UserAgent

PEER = Hop("UDP", "192.0.2.9", 5060)
OURS = ("192.0.2.1", 5060)


def agent(**settings: object) -> UserAgent:
    values: dict[str, object] = {
        "contact": lambda hop: parse_uri("sip:vb@192.0.2.1:5060"),
        "sent_by": lambda hop: OURS,
    }
    return UserAgent(UaConfig(**(values | settings)), Random(7))  # type: ignore[arg-type]


def request(
    method: str = "INVITE",
    *lines: str,
    branch: str = "z9hG4bKone",
    uri: str = "sip:vb@192.0.2.1",
    to: str = "<sip:vb@192.0.2.1>",
    from_: str = "<sip:peer@192.0.2.9>;tag=peer",
    cseq: int = 1,
    call_id: str = "call-1",
    via: str = "SIP/2.0/UDP 192.0.2.9:5060",
    contact: str = "<sip:peer@192.0.2.9:5060>",
    body: str = "",
    content_type: str = "application/sdp",
) -> bytes:
    """A request from PEER; ``lines`` are further header lines."""
    head = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via};branch={branch}",
        "Max-Forwards: 70",
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *([f"Contact: {contact}"] if contact else []),
        *lines,
        *([f"Content-Type: {content_type}"] if body and content_type else []),
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def read(data: bytes) -> Message:
    """What we sent. Refusals of malformed requests lack what those lacked: they are no messages to a parser."""
    try:
        return parse_message(data)
    except RemoteError:
        assert data.startswith(b"SIP/2.0 4")
        start_line, headers = read_head(data.partition(b"\r\n\r\n")[0], DEFAULT_LIMITS)
        return read_start_line(start_line, headers, b"")


class Bench:
    """One agent, hit with messages; what it sends is parsed and kept."""

    def __init__(self, **settings: object) -> None:
        self.agent = agent(**settings)
        self.now = 0.0
        self.sent: list[tuple[float, bytes, Hop]] = []
        self.events: list[Event] = []

    def receive(self, data: bytes, source: Hop = PEER) -> list[Response]:
        """Feed one message; the responses that it caused."""
        self.agent.receive(data, source, self.now)
        return [message for message in self.drain() if isinstance(message, Response)]

    def drain(self) -> list[object]:
        messages: list[object] = []
        for send in self.agent.take_sends():
            self.sent.append((self.now, send.data, send.hop))
            messages.append(read(send.data))
        self.events += self.agent.take_events()
        return messages

    def advance(self, seconds: float) -> list[object]:
        """Let time pass, timer by timer."""
        end = self.now + seconds
        messages: list[object] = []
        while (deadline := self.agent.next_deadline()) <= end:
            self.now = max(self.now, deadline)
            self.agent.handle_timers(self.now)
            messages += self.drain()
        self.now = end
        return messages

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def statuses(self) -> list[int]:
        """Status of every response that was sent, in order."""
        return [int(data.split(b" ", 2)[1]) for _, data, _ in self.sent if data.startswith(b"SIP/2.0")]

    def is_empty(self) -> bool:
        s = self.agent.statistics()
        left = (s.invite_clients, s.invite_servers, s.non_invite_clients, s.non_invite_servers, s.dialogs, s.sessions)
        return not any(left) and self.agent.next_deadline() == float("inf")
