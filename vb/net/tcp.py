"""The stream connections of an endpoint: accepted, opened on demand, reused, and bounded in number."""

from __future__ import annotations

import errno
import itertools
import logging
import socket
from collections import Counter
from collections.abc import Callable

import trio

from vb.net.addresses import is_wildcard, numeric_family
from vb.net.agent import Framer
from vb.net.connection import Connection, StreamOwner
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.sip.effects import Hop, Send, Transport

log = logging.getLogger("vb.net")

BACKLOG = 1024
ACCEPT_PAUSE = 0.1  # out of descriptors or memory: the kernel keeps the connection in its backlog meanwhile


class Connections:
    """All stream connections of one transport. Posting never waits: a new connection opens behind its outbox."""

    def __init__(
        self, owner: StreamOwner, framer: Callable[[], Framer], resolver: Resolver, settings: NetSettings
    ) -> None:
        self.overflowed = 0
        self.refused = 0
        self._owner = owner
        self._framer = framer
        self._resolver = resolver
        self._settings = settings
        self._transport: Transport = "TCP"
        self._numbers = itertools.count(1)
        self._open: dict[int, Connection] = {}
        self._by_peer: dict[tuple[str, int], Connection] = {}
        self._sources: Counter[str] = Counter()
        self._listeners: list[trio.SocketListener] = []

    def __len__(self) -> int:
        return len(self._open)

    @property
    def waiting(self) -> int:
        """Writes that have not been made."""
        return sum(len(connection.outbox) for connection in self._open.values())

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Open a listener; returns where it is bound.

        Raises:
            OSError: the address is taken or not ours.
        """
        (listener,) = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
        self._listeners.append(listener)
        bound: tuple[str, int] = listener.socket.getsockname()[:2]
        return bound

    def start(self, nursery: trio.Nursery) -> None:
        for listener in self._listeners:
            nursery.start_soon(self._accept, listener, nursery)

    def close(self) -> None:
        """Close the listeners; connections end with the nursery that they run in."""
        for listener in self._listeners:
            listener.socket.close()

    def post(self, send: Send, nursery: trio.Nursery) -> list[Send]:
        """Queue a write on its connection, a reusable one, or a new one. Returns what is lost for want of room."""
        connection = self._find(send.hop)
        if connection is None:
            if len(self._open) >= self._settings.max_connections:
                self.refused += 1
                return [send]
            connection = self._add((send.hop.host.lower(), send.hop.port))
            nursery.start_soon(self._run_outgoing, connection)
        if connection.post(send):
            return []
        self.overflowed += 1
        return [*connection.abort(), send]

    def _find(self, hop: Hop) -> Connection | None:
        """The connection of the hop (RFC 3261 §18.2.2), else any to its address, that still takes writes."""
        for found in (self._open.get(hop.connection), self._by_peer.get((hop.host.lower(), hop.port))):
            if found is not None and not found.closing:
                return found
        return None

    def _add(self, peer: tuple[str, int]) -> Connection:
        connection = Connection(next(self._numbers), self._transport, peer, self._framer(), self._settings)
        self._open[connection.number] = connection
        self._by_peer[peer] = connection
        return connection

    def _forget(self, connection: Connection) -> None:
        del self._open[connection.number]
        for peer in {connection.peer, connection.remote}:
            if self._by_peer.get(peer) is connection:
                del self._by_peer[peer]

    async def _run_outgoing(self, connection: Connection) -> None:
        async def connect() -> None:
            with trio.fail_after(self._settings.connect_timeout):
                await self._connect(connection)

        try:
            await connection.run(self._owner, connect)
        finally:
            self._forget(connection)

    async def _connect(self, connection: Connection) -> None:
        """Try the addresses of the host in turn (RFC 3263 §4.3)."""
        problem: OSError = OSError(errno.EHOSTUNREACH, "no address")
        for address in await self._resolver.resolve(*connection.peer):
            try:
                stream = await self._open_stream(*address)
            except OSError as error:
                problem = error
                continue
            connection.connected(stream, stream.socket.getpeername()[:2], stream.socket.getsockname()[:2])
            self._by_peer.setdefault(connection.remote, connection)
            return
        raise problem

    async def _open_stream(self, host: str, port: int) -> trio.SocketStream:
        family = numeric_family(host)
        sock = trio.socket.socket(family or socket.AF_INET, socket.SOCK_STREAM)
        try:
            local = self._local_address(family)
            if local is not None:
                await sock.bind((local, 0))
            await sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return trio.SocketStream(sock)

    def _local_address(self, family: int | None) -> str | None:
        """Our own address, so that a host of many addresses is seen at the one that it listens on."""
        for listener in self._listeners:
            if listener.socket.family == family:
                host: str = listener.socket.getsockname()[0]
                return None if is_wildcard(host) else host
        return None

    async def _accept(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                log.warning("cannot accept a connection", extra={"error": str(error)})
                await trio.sleep(ACCEPT_PAUSE)
                continue
            if not self._admit(stream, nursery):
                await trio.aclose_forcefully(stream)

    def _admit(self, stream: trio.SocketStream, nursery: trio.Nursery) -> bool:
        try:
            peer, local = stream.socket.getpeername()[:2], stream.socket.getsockname()[:2]
        except OSError:  # it went away while it waited in the backlog
            return False
        settings = self._settings
        if len(self._open) >= settings.max_connections or self._sources[peer[0]] >= settings.max_connections_per_source:
            self.refused += 1
            return False
        connection = self._add(peer)
        connection.accepted(stream, local, trio.current_time())
        self._sources[peer[0]] += 1
        nursery.start_soon(self._run_accepted, connection)
        return True

    async def _run_accepted(self, connection: Connection) -> None:
        try:
            await connection.run(self._owner, None)
        finally:
            host = connection.peer[0]
            self._sources[host] -= 1
            if not self._sources[host]:
                del self._sources[host]
            self._forget(connection)
