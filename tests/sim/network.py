"""A network of datagrams in virtual time: seeded loss, delay, reordering and duplication between virtual addresses.

``VirtualNetwork.open`` takes the place of the kernel's UDP socket below ``SipEndpoint``, so two endpoints with real
agents talk through any weather in no time at all::

    network = VirtualNetwork(random.Random(1), Weather(loss=0.3, delay=0.05, jitter=0.2, duplicate=0.1))
    endpoint = SipEndpoint(agent, [Listen("UDP", "192.0.2.1", 5060)], deliver, open_datagrams=network.open)
"""

from __future__ import annotations

import errno
import heapq
import itertools
import socket
from random import Random

import attrs
import trio

from vb.net.addresses import bind_family
from vb.net.settings import NetSettings
from vb.net.udp import Datagram


@attrs.frozen
class Weather:
    """What happens to a datagram: probabilities 0-1, times in seconds.

    A datagram takes ``delay`` plus up to ``jitter``; with probability ``reorder`` another ``held`` seconds.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.01
    jitter: float = 0.0
    held: float = 0.2


@attrs.frozen
class Passage:
    """One datagram as it was sent, and when its copies arrive (none: it was lost)."""

    sent: float
    source: tuple[str, int]
    target: tuple[str, int]
    data: bytes
    arrivals: tuple[float, ...]


class VirtualNetwork:
    """Connects the sockets opened on it. ``log`` has every datagram in the order of sending.

    ``down`` holds hosts that nothing reaches (silently); a send to one of ``unreachable`` raises ENETUNREACH.
    """

    def __init__(self, rng: Random, weather: Weather | None = None) -> None:
        self.weather = weather or Weather()
        self.log: list[Passage] = []
        self.down: set[str] = set()
        self.unreachable: set[str] = set()
        self._rng = rng
        self._sockets: dict[tuple[str, int], VirtualSocket] = {}
        self._ports = itertools.count(40000)

    def open(self, host: str, port: int, settings: NetSettings | None = None) -> VirtualSocket:
        """A socket bound to this virtual address; port 0 takes a free one. OSError EADDRINUSE when it is taken."""
        local = (host, port or next(self._ports))
        if local in self._sockets:
            raise OSError(errno.EADDRINUSE, "address in use")
        self._sockets[local] = opened = VirtualSocket(self, local)
        return opened

    def send(self, source: tuple[str, int], target: tuple[str, int], data: bytes) -> None:
        if target[0] in self.unreachable:
            raise OSError(errno.ENETUNREACH, "network is unreachable")
        now = trio.current_time()
        arrivals = () if target[0] in self.down else tuple(now + delay for delay in self._fate())
        self.log.append(Passage(now, source, target, data, arrivals))
        receiver = self._sockets.get(target)
        if receiver is not None:
            for arrival in arrivals:
                receiver.put(arrival, (data, *source, target[0]))

    def forget(self, local: tuple[str, int]) -> None:
        self._sockets.pop(local, None)

    def _fate(self) -> list[float]:
        """The delay of each copy that arrives. Always draws as often, so one change of weather keeps the other dice."""
        weather, dice = self.weather, [self._rng.random() for _ in range(6)]
        copies = 0 if dice[0] < weather.loss else 2 if dice[1] < weather.duplicate else 1
        held = weather.held if dice[2] < weather.reorder else 0.0
        return [weather.delay + weather.jitter * dice[3 + copy] + held * (copy == 0) for copy in range(copies)]


class VirtualSocket:
    """A datagram socket of the virtual network. ``full`` makes sends block until it is cleared by ``drain``."""

    receive_buffer = 0
    kernel_drops = 0

    def __init__(self, network: VirtualNetwork, local: tuple[str, int]) -> None:
        self.local = local
        self.family: socket.AddressFamily = bind_family(local[0])
        self._network = network
        self._arriving: list[tuple[float, int, Datagram]] = []
        self._count = itertools.count()
        self._changed = trio.Event()
        self._writable = trio.Event()
        self._writable.set()

    def put(self, arrival: float, datagram: Datagram) -> None:
        heapq.heappush(self._arriving, (arrival, next(self._count), datagram))
        self._changed.set()

    def fill(self) -> None:
        """From now on sends would block."""
        self._writable = trio.Event()

    def drain(self) -> None:
        self._writable.set()

    def receive_nowait(self) -> Datagram | None:
        if self._arriving and self._arriving[0][0] <= trio.current_time():
            return heapq.heappop(self._arriving)[2]
        return None

    def send_nowait(self, data: bytes, host: str, port: int, source: str | None) -> None:
        if not self._writable.is_set():
            raise BlockingIOError
        self._network.send(self.local, (host, port), data)

    async def wait_readable(self) -> None:
        while True:
            self._changed = trio.Event()
            due = self._arriving[0][0] if self._arriving else float("inf")
            if due <= trio.current_time():
                await trio.lowlevel.checkpoint()
                return
            with trio.move_on_at(due):
                await self._changed.wait()

    async def wait_writable(self) -> None:
        await self._writable.wait()

    def close(self) -> None:
        self._network.forget(self.local)
