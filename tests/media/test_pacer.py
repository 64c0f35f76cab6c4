"""Both ways to wait for a tick keep the same schedule."""

from __future__ import annotations

import ctypes

import pytest
import trio

from tests.media.stage import descriptors
from vb.media import pacer
from vb.media.pacer import SleepPacer, TimerPacer, open_pacer


async def test_virtual_time_is_slept() -> None:
    made = open_pacer(trio.current_time() + 0.02, 0.02)
    assert isinstance(made, SleepPacer)
    await made.wait(trio.current_time() + 5)
    assert trio.current_time() == 5
    made.close()


@pytest.mark.realtime
async def test_real_time_has_a_timer() -> None:
    start = trio.current_time()
    first = start + 0.01
    made = open_pacer(first, 0.01)
    assert isinstance(made, TimerPacer)
    for tick in range(4):
        await made.wait(first + tick * 0.01)
        assert trio.current_time() >= first + tick * 0.01 - 0.00125
    for tick in range(-3, 0):  # past: at once, and no expiry is lost by it
        await made.wait(first + tick * 0.01)
    await made.wait(first + 0.06)
    assert trio.current_time() >= first + 0.06 - 0.00125
    made.close()


@pytest.mark.realtime
async def test_a_wait_can_be_cancelled() -> None:
    made = TimerPacer(trio.current_time() + 60, 60)
    with trio.move_on_after(0.001) as scope:
        await made.wait(trio.current_time() + 60)
    assert scope.cancelled_caught
    made.close()


@pytest.mark.realtime
async def test_without_timers_it_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        def timerfd_create(self, *_: int) -> int:
            ctypes.set_errno(24)
            return -1

    monkeypatch.setattr(pacer.ctypes, "CDLL", lambda *_, **__: Libc())
    before = descriptors()
    assert isinstance(open_pacer(trio.current_time() + 1, 0.02), SleepPacer)
    assert descriptors() == before
