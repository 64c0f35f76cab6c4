"""SIPp's built-in scenarios in both roles: 200 calls at 20/s, none failed, nothing retransmitted on loopback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import trio

from tests.interop.peers import need, sipp_figures
from tests.interop.server import answer, serving
from vb.demo.processes import free_ports

CALLS = 200
RATE = 20


async def test_sipp_calls_us(tmp_path: Path) -> None:
    sipp = need("sipp")
    async with serving(tmp_path) as app:
        app.react = answer
        figures = tmp_path / "uac.csv"
        command = [sipp, "-sn", "uac", f"127.0.0.1:{app.sip_port}", "-s", "service", "-i", "127.0.0.1"]
        command += ["-m", str(CALLS), "-r", str(RATE), "-d", "500", "-nostdin", "-trace_stat", "-stf", str(figures)]
        done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stdout[-2000:]
        assert sipp_figures(figures) == {"SuccessfulCall": CALLS, "FailedCall": 0, "Retransmissions": 0}
        await app.wait(lambda: len(app.of("leg.disconnected")) == CALLS, 10)
        assert len(app.of("leg.connected")) == CALLS
        assert {event["cdr"]["reason"] for event in app.of("leg.disconnected")} == {"remote_bye"}
        assert (await app.api.get("/v1/legs")).json() == []


async def test_we_call_sipp(tmp_path: Path) -> None:
    sipp = need("sipp")
    (port,) = free_ports(1)
    figures = tmp_path / "uas.csv"
    command = [sipp, "-sn", "uas", "-i", "127.0.0.1", "-p", str(port), "-m", str(CALLS), "-nostdin"]
    command += ["-trace_stat", "-stf", str(figures)]
    async with serving(tmp_path) as app:
        peer = await trio.lowlevel.open_process(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
        )
        await trio.sleep(0.5)
        for _ in range(CALLS):
            body = {"type": "sip", "to": f"sip:service@127.0.0.1:{port}", "max_duration": 1}
            reply = await app.api.post("/v1/legs", json=body)
            assert reply.status_code == 201, reply.text
            await trio.sleep(1 / RATE)
        await app.wait(lambda: len(app.of("leg.disconnected")) == CALLS, 20)
        with trio.fail_after(10):
            await peer.wait()
        assert sipp_figures(figures) == {"SuccessfulCall": CALLS, "FailedCall": 0, "Retransmissions": 0}
        assert {event["cdr"]["reason"] for event in app.of("leg.disconnected")} == {"max_duration"}
