"""A peer that keeps no rule: any message for any dialog at any time, either role. Nothing raises, nothing stays."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sip.bench import Bench, request
from vb.sip.effects import (
    AckReceived,
    AckTimeout,
    ByeCompleted,
    ByeReceived,
    Hop,
    InviteCancelled,
    InviteFailed,
    InviteReceived,
    RefusalReceived,
    ReinviteCompleted,
    ReinviteReceived,
    RequestFailed,
    ResponseReceived,
    SessionEnded,
)
from vb.sip.errors import LocalError
from vb.sip.fields import parse_name_addr
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.message import Request, make_response
from vb.sip.session import Session, SessionState
from vb.sip.uri import parse_uri

ENDS = (ByeReceived, ByeCompleted, RefusalReceived, InviteFailed, InviteCancelled)
HOPS = [Hop("UDP", "192.0.2.9", 5060), Hop("TCP", "192.0.2.9", 5060, 1), Hop("TCP", "192.0.2.9", 41000, 2)]
METHODS = ["INVITE", "INVITE", "ACK", "ACK", "BYE", "CANCEL", "UPDATE", "OPTIONS", "REFER", "NOTIFY", "INFO"]
STATUSES = [100, 180, 183, 200, 200, 202, 491, 302, 401, 481, 486, 487, 500, 603]


class Chaos(Bench):
    """The agent between a peer and a user who both do anything."""

    def __init__(self, rng: Random) -> None:
        super().__init__(use_source_socket=rng.random() < 0.3)
        self.rng = rng
        self.sessions: list[Session] = []
        self.ours: list[Request] = []
        self.asked = 0

    def step(self) -> None:
        rng = self.rng
        doing = rng.choice(
            [self.peer_requests] * 4 + [self.peer_answers] * 5 + [self.user_acts] * 4 + [self.time_passes]
        )
        if rng.random() < 0.03:
            self.agent.transport_failed(rng.choice(HOPS), self.now)
        doing()
        self.collect()

    def collect(self) -> None:
        for message in self.drain():
            if isinstance(message, Request):
                self.ours.append(message)
        for event in self.events:
            if isinstance(event, InviteReceived) and event.session not in self.sessions:
                self.sessions.append(event.session)

    def peer_requests(self) -> None:
        rng = self.rng
        method = rng.choice(METHODS)
        session = rng.choice(self.sessions[-3:]) if self.sessions and rng.random() < 0.7 else None
        to, call_id, from_tag, cseq = "<sip:vb@192.0.2.1>", f"call-{rng.randrange(40)}", "peer", 1
        if session is not None:
            call_id = session.call_id
            from_tag = session.remote_tag or rng.choice(["peer", "fork"])
            cseq = rng.choice([1, 1, 2, 3, 4])
            if rng.random() < 0.85:
                to += f";tag={session.local_tag}"
        wild = rng.random() < 0.2
        branch = rng.choice(["z9hG4bK", "z9hG4bKx", "2543-", ""]) + str(rng.randrange(6 if wild else 100))
        if session is not None and method in ("CANCEL", "ACK") and rng.random() < 0.6:
            branch, cseq = session.request.via.branch or "", 1
            to = to.partition(";")[0] if method == "CANCEL" else to
        line = rng.choice(["Refer-To: <sip:a@b>", "Require: x", "Record-Route: <sip:192.0.2.9;lr>"])
        data = request(
            method,
            *([line] if wild else []),
            branch=branch,
            to=to,
            from_=f"<sip:peer@192.0.2.9>;tag={from_tag}",
            cseq=cseq,
            call_id=call_id,
            contact=rng.choice(["<sip:peer@192.0.2.9;transport=tcp>", "", "*"]) if wild else "<sip:peer@192.0.2.9>",
            body=rng.choice(["", "v=0\r\n"]),
        )
        self.agent.receive(data, rng.choice(HOPS), self.now)

    def peer_answers(self) -> None:
        if not self.ours:
            return
        rng = self.rng
        to = rng.choice(self.ours[-8:])
        status = rng.choice(STATUSES)
        headers = rng.choice([[], [("Contact", "<sip:peer@192.0.2.9>")], [("Record-Route", "<sip:p;lr>")]])
        response = make_response(to, status, to_tag=rng.choice(["peer", "fork", None]), headers=headers)
        self.agent.receive(response.to_bytes(), rng.choice(HOPS), self.now)

    def user_acts(self) -> None:
        rng, now = self.rng, self.now
        me = parse_name_addr("<sip:vb@192.0.2.1>")
        if rng.random() < 0.15 or not self.sessions:
            target = parse_uri(rng.choice(["sip:peer@192.0.2.9", "sip:peer@192.0.2.9;transport=tcp"]))
            if rng.random() < 0.8:
                self.sessions.append(self.agent.invite(target=target, from_=me, to=me, now=now, body=b"v=0\r\n"))
            else:
                self.asked += 1
                self.agent.request("OPTIONS", target=target, from_=me, to=me, now=now)
            return
        session = rng.choice(self.sessions[-3:])
        again = session.state is SessionState.CONFIRMED and rng.random() < 0.4
        self.verb(session, 6 if again else rng.randrange(6))

    def verb(self, session: Session, which: int) -> None:
        now = self.now
        try:
            if which == 0:
                session.bye(now)
            elif which == 1:
                session.respond_reinvite(now, self.rng.choice([200, 488, 183]), b"v=1\r\n")
            elif which == 6:
                session.reinvite(now, b"v=2\r\n")
            elif isinstance(session, InviteServerSession):
                if which == 2:
                    session.provisional(now)
                elif which == 3:
                    session.reject(now, 486)
                else:
                    session.accept(now, b"v=0\r\n")
            elif isinstance(session, InviteClientSession):
                if which == 2:
                    session.cancel(now)
                else:
                    session.ack(now)
        except LocalError:
            pass  # the user is as careless as the peer

    def time_passes(self) -> None:
        self.advance(self.rng.choice([0.1, 0.6, 5, 33, 70]))

    def end(self) -> None:
        for session in self.sessions:
            if isinstance(session, InviteServerSession) and session.state is SessionState.EARLY:
                session.reject(self.now, 480)
            else:
                session.bye(self.now)
            self.collect()
        self.advance(300)

    def check(self) -> None:
        assert self.is_empty(), self.agent.statistics()
        told = Counter(event.session for event in self.events if isinstance(event, ENDS))
        ended = Counter(event.session for event in self.events if isinstance(event, SessionEnded))
        assert dict(ended) == dict.fromkeys(self.sessions, 1)
        for session in self.sessions:
            assert session.state is SessionState.TERMINATED
            assert told[session] <= 1
            if isinstance(session, InviteClientSession):
                assert told[session] == 1
        assert self.agent._core.active == 0
        finals = [
            event
            for event in self.events
            if isinstance(event, RequestFailed)
            or (isinstance(event, ResponseReceived) and event.response.status >= 200)
        ]
        assert len(finals) == self.asked


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_nothing_raises_and_nothing_stays(seed: int, steps: int) -> None:
    chaos = Chaos(Random(seed))
    for _ in range(steps):
        chaos.step()
    chaos.end()
    chaos.check()


def test_the_chaos_reaches_everything() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        chaos = Chaos(Random(seed))
        for _ in range(60):
            chaos.step()
        chaos.end()
        seen.update(type(event).__name__ for event in chaos.events)
    kinds = [*ENDS, AckReceived, AckTimeout, ReinviteReceived, ReinviteCompleted, SessionEnded, InviteReceived]
    assert not [kind.__name__ for kind in kinds if not seen[kind.__name__]]
