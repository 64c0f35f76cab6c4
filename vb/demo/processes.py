"""The processes of the demo: children that speak JSON lines, free ports, and a server that has become ready."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio

START_SECONDS = 20.0
STOP_SECONDS = 6.0


class DemoFailed(Exception):
    """Something of the demo could not be started, or ended too early. The message says which and why."""


class Child:
    """A process that speaks JSON lines."""

    def __init__(self, name: str, process: trio.Process) -> None:
        self.name = name
        self._process = process
        self._buffer = b""

    async def read(self, event: str) -> dict[str, Any]:
        """The next line, which must be ``event``."""
        stdout = self._process.stdout
        assert stdout is not None
        while b"\n" not in self._buffer:
            data = await stdout.receive_some(65536)
            if not data:
                raise DemoFailed(f"{self.name} ended before it said {event!r}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        if message["event"] != event:
            raise DemoFailed(f"{self.name} said {message} instead of {event!r}")
        return message

    async def write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        await self._process.stdin.send_all(json.dumps(message).encode() + b"\n")


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free for both TCP and UDP now."""
    held: list[socket.socket] = []
    ports: list[int] = []
    while len(ports) < count:
        tcp, udp = socket.socket(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        held += [tcp, udp]
        try:
            udp.bind(tcp.getsockname())
        except OSError:
            continue
        ports.append(tcp.getsockname()[1])
    for each in held:
        each.close()
    return ports


def server_environment(sip_port: int, http_port: int, out: Path) -> dict[str, str]:
    """The embedded defaults of the demo's server: loopback, UDP and TCP, files below ``out``."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    return kept | {
        "INSTANCE_ID": "demo",
        "SIP_BIND_IP": "127.0.0.1",
        "SIP_PORT": str(sip_port),
        "SIP_TCP_ENABLED": "true",
        "HTTP_ADDR": f"127.0.0.1:{http_port}",
        "RECORDING_DIR": str(out / "recordings"),
        "STATE_DIR": str(out / "state"),
        "MEDIA_REALTIME": "true",
    }


@asynccontextmanager
async def running(name: str, command: list[str], log: Path, env: dict[str, str] | None = None) -> AsyncIterator[Child]:
    """A child process for the length of the block, ended by SIGTERM; its standard error goes to ``log``."""
    with log.open("wb") as errors:
        process = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env
        )
    try:
        yield Child(name, process)
    finally:
        with trio.move_on_after(STOP_SECONDS, shield=True):
            process.terminate()
            await process.wait()
        if process.returncode is None:
            process.kill()


async def wait_ready(api: str, server_log: Path) -> None:
    async with httpx.AsyncClient(base_url=api) as client:
        with trio.move_on_after(START_SECONDS):
            while True:
                try:
                    if (await client.get("/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass  # not listening yet
                await trio.sleep(0.1)
    raise DemoFailed(f"the server did not become ready in {START_SECONDS:.0f} s, see {server_log}")
