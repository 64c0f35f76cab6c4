"""Calls per second answered from SIPp, the server on one core, SIPp and the application on the other.

    python bench/bench_calls.py [RATE ...]

For each rate (calls/s): SIPp's `uac` scenario (INVITE, 200, ACK, BYE) for six seconds; the application answers each
`leg.ringing` over VSI. Prints failed calls, retransmissions, and the server's CPU per call read from /proc. The floor,
in the same run, is a bare loop that answers the same SIP messages with fixed bytes: what the kernel and Python's socket
calls alone take. A last run under cProfile says where the time goes, by package and by function. All in under a minute.
"""

from __future__ import annotations

import csv
import json
import os
import pstats
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import httpx
import trio
from trio_websocket import open_websocket_url

from vb.demo.processes import free_ports, server_environment

SECONDS = 6
DEFAULT_RATES = (100, 400, 600)
PROFILE_RATE = 100
TICKS = os.sysconf("SC_CLK_TCK")
NOT_THE_CALLS = ("poll", "compile", "marshal", "build_class", "set_default_verify_paths", "collect")
"""Parts of the names of functions that wait, or that only run when the server starts."""


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pin(core: int) -> list[str]:
    """A command prefix that keeps the process on one core, where the machine has more."""
    return ["taskset", "-c", str(core)] if shutil.which("taskset") and (os.cpu_count() or 1) > 1 else []


def sipp(port: int, rate: int, folder: Path) -> dict[str, int]:
    figures = folder / f"sipp-{rate}.csv"
    figures.unlink(missing_ok=True)
    command = [*pin(1), "sipp", "-sn", "uac", f"127.0.0.1:{port}", "-i", "127.0.0.1", "-r", str(rate)]
    command += ["-m", str(rate * SECONDS), "-d", "200", "-nostdin", "-trace_stat", "-stf", str(figures), "-l", "5000"]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    with figures.open() as file:
        last = list(csv.DictReader(file, delimiter=";"))[-1]
    return {name: int(last[f"{name}(C)"]) for name in ("SuccessfulCall", "FailedCall", "Retransmissions")}


def answering_application(api: str) -> None:
    """Answers every inbound leg over VSI, until killed. Runs as a process of its own."""

    async def main() -> None:
        async with open_websocket_url(api.replace("http", "ws") + "/v1/vsi") as ws:
            while True:
                frame = json.loads(await ws.get_message())
                if frame["type"] == "leg.ringing":
                    await ws.send_message(json.dumps({"type": "answer_leg", "payload": {"id": frame["leg_id"]}}))
                elif frame["type"] == "ping":
                    await ws.send_message('{"type":"pong"}')

    trio.run(main)


def floor_server(port: int) -> None:
    """Answers INVITE and BYE with 200 by copying the header lines, and does nothing else: the floor."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    copied = (b"Via:", b"From:", b"To:", b"Call-ID:", b"CSeq:")
    sdp = b"v=0\r\no=- 1 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 10000 RTP/AVP 0\r\n"
    while True:
        data, peer = sock.recvfrom(65536)
        if data.startswith(b"ACK"):
            continue
        lines = [line for line in data.split(b"\r\n") if line.startswith(copied)]
        lines = [line + b";tag=1" if line.startswith(b"To:") and b"tag=" not in line else line for line in lines]
        body = sdp if data.startswith(b"INVITE") else b""
        lines += [b"Contact: <sip:127.0.0.1:%d>" % port, b"Content-Type: application/sdp" if body else b"X: y"]
        lines += [b"Content-Length: %d" % len(body), b"", body]
        sock.sendto(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(lines), peer)


def child(arguments: list[str], core: int, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*pin(core), sys.executable, *arguments], env=env, stderr=subprocess.DEVNULL)


def wait_ready(api: str) -> None:
    for _ in range(200):
        try:
            if httpx.get(f"{api}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


def measure(folder: Path, rates: list[int], serve: list[str]) -> None:
    sip_port, http_port = free_ports(2)
    api = f"http://127.0.0.1:{http_port}"
    server = child([*serve, "serve"], 0, server_environment(sip_port, http_port, folder) | {"LOG_LEVEL": "warn"})
    wait_ready(api)
    application = child([__file__, "--application", api], 1)
    time.sleep(1)
    try:
        for rate in rates:
            before, start = cpu_seconds(server.pid), time.monotonic()
            figures = sipp(sip_port, rate, folder)
            took = time.monotonic() - start
            spent = cpu_seconds(server.pid) - before
            calls = figures["SuccessfulCall"] + figures["FailedCall"]
            print(
                f"{rate:5} calls/s: {figures['FailedCall']} failed, {figures['Retransmissions']} retransmissions, "
                f"{spent / max(1, calls) * 1e3:.2f} ms CPU per call, core {spent / took:4.0%} busy",
                flush=True,
            )
            time.sleep(1)
    finally:
        application.kill()
        server.terminate()
        server.wait(20)


def floor(folder: Path) -> None:
    (port,) = free_ports(1)
    server = child([__file__, "--floor", str(port)], 0)
    time.sleep(0.5)
    before = cpu_seconds(server.pid)
    figures = sipp(port, 400, folder)
    spent = cpu_seconds(server.pid) - before
    server.kill()
    print(f"floor: a loop that answers with fixed bytes: {spent / figures['SuccessfulCall'] * 1e3:.3f} ms CPU per call")


def profile(folder: Path) -> None:
    """Where the CPU goes; cProfile itself about doubles the cost of small functions."""
    out = folder / "profile"
    measure(folder, [PROFILE_RATE], ["-m", "cProfile", "-o", str(out), "-m", "vb.cli"])
    calls = PROFILE_RATE * SECONDS
    packages: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for (path, _, name), (_, _, own, _, _) in pstats.Stats(str(out)).stats.items():  # type: ignore[attr-defined]
        if "importlib" in path or any(part in name for part in NOT_THE_CALLS):
            continue
        parts = Path(path).parts
        where = "/".join(parts[parts.index("vb") : -1] if "vb" in parts else parts[-2:-1]) or "builtins"
        packages[where] += own
        functions[f"{where}/{parts[-1] if parts else ''} {name}"] += own
    total = sum(packages.values())
    print(f"by package (cProfile, own time, {total / calls * 1e6:.0f} µs per call):")
    for where, own in packages.most_common(14):
        print(f"  {own / total:5.1%}  {where}")
    print("by function, µs per call:")
    for where, own in functions.most_common(12):
        print(f"  {own / calls * 1e6:5.0f}  {where}")


def main() -> None:
    if sys.argv[1:2] == ["--application"]:
        answering_application(sys.argv[2])
    elif sys.argv[1:2] == ["--floor"]:
        floor_server(int(sys.argv[2]))
    else:
        rates = [int(rate) for rate in sys.argv[1:]] or list(DEFAULT_RATES)
        with tempfile.TemporaryDirectory() as folder:
            floor(Path(folder))
            measure(Path(folder), rates, ["-m", "vb.cli"])
            profile(Path(folder))


if __name__ == "__main__":
    main()
