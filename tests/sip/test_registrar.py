"""The registrar (RFC 3261 §10.3)."""

from __future__ import annotations

from contextlib import suppress
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vb.sip.effects import Hop
from vb.sip.errors import RemoteError
from vb.sip.location import Bound, Gone
from vb.sip.registrar import Registrar, RegistrarPolicy
from vb.sip.registration import Registration, Wish
from vb.sip.uri import parse_uri

AOR = "sip:alice@example.com"
FLOW = Hop("TCP", "192.0.2.7", 40000, 3)


def asks(cseq: int, *wishes: tuple[str, int | None], call_id: str = "c", star: bool = False) -> Registration:
    contacts = tuple(Wish(parse_uri(f"sip:{user}@h"), expires) for user, expires in wishes)
    return Registration(aor=AOR, call_id=call_id, cseq=cseq, wishes=contacts, removes_all=star)


def told(registrar: Registrar) -> list[tuple[str, str]]:
    return [
        (str(e.binding.contact.user), e.reason if isinstance(e, Gone) else "bound") for e in registrar.take_events()
    ]


def users(registrar: Registrar, now: float = 0.0) -> list[str | None]:
    return [binding.contact.user for binding in registrar.bindings(AOR, now)]


def refused(registrar: Registrar, registration: Registration, now: float = 0.0) -> int:
    before = registrar.bindings(AOR, now)
    with pytest.raises(RemoteError) as early:
        registrar.check(registration, now)
    with pytest.raises(RemoteError) as raised:
        registrar.carry_out(registration, FLOW, now)
    assert early.value.status == raised.value.status
    assert registrar.bindings(AOR, now) == before
    return raised.value.status


@pytest.mark.parametrize(
    ("wanted", "cap", "granted"),
    [
        (None, 0, 3600),
        (5, 0, 60),
        (61, 0, 61),
        (99999, 0, 7200),
        (0, 90, 0),
        (600, 120, 120),
        (600, 10, 60),
        (70, 120, 70),
        (None, 7200, 3600),
    ],
)
def test_what_is_granted(wanted: int | None, cap: int, granted: int) -> None:
    assert RegistrarPolicy().grant(wanted, cap) == granted


def test_bind_refresh_and_remove() -> None:
    registrar = Registrar(RegistrarPolicy())
    registrar.carry_out(asks(1, ("a", 100)), FLOW, 10.0)
    registrar.carry_out(asks(2, ("a", 300)), FLOW, 50.0)
    (binding,) = registrar.bindings(AOR, 60.0)
    assert (binding.created, binding.refreshed, binding.expires, binding.granted) == (10.0, 50.0, 350.0, 300)
    assert (binding.flow, binding.cseq) == (FLOW, 2)
    registrar.carry_out(asks(3, ("a", 0)), FLOW, 70.0)
    assert told(registrar) == [("a", "bound"), ("a", "bound"), ("a", "unregistered")]
    assert list(registrar.all(70.0)) == []
    registrar.carry_out(asks(4, ("a", 0)), FLOW, 70.0)  # nothing to remove is no error
    assert told(registrar) == []


def test_it_expires_whether_or_not_somebody_looks() -> None:
    registrar = Registrar(RegistrarPolicy())
    registrar.carry_out(asks(1, ("a", 60), ("b", 90)), FLOW, 0.0)
    assert registrar.next_deadline() == 60.0
    assert users(registrar, 60.0) == ["b"]
    registrar.take_events()
    registrar.handle_timers(60.0)
    assert told(registrar) == [("a", "ttl")]
    registrar.handle_timers(90.0)
    assert told(registrar) == [("b", "ttl")]
    assert registrar.next_deadline() == inf


def test_the_old_deadline_of_a_refreshed_contact_means_nothing() -> None:
    registrar = Registrar(RegistrarPolicy())
    for cseq in range(1, 300):
        registrar.carry_out(asks(cseq, ("a", 60)), FLOW, float(cseq) / 10)
    registrar.take_events()
    registrar.handle_timers(60.5)
    assert told(registrar) == []
    assert len(registrar._expiries) <= 70
    registrar.handle_timers(100.0)
    assert told(registrar) == [("a", "ttl")]


def test_a_late_request_changes_nothing() -> None:
    registrar = Registrar(RegistrarPolicy())
    registrar.carry_out(asks(5, ("a", 100)), FLOW, 0.0)
    assert refused(registrar, asks(5, ("b", 100), ("a", 0))) == 500
    assert refused(registrar, asks(4, star=True)) == 500
    registrar.carry_out(asks(1, ("a", 0), call_id="other"), FLOW, 0.0)  # a phone that has started anew
    assert users(registrar) == []


def test_a_star_removes_all() -> None:
    registrar = Registrar(RegistrarPolicy())
    registrar.carry_out(asks(1, ("a", 100), ("b", 100)), FLOW, 0.0)
    registrar.take_events()
    registrar.carry_out(asks(2, star=True), FLOW, 0.0)
    assert told(registrar) == [("a", "unregistered"), ("b", "unregistered")]


def test_one_contact_at_a_time() -> None:
    registrar = Registrar(RegistrarPolicy(several=False))
    registrar.carry_out(asks(1, ("a", 100)), FLOW, 0.0)
    registrar.carry_out(asks(1, ("b", 100), ("c", 100), call_id="d"), FLOW, 0.0)
    assert users(registrar) == ["c"]
    assert told(registrar) == [("a", "bound"), ("a", "replaced"), ("c", "bound")]


def test_limits() -> None:
    registrar = Registrar(RegistrarPolicy(max_contacts=2))
    assert refused(registrar, asks(1, ("a", 0), ("b", 0), ("c", 0))) == 403
    registrar.carry_out(asks(1, ("a", 100), ("b", 100)), FLOW, 0.0)
    assert refused(registrar, asks(2, ("c", 100))) == 403
    registrar.carry_out(asks(3, ("a", 0), ("c", 100)), FLOW, 0.0)
    assert users(registrar) == ["b", "c"]


def test_by_force() -> None:
    registrar = Registrar(RegistrarPolicy())
    registrar.carry_out(asks(1, ("a", 100), ("b", 100), ("c", 60)), FLOW, 0.0)
    registrar.take_events()
    assert not registrar.remove(AOR, parse_uri("sip:x@h"), 60.0)
    assert told(registrar) == [("c", "ttl")]
    assert registrar.remove(AOR, parse_uri("sip:a@h;ob"), 60.0)
    assert registrar.remove(AOR, None, 60.0)
    assert not registrar.remove(AOR, None, 60.0)
    assert told(registrar) == [("a", "forced"), ("b", "forced")]


def test_every_binding_of_everybody_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vb.sip.registrar._MOST_BINDINGS", 1)
    registrar = Registrar(RegistrarPolicy())
    registrar.carry_out(asks(1, ("a", 100)), FLOW, 0.0)
    with pytest.raises(RemoteError) as raised:
        registrar.carry_out(asks(2, ("b", 100)), FLOW, 0.0)
    assert raised.value.status == 503
    assert users(registrar) == ["a"]


wishes = st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 9000)), max_size=4)
steps = st.lists(
    st.tuples(st.floats(0, 4000), st.integers(1, 6), st.sampled_from("cd"), wishes, st.booleans(), st.integers(0, 300)),
    max_size=12,
)


@given(steps, st.booleans())
def test_a_binding_is_never_believed_longer_than_granted(
    story: list[tuple[float, int, str, list[tuple[str, int | None]], bool, int]], several: bool
) -> None:
    """Neither by us nor by the phone; and events tell exactly what there is."""
    policy = RegistrarPolicy(several=several, max_contacts=2)
    registrar = Registrar(policy)
    now, believed, bound = 0.0, dict[str, float](), dict[str, float]()
    for pause, cseq, call_id, wanted, star, cap in story:
        now += pause
        registration = asks(cseq, *(() if star else wanted), call_id=call_id, star=star)
        with suppress(RemoteError):
            registrar.carry_out(registration, FLOW, now, cap)
        for event in registrar.take_events():
            user = str(event.binding.contact.user)
            if isinstance(event, Bound):
                assert event.binding.expires == now + event.binding.granted
                assert event.binding.granted <= policy.most
                bound[user] = event.binding.expires
            else:
                assert event.reason != "ttl" or bound[user] <= now
                del bound[user]
        found = registrar.bindings(AOR, now)
        assert {str(b.contact.user): b.expires for b in found} == {u: e for u, e in bound.items() if e > now}
        believed = {str(b.contact.user): now + b.remaining(now) for b in found}
        assert all(believed[user] <= bound[user] for user in believed)
        assert len(found) <= (2 if several else 1)
        assert registrar.next_deadline() <= min(bound.values(), default=inf)
