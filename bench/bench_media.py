"""What a leg costs per tick, beside a C loop that only receives and sends, and how late its sound is: in one run.

    python bench/bench_media.py [--quick] [--legs 100,500,1000] [--seconds 6] [--io auto|uring|epoll] [--fifo]

The load (bench/load.c) runs in a process of its own on the other core, the server under test on one core. CPU is read
from /proc/<pid>/task/*/schedstat, so it is the whole process: loop, clock, kernel.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BASE = 20000
PREFIX: list[str] = []
"""With --fifo: ``chrt``, so that other work on the machine does not disturb floor, load and server."""
WARM = 2.5
"""Seconds before measuring: latching, connecting, the load's own start."""


def build(folder: Path) -> None:
    for name in ("floor", "load"):
        subprocess.run(["gcc", "-O2", "-w", "-o", str(folder / name), str(HERE / f"{name}.c")], check=True)


def cpu_ns(pid: int) -> int:
    """Time on a processor of all threads, user and kernel."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def serve(legs: int, room: int, io: str, force: int) -> None:
    """The server under test: a clock, ports, rooms; ports' numbers on stdout; until stdin closes."""
    import trio

    from vb.media.clock import MediaClock
    from vb.media.settings import MediaSettings, StreamParams
    from vb.net.descriptors import raise_descriptor_limit
    from vb.net.rtp_socket import open_rtp_socket

    async def main() -> None:
        raise_descriptor_limit()
        clock = MediaClock(MediaSettings(io=io, force_rate=force or None))  # type: ignore[arg-type]
        numbers = []
        for leg in range(legs):
            if leg % room == 0:
                mix = clock.open_mix(force or 8000)
            port = clock.attach(open_rtp_socket("127.0.0.1", 0), lambda event: None)
            port.configure(StreamParams("127.0.0.1", BASE + 2 * leg, pinhole=False))
            port.join(mix)
            numbers.append(port.local[1])
        print(*numbers, flush=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock.run)
            await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
            print(json.dumps({name: getattr(clock.statistics(), name) for name in STATISTICS}), flush=True)
            nursery.cancel_scope.cancel()

    trio.run(main)


STATISTICS = ("ticks", "late_ticks", "skipped_ticks", "late_worst", "received", "sent", "slow", "io", "tick_errors")


def measure(tools: Path, server: list[str], legs: int, room: int, seconds: float, peak: tuple[int, int] | None) -> Any:
    """One load against one server: the load's report, with the server's CPU in µs per leg and tick."""
    total = int(WARM + seconds + 1.5)
    load = [str(tools / "load"), str(legs), str(total), str(room), str(BASE), *map(str, peak or ())]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with (
        subprocess.Popen([*PREFIX, "taskset", "-c", "1", *load], **pipes) as phones,
        subprocess.Popen([*PREFIX, "taskset", "-c", "0", *server], **pipes) as process,
    ):
        assert phones.stdout is not None
        assert phones.stdin is not None
        assert process.stdout is not None
        assert process.stdin is not None
        assert phones.stdout.readline() == "ready\n"
        phones.stdin.write(process.stdout.readline())
        phones.stdin.flush()
        time.sleep(WARM)
        before, began = cpu_ns(process.pid), time.perf_counter()
        time.sleep(seconds)
        used, ticks = cpu_ns(process.pid) - before, (time.perf_counter() - began) / 0.020
        report = json.loads(phones.stdout.readline())
        report["us"] = used / 1000 / ticks / legs
        if server[0] == sys.executable:
            process.stdin.write("\n")
            process.stdin.flush()
            report["server"] = json.loads(process.stdout.readline())
    return report


def floor(tools: Path, legs: int, seconds: float) -> Any:
    command = [str(tools / "floor"), str(legs), str(int(WARM + seconds + 3)), str(BASE)]
    return measure(tools, command, legs, 2, seconds, None)


def ours(tools: Path, legs: int, room: int, seconds: float, io: str, force: int = 0, peak: Any = None) -> Any:
    command = [sys.executable, __file__, "--serve", str(legs), str(room), io, str(force)]
    return measure(tools, command, legs, room, seconds, peak)


KINDS = (
    ("rooms of two, 8 kHz", 2, 0, 2.5),
    ("rooms of five, 8 kHz", 5, 0, 3.0),
    ("rooms of five, 16 kHz", 5, 16000, 5.0),
)
"""Name, members, forced rate, most times the floor that it may cost."""


def show(name: str, legs: int, report: Any, base: float, most: float | None) -> None:
    ratio = report["us"] / base
    late = 100 * report["late"] / max(report["received"], 1)
    verdict = "" if most is None else f"  (<= {most}: {'yes' if ratio <= most else 'NO'})"
    latency = "/".join(f"{value:.1f}" for value in report["latency"])
    print(
        f"{legs:5d} legs  {name:22s} {report['us']:6.2f} us/leg/tick  {ratio:5.2f} x floor{verdict:14s}"
        f"  later than 30 ms: {late:.3f} %  leg to leg p50/p99/max ms: {latency}"
    )
    sys.stdout.flush()


def peak_run(tools: Path, io: str) -> None:
    """500 legs; after 5 s the phones hold everything back for 300 ms and send it at once."""
    report = ours(tools, 500, 2, 12, io, peak=(5, 300))
    for when in ("latency", "latency_after"):
        print(f"  500 legs, load peak, {when:14s} p50/p99/max ms: {'/'.join(f'{v:.1f}' for v in report[when])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--legs", default="100,500,1000")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--io", default="auto")
    parser.add_argument("--fifo", action="store_true", help="real-time priority for all three (needs privileges)")
    parser.add_argument("--verbose", action="store_true", help="print the server's own statistics, too")
    parser.add_argument("--quick", action="store_true", help="only 500 legs, 3 s each, no peak")
    options = parser.parse_args()
    if options.fifo:
        PREFIX[:] = ["chrt", "-f", "10"]
    counts = [500] if options.quick else [int(count) for count in options.legs.split(",")]
    seconds = 3 if options.quick else options.seconds
    with tempfile.TemporaryDirectory() as folder:
        tools = Path(folder)
        build(tools)
        for legs in counts:
            base = statistics.median(floor(tools, legs, seconds)["us"] for _ in range(options.repeat))
            print(f"{legs:5d} legs  {'C floor':22s} {base:6.2f} us/leg/tick")
            for name, room, force, most in KINDS:
                reports = [ours(tools, legs, room, seconds, options.io, force) for _ in range(options.repeat)]
                report = sorted(reports, key=lambda each: each["us"])[len(reports) // 2]
                show(name, legs, report, base, most)
                if options.verbose:
                    print(f"            server: {report['server']}")
        if not options.quick:
            peak_run(tools, options.io)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], int(sys.argv[5]))
    else:
        main()
