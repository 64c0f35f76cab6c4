"""REFER, NOTIFY and Replaces between a peer and a user who both do anything: nothing raises, nothing stays."""

from __future__ import annotations

import contextlib
from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sip.bench import request
from tests.sip.test_hostile_peer import HOPS, Chaos
from vb.sip.effects import ReferAnswered, ReferNotified, ReferralEnded, ReferReceived
from vb.sip.errors import LocalError
from vb.sip.invite_uas import InviteServerSession
from vb.sip.referral import Referral, ReferServer
from vb.sip.session import Session, SessionState

REFER_LINES = [
    ("Refer-To: <sip:a@b>",),
    ("Refer-To: <sip:a@b>", "Refer-Sub: false"),
    ("Refer-To: <sip:a@b?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2>", "Referred-By: <sip:c@d>"),
    ("Refer-To: <sip:a@b>", "Refer-To: <sip:a@b>"),
    ("Refer-To: <sip:a@b?Replaces=x>",),
    (),
]
STATES = ["active;expires=60", "active", "pending;expires=0", "terminated;reason=noresource", "odd", ""]
BODIES = ["SIP/2.0 100 Trying\r\n", "SIP/2.0 200 OK\r\n", "SIP/2.0 486 Busy\r\n", "", "nonsense"]


class Referring(Chaos):
    """As the other chaos, with more of REFER on both sides."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.referrals: list[Referral] = []
        for number in range(3):
            self.connect(f"confirmed-{number}")

    def connect(self, call_id: str) -> None:
        """A call that is up, so that there is something to refer."""
        self.agent.receive(request(call_id=call_id, branch=f"z9hG4bK{call_id}", body="v=0\r\n"), HOPS[0], self.now)
        self.collect()
        session = self.sessions[-1]
        assert isinstance(session, InviteServerSession)
        session.accept(self.now, b"v=0\r\n")
        to = f"<sip:vb@192.0.2.1>;tag={session.local_tag}"
        self.agent.receive(request("ACK", call_id=call_id, branch="z9hG4bKack", to=to), HOPS[0], self.now)
        self.collect()

    def collect(self) -> None:
        super().collect()
        for event in self.events:
            if isinstance(event, ReferReceived) and event.referral not in self.referrals:
                self.referrals.append(event.referral)

    def peer_requests(self) -> None:
        rng = self.rng
        session = rng.choice(self.sessions[:3] + self.sessions[-2:])
        if session.dialog is None or rng.random() < 0.3:
            super().peer_requests()
            return
        method = rng.choice(["REFER", "NOTIFY", "NOTIFY", "INVITE", "ACK"])
        lines: tuple[str, ...] = ()
        if method == "REFER":
            lines = rng.choice(REFER_LINES)
        elif method == "NOTIFY":
            number = rng.choice([referral.number for referral in self.referrals[-3:]] or [1])
            event = rng.choice(["refer", "refer", f"refer;id={number}", f"refer;id={number}", "presence"])
            lines = (f"Event: {event}", f"Subscription-State: {rng.choice(STATES)}")
        elif method == "INVITE":
            early = rng.choice(["", ";early-only"])
            tags = f"to-tag={session.local_tag};from-tag={session.remote_tag}"
            lines = (f"Replaces: {session.call_id};{tags}{early}",)
        outside = method == "INVITE"
        sequence = (session.dialog.remote_sequence or 1) + rng.randrange(2)
        if method == "ACK":
            sequence = 1
        data = request(
            method,
            *lines,
            branch=f"z9hG4bKr{rng.randrange(100_000)}",
            to="<sip:vb@192.0.2.1>" if outside else f"<sip:vb@192.0.2.1>;tag={session.local_tag}",
            from_=f"<sip:peer@192.0.2.9>;tag={'new' if outside else session.remote_tag or 'peer'}",
            cseq=sequence,
            call_id=f"replacing-{rng.randrange(1000)}" if outside else session.call_id,
            contact="<sip:peer@192.0.2.9>",
            body="v=0\r\n" if outside else rng.choice(BODIES) if method == "NOTIFY" else "",
            content_type="application/sdp" if outside else "message/sipfrag;version=2.0",
        )
        self.agent.receive(data, rng.choice(HOPS), self.now)

    def verb(self, session: Session, which: int) -> None:
        rng, now = self.rng, self.now
        session = rng.choice([session, *self.sessions[:3]])
        if rng.random() < 0.2:
            super().verb(session, which)
            return
        with contextlib.suppress(LocalError):
            if session.state is SessionState.CONFIRMED and rng.random() < 0.5:
                subscribe = rng.random() < 0.8
                self.referrals.append(session.referrals.refer(now, "<sip:a@b>", subscribe=subscribe))
            elif self.referrals:
                self.decide(rng.choice(self.referrals[-3:]))

    def decide(self, referral: Referral) -> None:
        rng, now = self.rng, self.now
        if isinstance(referral, ReferServer):
            if not referral.accepted and rng.random() < 0.7:
                referral.accept(now)
            elif rng.random() < 0.2:
                referral.reject(now)
            elif rng.random() < 0.5:
                referral.notify(now, rng.choice([180, 183]))
            else:
                referral.complete(now, rng.choice([200, 486]))

    def check(self) -> None:
        super().check()
        assert all(referral.ended for referral in self.referrals)
        ended = Counter(event.referral for event in self.events if isinstance(event, ReferralEnded))
        answered = Counter(event.referral for event in self.events if isinstance(event, ReferAnswered))
        last = Counter(
            event.referral for event in self.events if isinstance(event, ReferNotified) and event.state.terminated
        )
        for referral in self.referrals:
            assert ended[referral] + last[referral] <= 1
            assert answered[referral] <= 1


def run(seed: int, steps: int) -> Referring:
    chaos = Referring(Random(seed))
    for _ in range(steps):
        chaos.step()
    chaos.end()
    chaos.check()
    return chaos


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.integers(1, 80))
def test_nothing_raises_and_nothing_stays(seed: int, steps: int) -> None:
    run(seed, steps)


def test_the_chaos_reaches_everything() -> None:
    seen: Counter[str] = Counter()
    for seed in range(60):
        chaos = run(seed, 60)
        seen.update(type(event).__name__ for event in chaos.events)
        causes = (event.cause for event in chaos.events if isinstance(event, ReferralEnded))
        seen.update(f"{cause}" for cause in causes)
    kinds = [kind.__name__ for kind in (ReferReceived, ReferAnswered, ReferNotified, ReferralEnded)]
    assert not [kind for kind in (*kinds, "timeout", "refused", "session") if not seen[kind]], seen
