"""`vb demo` as a newcomer runs it: everything it claims must hold."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from tests.interop.steady import on_a_steady_machine


async def test_the_demo_proves_what_it_says(tmp_path: Path) -> None:
    await on_a_steady_machine(demonstrate, tmp_path)


async def demonstrate(folder: Path) -> None:
    command = [sys.executable, "-m", "vb.cli", "demo", "--out", str(folder)]
    done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
    report = done.stdout.decode()
    assert done.returncode == 0, report + done.stderr.decode()[-2000:]
    assert "FAIL" not in report
    assert (folder / "recording.png").stat().st_size > 10_000
