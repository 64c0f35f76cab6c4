"""Parts that start in order and stop on their own turn."""

from __future__ import annotations

import pytest
import trio

from vb.stage import Stage


async def test_start_reports_and_stop_waits_for_the_last_work() -> None:
    story: list[str] = []

    async def part(*, task_status: trio.TaskStatus[str]) -> None:
        await trio.sleep(1)
        task_status.started("here")
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
                story.append("finished")

    async with trio.open_nursery() as nursery:
        stage = Stage(part)
        assert await stage.start(nursery) == "here"
        before = trio.current_time()
        stage.cancel()
        await stage.wait_stopped()
        assert trio.current_time() - before == 2
    assert story == ["finished"]


async def test_a_part_that_cannot_start_says_so() -> None:
    async def part(*, task_status: trio.TaskStatus[None]) -> None:
        raise OSError("no")

    async with trio.open_nursery() as nursery:
        with pytest.raises(OSError, match="no"):
            await Stage(part).start(nursery)
