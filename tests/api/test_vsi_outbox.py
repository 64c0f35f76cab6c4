"""The queue of one VSI client: events are bounded, the gap is where they are missing."""

from __future__ import annotations

import hypothesis
import hypothesis.strategies as st
import trio
import trio.testing

from vb.api.vsi_outbox import ANSWERS, BURST_CHARACTERS, BURST_FACTOR, Outbox


async def everything(outbox: Outbox) -> list[str]:
    outbox.close()
    texts: list[str] = []
    while (text := await outbox.get()) is not None:
        texts.append(text)
    return texts


async def test_the_gap_stands_where_events_are_missing() -> None:
    dropped: list[int] = []
    outbox = Outbox(2, dropped.append)
    for number in range(5):
        outbox.put_event(f"e{number}")
    assert await outbox.get() == "e0"
    outbox.put_event("e5")
    outbox.put_answer("a")
    outbox.put_event("e6")
    outbox.put_event("e7")
    assert sum(dropped) == 5
    assert await everything(outbox) == [
        "e1",
        '{"type":"events_dropped","count":3}',
        "e5",
        "a",
        '{"type":"events_dropped","count":2}',
    ]


async def test_a_burst_may_exceed_the_size_while_the_client_reads() -> None:
    dropped: list[int] = []
    outbox = Outbox(2, dropped.append, patience=0.25)
    for number in range(40):
        outbox.put_event(str(number))
    assert sum(dropped) == 40 - 2 * BURST_FACTOR
    assert [await outbox.get() for _ in range(33)][-1] == '{"type":"events_dropped","count":8}'


async def test_a_burst_of_large_events_is_bounded_too() -> None:
    dropped: list[int] = []
    outbox = Outbox(2, dropped.append, patience=0.25)
    for _ in range(6):
        outbox.put_event("x" * (BURST_CHARACTERS // 4))
    assert sum(dropped) == 2


async def test_while_a_frame_cannot_be_written_the_size_holds() -> None:
    dropped: list[int] = []
    outbox = Outbox(2, dropped.append, patience=0.25)
    outbox.put_event("a")
    assert await outbox.get() == "a"
    await trio.sleep(0.26)
    for text in "bcde":
        outbox.put_event(text)
    assert sum(dropped) == 2
    assert [await outbox.get(), await outbox.get()] == ["b", "c"]


async def test_answers_are_never_dropped_but_hold_the_reader() -> None:
    outbox = Outbox(1)
    for number in range(ANSWERS):
        outbox.put_answer(str(number))
    through = trio.Event()

    async def reader() -> None:
        await outbox.wait_room()
        through.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await trio.testing.wait_all_tasks_blocked()
        assert not through.is_set()
        await outbox.get()
        await through.wait()
    assert len(await everything(outbox)) == ANSWERS - 1


async def test_closing_wakes_whoever_waits_and_takes_no_more() -> None:
    outbox = Outbox(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.get)
        await trio.testing.wait_all_tasks_blocked()
        outbox.close()
    outbox.put_event("late")
    outbox.put_answer("late")
    assert await outbox.get() is None


@hypothesis.given(st.integers(1, 4), st.lists(st.sampled_from(["event", "answer", "read"]), max_size=60))
def test_nothing_is_lost_uncounted(size: int, steps: list[str]) -> None:
    """Every event is either delivered in order or counted in the gap at its place."""

    async def run() -> None:
        outbox, sent, got = Outbox(size), 0, []
        for step in steps:
            if step == "event":
                outbox.put_event(str(sent))
                sent += 1
            elif step == "answer":
                outbox.put_answer("a")
            elif len(outbox):
                got.append(await outbox.get())
        next_event = 0
        for text in [*got, *await everything(outbox)]:
            assert text is not None
            if text.startswith("{"):
                next_event += int(text.split(":")[-1][:-1])
            elif text != "a":
                assert text == str(next_event)
                next_event += 1
        assert next_event == sent

    trio.run(run)
