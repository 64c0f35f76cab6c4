"""SIPp scenarios of ours: PRACK, delayed offer, session interval, UPDATE; each checks what it gets, none fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import trio

from tests.interop.peers import need, sipp_figures
from tests.interop.server import Application, Frame, answer, serving
from vb.demo.processes import free_ports

SCENARIOS = Path(__file__).parent / "sipp"
CALLS = 20
RATE = 10


def early_media(frame: Frame) -> tuple[str, Frame] | None:
    """A reaction: whoever calls gets early media; `answer_all` answers."""
    if frame["type"] == "leg.ringing" and frame.get("leg_type") == "sip_inbound":
        return "leg_early_media", {"id": frame["leg_id"]}
    return None


async def answer_all(app: Application) -> None:
    """Answer every call a little after its early media."""
    for number in range(CALLS):
        await app.wait(lambda number=number: len(app.of("leg.ringing")) > number, 10)  # type: ignore[misc]
        await trio.sleep(0.05)
        leg = app.of("leg.ringing")[number]["leg_id"]
        reply = await app.api.post(f"/v1/legs/{leg}/answer", json={})
        assert reply.status_code == 202, reply.text


@pytest.mark.parametrize("scenario", ["prack_uac", "delayed_offer_uac", "interval_uac", "update_uac"])
async def test_sipp_calls_us(tmp_path: Path, scenario: str) -> None:
    sipp = need("sipp")
    async with serving(tmp_path) as app:
        app.react = early_media if scenario == "prack_uac" else answer
        figures = tmp_path / "uac.csv"
        command = [sipp, "-sf", str(SCENARIOS / f"{scenario}.xml"), f"127.0.0.1:{app.sip_port}", "-i", "127.0.0.1"]
        command += ["-m", str(CALLS), "-r", str(RATE), "-nostdin", "-trace_stat", "-stf", str(figures), "-trace_err"]
        async with trio.open_nursery() as nursery:
            if scenario == "prack_uac":
                nursery.start_soon(answer_all, app)
            done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, errors(tmp_path) or done.stdout[-2000:]
        assert sipp_figures(figures) == {"SuccessfulCall": CALLS, "FailedCall": 0, "Retransmissions": 0}
        await app.wait(lambda: len(app.of("leg.disconnected")) == CALLS, 10)
        assert {event["cdr"]["reason"] for event in app.of("leg.disconnected")} == {"remote_bye"}
        holds = CALLS if scenario == "update_uac" else 0
        assert len(app.of("leg.hold")) == len(app.of("leg.unhold")) == holds
        assert (await app.api.get("/v1/legs")).json() == []


@pytest.mark.parametrize("scenario", ["prack_uas", "interval_uas"])
async def test_we_call_sipp(tmp_path: Path, scenario: str) -> None:
    sipp = need("sipp")
    (port,) = free_ports(1)
    figures = tmp_path / "uas.csv"
    command = [sipp, "-sf", str(SCENARIOS / f"{scenario}.xml"), "-i", "127.0.0.1", "-p", str(port), "-m", str(CALLS)]
    command += ["-nostdin", "-trace_stat", "-stf", str(figures), "-trace_err"]
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
        assert sipp_figures(figures) == {"SuccessfulCall": CALLS, "FailedCall": 0, "Retransmissions": 0}, errors(
            tmp_path
        )
        assert {event["cdr"]["reason"] for event in app.of("leg.disconnected")} == {"max_duration"}
        early = CALLS if scenario == "prack_uas" else 0
        assert len(app.of("leg.early_media")) == early


def errors(folder: Path) -> str:
    """What SIPp says went wrong."""
    return "".join(path.read_text(errors="replace")[:3000] for path in folder.glob("*_errors.log"))
