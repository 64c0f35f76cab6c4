"""A challenged call through a bad network: the callee is certain who calls, or there is no call; nothing is left."""

from __future__ import annotations

import pytest

from tests.sim.agents import Network, Node, Weather, address, is_empty
from vb.sip.digest import Credentials
from vb.sip.digest_server import Demand, Secret, answers_of, is_valid
from vb.sip.effects import AnswerReceived, ByeCompleted, Event, InviteReceived, RefusalReceived
from vb.sip.uri import parse_uri

SECRET = Secret("pw")


class Challenger:
    """The user of a node that lets nobody in without an answer to its own challenge."""

    def __init__(self, algorithm: str = "SHA-256", qop: tuple[str, ...] = ("auth-int",)) -> None:
        self.algorithm, self.qop = algorithm, qop
        self.demands: dict[str, Demand] = {}
        self.proved: list[str] = []

    def receive(self, event: Event, now: float) -> None:
        if not isinstance(event, InviteReceived):
            return
        request, session = event.request, event.session
        demand = self.demands.pop(request.call_id, None)
        answers = answers_of(request)
        if demand is not None and any(is_valid(a, demand, SECRET, method="INVITE", body=request.body) for a in answers):
            self.proved.append(request.call_id)
            session.accept(now, b"v=0\r\n")
        elif answers:
            session.reject(now, 403)
        else:
            demand = Demand("lab", f"nonce {len(self.demands)}", "o", self.algorithm, self.qop)
            self.demands[request.call_id] = demand
            session.reject(now, 401, headers=[("WWW-Authenticate", demand.line())])


def caller_with(network: Network, password: str, calls: int) -> Node:
    alice = network.node("alice", "192.0.2.1")

    def receive(event: Event, now: float) -> None:
        if isinstance(event, AnswerReceived):
            event.session.ack(now)
            network.at(now + 5, lambda: event.session.bye(network.now))

    alice.on_event = receive

    def call() -> None:
        alice.agent.invite(
            target=parse_uri("sip:bob@192.0.2.2"),
            from_=address("alice", "192.0.2.1"),
            to=address("bob", "192.0.2.2"),
            now=network.now,
            body=b"v=0\r\n",
            credentials=Credentials("alice", password),
        )

    for n in range(calls):
        network.at(n * 0.1, call)
    return alice


@pytest.mark.parametrize("seed", range(8))
def test_challenged_calls_in_bad_weather(seed: int) -> None:
    network = Network(seed, Weather(loss=0.2, duplicates=0.2, delay=(0.01, 0.3)))
    alice, bob = caller_with(network, "pw", 20), network.node("bob", "192.0.2.2")
    challenger = Challenger()
    bob.on_event = challenger.receive
    network.run()
    assert len(challenger.proved) == len(alice.of(AnswerReceived)) >= 15
    assert len(set(challenger.proved)) == len(challenger.proved)
    assert len(alice.of(ByeCompleted)) == len(alice.of(AnswerReceived))
    assert is_empty(alice)
    assert is_empty(bob)


def test_wrong_passwords_never_get_in() -> None:
    network = Network(1, Weather(loss=0.1, duplicates=0.2, delay=(0.01, 0.3)))
    alice, bob = caller_with(network, "guess", 10), network.node("bob", "192.0.2.2")
    challenger = Challenger()
    bob.on_event = challenger.receive
    network.run()
    assert not challenger.proved
    assert not alice.of(AnswerReceived)
    assert len(alice.of(RefusalReceived)) >= 8
    assert is_empty(alice)
    assert is_empty(bob)


def test_over_tcp() -> None:
    network = Network(1, transport="TCP")
    alice = network.node("alice", "192.0.2.1")
    bob = network.node("bob", "192.0.2.2")
    challenger = Challenger("MD5", ())
    bob.on_event = challenger.receive
    session = alice.agent.invite(
        target=parse_uri("sip:bob@192.0.2.2:5060;transport=tcp"),
        from_=address("alice", "192.0.2.1"),
        to=address("bob", "192.0.2.2"),
        now=0.0,
        credentials=Credentials("alice", "pw"),
    )
    network.run(until=1.0)
    assert challenger.proved == [session.call_id]
    assert alice.of(AnswerReceived)
