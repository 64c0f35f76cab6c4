"""One stream connection in virtual time: cutting, keep-alives, garbage, patience, and peers that do not read."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import trio
import trio.testing

from vb.net.connection import Connection
from vb.net.settings import NetSettings
from vb.sip.effects import Hop, Send
from vb.sip.errors import RemoteError
from vb.sip.framing import StreamFramer

PEER, LOCAL = ("192.0.2.7", 40000), ("192.0.2.1", 5060)
OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\n\r\nbody"
SETTINGS = NetSettings(outbox_messages=4)


class Owner:
    """Records; answers each message with ``answer`` and garbage with ``refused``."""

    def __init__(self) -> None:
        self.connection = Connection(9, "TCP", PEER, StreamFramer(), SETTINGS)
        self.messages: list[bytes] = []
        self.sources: list[Hop] = []
        self.garbage: list[RemoteError] = []
        self.lost: list[bytes] = []
        self.ended = trio.Event()
        self.needed = False

    def received_message(self, data: bytes, source: Hop) -> None:
        self.messages.append(data)
        self.sources.append(source)
        self.connection.post(Send(b"answer", source))

    def received_garbage(self, head: bytes, error: RemoteError, source: Hop) -> None:
        self.garbage.append(error)
        self.connection.post(Send(b"refused", source))

    def carry_out(self) -> None:
        pass

    def needs(self, hop: Hop) -> bool:
        assert hop.connection == 9
        return self.needed

    def undelivered(self, sends: list[Send]) -> None:
        self.lost += [send.data for send in sends]

    async def run(self) -> None:
        await self.connection.run(self, None)
        self.ended.set()


@contextlib.asynccontextmanager
async def accepted(*, lockstep: bool = False) -> AsyncIterator[tuple[Owner, trio.StapledStream]]:
    """An accepted connection and the peer's end of it."""
    pair = trio.testing.lockstep_stream_pair if lockstep else trio.testing.memory_stream_pair
    ours, theirs = pair()  # type: ignore[operator]
    owner = Owner()
    owner.connection.accepted(ours, LOCAL, trio.current_time())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(owner.run)
        yield owner, theirs
        nursery.cancel_scope.cancel()


async def receive_all(stream: trio.StapledStream) -> bytes:
    data = b""
    while chunk := await stream.receive_some(1000):
        data += chunk
    return data


async def test_messages_come_whole_however_they_are_cut() -> None:
    async with accepted() as (owner, peer):
        for octet in OPTIONS + OPTIONS:
            await peer.send_all(bytes([octet]))
        await trio.testing.wait_all_tasks_blocked()
        assert owner.messages == [OPTIONS, OPTIONS]
        assert owner.sources[0] == Hop("TCP", *PEER, connection=9, local=LOCAL)
        assert await peer.receive_some(100) == b"answeranswer"


async def test_a_ping_of_two_line_breaks_is_answered_by_one() -> None:
    """RFC 5626 §4.4.1."""
    async with accepted() as (owner, peer):
        await peer.send_all(b"\r\n\r\n" * 2 + OPTIONS)
        await trio.testing.wait_all_tasks_blocked()
        assert owner.messages == [OPTIONS]
        assert sorted(await peer.receive_some(100)) == sorted(b"answer\r\n\r\n")


async def test_garbage_is_refused_and_the_connection_closed_after_the_answer() -> None:
    async with accepted() as (owner, peer):
        await peer.send_all(OPTIONS.replace(b": 4", b": -4"))
        assert await receive_all(peer) == b"refused"
        await peer.aclose()
        await owner.ended.wait()
        assert len(owner.garbage) == 1
        assert owner.connection.closing


async def test_who_sends_nothing_whole_is_not_waited_for_long() -> None:
    started = trio.current_time()
    async with accepted() as (owner, peer):
        for octet in OPTIONS:
            await peer.send_all(bytes([octet]))
            await trio.sleep(1)
            if owner.connection.closing:
                break
        assert SETTINGS.message_timeout <= trio.current_time() - started <= SETTINGS.message_timeout + 1
        assert await receive_all(peer) == b""


async def test_an_idle_connection_is_closed_and_either_direction_counts_as_life() -> None:
    async with accepted() as (owner, peer):
        await peer.send_all(OPTIONS)
        await trio.sleep(600)
        owner.connection.post(Send(b"hello", owner.sources[0]))
        await trio.sleep(600)
        await peer.send_all(b"\r\n\r\n")
        await trio.sleep(600)
        assert not owner.connection.closing
        await trio.sleep(301)
        assert owner.connection.closing
        assert await receive_all(peer) == b"answerhello\r\n"


async def test_an_idle_connection_of_a_call_is_kept_while_the_call_goes_on() -> None:
    async with accepted() as (owner, peer):
        await peer.send_all(OPTIONS)
        owner.needed = True
        await trio.sleep(3000)
        assert not owner.connection.closing
        owner.needed = False
        await trio.sleep(901)
        assert owner.connection.closing
        assert await receive_all(peer) == b"answer"


async def test_what_is_queued_when_the_peer_closes_is_still_written() -> None:
    async with accepted() as (owner, peer):
        await peer.send_all(OPTIONS)
        await peer.send_eof()
        assert await receive_all(peer) == b"answer"
        await owner.ended.wait()
        assert owner.lost == []


async def test_a_closing_send_ends_it() -> None:
    async with accepted() as (owner, peer):
        owner.connection.post(Send(b"last", Hop("TCP", *PEER), close=True))
        assert not owner.connection.post(Send(b"more", Hop("TCP", *PEER)))
        assert await receive_all(peer) == b"last"


async def test_a_peer_that_does_not_read_is_given_up_and_the_rest_reported() -> None:
    started = trio.current_time()
    async with accepted(lockstep=True) as (owner, _peer):
        posted = [owner.connection.post(Send(b"%d" % number, Hop("TCP", *PEER))) for number in range(6)]
        assert posted == [True] * 4 + [False] * 2
        await owner.ended.wait()
        assert trio.current_time() - started == SETTINGS.write_timeout
        assert owner.lost == [b"0", b"1", b"2", b"3"]


async def test_aborting_gives_back_what_was_not_written() -> None:
    async with accepted(lockstep=True) as (owner, _peer):
        owner.connection.post(Send(b"1", Hop("TCP", *PEER)))
        await trio.testing.wait_all_tasks_blocked()
        assert [send.data for send in owner.connection.abort()] == [b"1"]
        await owner.ended.wait()
        assert owner.lost == []
