"""The server on real sockets: what clients can do to it, and its end."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, open_websocket_url

from tests.api.bench import Bench, open_bench
from vb.api import connection, server
from vb.api.allow_list import AllowList, parse_networks
from vb.api.server import ServerSettings, open_listener, parse_address, run, shown_address

pytestmark = pytest.mark.realtime


@attrs.frozen
class Running:
    bench: Bench
    address: str
    stop: trio.Event
    stopped: trio.Event

    @property
    def http(self) -> str:
        return f"http://{self.address}"

    @property
    def vsi(self) -> str:
        return f"ws://{self.address}/v1/vsi"


@asynccontextmanager
async def open_server(tmp_path: Path, **settings: Any) -> AsyncIterator[Running]:
    async with open_bench(tmp_path) as bench, trio.open_nursery() as nursery:
        stop, stopped = trio.Event(), trio.Event()

        async def serve(task_status: trio.TaskStatus[str]) -> None:
            options = ServerSettings(**{"http_addr": "127.0.0.1:0", **settings})
            await run(bench.services, options, stop, task_status=task_status)
            stopped.set()

        address = await nursery.start(serve)
        yield Running(bench, address, stop, stopped)
        stop.set()
        with trio.fail_after(5):
            await stopped.wait()


async def frame(websocket: WebSocketConnection) -> Any:
    with trio.fail_after(5):
        return json.loads(await websocket.get_message())


async def test_requests_and_a_kept_connection(tmp_path: Path) -> None:
    async with open_server(tmp_path) as running, httpx.AsyncClient(base_url=running.http) as client:
        answer = await client.post("/v1/rooms", content='{"id":"a/b"}')
        assert answer.content == b'{"instance_id":"node-1","id":"a/b","sample_rate":16000,"participants":[]}\n'
        assert "server" not in answer.headers
        assert (await client.get("/v1/rooms/a%2Fb")).status_code == 200
        assert (await client.get("/v1/rooms/a/b")).status_code == 404
        assert (await client.head("/v1/legs")).status_code == 405
        gone = await client.options("/v1/legs")
        assert (gone.status_code, gone.content) == (204, b"")
        metrics = (await client.get("/metrics")).text
        assert "voiceblender_active_legs 0\n" in metrics
        assert "voiceblender_active_rooms 1\n" in metrics
        assert "vb_http_connections 1\n" in metrics
        async with httpx.AsyncClient(base_url=running.http) as other:
            await other.get("/healthz")
        await trio.sleep(0.1)
        assert "vb_http_connections 1\n" in (await client.get("/metrics")).text  # a client that went is gone


async def test_a_plain_get_of_the_websocket_path_closes(tmp_path: Path) -> None:
    async with open_server(tmp_path) as running:
        host, port = running.address.split(":")
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(b"GET /v1/vsi HTTP/1.1\r\nHost: x\r\n\r\n")
            text = b""
            with trio.fail_after(5):
                async for chunk in stream:  # ends: the server closed
                    text += chunk
        assert text.startswith(b"HTTP/1.1 400 ")
        assert text.endswith(b'{"instance_id":"node-1","error":"this path wants a WebSocket upgrade"}\n')


async def test_vsi(tmp_path: Path) -> None:
    async with open_server(tmp_path) as running, open_websocket_url(running.vsi) as websocket:
        assert await frame(websocket) == {"type": "connected"}
        await websocket.send_message('{"type":"create_room","request_id":"1","payload":{"id":"r"}}')
        assert (await frame(websocket))["type"] == "room.created"
        assert (await frame(websocket))["data"]["id"] == "r"
        await websocket.send_message(b"\x00\x01")
        await websocket.send_message(b"")
        await websocket.send_message('{"type":"list_legs"}')
        assert await frame(websocket) == {"type": "list_legs.result", "data": []}
        await websocket.send_message('{"type":"stop"}')
        with pytest.raises(ConnectionClosed) as closed, trio.fail_after(5):
            await websocket.get_message()
        assert closed.value.reason.code == 1000


@pytest.mark.parametrize(("path", "status"), [("/v1/vsi?app_id=(", 400), ("/v1/nosuch", 404), ("/v1/rooms/r/ws", 501)])
async def test_upgrades_that_are_refused(tmp_path: Path, path: str, status: int) -> None:
    async with open_server(tmp_path) as running:
        with pytest.raises(HandshakeError) as refused:
            async with open_websocket_url(f"ws://{running.address}{path}"):
                raise AssertionError
        assert refused.value.status_code == status  # type: ignore[attr-defined]
        assert list(json.loads(refused.value.body)) == ["instance_id", "error"]  # type: ignore[attr-defined]


async def test_an_upgrade_from_elsewhere_is_forbidden(tmp_path: Path) -> None:
    allowed = AllowList(parse_networks("10.0.0.0/8"))
    async with open_server(tmp_path, allow_list=allowed) as running:
        with pytest.raises(HandshakeError) as refused:
            async with open_websocket_url(running.vsi):
                raise AssertionError
        assert refused.value.status_code == 403  # type: ignore[attr-defined]


async def test_a_crash_in_the_handler_is_1011(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("vb.api.vsi.Hub.serve", crash)
    async with open_server(tmp_path) as running, open_websocket_url(running.vsi) as websocket:
        with pytest.raises(ConnectionClosed) as closed, trio.fail_after(5):
            await websocket.get_message()
        assert closed.value.reason.code == 1011


async def test_the_end_tells_clients_and_is_quick(tmp_path: Path) -> None:
    async with open_server(tmp_path) as running, httpx.AsyncClient(base_url=running.http) as idle:
        await idle.get("/healthz")
        async with open_websocket_url(running.vsi) as websocket:
            assert await frame(websocket) == {"type": "connected"}
            running.bench.services.rooms.create("last")
            running.stop.set()
            assert (await frame(websocket))["room_id"] == "last"
            with pytest.raises(ConnectionClosed) as closed, trio.fail_after(5):
                await websocket.get_message()
            assert closed.value.reason.code == 1001
        with trio.fail_after(3):
            await running.stopped.wait()


async def deaf_client(address: str, flood: bytes) -> socket.socket:
    """A WebSocket client that sends a lot and never reads."""
    host, port = address.split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
    await stream.socket.connect((host, int(port)))
    await stream.send_all(
        b"GET /v1/vsi HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await stream.receive_some(16)
    with trio.move_on_after(0.5):
        while flood:
            await stream.send_all(flood)
    return raw


def masked(text: bytes) -> bytes:
    """A text frame with a mask of zeros (RFC 6455 §5.2)."""
    return bytes([0x81, 0x80 | len(text)]) + bytes(4) + text


@pytest.mark.slow
async def test_clients_that_never_read_are_cut_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS", 1.0)
    monkeypatch.setattr("vb.api.vsi.WRITE_SECONDS", 1.0)
    async with open_server(tmp_path) as running, open_websocket_url(running.vsi) as quick:
        assert await frame(quick) == {"type": "connected"}
        for number in range(40):
            running.bench.services.rooms.create(f"{number}-" + "x" * 100_000)
        for _ in range(40):
            await frame(quick)
        before = trio.lowlevel.current_statistics().tasks_living
        flood = masked(b'{"type":"list_rooms"}') * 50
        kept = [await deaf_client(running.address, flood), await deaf_client(running.address, b"")]
        for number in range(60):
            running.bench.services.rooms.create(f"{number}+" + "x" * 100_000)
            await frame(quick)
        await trio.sleep(1.5)
        running.bench.services.rooms.create("after")
        assert (await frame(quick))["room_id"] == "after"
        assert trio.lowlevel.current_statistics().tasks_living == before
        for raw in kept:
            raw.close()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.slow
async def test_a_deaf_client_does_not_hold_the_end(tmp_path: Path) -> None:
    async with open_server(tmp_path) as running:
        raw = await deaf_client(running.address, b"")
        for number in range(100):
            running.bench.services.rooms.create(f"{number}-" + "x" * 100_000)
        await trio.sleep(0.2)
        begin = trio.current_time()
        running.stop.set()
        with trio.fail_after(6):
            await running.stopped.wait()
        assert trio.current_time() - begin < server.STOP_SECONDS + 1
        raw.close()


async def test_bad_requests_do_no_harm(tmp_path: Path) -> None:
    async with open_server(tmp_path) as running, httpx.AsyncClient(base_url=running.http) as client:
        host, port = running.address.split(":")
        for text in (
            b"\x16\x03\x01\x02\x00",
            b"GET\r\n\r\n",
            b"POST /v1/rooms HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{",
            b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /v1/vsi HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n",
            b"CONNECT /v1/legs/moq HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET http://x/v1/legs HTTP/1.1\r\nHost: x\r\n\r\n",
            b"X" * 100_000,
        ):
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                await stream.send_all(text)
                with trio.move_on_after(0.2):
                    await stream.receive_some()
        assert (await client.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("text", "parsed"),
    [(":8080", ("", 8080)), ("127.0.0.1:0", ("127.0.0.1", 0)), ("[::1]:80", ("::1", 80)), ("host:1", ("host", 1))],
)
def test_addresses(text: str, parsed: tuple[str, int]) -> None:
    assert parse_address(text) == parsed


@pytest.mark.parametrize("text", ["", "8080", "::1:80", "host:", "host:x", "host:70000", "[::1]"])
def test_addresses_that_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|brackets"):
        parse_address(text)


def test_listeners() -> None:
    with open_listener(":0") as both:
        port = both.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        assert shown_address(both).endswith(f":{port}")
        with pytest.raises(OSError, match="in use"):
            open_listener(f":{port}")
