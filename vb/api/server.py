"""The HTTP server: Hypercorn's connections and the application, in one nursery that ends with the server."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Final

import attrs
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext

from vb.api.allow_list import AllowList
from vb.api.connection import ClientConnection, Connections
from vb.api.documents import documents
from vb.api.keys import Keys
from vb.api.metrics import CallMetrics, Family, counter, gauge, gauges
from vb.api.process_metrics import CrashCounter, counting_crashes, process_families
from vb.api.rest import HttpParts, build_app, to_the_end
from vb.api.services import Services
from vb.api.vsi import Hub
from vb.api.vsi_socket import vsi_view

BACKLOG: Final = 512
STOP_SECONDS: Final = 2.0
"""From the stop to the last connection cut."""


@attrs.frozen(kw_only=True)
class ServerSettings:
    """``http_addr``: ``:8080``, ``127.0.0.1:8080``, ``[::1]:8080``; port 0 takes any free one."""

    http_addr: str = ":8080"
    allow_list: AllowList = attrs.field(factory=AllowList)
    keys: Keys = attrs.field(factory=Keys)
    vsi_buffer: int = 256
    extra_families: Callable[[], Iterator[Family]] = lambda: iter(())


async def run(
    services: Services,
    settings: ServerSettings,
    shutdown: trio.Event,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until ``shutdown`` is set, then let clients have what waits for them and close everything.

    ``task_status`` gets the bound address as ``host:port``. Raises OSError when it cannot be had, ValueError when it
    cannot be read.
    """
    listener = open_listener(settings.http_addr)
    calls = CallMetrics()
    hub = Hub(services, settings.vsi_buffer)
    connections = Connections()
    unsubscribe = services.bus.subscribe(calls.on_event)
    try:
        with listener, counting_crashes() as crashes:
            async with trio.open_nursery() as nursery:
                commands = await nursery.start(hub.run)
                parts = HttpParts(
                    allow_list=settings.allow_list,
                    keys=settings.keys,
                    documents=documents(partial(_families, services, settings, calls, crashes, hub, connections)),
                    vsi=vsi_view(hub, services.instance_id, settings.keys),
                    detached=partial(to_the_end, commands),
                )
                app = build_app(services, parts)
                await _serve(app, listener, hub, connections, shutdown, task_status)
                nursery.cancel_scope.cancel()
    finally:
        unsubscribe()


async def _serve(
    app: Any,
    listener: socket.socket,
    hub: Hub,
    connections: Connections,
    shutdown: trio.Event,
    task_status: trio.TaskStatus[str],
) -> None:
    config = _config()
    context = WorkerContext(None)
    handler = partial(ClientConnection, connections, ASGIWrapper(app), config, context)

    async def handle(stream: trio.SocketStream) -> None:
        await handler(stream).run()

    async with trio.open_nursery() as handlers:
        async with trio.open_nursery() as accepting:
            accepting.start_soon(
                partial(
                    trio.serve_listeners,
                    handle,
                    [trio.SocketListener(trio.socket.from_stdlib_socket(listener))],
                    handler_nursery=handlers,
                )
            )
            task_status.started(shown_address(listener))
            await shutdown.wait()
            accepting.cancel_scope.cancel()
        hub.stop()
        connections.hurry()
        await context.terminated.set()  # Hypercorn closes idle connections at this
        handlers.cancel_scope.deadline = trio.current_time() + STOP_SECONDS


def _config() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_server_header = False
    config.keep_alive_max_requests = 10**9  # else an HTTP/2 connection ends at its thousandth request
    config.keep_alive_timeout = 60
    config.websocket_max_message_size = 1024 * 1024
    config.h11_max_incomplete_size = 64 * 1024
    return config


def _families(
    services: Services,
    settings: ServerSettings,
    calls: CallMetrics,
    crashes: CrashCounter,
    hub: Hub,
    connections: Connections,
) -> Iterator[Family]:
    legs = "Number of legs currently in any state (ringing, early_media, connected, held)."
    yield gauge("voiceblender_active_legs", legs, services.legs.active)
    yield gauge("voiceblender_active_rooms", "Number of rooms currently open.", len(services.rooms.all()))
    yield from calls.families()
    yield counter(
        "voiceblender_vsi_events_dropped_total",
        "Total events dropped because a VSI WebSocket client's buffer was full.",
        hub.dropped,
    )
    yield from crashes.families()
    yield from settings.extra_families()
    yield from process_families()
    tasks = trio.lowlevel.current_statistics().tasks_living
    yield from gauges(
        {
            "vb_tasks": tasks,
            "vb_http_connections": len(connections),
            "vb_vsi_clients": len(hub),
            "vb_events_total": calls.events,
            **services.gauges(),
        }
    )


def parse_address(text: str) -> tuple[str, int]:
    """Host ("" for all) and port of ``:8080``, ``host:8080`` or ``[v6]:8080``. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r} is not host:port")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address needs brackets")
    return host, int(port)


def open_listener(text: str) -> socket.socket:
    """The listening socket; without a host for IPv4 and IPv6, or IPv4 alone where there is no IPv6. Raises OSError."""
    host, port = parse_address(text)
    if not host and socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG, reuse_port=False
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


def shown_address(listener: socket.socket) -> str:
    """``host:port`` as bound."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


Serve = Callable[..., Awaitable[None]]
