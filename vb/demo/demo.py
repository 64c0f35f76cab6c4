"""`vb demo`: a server, a call-control program and three phones, each a process of its own, and the proof that it works.

The phones dial in over UDP and TCP, land in one room, hear a tone, speak one after the other while the room is
recorded, and are hung up one by one. What each said and heard is then compared sample by sample (`vb.demo.proof`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import trio

from vb.demo.processes import START_SECONDS, Child, DemoFailed, free_ports, running, server_environment, wait_ready
from vb.demo.proof import PhoneResult
from vb.demo.signals import SECONDS

PHONES = (("alice", "UDP"), ("bob", "TCP"), ("carol", "UDP"))
PAUSE_SECONDS = 0.8  # between two speakers
CALL_SECONDS = 60.0

Tell = Callable[[str], None]


@attrs.frozen
class Outcome:
    """What there is to judge after the call: samples, times and files."""

    phones: list[PhoneResult]
    recording: Path
    record_from: float
    speak_at: dict[str, float]
    reasons: dict[str, str]


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
