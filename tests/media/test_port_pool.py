"""Even ports in turn, whoever else holds some of them."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from vb.media.port_pool import PortPool, PortsExhausted


@pytest.fixture
def free() -> Iterator[int]:
    """The first of 20 ports that are free now."""
    for start in range(21000, 32000, 100):
        taken = []
        try:
            for port in range(start, start + 20):
                taken.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                taken[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        finally:
            for sock in taken:
                sock.close()
        yield start
        return


def number(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


def test_even_ports_in_turn(free: int) -> None:
    pool = PortPool("127.0.0.1", free, free + 5)
    for wanted in (free, free + 2, free + 4, free, free + 2):
        with pool.open() as sock:
            assert number(sock) == wanted
            assert pool.in_use == 1
        pool.release(wanted)
    assert pool.in_use == 0


def test_a_port_of_another_process_is_skipped(free: int) -> None:
    pool = PortPool("127.0.0.1", free, free + 7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", free + 2))
        with pool.open() as first, pool.open() as second, pool.open() as third:
            assert [number(sock) for sock in (first, second, third)] == [free, free + 4, free + 6]
            with pytest.raises(PortsExhausted):
                pool.open()
    assert pool.in_use == 3


def test_an_odd_start_begins_with_the_even_port_above(free: int) -> None:
    with PortPool("127.0.0.1", free + 1, free + 3).open() as sock:
        assert number(sock) == free + 2


def test_no_range_means_the_kernel_chooses_an_even_port() -> None:
    pool = PortPool("127.0.0.1", 0, 0)
    socks = [pool.open() for _ in range(20)]
    assert all(number(sock) % 2 == 0 for sock in socks)
    for sock in socks:
        pool.release(number(sock))
        sock.close()
    assert pool.in_use == 0


@pytest.mark.parametrize(("low", "high"), [(5, 4), (-2, 10), (70000, 70002), (5, 5)])
def test_ranges_without_a_port(low: int, high: int) -> None:
    with pytest.raises(ValueError):
        PortPool("127.0.0.1", low, high)


def test_a_host_that_is_not_ours_is_no_exhaustion() -> None:
    with pytest.raises(OSError) as caught:
        PortPool("192.0.2.1", 0, 0).open()
    assert not isinstance(caught.value, PortsExhausted)
