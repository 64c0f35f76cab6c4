"""Two user agents through a bad network: whatever is lost, doubled or late, a call ends once and nothing is left."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.agents import Network, Node, Weather, address, call, is_empty
from vb.sip.effects import (
    AckReceived,
    AnswerReceived,
    ByeCompleted,
    ByeReceived,
    Event,
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
from vb.sip.invite_uac import InviteClientSession
from vb.sip.invite_uas import InviteServerSession
from vb.sip.session import Session, SessionState

ENDS = (ByeReceived, ByeCompleted, RefusalReceived, InviteFailed, InviteCancelled)
HANG_UP = 400.0
"""When the script stops and every session that is still there is given up."""


class Script:
    """The users of both nodes: what they do comes from Hypothesis."""

    def __init__(self, network: Network, nodes: list[Node], decisions: list[tuple[float, str]]) -> None:
        self.network = network
        self.nodes = nodes
        self.decisions = decisions
        self.sessions: list[Session] = []
        self.requests: list[object] = []
        self.held: Counter[Session] = Counter()
        for node in nodes:
            node.on_event = self.receive

    def receive(self, event: Event, now: float) -> None:
        if isinstance(event, InviteReceived):
            self.sessions.append(event.session)
            delay, verb = self.decisions[len(self.sessions) % len(self.decisions)]
            self.network.at(now + delay, lambda: self.decide(event.session, verb))
        elif isinstance(event, AnswerReceived):
            event.session.ack(now)
        elif isinstance(event, ReinviteReceived):
            event.session.respond_reinvite(now, 200, b"v=1\r\n")

    def decide(self, session: InviteServerSession, verb: str) -> None:
        now = self.network.now
        try:
            if verb in ("ring", "ring and accept"):
                session.provisional(now)
            if verb in ("accept", "ring and accept"):
                session.accept(now, b"v=0\r\n")
            elif verb == "reject":
                session.reject(now, 486)
            elif verb == "accept and bye":
                session.accept(now, b"v=0\r\n")
                session.bye(now)
        except LocalError:
            assert session.state is SessionState.TERMINATED or verb == "ring"

    def verb(self, verb: str, who: int) -> None:
        now = self.network.now
        node, other = self.nodes[who], self.nodes[1 - who]
        if verb == "call":
            self.sessions.append(call(self.network, node, other))
        elif verb == "options":
            target = call_target(other)
            self.requests.append(
                node.agent.request("OPTIONS", target=target, from_=address("a", "a"), to=address("b", "b"), now=now)
            )
        elif verb == "hold":
            self.hold(who)
        elif self.sessions:
            give_up(self.sessions[-1], now, cancel=verb == "cancel")

    def hold(self, who: int) -> None:
        """Both sides may do so at the same time."""
        own = InviteClientSession if who else InviteServerSession
        for session in self.sessions:
            if isinstance(session, own) and session.state is SessionState.CONFIRMED:
                try:
                    session.reinvite(self.network.now, b"v=1\r\n")
                    self.held[session] += 1
                except LocalError:
                    assert session._reinvite is not None or session._success is not None or session._bye_headers

    def end(self) -> None:
        for session in self.sessions:
            give_up(session, self.network.now, cancel=False)


def call_target(node: Node):  # type: ignore[no-untyped-def]
    return node.agent._config.contact(node.hop)


def give_up(session: Session, now: float, *, cancel: bool) -> None:
    if isinstance(session, InviteClientSession):
        if cancel:
            session.cancel(now)
        else:
            session.bye(now)
    elif isinstance(session, InviteServerSession):
        if session.state is SessionState.EARLY:
            session.reject(now, 480)
        else:
            session.bye(now)


def check(script: Script) -> None:
    for node in script.nodes:
        assert is_empty(node), node.agent.statistics()
    events = [event for node in script.nodes for _, event in node.events]
    ended = Counter(event.session for event in events if isinstance(event, SessionEnded))
    told = Counter(event.session for event in events if isinstance(event, ENDS))
    assert dict(ended) == dict.fromkeys(script.sessions, 1)
    for session in script.sessions:
        assert session.state is SessionState.TERMINATED
        assert told[session] <= 1
        if isinstance(session, InviteClientSession):
            assert told[session] == 1  # every INVITE of ours has an answer or its timeout
    acks = Counter(event.session for event in events if isinstance(event, AckReceived) and not event.reinvite)
    assert all(count == 1 for count in acks.values())
    changed = Counter(event.session for event in events if isinstance(event, ReinviteCompleted))
    assert all(changed[session] <= count for session, count in script.held.items())
    finals = Counter(
        event.client_request
        for event in events
        if isinstance(event, RequestFailed) or (isinstance(event, ResponseReceived) and event.response.status >= 200)
    )
    assert dict(finals) == dict.fromkeys(script.requests, 1)


DECISIONS = st.tuples(
    st.floats(0, 40),
    st.sampled_from(["accept", "reject", "ring and accept", "ring", "accept and bye", "nothing"]),
)
VERBS = st.tuples(
    st.floats(0, 80), st.sampled_from(["call", "call", "bye", "cancel", "options", "hold", "hold"]), st.integers(0, 1)
)
WEATHER = st.builds(
    Weather,
    loss=st.floats(0, 0.4),
    duplicates=st.floats(0, 0.3),
    delay=st.sampled_from([(0.01, 0.01), (0.0, 0.2), (0.01, 2.0)]),
)


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    weather=WEATHER,
    transport=st.sampled_from(["UDP", "UDP", "UDP", "TCP"]),
    decisions=st.lists(DECISIONS, min_size=1, max_size=4),
    verbs=st.lists(VERBS, min_size=1, max_size=12),
)
def test_every_call_ends_once_and_nothing_is_left(seed, weather, transport, decisions, verbs) -> None:  # type: ignore[no-untyped-def]
    network = Network(seed, weather, transport)
    script = Script(network, [network.node("a", "10.0.0.1"), network.node("b", "10.0.0.2")], decisions)
    for when, verb, who in verbs:
        network.at(when, lambda verb=verb, who=who: script.verb(verb, who))
    network.at(HANG_UP, script.end)
    network.run()
    check(script)


@pytest.mark.parametrize("seed", range(20))
def test_a_call_gets_through_a_third_of_loss(seed: int) -> None:
    network = Network(seed, Weather(loss=0.33, duplicates=0.1, delay=(0.01, 0.3)))
    a, b = network.node("a", "10.0.0.1"), network.node("b", "10.0.0.2")
    script = Script(network, [a, b], [(1.0, "ring and accept")])
    script.verb("call", 0)
    network.run(until=60.0)
    assert len(a.of(AnswerReceived)) == 1
    assert len(b.of(AckReceived)) == 1
    assert script.sessions[0].state is script.sessions[1].state is SessionState.CONFIRMED
    script.sessions[0].bye(network.now)
    network.run()
    check(script)


@pytest.mark.parametrize("seed", range(20))
def test_both_hold_at_the_same_moment(seed: int) -> None:
    """§14.1: both get 491, wait differently long, and try again."""
    network = Network(seed, Weather(delay=(0.02, 0.05)))
    a, b = network.node("a", "10.0.0.1"), network.node("b", "10.0.0.2")
    script = Script(network, [a, b], [(0.5, "accept")])
    script.verb("call", 0)
    network.run(until=10.0)
    for session in script.sessions:
        session.reinvite(network.now, b"v=1\r\n")
    network.run(until=60.0)
    assert len(network.times(a, method="INVITE", status=491)) == len(network.times(b, method="INVITE", status=491)) == 1
    for node in (a, b):
        [completed] = node.of(ReinviteCompleted)
        assert isinstance(completed, ReinviteCompleted)
        assert completed.response is not None
        assert completed.response.status == 200
    assert all(session.state is SessionState.CONFIRMED for session in script.sessions)
    script.end()
    network.run()
    check(script)
