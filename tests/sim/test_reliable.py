"""Reliable provisional responses, UPDATE and delayed offers through a bad network: both sides agree, nothing is left.

Every description is text: ``o1`` is answered by ``a1``, so that at the end each side can say what was agreed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.agents import Network, Node, Weather, call, is_empty
from vb.sip.config import ALLOW
from vb.sip.effects import (
    AckReceived,
    AnswerReceived,
    Event,
    InviteReceived,
    PrackReceived,
    ProvisionalReceived,
    ReinviteCompleted,
    ReinviteReceived,
    SessionEnded,
    UpdateCompleted,
)
from vb.sip.errors import LocalError
from vb.sip.invite_uas import InviteServerSession
from vb.sip.session import Session, SessionState


@attrs.define(eq=False)
class Talker:
    """The user of one node: offers, answers, and what it takes for agreed."""

    node: Node
    delayed: bool = False
    early: bool = False
    """As the called side: a 183 with a description, and the 200 after ``wait`` seconds."""
    wait: float = 1.0
    agreed: list[bytes] = attrs.field(factory=list)
    session: Session | None = None
    at: Callable[[float, Callable[[], None]], None] = lambda when, action: None
    offered: bytes = b""

    def receive(self, event: Event, now: float) -> None:
        match event:
            case InviteReceived(session=session, request=request):
                self.session = session
                if self.early:
                    self.do(lambda: session.provisional(now, 183, body=self.described(request.body)))
                    self.at(now + self.wait, lambda: self.accept(now + self.wait, request.body))
                else:
                    self.accept(now, request.body)
            case ProvisionalReceived(session=session, response=response) if response.body and self.delayed:
                if "RSeq" in response.headers:
                    session.prack(now, self.answer(response.body))
            case ProvisionalReceived(response=response) if response.body and "RSeq" in response.headers:
                self.agreed.append(self.offered + b"/" + response.body)
            case AnswerReceived(session=session, response=response):
                body = response.body
                if self.delayed:
                    session.ack(now, self.answer(body) if body else b"")
                else:
                    session.ack(now)
                    if body:
                        self.agreed.append(self.offered + b"/" + body)
            case AckReceived(request=request) | PrackReceived(request=request) if request.body:
                self.agreed.append(self.offered + b"/" + request.body)
            case ReinviteReceived(session=session, request=request):
                session.respond_reinvite(now, 200, self.answer(request.body))
            case ReinviteCompleted(response=response) | UpdateCompleted(response=response):
                if response is not None and response.status == 200:
                    self.agreed.append(self.offered + b"/" + response.body)

    def described(self, offer: bytes) -> bytes:
        if offer:
            return self.answer(offer)
        self.offered = b"o-" + self.node.name.encode()
        return self.offered

    def answer(self, offer: bytes) -> bytes:
        answer = b"a-" + offer
        if not self.agreed or self.agreed[-1] != offer + b"/" + answer:
            self.agreed.append(offer + b"/" + answer)
        return answer

    def accept(self, now: float, offer: bytes) -> None:
        session = self.session
        assert isinstance(session, InviteServerSession)
        assert session.dialog is not None
        again = bool(self.agreed) or bool(self.offered)  # in the 183: the 2xx says the same, or nothing
        body = (b"a-" + offer if offer else self.offered) if again else self.described(offer)
        self.do(lambda: session.accept(now, body))

    def change(self, now: float, number: int, update: bool) -> None:
        session = self.session
        if session is None:
            return
        offer = f"c{number}-{self.node.name}".encode()

        def verb() -> None:
            (session.update if update else session.reinvite)(now, offer)
            self.offered = offer

        self.do(verb)

    def do(self, verb: Callable[[], None]) -> None:
        with contextlib.suppress(LocalError):  # the other side was faster
            verb()


def two(network: Network, tags: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[Talker, Talker]:
    talkers = []
    for name, host, supported in (("a", "10.0.0.1", tags[0]), ("b", "10.0.0.2", tags[1])):
        node = network.node(name, host, supported=supported, allow=(*ALLOW, "PRACK"))
        talkers.append(Talker(node, at=network.at))
        node.on_event = talkers[-1].receive
    return talkers[0], talkers[1]


TAGS = st.sampled_from([(), ("100rel",), ("100rel", "timer")])


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    weather=st.builds(
        Weather,
        loss=st.floats(0, 0.35),
        duplicates=st.floats(0, 0.3),
        delay=st.sampled_from([(0.01, 0.01), (0.0, 0.2), (0.01, 2.0)]),
    ),
    tags=st.tuples(TAGS, TAGS),
    delayed=st.booleans(),
    early=st.booleans(),
    wait=st.sampled_from([0.0, 0.5, 5.0, 200.0]),
    changes=st.lists(st.tuples(st.floats(0, 60), st.integers(0, 1), st.booleans()), max_size=5),
    cancel=st.one_of(st.none(), st.floats(0, 20)),
)
def test_both_sides_agree_on_one_exchange(seed, weather, tags, delayed, early, wait, changes, cancel) -> None:  # type: ignore[no-untyped-def]
    network = Network(seed, weather)
    a, b = two(network, tags)
    a.delayed, b.early, b.wait = delayed, early, wait
    a.offered = b"" if delayed else b"o-a"
    session = call(network, a.node, b.node, a.offered)
    a.session = session
    for number, (at, who, update) in enumerate(changes):
        network.at(at, lambda n=number, w=who, u=update: (a, b)[w].change(network.now, n, u))
    if cancel is not None:
        network.at(cancel, lambda: session.cancel(network.now))
    network.run(until=400.0)
    if b.session is not None and session.state is b.session.state is SessionState.CONFIRMED:
        assert a.agreed, "a call that is up has a description"
        assert a.agreed[-1] == b.agreed[-1]
    for talker in (a, b):
        if talker.session is not None:
            end(talker.session, 400.0)
    network.run()
    for talker in (a, b):
        assert is_empty(talker.node), talker.node.agent.statistics()
        sessions = {event.session for _, event in talker.node.events if isinstance(event, InviteReceived)}
        assert len(talker.node.of(SessionEnded)) == len(sessions) + (talker is a)


def end(session: Session, now: float) -> None:
    if session.state in (SessionState.CALLING, SessionState.EARLY):
        (session.reject(now, 480) if hasattr(session, "reject") else session.cancel(now))  # type: ignore[attr-defined]
    else:
        session.bye(now)


def test_in_fair_weather_early_media_is_agreed_once() -> None:
    """RFC 3262 figure: 183, PRACK, 200, 200, ACK: five messages after the INVITE and its 100."""
    network = Network()
    a, b = two(network, (("100rel",), ("100rel",)))
    b.early, a.offered = True, b"o-a"
    a.session = call(network, a.node, b.node, a.offered)
    network.run(until=10.0)
    assert [s.start_line.split(" sip:")[0] for s in network.trace] == [
        "INVITE",
        "SIP/2.0 100 Trying",
        "SIP/2.0 183 Session Progress",
        "PRACK",
        "SIP/2.0 200 OK",
        "SIP/2.0 200 OK",
        "ACK",
    ]
    assert a.agreed == b.agreed == [b"o-a/a-o-a"]


def test_a_delayed_offer_in_the_183() -> None:
    network = Network()
    a, b = two(network, (("100rel",), ("100rel",)))
    b.early, a.delayed = True, True
    a.session = call(network, a.node, b.node, b"")
    network.run(until=10.0)
    assert a.agreed == b.agreed == [b"o-b/a-o-b"]


def test_a_delayed_offer_in_the_200() -> None:
    """RFC 3261 §13.2.1: the answer is in the ACK."""
    network = Network()
    a, b = two(network, ((), ()))
    a.delayed = True
    a.session = call(network, a.node, b.node, b"")
    network.run(until=10.0)
    assert a.agreed == b.agreed == [b"o-b/a-o-b"]
