"""SIPp as a child: it plays a scenario so many times, and says whether all went as written."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from tests.interop.peers import need, sipp_figures
from tests.interop.scenario import Scenario


@asynccontextmanager
async def playing(
    folder: Path,
    scenario: Scenario,
    port: int,
    *,
    calls: int = 1,
    target: str = "",
    via: str = "127.0.0.1",
    options: tuple[str, ...] = (),
    seconds: float = 40.0,
) -> AsyncIterator[None]:
    """SIPp at ``port``; at the end of the block it must come to its own end, without any failed call.

    ``target`` is the host part of our URI when it is SIPp that calls, ``via`` where its first request goes.
    """
    home = folder / scenario.name
    home.mkdir()
    figures = home / "figures.csv"
    command = [
        need("sipp"),
        "-sf",
        str(scenario.write(home)),
        via,
        "-i",
        "127.0.0.1",
        "-p",
        str(port),
        "-m",
        str(calls),
    ]
    command += ["-key", "target", target or "nobody", "-nostdin", "-trace_stat", "-stf", str(figures)]
    command += ["-trace_err", "-r", "10", "-trace_msg", *options]
    peer = await trio.lowlevel.open_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home)
    try:
        if not target:
            await trio.sleep(0.4)
        yield
        with trio.move_on_after(seconds):
            await peer.wait()
        assert peer.returncode is not None, f"{scenario.name} has not ended: {errors(home)}"
        assert figures.exists(), errors(home)
        expected = {"SuccessfulCall": calls, "FailedCall": 0}
        got = sipp_figures(figures)
        assert {name: got[name] for name in expected} == expected, errors(home)
    finally:
        with trio.CancelScope(shield=True):
            if peer.returncode is None:
                peer.kill()
            await peer.wait()


def errors(folder: Path) -> str:
    """What SIPp says went wrong."""
    return "".join(path.read_text(errors="replace")[:3000] for path in folder.glob("*_errors.log"))
