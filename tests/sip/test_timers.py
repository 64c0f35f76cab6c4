"""Named deadlines, and the heap over many objects against a plain minimum."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from vb.sip.timers import Deadlines, Timer, TimerTable, TimerValues


class Thing:
    def __init__(self) -> None:
        self.timers = TimerTable()

    def handle_timers(self, now: float) -> list[object]:
        return list(self.timers.take_expired(now))


def test_the_values_of_table_4() -> None:
    values = TimerValues()
    assert (values.t1, values.t2, values.t4) == (0.5, 4, 5)
    assert values.give_up == values.wait_refusals == 32
    assert TimerValues(t1=0.1).wait_refusals == 32  # Timer D is at least 32 s
    assert TimerValues(t1=1).wait_refusals == 64


def test_expired_timers_come_earliest_first_and_once() -> None:
    table = TimerTable()
    table.start(Timer.B, 2.0)
    table.start(Timer.A, 1.0)
    table.start(Timer.D, 5.0)
    assert table.running(Timer.A)
    assert table.take_expired(2.0) == [Timer.A, Timer.B]
    assert table.take_expired(2.0) == []
    assert table.next_deadline() == 5.0
    table.stop(Timer.D, Timer.M)
    assert table.next_deadline() == inf


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("start"), st.integers(0, 5), st.sampled_from([Timer.A, Timer.B]), st.integers(0, 20)),
        st.tuples(st.just("stop"), st.integers(0, 5), st.sampled_from([Timer.A, Timer.B]), st.just(0)),
        st.tuples(st.just("discard"), st.integers(0, 5), st.just(Timer.A), st.just(0)),
        st.tuples(st.just("pass"), st.just(0), st.just(Timer.A), st.integers(0, 5)),
    ),
    max_size=60,
)


@given(STEPS)
def test_the_heap_agrees_with_the_minimum(steps: list[tuple[str, int, Timer, int]]) -> None:
    things, deadlines, now = [Thing() for _ in range(6)], Deadlines(), 0.0
    for step, which, timer, value in steps:
        thing = things[which]
        if step == "start":
            thing.timers.start(timer, now + value)
            deadlines.update(thing)
        elif step == "stop":
            thing.timers.stop(timer)
        elif step == "discard":
            deadlines.discard(thing)
        else:
            now += value
            expected = sum(thing.timers.next_deadline() <= now for thing in things)
            handled = 0
            while (due := deadlines.take_due(now)) is not None:
                assert due.handle_timers(now)
                deadlines.update(due)
                handled += 1
            assert handled == expected
        assert deadlines.next_deadline() == min(thing.timers.next_deadline() for thing in things)


def test_ended_objects_do_not_pile_up() -> None:
    deadlines = Deadlines()
    for n in range(20_000):
        thing = Thing()
        thing.timers.start(Timer.J, 1000.0 + n)
        deadlines.update(thing)
        deadlines.discard(thing)
    assert len(deadlines._heap) < 4096
    assert deadlines.next_deadline() == inf
