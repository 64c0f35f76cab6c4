"""REFER and NOTIFY between two agents, over good and bad networks (RFC 3515 §4; RFC 6665 §4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.sim.agents import Network, Node, Sighting, Weather, call, is_empty
from vb.sip.effects import (
    AnswerReceived,
    Event,
    InviteReceived,
    ReferAnswered,
    ReferNotified,
    ReferralEnded,
    ReferReceived,
)
from vb.sip.errors import LocalError
from vb.sip.invite_uac import InviteClientSession
from vb.sip.message import Request, parse_message
from vb.sip.referral import ReferServer
from vb.sip.session import Session, SessionState

TARGET = "<sip:carol@192.0.2.7>"


class Stage:
    """Alice has called Bob; she refers him. ``decide`` is what Bob does with each REFER."""

    def __init__(self, weather: Weather | None = None, seed: int = 1) -> None:
        self.network = Network(seed, weather)
        self.alice = self.network.node("alice", "192.0.2.1")
        self.bob = self.network.node("bob", "192.0.2.2")
        self.alice.on_event = self._acknowledge
        self.bob.on_event = self._answer
        self.decide: Callable[[ReferServer, float], None] = lambda referral, now: referral.accept(now)
        self.session: InviteClientSession = call(self.network, self.alice, self.bob)
        self.network.run(20)
        assert self.session.state is SessionState.CONFIRMED

    @property
    def now(self) -> float:
        return self.network.now

    @property
    def called(self) -> Session:
        event: Any = self.bob.of(InviteReceived)[0]
        return event.session  # type: ignore[no-any-return]

    def refer(self, **options: Any) -> None:
        self.session.referrals.refer(self.now, TARGET, **options)
        self.network.run(self.now + 0.5)

    @property
    def received(self) -> ReferServer:
        event: Any = self.bob.of(ReferReceived)[-1]
        return event.referral  # type: ignore[no-any-return]

    def told(self) -> list[int | None]:
        return [event.status for event in self.alice.of(ReferNotified)]  # type: ignore[union-attr]

    def sent(self, node: Node, method: str) -> list[Request]:
        """Requests of a method, each once however often it was repeated."""
        found: dict[int, Request] = {}
        for sighting in self.network.trace:
            if sighting.source == node.name and sighting.start_line.startswith(method):
                message = parse_message(sighting.data)
                assert isinstance(message, Request)
                found[message.cseq.number] = message
        return list(found.values())

    def hang_up(self) -> None:
        self.session.bye(self.now)
        self.network.run()
        assert is_empty(self.alice)
        assert is_empty(self.bob)

    def _acknowledge(self, event: Event, now: float) -> None:
        if isinstance(event, AnswerReceived):
            event.session.ack(now)

    def _answer(self, event: Event, now: float) -> None:
        if isinstance(event, InviteReceived):
            event.session.accept(now, b"v=0\r\n")
        elif isinstance(event, ReferReceived):
            self.decide(event.referral, now)


def values(request: Request, *names: str) -> list[str | None]:
    return [request.headers.get(name) for name in names]


def test_the_prototypical_call_flow() -> None:
    """RFC 3515 §4.1, §2.4.1: REFER, 202, NOTIFY 100, 200, NOTIFY 200, 200."""
    stage = Stage()
    stage.refer(referred_by="<sip:alice@192.0.2.1>")
    [refer] = stage.sent(stage.alice, "REFER")
    assert values(refer, "Refer-To", "Referred-By") == [TARGET, "<sip:alice@192.0.2.1>"]
    assert refer.contacts
    assert stage.received.referred_by == "<sip:alice@192.0.2.1>"
    stage.received.complete(stage.now, 200)
    stage.network.run(stage.now + 1)
    lines = [s.start_line for s in stage.network.trace if s.method in ("REFER", "NOTIFY")]
    assert [line.replace("SIP/2.0 ", "").split(" sip:")[0] for line in lines] == [
        "REFER", "202 Accepted", "NOTIFY", "200 OK", "NOTIFY", "200 OK",
    ]  # fmt: skip
    first, last = stage.sent(stage.bob, "NOTIFY")
    assert values(first, "Event", "Subscription-State", "Content-Type") == [
        "refer", "active;expires=60", "message/sipfrag;version=2.0",
    ]  # fmt: skip
    assert first.body == b"SIP/2.0 100 Trying\r\n"
    assert values(last, "Subscription-State") == ["terminated;reason=noresource"]
    assert last.body == b"SIP/2.0 200 OK\r\n"
    assert stage.told() == [100, 200]
    [answered] = stage.alice.of(ReferAnswered)
    assert answered.response.status == 202  # type: ignore[union-attr]
    stage.hang_up()
    assert stage.alice.of(ReferralEnded) == stage.bob.of(ReferralEnded) == []


def test_several_refers_in_a_dialog_are_told_apart_by_id() -> None:
    """RFC 3515 §4.2, §2.4.6: the id of every REFER but the first is its CSeq number."""
    stage = Stage()
    referrals = []
    for _ in range(2):
        referrals.append(stage.session.referrals.refer(stage.now, TARGET))
        stage.network.run(stage.now + 0.5)
    first, second = (event.referral for event in stage.bob.of(ReferReceived))  # type: ignore[union-attr]
    second.complete(stage.now, 486)
    first.complete(stage.now, 200)
    stage.network.run(stage.now + 1)
    events = [request.headers.get("Event") for request in stage.sent(stage.bob, "NOTIFY")]
    assert events == ["refer", f"refer;id={referrals[1].number}", f"refer;id={referrals[1].number}", "refer"]
    told = [(event.referral, event.status) for event in stage.alice.of(ReferNotified)]  # type: ignore[union-attr]
    one, two = referrals
    assert told == [(one, 100), (two, 100), (two, 486), (one, 200)]
    stage.hang_up()


@pytest.mark.parametrize("seed", range(12))
def test_news_arrive_once_and_in_order_in_foul_weather(seed: int) -> None:
    """RFC 6665 §4.2.1.4: the next NOTIFY waits for the answer to the one before."""
    stage = Stage(Weather(loss=0.25, duplicates=0.2, delay=(0.01, 0.3)), seed)
    stage.session.referrals.refer(stage.now, TARGET)
    stage.network.run(stage.now + 30)
    for status in (180, 181, 183):
        stage.received.notify(stage.now, status)
    stage.received.complete(stage.now, 200)
    stage.network.run(stage.now + 120)
    assert stage.told() == [100, 180, 181, 183, 200]
    stage.hang_up()


def test_a_refused_refer() -> None:
    stage = Stage()
    stage.decide = lambda referral, now: referral.reject(now, 603)
    stage.refer()
    [answered] = stage.alice.of(ReferAnswered)
    assert answered.response.status == 603  # type: ignore[union-attr]
    for verb in (stage.received.accept, stage.received.reject):
        with pytest.raises(LocalError):
            verb(stage.now)
    stage.received.notify(stage.now, 180)
    stage.network.run(stage.now + 1)
    assert stage.sent(stage.bob, "NOTIFY") == []
    stage.hang_up()


def test_a_refusal_is_a_final_response() -> None:
    stage = Stage()
    stage.decide = lambda referral, now: None
    stage.refer()
    with pytest.raises(LocalError):
        stage.received.reject(stage.now, 202)
    with pytest.raises(LocalError):
        stage.received.reject(stage.now, 486, "Busy\r\nVia: x")
    stage.received.reject(stage.now, 486)
    stage.network.run(stage.now + 1)
    [answered] = stage.alice.of(ReferAnswered)
    assert answered.response.status == 486  # type: ignore[union-attr]
    stage.hang_up()


def test_without_a_subscription_nothing_is_told() -> None:
    """RFC 4488 §4: Refer-Sub: false both ways."""
    stage = Stage()
    stage.refer(subscribe=False)
    [refer] = stage.sent(stage.alice, "REFER")
    assert refer.headers.get("Refer-Sub") == "false"
    [answered] = stage.alice.of(ReferAnswered)
    assert answered.response.headers.get("Refer-Sub") == "false"  # type: ignore[union-attr]
    stage.received.complete(stage.now, 200)
    stage.network.run(stage.now + 1)
    assert stage.sent(stage.bob, "NOTIFY") == []
    assert not stage.received.subscribed
    stage.hang_up()


def test_a_notify_may_overtake_the_202() -> None:
    """RFC 3515 §2.4.4: the NOTIFY accepts the REFER as well."""
    stage = Stage()
    stage.network.filter = lambda s: not (s.method == "REFER" and s.status == 202 and s.at < 22)
    stage.refer()
    stage.received.complete(stage.now, 200)
    stage.network.run(stage.now + 10)
    assert stage.told() == [100, 200]
    stage.hang_up()
    assert stage.alice.of(ReferralEnded) == []


def test_no_notify_at_all() -> None:
    """RFC 6665 §4.1.2.4: Timer N, 64*T1."""
    stage = Stage()
    stage.network.filter = lambda s: s.method != "NOTIFY"
    stage.refer()
    stage.network.run(stage.now + 33)
    [mine] = stage.alice.of(ReferralEnded)
    [theirs] = stage.bob.of(ReferralEnded)
    assert (mine.cause, theirs.cause) == ("timeout", "refused")  # type: ignore[union-attr]
    stage.hang_up()


def test_no_answer_to_the_refer() -> None:
    stage = Stage()
    stage.network.filter = lambda s: s.method != "REFER"
    stage.refer()
    stage.network.run(stage.now + 40)
    [answered] = stage.alice.of(ReferAnswered)
    assert answered.response is None  # type: ignore[union-attr]
    stage.hang_up()


def test_a_subscription_without_news_ends() -> None:
    """RFC 6665 §4.4.1; every NOTIFY starts its time anew."""
    stage = Stage()
    stage.refer()
    stage.network.run(stage.now + 50)
    stage.received.notify(stage.now, 180)
    stage.network.run(stage.now + 50)
    assert stage.received.subscribed
    stage.network.run(stage.now + 20)
    assert not stage.received.subscribed
    last = stage.sent(stage.bob, "NOTIFY")[-1]
    assert values(last, "Subscription-State") == ["terminated;reason=timeout"]
    [event] = stage.bob.of(ReferralEnded)
    assert event.cause == "timeout"  # type: ignore[union-attr]
    assert stage.told() == [100, 180, 100]
    stage.hang_up()


def test_a_refer_that_nobody_decides_is_declined() -> None:
    stage = Stage()
    stage.decide = lambda referral, now: None
    stage.refer()
    stage.network.run(stage.now + 60)
    [answered] = stage.alice.of(ReferAnswered)
    assert answered.response is None or answered.response.status == 603  # type: ignore[union-attr]
    [event] = stage.bob.of(ReferralEnded)
    assert event.cause == "timeout"  # type: ignore[union-attr]
    stage.hang_up()


@pytest.mark.parametrize("accept", [True, False])
def test_a_call_that_ends_takes_its_referrals_along(accept: bool) -> None:
    stage = Stage()
    if not accept:
        stage.decide = lambda referral, now: None
    stage.refer()
    stage.hang_up()
    assert [event.cause for event in stage.bob.of(ReferralEnded)] == ["session"]  # type: ignore[union-attr]
    assert [event.cause for event in stage.alice.of(ReferralEnded)] == ["session"]  # type: ignore[union-attr]
    statuses = [s.status for s in stage.network.trace if s.method == "REFER" and s.status]
    assert statuses == [202 if accept else 487]


def test_the_outcome_goes_out_before_our_bye() -> None:
    """The NOTIFY has the lower CSeq number, even when the one before it is not answered yet (RFC 3261 §12.2.1.1)."""
    stage = Stage()
    stage.network.filter = lambda s: not (s.source == "alice" and s.method == "NOTIFY" and s.at < 30)
    stage.refer()
    stage.received.complete(stage.now, 200)
    stage.called.bye(stage.now)
    stage.network.run(stage.now + 1)
    assert stage.told() == [100, 200]
    numbers = {r.method: r.cseq.number for r in (*stage.sent(stage.bob, "NOTIFY"), *stage.sent(stage.bob, "BYE"))}
    assert numbers["BYE"] == numbers["NOTIFY"] + 1
    stage.network.run()
    assert is_empty(stage.alice)
    assert is_empty(stage.bob)
    assert stage.bob.of(ReferralEnded) == []


def test_a_peer_that_does_not_want_notifys() -> None:
    """RFC 6665 §4.2.2, RFC 5057 §5.1: 481 ends the subscription, and the call goes on."""
    stage = Stage()
    stage.refer()
    stage.session.referrals.close(stage.now)
    stage.received.notify(stage.now, 180)
    stage.network.run(stage.now + 1)
    [event] = stage.bob.of(ReferralEnded)
    assert event.cause == "refused"  # type: ignore[union-attr]
    stage.received.notify(stage.now, 183)
    stage.network.run(stage.now + 1)
    assert len(stage.sent(stage.bob, "NOTIFY")) == 2
    assert stage.called.state is SessionState.CONFIRMED
    stage.hang_up()


def test_a_peer_that_is_slow_gets_the_newest_news() -> None:
    stage = Stage()
    hold = [True]

    def slow(sighting: Sighting) -> bool:
        return not (hold[0] and sighting.source == "alice" and sighting.method == "NOTIFY")

    stage.network.filter = slow
    stage.refer()
    for status in range(150, 180):
        stage.received.notify(stage.now, status)
    hold[0] = False
    stage.network.run(stage.now + 10)
    assert stage.told() == [100, *range(172, 180)]
    stage.hang_up()


def test_refers_are_bounded() -> None:
    stage = Stage()
    stage.decide = lambda referral, now: None
    for _ in range(8):
        stage.session.referrals.refer(stage.now, TARGET)
    with pytest.raises(LocalError):
        stage.session.referrals.refer(stage.now, TARGET)
    stage.hang_up()
    with pytest.raises(LocalError):
        stage.session.referrals.refer(stage.now, TARGET)
