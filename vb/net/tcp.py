"""The stream connections of an endpoint: accepted, opened on demand, reused, and bounded in number."""

from __future__ import annotations

import errno
import itertools
import logging
import socket
from collections import Counter

import trio
import trio.abc

from vb.net.addresses import is_wildcard, mark, numeric_family, watch
from vb.net.connection import Connection, StreamOwner
from vb.net.layers import Layers
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.sip.effects import Hop, Send, Transport

log = logging.getLogger("vb.net")

Peer = tuple[Transport, str, int, str]
"""Transport, host as it was asked for or numeric, port, and the domain that a numeric host was found by."""

BACKLOG = 1024
ACCEPT_PAUSE = 0.1  # out of descriptors or memory: the kernel keeps the connection in its backlog meanwhile


class Connections:
    """All stream connections. Posting never waits: a new connection opens behind its outbox."""

    def __init__(self, owner: StreamOwner, layers: Layers, resolver: Resolver, settings: NetSettings) -> None:
        self.overflowed = 0
        self.refused = 0
        self._owner = owner
        self._layers = layers
        self._resolver = resolver
        self._settings = settings
        self._numbers = itertools.count(1)
        self._open: dict[int, Connection] = {}
        self._by_peer: dict[Peer, Connection] = {}
        self._sources: Counter[str] = Counter()
        self._listeners: list[tuple[Transport, trio.SocketListener]] = []

    def __len__(self) -> int:
        return len(self._open)

    @property
    def waiting(self) -> int:
        """Writes that have not been made."""
        return sum(len(connection.outbox) for connection in self._open.values())

    async def listen(self, transport: Transport, host: str, port: int) -> tuple[str, int]:
        """Open a listener; returns where it is bound.

        Raises:
            OSError: the address is taken or not ours.
        """
        (listener,) = await trio.open_tcp_listeners(port, host=host, backlog=BACKLOG)
        self._listeners.append((transport, listener))
        bound: tuple[str, int] = listener.socket.getsockname()[:2]
        return bound

    def start(self, nursery: trio.Nursery) -> None:
        for transport, listener in self._listeners:
            nursery.start_soon(self._accept, transport, listener, nursery)

    def close(self) -> None:
        """Close the listeners; connections end with the nursery that they run in."""
        for _, listener in self._listeners:
            listener.socket.close()

    def post(self, send: Send, nursery: trio.Nursery) -> list[Send]:
        """Queue a write on its connection, a reusable one, or a new one. Returns what is lost for want of room."""
        connection = self._find(send.hop)
        if connection is None:
            if not self._layers.can_open(send.hop.transport):
                return [send]
            if len(self._open) >= self._settings.max_connections:
                self.refused += 1
                return [send]
            connection = self._add(_peer_of(send.hop))
            nursery.start_soon(self._run_outgoing, connection)
        if connection.post(send):
            return []
        self.overflowed += 1
        return [*connection.abort(), send]

    def _find(self, hop: Hop) -> Connection | None:
        """The connection of the hop (RFC 3261 §18.2.2), else any to its address, that still takes writes."""
        to_its_address = self._by_peer.get(_peer_of(hop))
        for found in (self._open.get(hop.connection), to_its_address):
            if found is not None and not found.closing:
                return found
        return None

    def _add(self, peer: Peer) -> Connection:
        transport, host, port, name = peer
        framer = self._layers.framer(transport)
        connection = Connection(next(self._numbers), transport, (host, port), framer, self._settings, name)
        self._open[connection.number] = connection
        self._by_peer[peer] = connection
        return connection

    def _forget(self, connection: Connection) -> None:
        del self._open[connection.number]
        asked_for: Peer = (connection.transport, *connection.peer, connection.name)
        for peer in (asked_for, _numeric(connection)):
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
        for address in await self._resolver.resolve(*connection.peer, connection.transport):
            try:
                with trio.fail_after(self._settings.attempt_timeout):
                    await self._connect_to(connection, address)
            except trio.TooSlowError:
                problem = OSError(errno.ETIMEDOUT, "no answer")
            except OSError as error:
                problem = error
            else:
                return
        raise problem

    async def _connect_to(self, connection: Connection, address: tuple[str, int]) -> None:
        raw = await self._open_stream(*address)
        try:
            remote, local = raw.socket.getpeername()[:2], raw.socket.getsockname()[:2]
            stream = await self._layers.connect(connection.transport, raw, connection.name or connection.peer[0])
        except BaseException:
            await trio.aclose_forcefully(raw)
            raise
        connection.connected(stream, remote, local)
        self._by_peer.setdefault(_numeric(connection), connection)

    async def _open_stream(self, host: str, port: int) -> trio.SocketStream:
        family = numeric_family(host)
        sock = trio.socket.socket(family or socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._prepare(sock)
            local = self._local_address(family)
            if local is not None:
                await sock.bind((local, 0))
            await sock.connect((host, port))
        except BaseException:
            sock.close()
            raise
        return trio.SocketStream(sock)

    def _prepare(self, sock: trio.socket.SocketType) -> None:
        watch(sock)
        mark(sock, self._settings.dscp)

    def _local_address(self, family: int | None) -> str | None:
        """Our own address, so that a host of many addresses is seen at the one that it listens on."""
        for _, listener in self._listeners:
            if listener.socket.family == family:
                host: str = listener.socket.getsockname()[0]
                return None if is_wildcard(host) else host
        return None

    async def _accept(self, transport: Transport, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                log.warning("cannot accept a connection", extra={"error": str(error)})
                await trio.sleep(ACCEPT_PAUSE)
                continue
            if not self._admit(transport, stream, nursery):
                await trio.aclose_forcefully(stream)

    def _admit(self, transport: Transport, stream: trio.SocketStream, nursery: trio.Nursery) -> bool:
        try:
            peer, local = stream.socket.getpeername()[:2], stream.socket.getsockname()[:2]
            self._prepare(stream.socket)
        except OSError:  # it went away while it waited in the backlog
            return False
        settings = self._settings
        if len(self._open) >= settings.max_connections or self._sources[peer[0]] >= settings.max_connections_per_source:
            self.refused += 1
            return False
        connection = self._add((transport, *peer, ""))
        self._sources[peer[0]] += 1
        nursery.start_soon(self._run_accepted, connection, stream, local)
        return True

    async def _run_accepted(self, connection: Connection, raw: trio.SocketStream, local: tuple[str, int]) -> None:
        async def shake_hands() -> None:
            try:
                with trio.fail_after(self._settings.handshake_timeout):
                    stream = await self._layers.accept(connection.transport, raw)
            except BaseException:
                await trio.aclose_forcefully(raw)
                raise
            connection.accepted(stream, local, trio.current_time())

        try:
            await connection.run(self._owner, shake_hands)
        finally:
            host = connection.peer[0]
            self._sources[host] -= 1
            if not self._sources[host]:
                del self._sources[host]
            self._forget(connection)


def _peer_of(hop: Hop) -> Peer:
    return hop.transport, hop.host.lower(), hop.port, hop.name


def _numeric(connection: Connection) -> Peer:
    """By where it really leads: requests inside a dialog go to what the peer calls its address."""
    return connection.transport, *connection.remote, ""
