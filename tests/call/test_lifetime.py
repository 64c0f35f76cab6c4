"""One start, one end, at most one goodbye, whatever comes in whatever order."""

from __future__ import annotations

import itertools

import pytest
import trio

from tests.call.fakes import FakeLeg, FakePort, FakeStatistics, Recorder
from vb.call.errors import Conflict, NotFound
from vb.call.lifetime import Cause, Life

CAUSES = ["api_hangup", "remote_bye", "rtp_timeout"]


@pytest.mark.parametrize("causes", [c for n in (1, 2, 3) for c in itertools.permutations(CAUSES, n)])
async def test_the_first_cause_wins_in_every_order(causes: tuple[str, ...]) -> None:
    recorder = Recorder()
    with recorder.story() as story:
        leg = FakeLeg(recorder.bus, story)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leg.live)
            await trio.sleep(1)
            leg.connect()
            for cause in causes:
                leg.end(cause)
    assert story == ["leg.connected", f"goodbye:{causes[0]}", "leg.disconnected"]
    assert leg.state == "hung_up"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_causes_of_other_tasks_that_race_in_one_tick(order: tuple[int, ...]) -> None:
    recorder = Recorder()
    with recorder.story() as story:
        leg = FakeLeg(recorder.bus, story)

        async def cause(n: int) -> None:
            await trio.sleep(1)
            leg.end(CAUSES[n])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(leg.live)
            for n in order:
                nursery.start_soon(cause, n)
    assert story.count("leg.disconnected") == 1
    assert sum(line.startswith("goodbye") for line in story) == 1
    cause_word = recorder.of("leg.disconnected")[0].data["cdr"]["reason"]
    assert story[0] == f"goodbye:{cause_word}"


async def test_an_end_before_the_task_had_its_first_turn() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)
    leg.end("caller_cancel")
    await leg.live()
    assert recorder.types == ["leg.disconnected"]
    with pytest.raises(NotFound):
        leg.start_soon(trio.sleep_forever)


async def test_cancellation_from_outside_is_a_shutdown() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)
    with trio.move_on_after(2):
        await leg.live()
    assert leg.story == ["goodbye:shutdown"]
    assert recorder.of("leg.disconnected")[0].data["cdr"] == {
        "reason": "shutdown",
        "duration_total": 2.0,
        "duration_answered": 0.0,
    }


@pytest.mark.parametrize("ended_first", [False, True])
async def test_a_crash_in_one_leg_ends_that_leg_alone(ended_first: bool) -> None:
    recorder = Recorder()
    crashing, other = FakeLeg(recorder.bus), FakeLeg(recorder.bus)

    async def crash() -> None:
        try:
            await trio.sleep(1)
        finally:
            raise KeyError("bug")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(crashing.live)
        nursery.start_soon(other.live)
        crashing.start_soon(crash)
        await trio.sleep(0.5)
        if ended_first:
            crashing.end("api_hangup")
        await crashing.wait_ended()
        assert other.state == "ringing"
        other.end("remote_bye")
    reasons = [event.data["cdr"]["reason"] for event in recorder.of("leg.disconnected")]
    assert reasons == ["api_hangup" if ended_first else "internal_error", "remote_bye"]


async def test_a_crash_beside_a_cancellation_from_outside_stays_inside() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)

    async def crash_when_cancelled() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise KeyError("bug")

    leg.start_soon(crash_when_cancelled)
    with trio.move_on_after(2) as outside:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leg.live)
    assert outside.cancelled_caught
    assert recorder.types == ["leg.disconnected"]
    assert recorder.events[0].data["cdr"]["reason"] == "internal_error"


async def test_children_end_before_the_end_is_told_and_the_port_is_closed_at_once() -> None:
    recorder = Recorder()
    with recorder.story() as story:
        leg = FakeLeg(recorder.bus, story)
        port = FakePort(FakeStatistics(received=50, lost=1, jitter_ms=1.234, mos=4.3456))
        leg.attach_port(port)  # type: ignore[arg-type]

        async def recording() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(3)
                    story.append("file written")

        leg.start_soon(recording)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leg.live)
            await trio.sleep(1)
            leg.connect()
            await trio.sleep(1)
            leg.end("api_hangup")
            await trio.testing.wait_all_tasks_blocked()
            assert port.closed == 1
    assert story == ["leg.connected", "goodbye:api_hangup", "released", "file written", "leg.disconnected"]
    assert recorder.of("leg.disconnected")[0].data["quality"] == {
        "mos_score": 4.35,
        "rtp_packets_received": 50,
        "rtp_packets_lost": 1,
        "rtp_jitter_ms": 1.23,
        "gaps": 0,
        "concealed_ms": 0,
    }


async def test_a_failing_goodbye_does_not_hide_the_end() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus)
    leg.on_hangup.append(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    leg.say_goodbye = lambda cause: 1 / 0  # type: ignore[method-assign, assignment, return-value]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.live)
        leg.end("api_hangup")
    assert recorder.types == ["leg.disconnected"]


async def test_max_duration_counts_from_the_answer() -> None:
    recorder = Recorder()
    leg = FakeLeg(recorder.bus, max_duration=5)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leg.live)
        await trio.sleep(10)
        leg.connect()
        leg.connect()
    assert recorder.types == ["leg.connected", "leg.disconnected"]
    assert recorder.events[-1].data["cdr"] == {
        "reason": "max_duration",
        "duration_total": 15.0,
        "duration_answered": 5.0,
    }


async def test_waiting_for_the_answer() -> None:
    recorder = Recorder()
    answered, ended, silent = (FakeLeg(recorder.bus) for _ in range(3))
    async with trio.open_nursery() as nursery:
        for leg in (answered, ended, silent):
            nursery.start_soon(leg.live)
        answered.connect()
        await answered.wait_answered(1)
        ended.end("busy")
        with pytest.raises(Conflict):
            await ended.wait_answered(1)
        before = trio.current_time()
        with pytest.raises(Conflict):
            await silent.wait_answered(30)
        assert trio.current_time() - before == 30
        for leg in (answered, silent):
            leg.end("api_hangup")


async def test_a_life_leaves_no_task_behind() -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    life = Life()

    async def body() -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            life.start_soon(trio.sleep_forever)
        nursery.start_soon(lambda: life.live(body, end=lambda cause: None))
        await trio.sleep(1)
        assert life.end(Cause("api_hangup"))
        assert not life.end(Cause("remote_bye"))
    assert trio.lowlevel.current_statistics().tasks_living == before
