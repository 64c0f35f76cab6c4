"""The example program against a real server, as the README tells it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

from tests.interop.server import serving
from vb.dsp.wav import parse_wav
from vb.phone.phone import Phone, open_phone

CONFERENCE = Path(__file__).parents[2] / "examples/conference.py"


async def call_for(phone: Phone, uri: str, seconds: float) -> None:
    call = await phone.dial(uri)
    await call.wait_answered()
    await trio.sleep(seconds)
    await call.hangup()


async def test_callers_that_leave_before_the_end_are_no_trouble(tmp_path: Path) -> None:
    async with serving(tmp_path) as app, open_phone() as phone, trio.open_nursery() as nursery:
        command = [sys.executable, str(CONFERENCE), "--api", str(app.api.base_url), "--phones", "2"]
        outcome: list[subprocess.CompletedProcess[bytes]] = []

        async def confer() -> None:
            outcome.append(await trio.run_process([*command, "--talk-seconds", "3"], capture_stdout=True, check=False))
            nursery.cancel_scope.cancel()

        nursery.start_soon(confer)
        await app.wait(lambda: bool(app.of("room.created")), 10)
        uri = f"sip:lobby@127.0.0.1:{app.sip_port}"
        nursery.start_soon(call_for, phone, uri, 2.0)
        nursery.start_soon(call_for, phone, uri, 3.0)
        await trio.sleep(30)
    lines: list[dict[str, Any]] = [json.loads(line) for line in outcome[0].stdout.splitlines()]
    assert (outcome[0].returncode, [line["event"] for line in lines]) == (0, ["open", "ready", "closed"])
    assert set(lines[-1]["reasons"].values()) == {"remote_bye"}
    recording = parse_wav(await trio.Path(lines[-1]["recording"]).read_bytes())
    assert recording.rate == 16000
    assert recording.seconds > 1
