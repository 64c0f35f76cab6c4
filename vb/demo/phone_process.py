"""One phone of the demo, a process of its own: dials, speaks when told, and saves what it heard.

It is steered by lines of JSON on standard input and answers by lines of JSON on standard output:
``{"event": "answered"}`` after the call is up, then it waits for ``{"speak_at": <time.monotonic>}``, speaks, and after
the other side has hung up writes ``{"event": "done", ...}`` with its measurements, and the samples to ``<out>.npz``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import trio

from vb.demo.signals import Utterance, speech
from vb.media.priority import raise_priority
from vb.phone.call import PhoneCall
from vb.phone.phone import Phone, PhoneSettings, open_phone
from vb.phone.trace import ladder

ANSWER_SECONDS = 15.0
CALL_SECONDS = 120.0


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def hear_start(call: PhoneCall) -> tuple[float, int]:
    """When (`time.monotonic`) the first tick of the timeline was, and that tick's number."""
    first = call.heard.first_tick
    assert first is not None
    ticks, at = call.phone.clock.statistics().ticks, time.monotonic()
    return at - (ticks - first) * 0.02, first


async def run(arguments: argparse.Namespace) -> None:
    settings = PhoneSettings(user=arguments.name, transport=arguments.transport)
    async with open_phone(settings) as phone:
        call = await phone.dial(arguments.uri)
        with trio.fail_after(ANSWER_SECONDS):
            await call.wait_answered()
        say({"event": "answered"})
        with trio.fail_after(CALL_SECONDS):
            await converse(phone, call, arguments)


async def converse(phone: Phone, call: PhoneCall, arguments: argparse.Namespace) -> None:
    said = speech(arguments.seed)
    utterance = Utterance(said)
    order = json.loads(await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True))
    await trio.sleep(max(0.0, order["speak_at"] - time.monotonic()))
    call.port.add_source(utterance)
    heard_from, _ = hear_start(call)
    statistics = call.port.statistics()
    while not call.ended:
        statistics = call.port.statistics()
        with trio.move_on_after(0.2):
            await call.wait_ended()
    np.savez(arguments.out, heard=call.heard.samples(), said=said)
    say(
        {
            "event": "done",
            "said_at": utterance.started_at,
            "heard_from": heard_from,
            "ended_by": call.ended_by,
            "received": statistics.received,
            "lost": statistics.lost,
            "jitter_ms": statistics.jitter_ms,
            "gaps": statistics.gaps,
            "retransmissions": phone.trace.retransmissions(),
            "ladder": ladder(phone.trace, f"{arguments.name} ({arguments.transport})", "server"),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--uri", required=True)
    parser.add_argument("--transport", choices=["UDP", "TCP"], default="UDP")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    raise_priority(realtime=True)
    trio.run(run, parser.parse_args())


if __name__ == "__main__":
    main()
