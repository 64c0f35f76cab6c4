"""The API on the stage of ``tests.room``: real table, rooms, legs and activities; no sockets unless asked for."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import unquote

import httpx
import pytest
import trio
from quart_trio import QuartTrio

from tests.room.stage import Stage, StageLeg
from vb.activity.fetch import Fetcher, FetchSettings
from vb.activity.playback import Playbacks
from vb.activity.recording import Recordings
from vb.api.allow_list import AllowList
from vb.api.documents import documents
from vb.api.metrics import Family
from vb.api.rest import HttpParts, build_app, to_the_end
from vb.api.services import Readiness, Services
from vb.api.vsi import Hub
from vb.api.vsi_socket import vsi_view
from vb.call.leg import Leg
from vb.legs.sip.outbound_request import OutboundRequest
from vb.legs.sip.registrations import Registrations
from vb.legs.sip.settings import Platform, SipSettings
from vb.legs.sip.transfers import Transfers


class StageDialer:
    """Outbound legs that ring until the test answers."""

    def __init__(self, stage: Stage) -> None:
        self.requests: list[OutboundRequest] = []
        self._stage = stage
        # No SIP here: only what is refused before anything is sent.
        platform = cast(
            "Platform", SimpleNamespace(legs=stage.legs, settings=SipSettings(), bus=stage.bus, rng=Random(1))
        )
        self.transfers = Transfers(platform, lambda _: pytest.fail("dialled"), stage.nursery.start_soon)
        self.registrations = Registrations(platform, stage.nursery.start_soon)

    def create_outbound(self, request: OutboundRequest, before: Callable[[Leg], None] = lambda _: None) -> Leg:
        self.requests.append(request)
        leg = StageLeg(self._stage.bus, "sip_outbound", webhook=request.webhook, app_id=request.app_id)
        self._stage.legs.add(leg)
        before(leg)
        self._stage.nursery.start_soon(leg.live)
        return leg


class Bench:
    def __init__(self, stage: Stage, services: Services, hub: Hub, app: QuartTrio, dialer: StageDialer) -> None:
        self.stage = stage
        self.services = services
        self.hub = hub
        self.app = app
        self.dialer = dialer

    async def ask(
        self, method: str, path: str, body: str | bytes | None = None, *, client: str = "127.0.0.1", **headers: str
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (else bytes) and headers of one request."""
        data = body.encode() if isinstance(body, str) else body or b""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        status, shown, text = await ask_asgi(self.app, method, path, data, client, named)
        if shown.get("Content-Type") == "application/json":
            assert text.endswith(b"\n")
            return status, json.loads(text), shown
        return status, text, shown


async def ask_asgi(
    app: Any, method: str, target: str, data: bytes, client: str, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    """One request as a server would hand it to the application."""
    path, _, query = target.partition("?")
    sent = {"Host": "api.test", "Content-Length": str(len(data)), **headers}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        "client": (client, 40000),
        "server": ("127.0.0.1", 8080),
        "state": {},
        "extensions": {},
    }
    requests: list[dict[str, Any]] = [{"type": "http.request", "body": data, "more_body": False}]
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await trio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    await app(scope, receive, send)
    shown = {name.decode().title(): value.decode() for name, value in answers[0]["headers"]}
    return answers[0]["status"], shown, b"".join(answer.get("body", b"") for answer in answers[1:])


_OPEN: Final = AllowList()


@asynccontextmanager
async def open_bench(tmp_path: Path, *, allow_list: AllowList = _OPEN, buffer: int = 256) -> AsyncIterator[Bench]:
    async with trio.open_nursery() as nursery:
        stage = Stage(nursery)
        await nursery.start(stage.rooms.run)
        dialer = StageDialer(stage)
        client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(404)))
        services = Services(
            instance_id="node-1",
            bus=stage.bus,
            legs=stage.legs,
            rooms=stage.rooms,
            sip=dialer,
            playbacks=Playbacks(stage.bus, Fetcher(client, FetchSettings())),
            recordings=Recordings(stage.bus, tmp_path),
            readiness=Readiness("ready"),
        )
        hub = Hub(services, buffer)
        commands = await nursery.start(hub.run)
        app = build_app(
            services,
            HttpParts(
                allow_list=allow_list,
                documents=documents(no_families),
                vsi=vsi_view(hub, "node-1"),
                detached=partial(to_the_end, commands),
            ),
        )
        yield Bench(stage, services, hub, app, dialer)
        await client.aclose()
        nursery.cancel_scope.cancel()


def no_families() -> Iterator[Family]:
    return iter(())
