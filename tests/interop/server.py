"""A real `vb serve` in a process of its own, and an application that steers it over REST and VSI."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from trio_websocket import WebSocketConnection, open_websocket_url

from vb.demo.processes import free_ports, running, server_environment, wait_ready

Frame = dict[str, Any]


class Application:
    """Collects the events of one server and may react to each."""

    def __init__(self, api: httpx.AsyncClient, socket: WebSocketConnection, sip_port: int) -> None:
        self.api = api
        self.sip_port = sip_port
        self.events: list[Frame] = []
        self.react: Callable[[Frame], tuple[str, Frame] | None] = lambda frame: None
        self._socket = socket
        self._news = trio.Condition()
        self._requests = 0

    async def follow(self) -> None:
        while True:
            frame = json.loads(await self._socket.get_message())
            if frame["type"] == "ping":
                await self._socket.send_message('{"type":"pong"}')
                continue
            self.events.append(frame)
            command = self.react(frame)
            if command is not None:
                await self.command(*command)
            async with self._news:
                self._news.notify_all()

    async def command(self, name: str, payload: Frame) -> None:
        """Send a VSI command without waiting for its result."""
        self._requests += 1
        message = {"type": name, "request_id": str(self._requests), "payload": payload}
        await self._socket.send_message(json.dumps(message))

    def of(self, kind: str) -> list[Frame]:
        return [event for event in self.events if event["type"] == kind]

    async def wait(self, condition: Callable[[], bool], seconds: float) -> None:
        """Until ``condition`` holds after some event."""
        with trio.fail_after(seconds):
            async with self._news:
                while not condition():
                    await self._news.wait()


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[Application]:
    """A ready server on loopback with the demo's defaults and ``settings`` on top."""
    sip_port, http_port = free_ports(2)
    api = f"http://127.0.0.1:{http_port}"
    env = server_environment(sip_port, http_port, folder) | settings
    async with running("the server", [sys.executable, "-m", "vb.cli", "serve"], folder / "server.log", env):
        await wait_ready(api, folder / "server.log")
        async with (
            httpx.AsyncClient(base_url=api, timeout=10) as client,
            open_websocket_url(api.replace("http", "ws") + "/v1/vsi") as socket,
            trio.open_nursery() as nursery,
        ):
            application = Application(client, socket, sip_port)
            nursery.start_soon(application.follow)
            await application.wait(lambda: bool(application.of("connected")), 5)
            yield application
            nursery.cancel_scope.cancel()


def put_into(room: str) -> Callable[[Frame], tuple[str, Frame] | None]:
    """A reaction: whoever calls is put into ``room`` (and so answered)."""

    def react(frame: Frame) -> tuple[str, Frame] | None:
        if frame["type"] == "leg.ringing" and frame.get("leg_type") == "sip_inbound":
            return "add_leg_to_room", {"room_id": room, "leg_id": frame["leg_id"]}
        return None

    return react


def answer(frame: Frame) -> tuple[str, Frame] | None:
    """A reaction: whoever calls is answered."""
    if frame["type"] == "leg.ringing" and frame.get("leg_type") == "sip_inbound":
        return "answer_leg", {"id": frame["leg_id"]}
    return None
