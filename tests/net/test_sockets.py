"""The kernel's sockets: RTP sockets, receive buffers and drops, the descriptor limit, addresses."""

from __future__ import annotations

import errno
import resource
import socket

import pytest
import trio

from vb.net.addresses import numeric_family
from vb.net.descriptors import raise_descriptor_limit
from vb.net.own_address import default_address
from vb.net.rtp_socket import open_rtp_socket
from vb.net.settings import NetSettings
from vb.net.socket_memory import kernel_drops, raise_receive_buffer, receive_queue
from vb.net.udp import UdpSocket


@pytest.mark.parametrize(
    ("host", "family"),
    [
        ("192.0.2.1", socket.AF_INET),
        ("::1", socket.AF_INET6),
        ("fe80::1%eth0", socket.AF_INET6),
        ("example.com", None),
        ("1.2.3", None),
        ("1.2.3.4.5", None),
        ("a:b", None),
        ("", None),
        ("1.2.3.4\0", None),
    ],
)
def test_numeric_family(host: str, family: int | None) -> None:
    assert numeric_family(host) == family


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_rtp_socket_is_bound_nonblocking_and_alone(host: str) -> None:
    with open_rtp_socket(host, 0, dscp=46) as sock:
        port = sock.getsockname()[1]
        assert sock.getblocking() is False
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 256 * 1024
        with pytest.raises(OSError, match=f"Errno {errno.EADDRINUSE}"):
            open_rtp_socket(host, port)
    with pytest.raises(OSError, match="not a numeric"):
        open_rtp_socket("localhost", 0)


def test_the_kernel_tells_queue_and_drops() -> None:
    with open_rtp_socket("127.0.0.1", 0) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        raise_receive_buffer(sock, 8192)
        for _ in range(200):
            sender.sendto(bytes(500), sock.getsockname())
        queued, capacity = receive_queue(sock)
        assert 0 < queued <= capacity + 2000
        assert kernel_drops(sock) > 100
    assert kernel_drops(sock) == 0, "a closed socket tells nothing"


@pytest.mark.parametrize("version", [4, 6])
def test_the_default_address_is_one_of_ours(version: int) -> None:
    with open_rtp_socket(default_address(version), 0) as sock:
        assert sock.family == {4: socket.AF_INET, 6: socket.AF_INET6}[version]


def test_raising_the_descriptor_limit() -> None:
    before, after = raise_descriptor_limit()
    assert before <= after == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert raise_descriptor_limit() == (after, after)


@pytest.mark.parametrize(("host", "loopback"), [("0.0.0.0", "127.0.0.3"), ("::", "::1"), ("127.0.0.3", "127.0.0.3")])
@pytest.mark.realtime
async def test_a_wildcard_socket_answers_from_the_address_that_was_written_to(host: str, loopback: str) -> None:
    sock = UdpSocket(host, 0, NetSettings())
    with socket.socket(sock.family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        peer.sendto(b"hello", (loopback, sock.local[1]))
        await sock.wait_readable()
        datagram = sock.receive_nowait()
        assert datagram is not None
        data, source, port, local = datagram
        assert (data, local) == (b"hello", loopback)
        assert sock.receive_nowait() is None
        sock.send_nowait(b"answer", source, port, local)
        answer, origin = await trio.to_thread.run_sync(peer.recvfrom, 100)
        assert (answer, origin[:2]) == (b"answer", (loopback, sock.local[1]))
    sock.close()
    sock.close()


def test_an_address_that_is_not_ours_leaves_nothing_open() -> None:
    with pytest.raises(OSError, match=f"Errno {errno.EADDRNOTAVAIL}"):
        UdpSocket("192.0.2.1", 0, NetSettings())
    with pytest.raises(OSError, match="numeric"):
        UdpSocket("sip.example", 0, NetSettings())
