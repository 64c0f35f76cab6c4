"""`vb demo`: a server, a call-control program and three phones, each a process of its own, and the proof that it works.

The phones dial in over UDP and TCP, land in one room, hear a tone, speak one after the other while the room is
recorded, and are hung up one by one. What each said and heard is then compared sample by sample (`vb.demo.proof`).
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import httpx
import numpy as np
import trio

from vb.demo.proof import PhoneResult
from vb.demo.signals import SECONDS

PHONES = (("alice", "UDP"), ("bob", "TCP"), ("carol", "UDP"))
PAUSE_SECONDS = 0.8  # between two speakers
START_SECONDS = 20.0
CALL_SECONDS = 60.0
STOP_SECONDS = 6.0

Tell = Callable[[str], None]


class DemoFailed(Exception):
    """Something of the demo could not be started, or ended too early. The message says which and why."""


@attrs.frozen
class Outcome:
    """What there is to judge after the call: samples, times and files."""

    phones: list[PhoneResult]
    recording: Path
    record_from: float
    speak_at: dict[str, float]
    reasons: dict[str, str]


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
    held, ports = [], []
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


def phone_command(name: str, transport: str, seed: int, sip_port: int, out: Path) -> list[str]:
    uri = f"sip:conference@127.0.0.1:{sip_port};transport={transport.lower()}"
    command = [sys.executable, "-m", "vb.demo.phone_process", "--name", name, "--uri", uri]
    return [*command, "--transport", transport, "--seed", str(seed), "--out", str(out / f"{name}.npz")]


def conference_program() -> Path:
    program = Path(__file__).parents[2] / "examples" / "conference.py"
    if not program.exists():
        raise DemoFailed("examples/conference.py is missing: run the demo from the source tree")
    return program


async def play(out: Path, tell: Tell) -> Outcome:
    """Run the whole call. ``tell`` gets a line for each step."""
    sip_port, http_port = free_ports(2)
    api = f"http://127.0.0.1:{http_port}"
    server_log = out / "server.log"
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        env = server_environment(sip_port, http_port, out)
        await enter(running("the server", [sys.executable, "-m", "vb.cli", "serve"], server_log, env))
        await wait_ready(api, server_log)
        tell(f"server ready: SIP on 127.0.0.1:{sip_port} (UDP and TCP), REST and VSI on {api}")
        command = [sys.executable, str(conference_program()), "--api", api, "--phones", str(len(PHONES))]
        program = await enter(running("the conference program", command, out / "conference.log"))
        await program.read("open")
        phones = []
        for seed, (name, transport) in enumerate(PHONES):
            command = phone_command(name, transport, seed, sip_port, out)
            phone = await enter(running(name, command, out / f"{name}.log"))
            phones.append(phone)
            await phone.read("answered")
            tell(f"{name} dialled in over {transport} and was put into the room")
        return await converse(program, phones, out, tell)


async def converse(program: Child, phones: list[Child], out: Path, tell: Tell) -> Outcome:
    ready = await program.read("ready")
    record_from = time.monotonic()
    tell("a dial tone was played into the room; the recording runs")
    speak_at = {}
    for number, phone in enumerate(phones):
        speak_at[phone.name] = record_from + PAUSE_SECONDS + number * (SECONDS + PAUSE_SECONDS)
        await phone.write({"speak_at": speak_at[phone.name]})
    end = record_from + PAUSE_SECONDS + len(phones) * (SECONDS + PAUSE_SECONDS)
    for name, at in speak_at.items():
        await trio.sleep(max(0.0, at - time.monotonic()))
        tell(f"{name} speaks for {SECONDS} s")
    await trio.sleep(max(0.0, end - time.monotonic()))
    tell("hanging up one by one")
    await program.write({"event": "end"})
    results = [result(phone.name, await phone.read("done"), out) for phone in phones]
    closed = await program.read("closed")
    return Outcome(results, Path(closed["recording"] or ready["recording"]), record_from, speak_at, closed["reasons"])


def result(name: str, done: dict[str, Any], out: Path) -> PhoneResult:
    if done["said_at"] is None:
        raise DemoFailed(f"{name} was hung up before it could speak: {done['ended_by']}")
    with np.load(out / f"{name}.npz") as samples:
        said, heard = samples["said"], samples["heard"]
    fields = {field.name for field in attrs.fields(PhoneResult)} - {"name", "said", "heard"}
    return PhoneResult(name=name, said=said, heard=heard, **{key: done[key] for key in fields})


async def run(out: Path, tell: Tell) -> Outcome:
    """`play` within a time limit. Raises DemoFailed."""
    with trio.move_on_after(START_SECONDS + CALL_SECONDS) as scope:
        return await play(out, tell)
    assert scope.cancelled_caught
    raise DemoFailed(f"the call did not end within {START_SECONDS + CALL_SECONDS:.0f} s, see {out / 'server.log'}")
