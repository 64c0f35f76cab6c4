"""Two pjsua2 phones through a room, one over UDP and one over TCP."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.interop.peers import assert_heard_apart, assert_unheard, need_module, preferred, read_wav
from tests.interop.server import put_into, serving
from tests.interop.steady import on_a_steady_machine
from tests.interop.voices import write_noise
from vb.demo.processes import free_ports

PHONE = Path(__file__).with_name("pjsua_phone.py")
SECONDS = 12


async def test_two_phones_through_a_room(tmp_path: Path) -> None:
    need_module("pjsua2")
    await on_a_steady_machine(converse, tmp_path)


async def converse(folder: Path) -> None:
    async with serving(folder) as app:
        app.react = put_into("lounge")

        async def phone(name: str, transport: str, seed: int) -> None:
            (port,) = free_ports(1)
            uri = f"sip:room@127.0.0.1:{app.sip_port};transport={transport.lower()}"
            voice = write_noise(folder / f"{name}.wav", seed)
            command = [sys.executable, str(PHONE), uri, transport, str(port), str(voice)]
            command += [str(folder / f"{name}-heard.wav"), str(SECONDS)]
            done = await trio.run_process(preferred(command), capture_stdout=True, capture_stderr=True, check=False)
            assert b"confirmed" in done.stdout, (done.stdout, done.stderr[-1000:])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(phone, "alice", "UDP", 1)
            nursery.start_soon(phone, "bob", "TCP", 2)
        await app.wait(lambda: len(app.of("leg.disconnected")) == 2, 10)
        assert [event["quality"]["rtp_packets_lost"] for event in app.of("leg.disconnected")] == [0, 0]
        for event in app.of("leg.disconnected"):
            assert event["quality"]["remote_report"]["lost"] == 0
            assert 0 <= event["quality"]["rtt_ms"] < 100
        assert {event["cdr"]["reason"] for event in app.of("leg.disconnected")} == {"remote_bye"}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        heard = read_wav(folder / f"{name}-heard.wav")
        assert_heard_apart(read_wav(folder / f"{other}.wav"), heard, start=2, seconds=7)
        assert_unheard(read_wav(folder / f"{name}.wav"), heard, seconds=5)
