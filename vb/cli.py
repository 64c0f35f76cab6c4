"""The ``vb`` command. Each subcommand is one row of the table; its module is only imported when it is used."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import attrs


@attrs.frozen
class Command:
    """``module`` offers ``configure(parser)`` and ``run(arguments) -> int``, the exit status."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("serve", "vb.serve_command", "run the server; settings come from the environment"),
    Command("call", "vb.phone.cli", "call a SIP URI, say a WAV file, keep what was heard"),
    Command("demo", "vb.demo.cli", "a conference of phones against a real server, with the proof that all were heard"),
    Command("spec", "vb.api.spec_command", "print the OpenAPI or AsyncAPI document"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if not word.startswith("-")), "")
    parser = argparse.ArgumentParser(
        prog="vb", description="A programmable voice platform: SIP and RTP, rooms and recordings, steered over HTTP."
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    modules = {}
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, description=command.help.capitalize() + ".")
        if command.name == chosen:
            modules[command.name] = module = importlib.import_module(command.module)
            module.configure(subparser)
    parsed = parser.parse_args(words)
    try:
        status: int = modules[parsed.command].run(parsed)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
