"""The outbox: in order, bounded, and never in the way of who posts."""

from __future__ import annotations

import pytest
import trio

from vb.net.outbox import Outbox
from vb.sip.effects import Hop, Send

HOP = Hop("TCP", "192.0.2.1", 5060)


def item(data: bytes, *, close: bool = False) -> Send:
    return Send(data, HOP, close)


async def test_it_writes_in_order_and_ends_after_a_closing_send() -> None:
    outbox, written = Outbox(10, 1000), list[bytes]()

    async def write(send: Send) -> None:
        await trio.sleep(1)
        written.append(send.data)

    assert outbox.post(item(b"1"))
    assert outbox.post(item(b"2"))
    assert outbox.post(item(b"3", close=True))
    assert not outbox.post(item(b"4")), "closing takes nothing more"
    await outbox.run(write)
    assert written == [b"1", b"2", b"3"]
    assert len(outbox) == 0


async def test_messages_and_octets_are_bounded_and_room_comes_back() -> None:
    outbox = Outbox(3, 10)
    assert [outbox.post(item(b"xxxx")) for _ in range(3)] == [True, True, False]
    assert outbox.post(item(b"x"))
    assert not outbox.post(item(b"x")), "three messages are waiting"

    async def write(send: Send) -> None:
        await trio.lowlevel.checkpoint()

    outbox.close()
    await outbox.run(write)
    assert len(outbox) == 0


async def test_what_a_broken_write_leaves_can_be_taken() -> None:
    outbox = Outbox(10, 1000)
    outbox.post(item(b"1"))
    outbox.post(item(b"2"))

    async def write(send: Send) -> None:
        raise trio.BrokenResourceError

    with pytest.raises(trio.BrokenResourceError):
        await outbox.run(write)
    assert [send.data for send in outbox.take_unsent()] == [b"1", b"2"]
    assert outbox.take_unsent() == []


async def test_a_sleeping_writer_is_woken_by_post_and_by_close() -> None:
    outbox, times = Outbox(10, 1000), list[float]()

    async def write(send: Send) -> None:
        times.append(trio.current_time())

    started = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(outbox.run, write)
        await trio.sleep(1)
        outbox.post(item(b"1"))
        await trio.sleep(1)
        outbox.post(item(b"2"))
        await trio.sleep(1)
        outbox.close()
    assert [at - started for at in times] == [1, 2]
    assert trio.current_time() - started == 3
