"""Drive one SIP user agent: bytes and time in, sends and events out. The only holder of the agent.

Nothing here waits for the network: a write goes out at once or to the outbox of its own connection, so a peer that
stops reading delays nobody's timers. Whatever touches the agent is followed at once by carrying out what it wants.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Generic, Literal, TypeVar

import attrs
import trio

from vb.net.agent import Agent, Framer
from vb.net.datagrams import DatagramPort, choose_port
from vb.net.layers import Layers
from vb.net.locator import Locator
from vb.net.resolver import ResolveError, Resolver
from vb.net.settings import NetSettings
from vb.net.statistics import EndpointStatistics
from vb.net.tcp import Connections
from vb.net.tls import TlsContexts
from vb.net.udp import Datagram, DatagramSocket, UdpSocket
from vb.sip.effects import Hop, Send, Transport
from vb.sip.errors import RemoteError
from vb.sip.framing import StreamFramer
from vb.sip.limits import DEFAULT_LIMITS
from vb.sip.uri import Uri

log = logging.getLogger("vb.net")

EventT = TypeVar("EventT")
T = TypeVar("T")
Trace = Callable[[Literal["in", "out", "error"], bytes, Hop, float], None]
OpenDatagrams = Callable[[str, int, NetSettings], DatagramSocket]

MAX_ROUNDS = 1000  # of sends and events caused by events, before others get a turn
FLUSH_INTERVAL = 0.01
SPIN_PAUSE = 0.001


@attrs.frozen
class Listen:
    """One address to listen on; port 0 lets the kernel choose."""

    transport: Transport
    host: str
    port: int


class SipEndpoint(Generic[EventT]):
    """Sockets around one agent.

    Args:
        agent: the protocol core; only this object calls it.
        listen: where to listen. An endpoint without a TCP listener still opens TCP connections when a send asks for it.
        deliver: called with each event, synchronously; it may call ``command``. What it raises is logged and counted.
        trace: called with every message in and out, before it is looked at or posted; again with ``error`` for one that
            could not be delivered, and for what cannot be framed.
        settings: sizes and times.
        open_datagrams: opens a datagram socket; tests bring a virtual network.
        tls: our certificate and whom we trust; without it nothing goes over TLS.
    """

    def __init__(
        self,
        agent: Agent[EventT],
        listen: Sequence[Listen],
        deliver: Callable[[EventT], None],
        trace: Trace | None = None,
        *,
        settings: NetSettings | None = None,
        open_datagrams: OpenDatagrams = UdpSocket,
        resolver: Resolver | None = None,
        framer: Callable[[], Framer] = lambda: StreamFramer(DEFAULT_LIMITS),
        tls: TlsContexts | None = None,
    ) -> None:
        self._agent = agent
        self._listen = tuple(listen)
        self._deliver = deliver
        self._trace = trace
        self._settings = settings = settings or NetSettings()
        self._open_datagrams = open_datagrams
        self._resolver = resolver or Resolver(
            timeout=settings.resolve_timeout, ttl=settings.resolve_ttl, max_lookups=settings.max_lookups
        )
        self._ports: list[DatagramPort] = []
        self._locator = Locator(self._resolver, _transports(self._listen, tls))
        self._connections = Connections(self, Layers(framer, tls), self._resolver, settings)
        self._nursery: trio.Nursery | None = None
        self._wake = trio.Event()
        self._asleep_until = -inf
        self._carrying_out = False
        self._failed: list[Hop] = []
        self._resolving = 0
        self._messages_in = self._sends_failed = self._agent_errors = self._deliver_errors = 0

    async def run(self, *, task_status: trio.TaskStatus[tuple[Hop, ...]] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the sockets, report their addresses (in the order of ``listen``), serve until cancelled.

        Raises:
            OSError: an address cannot be bound; nothing stays open.
        """
        try:
            bound = [await self._open(listen) for listen in self._listen]
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for port in self._ports:
                    nursery.start_soon(port.run_receiver, self._receiver(port), self.carry_out)
                    nursery.start_soon(port.run_writer)
                self._connections.start(nursery)
                nursery.start_soon(self._run_timers)
                self.carry_out()  # what was commanded before there were sockets
                task_status.started(tuple(bound))
        finally:
            self._nursery = None
            for port in self._ports:
                port.socket.close()
            self._connections.close()

    def command(self, verb: Callable[[float], T]) -> T:
        """Call ``verb(now)``, which acts on the agent, and carry out what came of it before returning its result.

        Inside ``deliver`` the verb runs at once; what comes of it follows when the present events have been told.
        """
        try:
            return verb(trio.current_time())
        finally:
            self.carry_out()

    async def locate(self, uri: Uri) -> list[Hop]:
        """The targets of a request to ``uri``, best first (RFC 3263). Raises ResolveError (an OSError)."""
        return await self._locator.locate(uri)

    async def flush(self, seconds: float) -> bool:
        """Wait until everything posted has been written, at most so long. Whether it has."""
        with trio.move_on_after(seconds):
            while self._waiting():  # noqa: ASYNC110 - a sum over many outboxes, asked once in a lifetime
                await trio.sleep(FLUSH_INTERVAL)
        return not self._waiting()

    def statistics(self) -> EndpointStatistics:
        ports = self._ports
        return EndpointStatistics(
            datagrams_in=sum(port.received for port in ports),
            datagrams_out=sum(port.sent for port in ports),
            datagrams_dropped=sum(port.dropped for port in ports),
            datagram_errors=sum(port.errors for port in ports),
            kernel_drops=sum(port.socket.kernel_drops for port in ports),
            receive_buffer=min((port.socket.receive_buffer for port in ports), default=0),
            messages_in=self._messages_in,
            open_connections=len(self._connections),
            refused_connections=self._connections.refused,
            overflowed_outboxes=self._connections.overflowed,
            waiting=self._waiting(),
            sends_failed=self._sends_failed,
            agent_errors=self._agent_errors,
            deliver_errors=self._deliver_errors,
        )

    # What the transports call.

    def received_message(self, data: bytes, source: Hop) -> None:
        """One whole message has come in; ``carry_out`` follows."""
        self._messages_in += 1
        now = trio.current_time()
        if self._trace is not None:
            self._guard(self._trace, "in", data, source, now)
        self._guard(self._agent.receive, data, source, now)

    def received_garbage(self, head: bytes, error: RemoteError, source: Hop) -> None:
        """A connection sent what cannot be framed; ``carry_out`` follows, then the connection closes."""
        if self._trace is not None:
            self._guard(self._trace, "error", head, source, trio.current_time())
        self._guard(self._agent.reject_stream, head, error, source, trio.current_time())

    def needs(self, hop: Hop) -> bool:
        return self._agent.needs(hop)

    def undelivered(self, sends: list[Send]) -> None:
        """These could not be written: tell the agent (RFC 3261 §17.1.4, §17.2.4)."""
        self._fail(sends)
        self.carry_out()

    def carry_out(self) -> None:
        """Do what is due, post what is to be sent, tell what has happened, until nothing is left of either."""
        if self._carrying_out:
            return
        self._carrying_out = True
        try:
            for _ in range(MAX_ROUNDS):
                if not self._carry_out_once():
                    break
            else:
                self._wake.set()
        finally:
            self._carrying_out = False
        if self._agent.next_deadline() < self._asleep_until:
            self._wake.set()

    def _carry_out_once(self) -> bool:
        """One round; whether there was anything to do."""
        if self._nursery is None:  # nothing can be sent; it stays with the agent until there are sockets
            return False
        now = trio.current_time()
        if self._agent.next_deadline() <= now:
            self._guard(self._agent.handle_timers, now)
        sends, failed = self._agent.take_sends(), self._failed
        for send in sends:
            self._post(send, self._nursery)
        if failed:
            self._failed = []
            for hop in dict.fromkeys(failed):
                self._guard(self._agent.transport_failed, hop, now)
        events = self._agent.take_events()
        for event in events:
            try:
                self._deliver(event)
            except Exception:
                self._deliver_errors += 1
                log.exception("an event was not handled", extra={"event": type(event).__name__})
        return bool(sends or failed or events or self._failed)

    def _guard(self, call: Callable[..., Any], *args: object) -> None:
        """The agent takes any bytes at any time without raising; should it not, one message is lost, not the server."""
        try:
            call(*args)
        except Exception:
            self._agent_errors += 1
            log.exception("the agent failed")

    def _post(self, send: Send, nursery: trio.Nursery) -> None:
        if self._trace is not None:
            self._guard(self._trace, "out", send.data, send.hop, trio.current_time())
        transport = send.hop.transport
        if transport != "UDP":
            self._fail(self._connections.post(send, nursery))
        elif not self._ports:
            self._fail([send])
        elif (addresses := self._resolver.cached(send.hop.host, send.hop.port, "UDP")) is None:
            self._resolve_later(send, nursery)
        else:
            self._post_datagram(send, addresses)

    def _post_datagram(self, send: Send, addresses: list[tuple[str, int]]) -> None:
        """Send to the first address that a socket of ours can reach."""
        for address in addresses:
            chosen = choose_port(self._ports, address[0], send.hop.local)
            if chosen is not None and chosen.post(send, address):
                return
        self._fail([send])

    def _resolve_later(self, send: Send, nursery: trio.Nursery) -> None:
        if self._resolving >= self._settings.max_lookups:
            self._fail([send])
            return
        self._resolving += 1
        nursery.start_soon(self._resolve_and_post, send)

    async def _resolve_and_post(self, send: Send) -> None:
        try:
            addresses = await self._resolver.resolve(send.hop.host, send.hop.port, "UDP")
        except ResolveError as error:
            log.info("cannot send", extra={"peer": f"{send.hop.host}:{send.hop.port}", "error": str(error)})
            self.undelivered([send])
        else:
            self._post_datagram(send, addresses)
            self.carry_out()
        finally:
            self._resolving -= 1

    def _fail(self, sends: list[Send]) -> None:
        self._sends_failed += len(sends)
        if self._trace is not None:
            for send in sends:
                self._guard(self._trace, "error", send.data, send.hop, trio.current_time())
        self._failed += (send.hop for send in sends)

    def _waiting(self) -> int:
        return self._resolving + self._connections.waiting + sum(port.waiting for port in self._ports)

    async def _open(self, listen: Listen) -> Hop:
        try:
            host, port = await self._bind(listen)
        except OSError as error:
            text = f"{error.strerror or error} ({listen.transport} {listen.host}:{listen.port})"
            raise OSError(error.errno, text) from error
        return Hop(listen.transport, host, port, local=(host, port))

    async def _bind(self, listen: Listen) -> tuple[str, int]:
        if listen.transport != "UDP":
            return await self._connections.listen(listen.transport, listen.host, listen.port)
        sock = self._open_datagrams(listen.host, listen.port, self._settings)
        self._ports.append(DatagramPort(sock, self._settings, lambda send: self.undelivered([send])))
        return sock.local

    def _receiver(self, port: DatagramPort) -> Callable[[Datagram], None]:
        local_port = port.socket.local[1]

        def receive(datagram: Datagram) -> None:
            data, host, source_port, local_host = datagram
            self.received_message(data, Hop("UDP", host, source_port, local=(local_host, local_port)))

        return receive

    async def _run_timers(self) -> None:
        """Sleep to the next deadline; ``carry_out`` wakes us when there is an earlier one."""
        while True:
            self._asleep_until = self._agent.next_deadline()
            with trio.move_on_at(self._asleep_until):
                await self._wake.wait()
            self._wake = trio.Event()
            self._asleep_until = -inf
            self.carry_out()
            if self._agent.next_deadline() <= trio.current_time():  # should a timer never be done, we spin slowly
                await trio.sleep(SPIN_PAUSE)


def _transports(listen: Sequence[Listen], tls: TlsContexts | None) -> list[Transport]:
    """What requests of ours can go by: UDP from the sockets that listen, TCP and TLS from new ones."""
    found: list[Transport] = ["UDP"] if any(each.transport == "UDP" for each in listen) else []
    return [*found, "TCP", "TLS"] if tls is not None else [*found, "TCP"]
