"""Many timers, one sleep."""

from __future__ import annotations

import math

import trio

from vb.call.deadlines import Deadlines


class Alarm:
    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.fired: list[tuple[str, float]] = []
        self.start = trio.current_time()

    def fire(self, name: str) -> None:
        self.fired.append((name, round(trio.current_time() - self.start, 6)))


async def test_each_fires_once_at_its_time() -> None:
    alarm = Alarm()
    alarm.deadlines.set("b", alarm.start + 2)
    alarm.deadlines.set("a", alarm.start + 1)
    with trio.move_on_after(10):
        await alarm.deadlines.run(alarm.fire)
    assert alarm.fired == [("a", 1.0), ("b", 2.0)]
    assert alarm.deadlines.next() == math.inf


async def test_changes_while_it_sleeps() -> None:
    alarm = Alarm()
    alarm.deadlines.set("late", alarm.start + 9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alarm.deadlines.run, alarm.fire)
        await trio.sleep(1)
        alarm.deadlines.set("early", alarm.start + 2)
        alarm.deadlines.set("late", alarm.start + 5)
        alarm.deadlines.set("never", alarm.start + 3)
        alarm.deadlines.drop("never")
        alarm.deadlines.drop("unknown")
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert alarm.fired == [("early", 2.0), ("late", 5.0)]


async def test_one_that_fires_may_drop_another_of_the_same_moment_and_set_itself_again() -> None:
    alarm = Alarm()

    def fire(name: str) -> None:
        alarm.fire(name)
        alarm.deadlines.drop("b")
        if len(alarm.fired) < 3:
            alarm.deadlines.set("a", trio.current_time() + 1)

    alarm.deadlines.set("a", alarm.start + 1)
    alarm.deadlines.set("b", alarm.start + 1)
    with trio.move_on_after(10):
        await alarm.deadlines.run(fire)
    assert alarm.fired == [("a", 1.0), ("a", 2.0), ("a", 3.0)]


async def test_clearing() -> None:
    alarm = Alarm()
    alarm.deadlines.set("a", alarm.start + 1)
    alarm.deadlines.clear()
    with trio.move_on_after(10):
        await alarm.deadlines.run(alarm.fire)
    assert alarm.fired == []


async def test_one_that_is_long_due_fires_at_once() -> None:
    alarm = Alarm()
    alarm.deadlines.set("a", alarm.start - 5)
    with trio.move_on_after(10):
        await alarm.deadlines.run(alarm.fire)
    assert alarm.fired == [("a", 0.0)]
