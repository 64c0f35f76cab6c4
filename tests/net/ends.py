"""Endpoints with toy agents, on real loopback sockets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

import trio

from tests.net.toy_agent import ToyAgent
from vb.net.driver import Listen, SipEndpoint
from vb.net.resolver import Resolver
from vb.net.settings import NetSettings
from vb.net.tls import TlsContexts
from vb.sip.effects import Hop

OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"


class End:
    """An endpoint with its toy agent; every event wakes who waits."""

    def __init__(
        self,
        *listen: Listen,
        settings: NetSettings | None = None,
        tls: TlsContexts | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.agent = ToyAgent()
        self.endpoint = SipEndpoint(self.agent, listen, self._deliver, settings=settings, tls=tls, resolver=resolver)
        self.port = 0
        self._changed = trio.Event()

    def _deliver(self, event: str) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def send(self, hop: Hop, data: bytes = OPTIONS, *, close: bool = False) -> None:
        self.endpoint.command(lambda now: self.agent.send(data, hop, close=close))

    async def wait(self, condition: Callable[[ToyAgent], bool]) -> None:
        with trio.fail_after(5):
            while not condition(self.agent):
                await self._changed.wait()


@contextlib.asynccontextmanager
async def running(*ends: End) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        for end in ends:
            bound = await nursery.start(end.endpoint.run)
            end.port = bound[0].port if bound else 0
        yield
        nursery.cancel_scope.cancel()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - the kernel has no event for it
            await trio.sleep(0.005)
