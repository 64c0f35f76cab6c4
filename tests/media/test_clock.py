"""The schedule: absolute, made up for when late, never stopped by what happens inside a tick."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import trio
import trio.testing

from tests.media.stage import Stage, staged
from vb.media.clock import CATCH_UP, MediaClock
from vb.media.settings import TICK, MediaSettings


def stall(seconds: float) -> None:
    """As if the loop had been busy for so long: the schedule is behind now."""
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(seconds)


async def test_a_tick_every_20_ms_until_cancelled() -> None:
    clock = MediaClock(MediaSettings(io="epoll"))
    with trio.move_on_after(1.001):
        await clock.run()
    found = clock.statistics()
    assert (found.ticks, found.late_ticks, found.skipped_ticks) == (50, 0, 0)


async def test_run_tells_when_it_has_started() -> None:
    clock = MediaClock(MediaSettings(io="epoll"))
    async with trio.open_nursery() as nursery:
        await nursery.start(clock.run)
        nursery.cancel_scope.cancel()


async def test_short_delays_are_made_up_for() -> None:
    clock = MediaClock(MediaSettings(io="epoll"))
    async with trio.open_nursery() as nursery:
        await nursery.start(clock.run)
        await trio.sleep(0.1)
        before = clock.ticks
        stall(0.070)
        await trio.sleep(0.1)
        assert clock.ticks == pytest.approx(before + 5 + 3, abs=1)  # who runs first at an instant is open
        assert clock.statistics().late_ticks >= 1
        assert clock.statistics().skipped_ticks == 0
        nursery.cancel_scope.cancel()


async def test_a_long_delay_is_skipped_and_time_goes_on() -> None:
    clock = MediaClock(MediaSettings(io="epoll"))
    async with trio.open_nursery() as nursery:
        await nursery.start(clock.run)
        await trio.sleep(0.1)
        stall(2.0)
        await trio.sleep(0.1)
        found = clock.statistics()
        assert found.skipped_ticks >= 100 - CATCH_UP - 1
        assert found.ticks == pytest.approx(110, abs=2)
        nursery.cancel_scope.cancel()


def test_a_defect_in_a_tick_is_counted_and_the_next_tick_comes(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(stage.clock.mixer, "run", fail)
    with caplog.at_level(logging.ERROR, "vb.media"):
        for _ in range(100):
            stage.clock.tick()
    assert stage.clock.statistics().tick_errors == 100
    assert len(caplog.records) == 7  # 1, 2, 4 ... 64: not once per tick
    monkeypatch.undo()
    stage.clock.tick()
    assert stage.clock.statistics().tick_errors == 100


def test_a_leg_that_fails_to_listen_disturbs_nobody(stage: Stage) -> None:
    peer = stage.peer()

    def fail(event: object) -> None:
        raise RuntimeError("leg code")

    peer.port._notify = fail
    stage.settle(peer)
    assert stage.clock.statistics().failed_rows == 0


def test_mixes_have_three_rates(stage: Stage) -> None:
    with pytest.raises(ValueError, match="44100"):
        stage.clock.open_mix(44100)
    mix = stage.clock.open_mix(48000)
    mix.close()
    mix.close()
    assert stage.clock.statistics().mixes == 0


def test_closing_the_clock_closes_everything() -> None:
    with staged("epoll") as stage:
        peers = [stage.peer() for _ in range(3)]
        mix = stage.clock.open_mix(8000)
        peers[0].port.join(mix)
        stage.clock.close()
        assert all(peer.port.closed for peer in peers)
        assert mix.closed
        assert stage.clock.rows.used == 0


async def test_skipped_time_moves_timestamps_but_no_jitter() -> None:
    with staged("epoll") as stage:
        peer = stage.peer()
        stage.settle(peer)
        stage.clock._skip(10)
        peer.timestamp += 1600
        stage.tick()
        (first,) = peer.packets()
        assert first.timestamp == (stage.clock.rows.timestamp[peer.port.row] - 160) & 0xFFFFFFFF
    assert TICK == 0.020
