"""Session timers between two user agents: who refreshes, what a lost peer costs, 422 (RFC 4028)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.agents import Network, Node, Sighting, Weather, call, is_empty
from vb.sip.config import ALLOW
from vb.sip.effects import (
    AnswerReceived,
    ByeReceived,
    Event,
    InviteReceived,
    RefreshDue,
    ReinviteReceived,
    SessionEnded,
    SessionExpired,
)
from vb.sip.errors import LocalError
from vb.sip.invite_uac import InviteClientSession
from vb.sip.session import SessionState

WITHOUT_UPDATE = tuple(method for method in ALLOW if method != "UPDATE")
TIMER = {"supported": ("timer",)}


def pair(network: Network, caller: dict[str, object], callee: dict[str, object]) -> tuple[Node, Node]:
    """Two nodes whose users answer at once and refresh when they are told to."""
    nodes = network.node("a", "10.0.0.1", **caller), network.node("b", "10.0.0.2", **callee)
    for node in nodes:
        node.on_event = react
    return nodes


def react(event: Event, now: float) -> None:
    if isinstance(event, InviteReceived):
        event.session.accept(now, b"v=0\r\n")
    elif isinstance(event, AnswerReceived):
        event.session.ack(now)
    elif isinstance(event, ReinviteReceived):
        event.session.respond_reinvite(now, 200, b"v=1\r\n")
    elif isinstance(event, RefreshDue):
        event.session.reinvite(now, b"v=1\r\n")


def header(sighting: Sighting, name: str) -> list[str]:
    lines = sighting.data.decode().split("\r\n")
    return [line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:")]


def sent(network: Network, source: Node, method: str, status: int = 0) -> list[Sighting]:
    return [s for s in network.trace if s.source == source.name and (s.method, s.status) == (method, status)]


def up(network: Network, caller: dict[str, object], callee: dict[str, object]) -> tuple[Node, Node, list]:  # type: ignore[type-arg]
    a, b = pair(network, caller, callee)
    call(network, a, b)
    network.run(until=1.0)
    received = b.of(InviteReceived)[0]
    answered = a.of(AnswerReceived)
    assert isinstance(received, InviteReceived)
    return a, b, [event.session for event in (*answered, received)]  # type: ignore[union-attr]


def test_the_caller_refreshes_by_update() -> None:
    """§7.4, §9: the callee leaves it to the caller, which asks at half the interval."""
    network = Network()
    a, b, sessions = up(network, TIMER | {"session_expires": 1800}, TIMER)
    [answer] = sent(network, b, "INVITE", 200)
    assert header(answer, "Session-Expires") == ["1800;refresher=uac"]
    assert header(answer, "Require") == ["timer"]
    network.run(until=7200.0)
    refreshes = sent(network, a, "UPDATE")
    assert [round(s.at) for s in refreshes] == [900 * n for n in range(1, 8)]
    assert header(refreshes[0], "Session-Expires") == ["1800;refresher=uac"]
    assert not sent(network, b, "UPDATE")
    assert all(session.state is SessionState.CONFIRMED for session in sessions)
    sessions[0].bye(network.now)
    network.run()
    assert is_empty(a)
    assert is_empty(b)


def test_the_callee_refreshes_by_reinvite_what_a_peer_without_update_asked_for() -> None:
    network = Network()
    caller = {"supported": (), "allow": WITHOUT_UPDATE}
    a, b = pair(network, caller, TIMER)
    session = a.agent.invite(
        target=b.agent._config.contact(b.hop),
        from_=_party("a"),
        to=_party("b"),
        now=0.0,
        headers=[("Session-Expires", "90")],
    )
    network.run(until=150.0)
    assert [round(s.at) for s in sent(network, b, "INVITE")] == [45, 90, 135]
    assert header(sent(network, b, "INVITE")[0], "Session-Expires") == ["90;refresher=uac"]
    assert len(b.of(RefreshDue)) == 3
    assert session.state is SessionState.CONFIRMED


def _party(name: str):  # type: ignore[no-untyped-def]
    from tests.sim.agents import address

    return address(name, "10.0.0.9")


def test_no_interval_is_asked_for_unless_configured() -> None:
    network = Network()
    a, _b, sessions = up(network, TIMER, TIMER)
    assert not header(sent(network, a, "INVITE")[0], "Session-Expires")
    network.run()
    assert all(session.state is SessionState.CONFIRMED for session in sessions)


def test_422_is_answered_with_a_larger_interval() -> None:
    """§7.3: same Call-ID, next CSeq; one session for the user all the same."""
    network = Network()
    a, b, sessions = up(network, TIMER | {"session_expires": 100}, TIMER | {"min_se": 600})
    first, second = sent(network, a, "INVITE")
    assert header(sent(network, b, "INVITE", 422)[0], "Min-SE") == ["600"]
    assert header(first, "Call-ID") == header(second, "Call-ID")
    assert int(header(second, "CSeq")[0].split()[0]) == int(header(first, "CSeq")[0].split()[0]) + 1
    assert (header(second, "Session-Expires"), header(second, "Min-SE")) == (["600"], ["600"])
    assert header(first, "Via") != header(second, "Via")
    assert sessions[0].refresher.timer.interval == 600
    network.run(until=1000.0)
    assert [round(s.at) for s in sent(network, a, "UPDATE")] == [300, 600, 900]
    sessions[1].bye(network.now)
    network.run()
    assert is_empty(a)
    assert is_empty(b)


def test_a_refresh_that_is_too_small_is_refused_and_asked_again() -> None:
    network = Network()
    a, b, sessions = up(network, TIMER | {"session_expires": 100}, TIMER)
    b.agent._uas._config = b.agent._core.config = _with_min_se(b, 300)
    network.run(until=70.0)
    assert len(sent(network, b, "UPDATE", 422)) == 1
    assert header(sent(network, a, "UPDATE")[-1], "Session-Expires") == ["300;refresher=uac"]
    assert sessions[0].refresher.timer.interval == sessions[1].refresher.timer.interval == 300


def _with_min_se(node: Node, least: int):  # type: ignore[no-untyped-def]
    import attrs

    return attrs.evolve(node.agent._config, min_se=least)


def test_a_peer_that_is_gone() -> None:
    """§10: the side that refreshes sees that it fails, the other that it does not come."""
    network = Network()
    a, b, _ = up(network, TIMER | {"session_expires": 1800}, TIMER)
    network.filter = lambda sighting: False
    network.run()
    for node in (a, b):
        assert len(node.of(SessionExpired)) == 1
        assert len(node.of(SessionEnded)) == 1
        assert is_empty(node)
    [(at, _)] = [each for each in a.events if isinstance(each[1], SessionExpired)]
    assert at == pytest.approx(900 + 32 + 450, abs=1)
    [(at, _)] = [each for each in b.events if isinstance(each[1], SessionExpired)]
    assert at == pytest.approx(1800 + 32, abs=1)


def test_a_refused_refresh() -> None:
    """A peer that has forgotten the call: the end comes a quarter of the interval later."""
    network = Network()
    a, b, _ = up(network, TIMER | {"session_expires": 90}, TIMER)
    b.agent._core.dialogs.clear()
    network.run(until=100.0)
    assert [s.status for s in network.trace if s.method == "UPDATE"] == [0, 481]
    [(at, _)] = [each for each in a.events if isinstance(each[1], SessionExpired)]
    assert at == pytest.approx(45 + 22.5, abs=0.1)


def test_an_allow_that_lies() -> None:
    """UPDATE is named, and refused 405: then it is a re-INVITE."""
    network = Network()
    a, b, _ = up(network, TIMER | {"session_expires": 90}, TIMER)
    b.agent._uas._config = _without_update(b)
    network.run(until=100.0)
    assert len(sent(network, a, "UPDATE")) == 1
    assert [round(s.at) for s in sent(network, a, "INVITE")][1:] == [45, 90]


def _without_update(node: Node):  # type: ignore[no-untyped-def]
    import attrs

    return attrs.evolve(node.agent._config, allow=WITHOUT_UPDATE)


def test_a_user_that_does_not_refresh() -> None:
    network = Network()
    a, b, _ = up(network, TIMER | {"session_expires": 90}, TIMER | {"allow": WITHOUT_UPDATE})
    a.on_event = lambda event, now: None
    network.run()
    assert len(a.of(RefreshDue)) == 1
    assert len(a.of(SessionExpired)) == len(b.of(SessionExpired)) == 1
    assert is_empty(a)
    assert is_empty(b)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**32),
    weather=st.builds(
        Weather,
        loss=st.floats(0, 0.35),
        duplicates=st.floats(0, 0.3),
        delay=st.sampled_from([(0.01, 0.01), (0.0, 0.2), (0.01, 2.0)]),
    ),
    interval=st.sampled_from([0, 90, 100, 300]),
    least=st.sampled_from([90, 120, 600]),
    updates=st.tuples(st.booleans(), st.booleans()),
    timers=st.tuples(st.booleans(), st.booleans()),
    changes=st.lists(st.tuples(st.floats(10, 500), st.integers(0, 1), st.booleans()), max_size=4),
    gone=st.one_of(st.none(), st.floats(0, 500)),
)
def test_both_sides_agree_and_nothing_is_left(seed, weather, interval, least, updates, timers, changes, gone) -> None:  # type: ignore[no-untyped-def]
    """Whatever is lost: one interval and one refresher while it lasts, one end, and no state after it."""
    network = Network(seed, weather)
    config = [
        {"supported": ("timer",) if timer else (), "allow": ALLOW if update else WITHOUT_UPDATE}
        for update, timer in zip(updates, timers, strict=True)
    ]
    a, b = pair(network, config[0] | {"session_expires": interval}, config[1] | {"min_se": least})
    session = call(network, a, b)

    def change(who: int, update: bool) -> None:
        node = (a, b)[who]
        sessions = [event.session for _, event in node.events if isinstance(event, AnswerReceived | InviteReceived)]
        for each in sessions:
            try:
                (each.update if update else each.reinvite)(network.now, b"v=2\r\n")
            except LocalError:
                assert each.state is not SessionState.CONFIRMED or each.is_changing or each.is_updating

    for at, who, update in changes:
        network.at(at, lambda who=who, update=update: change(who, update))
    if gone is not None:
        network.at(gone, lambda: setattr(network, "filter", lambda sighting: sighting.source == "a"))
    network.at(2000.0, lambda: finish(session, a, b))
    network.run(until=1999.0)
    if gone is None:
        agree(session, b)
    network.run()
    for node in (a, b):
        assert is_empty(node), node.agent.statistics()
        assert len(node.of(SessionEnded)) == len(node.of(InviteReceived)) + (node is a)


def agree(session: InviteClientSession, b: Node) -> None:
    """A call that is up has the same interval on both sides, and not two refreshers."""
    for event in b.of(InviteReceived):
        assert isinstance(event, InviteReceived)
        theirs = event.session.refresher.timer
        ours = session.refresher.timer
        if session.state is event.session.state is SessionState.CONFIRMED and ours.interval and theirs.interval:
            assert ours.interval == theirs.interval
            assert ours.we_refresh or theirs.we_refresh


def finish(session: InviteClientSession, a: Node, b: Node) -> None:
    session.cancel(2000.0)  # an INVITE that got a 1xx and nothing more has no other end
    for node in (a, b):
        for _, event in list(node.events):
            if isinstance(event, AnswerReceived | InviteReceived):
                if event.session.state is SessionState.EARLY:
                    assert isinstance(event, InviteReceived)
                    event.session.reject(2000.0, 480)
                else:
                    event.session.bye(2000.0)


def test_a_bye_of_the_peer_stops_the_timers() -> None:
    network = Network()
    a, _b, sessions = up(network, TIMER | {"session_expires": 90}, TIMER)
    sessions[1].bye(network.now)
    network.run()
    assert len(a.of(ByeReceived)) == 1
    assert not a.of(SessionExpired)
    assert network.now < 60
