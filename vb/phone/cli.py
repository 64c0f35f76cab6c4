"""The command line of `vb call`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vb.phone import command
from vb.phone.phone import PhoneSettings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uri", help="whom to call: sip:user@host[:port][;transport=tcp]")
    parser.add_argument("--play", type=Path, metavar="WAV", help="say this file once answered")
    parser.add_argument("--record", type=Path, metavar="WAV", help="write what was heard")
    parser.add_argument("--digits", default="", help="press these digits once answered (0-9 * # A-D)")
    parser.add_argument("--seconds", type=float, default=0.0, help="hang up so long after the answer")
    parser.add_argument("--ring", type=float, default=60.0, metavar="SECONDS", help="how long to let it ring (60)")
    parser.add_argument("--user", default="vb", help="user part of our own address (vb)")
    parser.add_argument("--host", default="127.0.0.1", help="our own address (127.0.0.1)")
    parser.add_argument("--port", type=int, default=0, help="our own SIP port (any)")
    parser.add_argument("--codecs", default="PCMU,PCMA", help="in order of preference (PCMU,PCMA)")
    parser.add_argument("--ladder", action="store_true", help="show every SIP message as a ladder")


def run(arguments: argparse.Namespace) -> int:
    transport = "TCP" if "transport=tcp" in arguments.uri.lower() else "UDP"
    settings = PhoneSettings(
        user=arguments.user,
        host=arguments.host,
        port=arguments.port,
        transport=transport,  # type: ignore[arg-type]
        codecs=tuple(name.strip() for name in arguments.codecs.split(",")),
    )
    order = command.CallOrder(
        uri=arguments.uri,
        settings=settings,
        play=arguments.play,
        record=arguments.record,
        seconds=arguments.seconds,
        ring_seconds=arguments.ring,
        digits=arguments.digits,
        show_ladder=arguments.ladder,
    )
    return command.run(order, lambda line: print(line, file=sys.stdout, flush=True))
