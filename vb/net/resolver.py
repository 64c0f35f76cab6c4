"""Names to addresses, with a deadline, a small memory, and a bound on how many are looked up at once."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import trio

from vb.net.addresses import numeric_family

Addresses = list[tuple[str, int]]
Lookup = Callable[[str], Awaitable[list[str]]]

MAX_REMEMBERED = 256
THREADS = 8  # our own, so that slow names keep no other work from its thread
FAILURE_TTL = 2.0


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


class Resolver:
    """Looks names up by ``lookup`` (OSError, ValueError: none such); a name asked twice at once is looked up once."""

    def __init__(
        self,
        *,
        timeout: float = 5.0,
        ttl: float = 30.0,
        max_lookups: int = 256,
        lookup: Lookup | None = None,
    ) -> None:
        self._timeout = timeout
        self._ttl = ttl
        self._max_lookups = max_lookups
        self._lookup = lookup or SystemLookup()
        self._known: dict[str, tuple[float, list[str]]] = {}
        self._pending: dict[str, trio.Event] = {}

    def cached(self, host: str, port: int, family: int | None = None) -> Addresses | None:
        """The addresses if no waiting is needed: the host is numeric or remembered. None: ``resolve`` it."""
        if numeric_family(host) is not None:
            return [(host, port)]
        expires, addresses = self._known.get(host.lower(), (-1.0, []))
        return _ordered(addresses, port, family) if expires > trio.current_time() else None

    async def resolve(self, host: str, port: int, family: int | None = None) -> Addresses:
        """The addresses of ``host`` with ``port``, those of ``family`` first.

        Raises:
            ResolveError: there is none, or it took longer than the timeout, or too many names are being looked up.
        """
        name = host.lower()
        with trio.move_on_after(self._timeout):
            while (found := self.cached(name, port, family)) is None:
                if name in self._pending:
                    await self._pending[name].wait()
                else:
                    await self._look_up(name)
            if found:
                return found
        raise ResolveError(f"no address for {host!r}")

    async def _look_up(self, name: str) -> None:
        if len(self._pending) >= self._max_lookups:
            raise ResolveError("too many names are being looked up")
        self._pending[name] = done = trio.Event()
        addresses: list[str] = []
        try:
            addresses = await self._lookup(name)
        except (OSError, ValueError):  # ValueError: a label that IDNA refuses, a NUL
            addresses = []
        finally:
            del self._pending[name]
            done.set()
        self._remember(name, addresses)

    def _remember(self, name: str, addresses: list[str]) -> None:
        if len(self._known) >= MAX_REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known.pop(name, None)
        self._known[name] = (trio.current_time() + (self._ttl if addresses else FAILURE_TTL), addresses)


def _ordered(addresses: list[str], port: int, family: int | None) -> Addresses:
    preferred = sorted(addresses, key=lambda address: numeric_family(address) != family) if family else addresses
    return [(address, port) for address in preferred]
