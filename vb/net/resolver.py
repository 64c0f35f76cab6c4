"""Names to servers (RFC 3263), with a deadline, a memory with an end, and a bound on how many are asked for at once."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from random import Random

import trio

from vb.net.addresses import numeric_family
from vb.net.records import Answer, Dns, Kind, Naptr, Record, Srv, in_order
from vb.sip.effects import Transport
from vb.sip.routing import default_port

Addresses = list[tuple[str, int]]
Lookup = Callable[[str], Awaitable[list[str]]]
Question = tuple[Kind, str]

MAX_REMEMBERED = 1024
MAX_SERVERS = 8  # that one name is followed to
THREADS = 8  # our own, so that slow names keep no other work from its thread
FAILURE_TTL = 2.0
MIN_TTL, MAX_TTL = 1.0, 3600.0
_SERVICES: dict[Transport, str] = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}


class ResolveError(OSError):
    """The name has no address, or none in time."""


class SystemLookup:
    """Numeric addresses of a name by the system's resolver, which blocks: in a thread, a few at once."""

    def __init__(self) -> None:
        self._limiter: trio.CapacityLimiter | None = None

    async def __call__(self, name: str) -> list[str]:
        if self._limiter is None:
            self._limiter = trio.CapacityLimiter(THREADS)
        return await trio.to_thread.run_sync(_ask_system, name, abandon_on_cancel=True, limiter=self._limiter)


def _ask_system(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class AddressesOnly:
    """A DNS that knows only addresses: those that ``lookup`` finds, good for ``ttl`` seconds."""

    def __init__(self, lookup: Lookup, ttl: float) -> None:
        self._lookup = lookup
        self._ttl = ttl

    def known(self, name: str) -> list[str]:
        return []

    async def ask(self, kind: Kind, name: str) -> Answer:
        return Answer(tuple(await self._lookup(name)) if kind == "ADDRESS" else (), self._ttl)


class Resolver:
    """Finds where a name is served. A name asked for twice at once is looked up once.

    Args:
        dns: what to ask; default: ``lookup`` for addresses alone, by default the system's resolver.
        timeout: seconds for one name, with all that follows from it.
        ttl: seconds that addresses of ``lookup`` are remembered.
        rng: chooses among servers of the same priority by their weight.
    """

    def __init__(
        self,
        *,
        timeout: float = 5.0,
        ttl: float = 30.0,
        max_lookups: int = 256,
        lookup: Lookup | None = None,
        dns: Dns | None = None,
        rng: Random | None = None,
    ) -> None:
        self._timeout = timeout
        self._max_lookups = max_lookups
        self._dns = dns or AddressesOnly(lookup or SystemLookup(), ttl)
        self._rng = rng or Random()
        self._known: dict[Question, tuple[float, tuple[Record, ...]]] = {}
        self._pending: dict[Question, trio.Event] = {}

    def cached(self, host: str, port: int, transport: Transport = "UDP") -> Addresses | None:
        """The addresses if no waiting is needed: the host is numeric or remembered. None: ``resolve`` it.

        Port 0 is none given: the servers of the domain by its SRV records, else the default port (RFC 3263 §4.2).
        """
        if numeric_family(host) is not None:
            return [(host, port or default_port(transport))]
        servers = self._servers(host.lower(), port, transport)
        if servers is None:
            return None
        found: Addresses = []
        for server in servers:
            addresses = self._recall("ADDRESS", server.target)
            if addresses is None:
                return None
            found += ((str(address), server.port) for address in addresses)
        return found

    async def resolve(self, host: str, port: int, transport: Transport = "UDP") -> Addresses:
        """The addresses of ``host`` with their ports, in the order in which they are to be tried.

        Raises:
            ResolveError: there is none, or it took longer than the timeout, or too many names are being looked up.
        """
        found = self.cached(host, port, transport)
        if found is None:
            found = []
            with trio.move_on_after(self._timeout):
                for server in await self._find_servers(host.lower(), port, transport):
                    addresses = await self.records("ADDRESS", server.target)
                    found += ((str(address), server.port) for address in addresses)
        if not found:
            raise ResolveError(f"no address for {host!r}")
        return found

    async def records(self, kind: Kind, name: str) -> tuple[Record, ...]:
        """What the DNS says, or said not long ago; nothing where it fails. Raises ResolveError: too many questions."""
        while (found := self._recall(kind, name)) is None:
            if (kind, name) in self._pending:
                await self._pending[kind, name].wait()
            else:
                await self._look_up(kind, name)
        return found

    def is_known(self, name: str) -> bool:
        """Whether the system knows the name without the DNS; then nothing else is asked about it."""
        return bool(self._dns.known(name))

    async def naptr(self, name: str) -> list[Naptr]:
        """The ways to reach a domain, best first."""
        found = [record for record in await self.records("NAPTR", name) if isinstance(record, Naptr)]
        return sorted(found, key=lambda record: (record.order, record.preference))

    async def srv(self, name: str) -> list[Srv]:
        """The servers of a service (``_sip._udp.example.com``), drawn anew by their weights each time."""
        return in_order((record for record in await self.records("SRV", name) if isinstance(record, Srv)), self._rng)

    async def _find_servers(self, name: str, port: int, transport: Transport) -> list[Srv]:
        while (servers := self._servers(name, port, transport)) is None:
            await self.records("SRV", f"{_SERVICES[transport]}.{name}")
        return servers

    def _servers(self, name: str, port: int, transport: Transport) -> list[Srv] | None:
        """The servers of a domain as far as they are known, or the domain itself. None: its SRV records are wanted."""
        itself = [Srv(0, 0, port or default_port(transport), name)]
        if port or transport not in _SERVICES or self.is_known(name):
            return itself
        records = self._recall("SRV", f"{_SERVICES[transport]}.{name}")
        if records is None:
            return None
        servers = [record for record in records if isinstance(record, Srv)]
        if not servers:
            return itself  # §4.2: no SRV records, then the addresses of the domain
        return [server for server in servers if server.target][:MAX_SERVERS]

    def _recall(self, kind: Kind, name: str) -> tuple[Record, ...] | None:
        if kind == "ADDRESS":
            family = numeric_family(name)
            known = [name] if family is not None else self._dns.known(name)
            if known:
                return tuple(known)
        expires, records = self._known.get((kind, name), (-1.0, ()))
        return records if expires > trio.current_time() else None

    async def _look_up(self, kind: Kind, name: str) -> None:
        if len(self._pending) >= self._max_lookups:
            raise ResolveError("too many names are being looked up")
        self._pending[kind, name] = done = trio.Event()
        try:
            answer = await self._dns.ask(kind, name)
        except (OSError, ValueError):  # ValueError: a label that IDNA refuses, a NUL
            answer = Answer((), FAILURE_TTL)
        finally:
            del self._pending[kind, name]
            done.set()
        self._remember((kind, name), answer)

    def _remember(self, question: Question, answer: Answer) -> None:
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known.pop(question, None)
        records = answer.records
        if question[0] == "SRV":  # drawn once for its time: what is sent again goes to the same server
            records = tuple(in_order((record for record in records if isinstance(record, Srv)), self._rng))
        seconds = min(max(answer.ttl, MIN_TTL), MAX_TTL) if records or question[0] != "ADDRESS" else FAILURE_TTL
        self._known[question] = (trio.current_time() + seconds, records)
