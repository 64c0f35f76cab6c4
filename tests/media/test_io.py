"""The choice of implementation, and the ring by itself."""

from __future__ import annotations

import errno
import logging
import socket

import numpy as np
import pytest

from tests.media.conftest import uring_refused
from tests.media.stage import level, staged
from vb.media import io_uring
from vb.media.io import open_io, reads_again, survivable
from vb.media.ring import MSG_DONTWAIT, OP_RECV, OP_SEND, SQE, Ring
from vb.media.rows import Rows


def refuse(entries: int) -> Ring:
    raise PermissionError(1, "Operation not permitted")


@pytest.mark.parametrize("asked", ["auto", "uring"])
def test_a_refused_ring_falls_back_and_is_logged(
    asked: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(io_uring, "Ring", refuse)
    with caplog.at_level(logging.INFO, "vb.media"):
        io = open_io(asked, Rows(4))  # type: ignore[arg-type]
    io.close()
    assert io.name == "epoll"
    assert [record.levelname for record in caplog.records] == ["WARNING" if asked == "uring" else "INFO", "INFO"]


def test_epoll_is_not_second_guessed() -> None:
    io = open_io("epoll", Rows(4))
    io.close()
    assert io.name == "epoll"


def test_the_ring_wraps() -> None:
    try:
        ring = Ring(8)
    except OSError as error:
        pytest.skip(f"io_uring is refused here: {error}")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source,
    ):
        sink.bind(("127.0.0.1", 0))
        source.connect(sink.getsockname())
        out, into = np.arange(48, dtype=np.uint8).reshape(6, 8), np.zeros((6, 8), np.uint8)
        for _ in range(20):
            for opcode, fd, rows in ((OP_SEND, source.fileno(), out), (OP_RECV, sink.fileno(), into)):
                entries = np.zeros(6, SQE)
                entries["opcode"], entries["op_flags"], entries["user_data"] = opcode, MSG_DONTWAIT, np.arange(6)
                entries["fd"], entries["addr"], entries["len"] = fd, rows.ctypes.data + np.arange(6) * 8, 8
                done = ring.run(entries)
                assert sorted(done["user_data"].tolist()) == list(range(6))
                assert (done["res"] == 8).all()
            assert (into == out).all()
            into[:] = 0
            assert (ring.run(entries)["res"] == -11).all()  # EAGAIN: nothing waits, nothing blocks
    ring.close()


def test_more_rows_than_the_ring_has_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    if why := uring_refused():
        pytest.skip(f"io_uring is refused here: {why}")
    monkeypatch.setattr(io_uring, "ENTRIES", 8)
    with staged("uring", capacity=4) as stage:
        mix = stage.clock.open_mix(8000)
        peers = [stage.peer() for _ in range(21)]
        for peer in peers:
            peer.port.join(mix)
        stage.settle(*peers)
        for step in range(1, 6):
            for peer in peers:
                peer.say(10 * step)
            stage.tick()
            assert {tuple(peer.heard()) for peer in peers} == {(level(20 * level(10 * step)),)}


def test_a_packet_that_cannot_go_is_no_broken_socket() -> None:
    assert all(survivable(number) for number in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.EAGAIN))
    assert not any(survivable(number) for number in (errno.EBADF, errno.ENOTSOCK, None))


def test_many_rows_are_emptied_in_turns() -> None:
    assert all(reads_again(1000, tick, 0) for tick in range(4))
    assert [reads_again(1000, tick, 1) for tick in range(8)] == [True, False, False, False] * 2
    assert all(reads_again(16, tick, 1) for tick in range(4))
